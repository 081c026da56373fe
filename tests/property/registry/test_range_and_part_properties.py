"""What is asked of all agents at once, a range of instants or a part of a text, is what asking each by itself gives."""

import operator
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.bits import everything, of_slots, slots_of
from ringfence_registry.finding.filtering.compiler import compile_filter
from ringfence_registry.finding.filtering.conditions import Bounds, Comparison
from ringfence_registry.finding.instants import InstantPlanes
from ringfence_registry.finding.known_texts import KnownTexts
from ringfence_registry.finding.postings import Postings

INSTANTS = st.none() | st.integers(-20, 20) | st.integers(1_700_000_000_000, 1_800_000_000_000)
TEXTS = st.text("aAbß\nİ", max_size=5)
OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}


@given(
    st.lists(INSTANTS, min_size=1, max_size=40),
    st.dictionaries(st.integers(0, 39), INSTANTS, max_size=8),
    st.builds(Bounds, least=INSTANTS, most=INSTANTS),
    st.sets(st.integers(0, 39)),
)
def test_a_range_holds_who_is_in_it_also_after_changes(
    column: list[int | None], changes: dict[int, int | None], bounds: Bounds, among: set[int]
) -> None:
    planes = InstantPlanes(column)
    for slot, instant in changes.items():
        if slot < len(column):
            column[slot] = instant
            planes.change(slot)
    if bounds != Bounds():
        found = slots_of(planes.between(bounds, column, of_slots(among)))
        assert found == [slot for slot, held in enumerate(column) if slot in among and bounds.hold(held)]


@given(st.sampled_from(sorted(OPERATORS)), st.integers(0, 3_000), st.integers(-2, 3))
def test_a_bound_between_two_milliseconds_is_where_it_is(comparator: str, nanos: int, millis: int) -> None:
    said = f'create_time {comparator} "1970-01-01T00:00:00.{nanos * 1_000:09}Z"'
    condition = compile_filter(said, AGENT_FIELDS).condition
    assert isinstance(condition, Comparison)
    assert condition.bounds is not None
    assert condition.bounds.hold(millis) is OPERATORS[comparator](millis * 1_000_000, nanos * 1_000)
    assert condition.bounds.hold(millis) is condition.test(millis)


@given(st.lists(TEXTS, max_size=60), st.lists(TEXTS, max_size=5), TEXTS)
def test_no_text_with_the_part_in_it_is_missed(first: list[str], later: list[str], part: str) -> None:
    texts = KnownTexts(first)
    for text in later:
        texts.add(text)
    folded = part.casefold()
    found = texts.containing(folded)
    assert {text for text in [*first, *later] if folded in text.casefold()} <= set(found) <= {*first, *later}


def test_many_values_are_searched_together_also_those_that_came_since_and_went() -> None:
    postings = Postings[str]()
    postings.load((f"value {slot}", slot) for slot in range(3_000))
    postings.packed()

    def holding(part: str) -> list[int]:
        return slots_of(postings.where(lambda value: part in value.casefold(), within=part))

    assert holding("2999") == [2_999]
    postings.discard("value 2999", 2_999)
    postings.add("VALUE 2999 again", 4_000)
    for slot in range(5_000, 6_100):
        postings.add(f"late {slot}", slot)
    assert holding("2999") == [4_000]
    assert holding("e 5099") == [5_099]
    assert holding("value") == [*range(2_999), 4_000]


def test_planes_are_made_anew_once_many_changed() -> None:
    column: list[int | None] = [1_000] * 2_000
    planes = InstantPlanes(column)
    assert planes.between(Bounds(least=5), column, everything(2_000)) == everything(2_000)
    for slot in range(1_025):
        assert not planes.outgrown
        planes.change(slot)
    assert planes.outgrown
