"""The condition language against the C++ implementation of CEL, which shares no line with the other oracle.

An evaluation that errs gives a value there whose text is truthy; only its type tells, so only its type is asked.
"""

from pathlib import Path

import pytest
import yaml
from cel_expr_python import cel as cpp
from hypothesis import assume, given, settings
from ringfence_pdp.cel.checker import check
from ringfence_pdp.cel.codegen import generate
from ringfence_pdp.cel.parser import parse
from ringfence_pdp.cel.problems import EvaluationError
from support.pdp.condition_texts import requests, truths
from support.pdp.conditions import SCHEMA, Request, variables

ERROR = "error"
ENV = cpp.NewEnv(variables=dict.fromkeys(("agent", "args", "labels"), cpp.Type.DYN))


def given_by_us(source: str, request: Request) -> object:
    try:
        return generate(check(source, parse(source), SCHEMA))(request)
    except EvaluationError:
        return ERROR


def given_by_the_oracle(source: str, request: Request) -> object:
    """What cel-cpp gives; None for what it cannot compile without knowing types."""
    try:
        expression = ENV.compile(source)
    except (RuntimeError, ValueError):
        return None
    value = expression.eval(data=dict(variables(request)))
    return value.value() if value.type() == cpp.Type.BOOL else ERROR


@settings(max_examples=100)
@given(source=truths(), request=requests())
def test_agrees_with_a_second_implementation(source: str, request: Request) -> None:
    # A map that a caller sends where a list is expected is an error here, and its keys there (runtime.listed).
    assume(not isinstance(request.args.get("xs"), dict))
    expected = given_by_the_oracle(source, request)
    assume(expected is not None)
    assert given_by_us(source, request) == expected


CASES_FILE = Path(__file__).parents[2] / "golden" / "pdp" / "cel_spec_cases.yaml"
CASES = [
    pytest.param(part, case, id=f"{part}: {case}")
    for part, cases in yaml.safe_load(CASES_FILE.read_text()).items()
    for case in cases
]


@pytest.mark.parametrize(("part", "source"), CASES)
def test_gives_what_the_specification_asks(part: str, source: str) -> None:
    expected = ERROR if part == "errors" else True
    assert given_by_us(source, Request()) == expected
    assert given_by_the_oracle(source, Request()) in (expected, None)
