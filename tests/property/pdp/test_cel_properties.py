"""The condition language against another implementation, and against the laws it must keep."""

import contextlib
import copy
from typing import Any

import cel
from hypothesis import assume, given
from hypothesis import strategies as st
from ringfence_pdp.cel.checker import check
from ringfence_pdp.cel.codegen import generate
from ringfence_pdp.cel.condition import Condition
from ringfence_pdp.cel.leaning import Cause, Direction
from ringfence_pdp.cel.parser import parse
from ringfence_pdp.cel.problems import ConditionInvalid, EvaluationError
from support.pdp.condition_texts import requests, truths
from support.pdp.conditions import SCHEMA, Request, compiled, variables

ERROR = "error"


def given_by_us(source: str, request: Request) -> object:
    try:
        return generate(check(source, parse(source), SCHEMA))(request)
    except EvaluationError:
        return ERROR


def given_by_the_oracle(source: str, request: Request) -> object:
    """What common-expression-language gives. Its known departures from the specification are kept out of the texts:

    it does not absorb errors inside all() and exists(), counts bytes in size(), compares ints with doubles as doubles
    and with NaN not at all, and lets the negation of the least int overflow in silence.
    """
    try:
        answer = cel.evaluate(source, dict(variables(request)))
    except (ArithmeticError, KeyError, TypeError, ValueError, IndexError, RuntimeError):
        return ERROR
    return answer if isinstance(answer, bool) else ERROR


@given(source=truths(), request=requests())
def test_agrees_with_another_implementation(source: str, request: Request) -> None:
    # A map that a caller sends where a list is expected is an error here, and its keys there (runtime.listed).
    assume(not isinstance(request.args.get("xs"), dict))
    assert given_by_us(source, request) == given_by_the_oracle(source, request)


@given(source=st.text(alphabet="ab.()[]{}!&|<>=+-*/%?:,'\"\\ 01.5u\nargsent", max_size=60))
def test_any_text_is_compiled_or_refused_and_nothing_else(source: str) -> None:
    with contextlib.suppress(ConditionInvalid):
        assert compiled(source).cost > 0


def accepted(source: str) -> Condition:
    try:
        return compiled(source)
    except ConditionInvalid:
        assume(False)
        raise


def answer(condition: Condition, request: Request) -> object:
    try:
        return condition.evaluate(request)
    except EvaluationError:
        return ERROR


def paths(value: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, below in value.items():
        found.append((*above, key))
        if isinstance(below, dict):
            found += paths(below, (*above, key))
    return found


def without(request: Request, path: tuple[str, ...]) -> Request:
    changed = copy.deepcopy(request)
    place: Any = changed.args if path[0] == "args" else changed.labels
    for key in path[1:-1]:
        place = place[key]
    del place[path[-1]]
    return changed


@given(data=st.data(), source=truths(), request=requests())
def test_leaving_something_out_changes_a_condition_only_the_way_it_leans(
    data: st.DataObject, source: str, request: Request
) -> None:
    condition = accepted(source)
    removable = [("args", *path) for path in paths(request.args)] + [("labels", key) for key in request.labels]
    assume(removable)
    before = answer(condition, request)
    after = answer(condition, without(request, data.draw(st.sampled_from(removable))))
    leans = {leaning.direction for leaning in condition.leanings if leaning.cause is Cause.ABSENCE}
    if after is True and before is not True:
        assert Direction.RISES in leans
    if after is False and before is not False:
        assert Direction.FALLS in leans


@given(source=truths(), request=requests(), ring=st.integers(0, 3), trust=st.integers(0, 1000))
def test_trusting_an_agent_less_changes_a_condition_only_the_way_it_leans(
    source: str, request: Request, ring: int, trust: int
) -> None:
    condition = accepted(source)
    before = answer(condition, request)
    request.agent.ring, request.agent.trust = max(request.agent.ring, ring), min(request.agent.trust, trust)
    after = answer(condition, request)
    leans = {leaning.direction for leaning in condition.leanings if leaning.cause is Cause.DISTRUST}
    if after is True and before is not True:
        assert Direction.RISES in leans
    if after is False and before is not False:
        assert Direction.FALLS in leans


@given(source=truths(), request=requests())
def test_what_is_refused_as_never_true_is_never_true(source: str, request: Request) -> None:
    try:
        compiled(source)
    except ConditionInvalid:
        assert given_by_us(source, request) is not True
