"""Sets of slots: whatever way they are made, they hold the slots they were made of."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_registry.finding.bits import of_slots, slots_of

CLOSE, SCATTERED = st.integers(0, 200), st.integers(0, 20_000)


@given(st.lists(CLOSE) | st.lists(SCATTERED))
def test_a_set_holds_the_slots_it_was_made_of(slots: list[int]) -> None:
    assert slots_of(of_slots(slots)) == sorted(set(slots))
