"""Records in memory: smaller, and the same when they are looked at."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit import records
from ringfence_registry.finding.packing import Packing
from support.registry.agents import SPEC, an_agent


@given(st.lists(st.binary(max_size=300), max_size=4), st.lists(st.binary(max_size=3_000), max_size=6))
def test_whatever_was_learnt_a_record_comes_back(first: list[bytes], later: list[bytes]) -> None:
    packing = Packing()
    packing.learn(first)
    packed = [packing.pack(record) for record in later]
    packing.learn(later)
    assert [packing.unpack(each) for each in packed] == later


def test_what_all_records_have_in_common_costs_next_to_nothing() -> None:
    kept = [records.encode(an_agent(f"a{n}", spec=replace(SPEC, team=f"team-{n}"))) for n in range(50)]
    packing = Packing()
    packing.learn(kept)
    packed = [packing.pack(record) for record in kept]
    assert [packing.unpack(each) for each in packed] == kept
    assert sum(map(len, packed)) * 3 < sum(map(len, kept))
