"""Canonical JSON: what has no canonical form is refused in one way, and what has one is read back as it was."""

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.canonical_json import CanonicalFormError, Json, canonical, parse_object
from support.identity import vc_verifier

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**53,
        -(2**53),
        {"a": 10**400},
        "\ud800",
        {"a": ["\udfff"]},
        {"\ud800": 1},
        {"\ud800": 1, "a": 2},
        nested(200_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_canonical_form_is_refused_in_one_way(value: Any) -> None:
    with pytest.raises(CanonicalFormError):
        canonical(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "1",
        "{",
        '{"a": 1, "a": 1}',
        '{"b": {"a": 1, "\\u0061": 2}}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        '{"a": 1}x',
        b'{"a": "\xff"}',
        b"\xef\xbb\xbf\xff{}",
    ],
)
def test_what_is_not_one_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - every reason is one to the caller
        parse_object(text)


@given(VALUES)
def test_canonical_text_is_read_back_and_canonical_again(value: Any) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@given(VALUES)
def test_a_second_canonicaliser_writes_the_same_bytes(value: Any) -> None:
    assert canonical(value) == vc_verifier.jcs(value)


@given(st.dictionaries(NAMES, st.integers(0, 9), min_size=2, max_size=8))
def test_the_order_of_members_does_not_matter(members: dict[str, Json]) -> None:
    backwards = dict(reversed(members.items()))
    assert canonical(members) == canonical(backwards)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | NAMES
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(NAMES | st.sampled_from(["a", "b", "\U0001f600", "\ue000"]), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_the_quick_way_and_the_library_write_the_same_bytes(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


class Label(str):
    """A text of another class, which prints as something else."""

    __slots__ = ()

    def __str__(self) -> str:
        return "printed"


@pytest.mark.parametrize("value", [{Label("name"): 1, "a": 2}, {"name": Label("text")}, [Label("é")]])
def test_a_text_of_another_class_is_the_text_it_holds(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)
    assert b"printed" not in canonical(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(CanonicalFormError):
        canonical(value)
