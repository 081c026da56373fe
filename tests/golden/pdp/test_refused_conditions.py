"""Conditions that are refused, with the place, the problem and the remedy: held to a table of cases."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ringfence_pdp.cel.parser import DEPTH_MAX
from ringfence_pdp.cel.problems import ConditionInvalid
from ringfence_pdp.cel.tokens import SOURCE_MAX, TOKENS_MAX
from support.pdp.conditions import compiled

TABLE = yaml.safe_load(Path(__file__).with_name("refused_conditions.yaml").read_text())
CASES = [pytest.param(case, id=f"{part}: {case['when'][:80]}") for part, cases in TABLE.items() for case in cases]


@pytest.mark.parametrize("case", CASES)
def test_says_where_and_what_and_what_would_be_right(case: dict[str, Any]) -> None:
    with pytest.raises(ConditionInvalid) as raised:
        compiled(case["when"])
    assert str(raised.value.position) == case["at"]
    assert case["says"] in raised.value.problem
    assert case.get("remedy", "") in raised.value.remedy


@pytest.mark.parametrize(
    "bomb",
    [
        "(" * 500 + "agent.busy" + ")" * 500,
        "!" * 1_000 + "agent.busy",
        "-" * 1_000 + "agent.ring == 1",
        "agent.busy ? true : " * 300 + "true",
        "agent.ring" + " + 1" * 400 + " > 0",
        "args" + ".a" * 400 + " == 1",
        "args" + "[0]" * 400 + " == 1",
        "[" * 300 + "]" * 300 + " == args.x",
        "{'a':" * 300 + "1" + "}" * 300 + " == args.x",
        "args.a.all(x, " * 100 + "true" + ")" * 100,
    ],
    ids=lambda bomb: bomb[:24],
)
def test_deep_nesting_is_refused_before_anything_recurses_into_it(bomb: str) -> None:
    with pytest.raises(ConditionInvalid, match=f"nested too deeply; {DEPTH_MAX} levels at most"):
        compiled(bomb)


def test_a_long_condition_is_refused_by_its_length() -> None:
    with pytest.raises(ConditionInvalid, match=f"{SOURCE_MAX} at most"):
        compiled("agent.busy" + " " * SOURCE_MAX)


def test_a_condition_of_many_tokens_is_refused_by_their_number() -> None:
    with pytest.raises(ConditionInvalid, match=f"{TOKENS_MAX} tokens at most"):
        compiled("||".join(["agent.busy"] * 600))


def test_a_long_number_is_refused_without_being_read() -> None:
    with pytest.raises(ConditionInvalid, match="does not fit 64 bits"):
        compiled("agent.ring == " + "9" * 8_000)
