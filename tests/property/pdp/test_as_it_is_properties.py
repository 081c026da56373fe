"""What is kept of arguments as they were sent is their canonical form, and nothing that a mask or a reader minds."""

from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st
from ringfence_pdp.asked_document import as_it_is, asked_document
from ringfence_pdp.masks import NO_MASKS, Masks
from ringfence_pdp.model import CheckRequest

NAMES = st.sampled_from(["rows", "token", "TOKEN", "0", "1", "é", "sql", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-9, 9).map(float) | st.text(max_size=3),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3),
    max_leaves=8,
)
SENT = st.dictionaries(NAMES, VALUES, max_size=4)
MASKS = st.lists(st.sampled_from(["**.token", "**.1", "**.arguments", "arguments.rows", "labels.token"]), max_size=2)
ROOTS = st.sampled_from(["arguments", "context", "labels"])

encode = msgspec.json.Encoder(order="sorted").encode


@given(sent=SENT, masks=MASKS.map(Masks.of), root=ROOTS)
@example(sent={"rows": -0.0}, masks=NO_MASKS, root="arguments")
@example(sent={"rows": [2.0**53, 0.5]}, masks=NO_MASKS, root="context")
@example(sent={"rows": [{"Token": "x"}]}, masks=Masks.of(["**.token"]), root="arguments")
def test_what_is_kept_as_it_is_was_masked_nowhere_and_is_canonical(
    sent: dict[str, Any], masks: Masks, root: str
) -> None:
    kept = as_it_is(sent, root, masks)
    if kept is None:
        return
    left_out: list[str] = []
    assert masks.masked(sent, (root,), left_out) == sent
    assert not left_out
    assert encode(kept) == rfc8785.dumps(sent)


@given(sent=SENT.filter(bool))
def test_most_of_what_is_sent_is_kept_as_it_is(sent: dict[str, Any]) -> None:
    """A question without names, numbers or masks to look at is not looked at twice."""
    simple = _simple(sent)
    assert as_it_is(simple, "arguments", Masks.of(["**.token"])) == simple


@pytest.mark.parametrize("number", [0.5, -0.0, 2.0**53, float("inf"), float("nan")])
def test_a_number_that_is_no_whole_one_is_looked_at_more_closely(number: float) -> None:
    assert as_it_is({"rows": [number]}, "arguments", NO_MASKS) is None


@given(sent=SENT.filter(bool), masks=MASKS.map(Masks.of))
def test_the_log_keeps_what_is_canonical_either_way(sent: dict[str, Any], masks: Masks) -> None:
    left_out: list[str] = []
    asked = asked_document(CheckRequest("read", "prod", arguments=lambda: sent), masks, left_out, whole=True)
    shown: Any = masks.masked(sent, ("arguments",), [])
    if not left_out:
        assert encode(asked["arguments"]) == rfc8785.dumps(shown)


def _simple(value: Any) -> Any:
    """Return the same shape with plain names, and texts and whole numbers in it."""
    match value:
        case dict():
            return {f"name {place}": _simple(one) for place, one in enumerate(value.values())}
        case list():
            return list(map(_simple, value))
        case float():
            return 3.0
        case _:
            return value
