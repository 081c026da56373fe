"""Conditions in, truth values out: the condition language held to a table of cases."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ringfence_pdp.cel.problems import EvaluationError
from support.pdp.conditions import Request, compiled

TABLE = yaml.safe_load(Path(__file__).with_name("conditions.yaml").read_text())
CASES = [pytest.param(case, id=f"{part}: {case['when']}") for part, cases in TABLE.items() for case in cases]

REQUEST = Request(
    args={
        "rows": 100000.0,
        "ratio": -1.9,
        "big": 9007199254740992.0,
        "nan": float("nan"),
        "digits": "42",
        "name": "orders",
        "shout": "DROP tÄble",
        "greeting": "grüße",
        "at": "2026-01-01T00:00:00Z",
        "flag": True,
        "one": 1.0,
        "nothing": None,
        "columns": ["id", "email"],
        "mixed": [1.0, True, "a", None],
        "empty": [],
        "table": {"name": "orders", "parts": [1.0, 2.0]},
    },
    labels={"team": "data", "cost-centre": "7"},
)


@pytest.mark.parametrize("case", CASES)
def test_gives_what_the_table_says(case: dict[str, Any]) -> None:
    condition = compiled(case["when"])
    if "error" in case:
        with pytest.raises(EvaluationError) as raised:
            condition.evaluate(REQUEST)
        assert case["error"] in str(raised.value)
    else:
        assert condition.evaluate(REQUEST) is case["gives"]
