"""Statuses over any life an environment can lead: the bits say what happened, and a restart changes nothing."""

from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.status_list_check import expand
from ringfence_identity.model import AgentIdentity, IdentityStatus
from ringfence_identity.status.bits import StatusBits, SupersededPlace
from ringfence_identity.status.lists import encoded_list
from ringfence_identity.status.places import PLACES, StatusPlace, place_of
from ringfence_identity.trust.ledger import newborn
from ringfence_kit.clock import EPOCH
from ringfence_kit.sealed_keys import MacKey
from support.identity.births import COMPLETE
from support.identity.did_logs import NOW

AGENTS = ("a", "b", "c")
DEEDS = ("reissue", "suspend", "reinstate", "revoke", "trust")

lives = st.lists(st.tuples(st.sampled_from(AGENTS), st.sampled_from(DEEDS)), max_size=40)
numbers = st.integers(0, 5 * PLACES)
keys = st.binary(min_size=32, max_size=32).map(lambda secret: MacKey(key_id="k", secret=secret, created_at=EPOCH))


@dataclass(slots=True)
class World:
    """An environment, with what a careful clerk would write down beside it."""

    bits: StatusBits = field(default_factory=StatusBits)
    now: dict[str, AgentIdentity] = field(default_factory=dict)
    superseded: list[StatusPlace] = field(default_factory=list)
    taken: int = PLACES - 4  # so that lives run over the end of a pair of lists

    def place(self) -> StatusPlace:
        place = place_of(self.taken, MacKey(key_id="k", secret=b"k" * 32, created_at=EPOCH))
        self.taken += 1
        return place

    def put(self, after: AgentIdentity) -> None:
        self.bits.put(self.now.get(after.agent), after)
        self.now[after.agent] = after

    def born(self, name: str) -> AgentIdentity:
        if name not in self.now:
            self.put(
                AgentIdentity(
                    uid=name,
                    agent=name,
                    environment="prod",
                    did=name,
                    key=name,
                    did_version_id="1-Qm",
                    content=COMPLETE,
                    certificate_serial=1,
                    certificate_hash="hash",
                    status_place=self.place(),
                    trust=newborn(ring_ceiling=1, debt=0, now=NOW),
                    created_at=NOW,
                    updated_at=NOW,
                    revision=1,
                )
            )
        return self.now[name]

    def do(self, name: str, deed: str) -> None:
        before = self.born(name)
        if before.status is IdentityStatus.REVOKED:
            return  # nothing follows
        if deed == "reissue":
            assert before.status_place is not None
            self.superseded.append(before.status_place)
            serial = before.certificate_serial + 1
            self.put(replace(before, certificate_serial=serial, status_place=self.place()))
        elif deed == "trust":
            self.put(replace(before, revision=before.revision + 1))
        else:
            status = {
                "suspend": IdentityStatus.SUSPENDED,
                "reinstate": IdentityStatus.ACTIVE,
                "revoke": IdentityStatus.REVOKED,
            }[deed]
            self.put(replace(before, status=status))

    def places(self, status: IdentityStatus, pair: int) -> set[int]:
        places = (one.status_place for one in self.now.values() if one.status is status)
        return {place.index for place in places if place is not None and place.pair == pair}


@given(lives)
def test_the_bits_say_what_happened(life: list[tuple[str, str]]) -> None:
    world = World()
    for name, deed in life:
        world.do(name, deed)
    for pair in (1, 2):
        old = {place.index for place in world.superseded if place.pair == pair}
        assert set(world.bits.revoked("prod", pair)) == old | world.places(IdentityStatus.REVOKED, pair)
        assert set(world.bits.suspended("prod", pair)) == world.places(IdentityStatus.SUSPENDED, pair)


@given(lives)
def test_a_restart_says_the_same(life: list[tuple[str, str]]) -> None:
    world = World()
    for name, deed in life:
        world.do(name, deed)
    superseded = [SupersededPlace(environment="prod", pair=place.pair, index=place.index) for place in world.superseded]
    again = StatusBits(world.now.values(), superseded)
    for pair in (1, 2, 3):
        assert again.revoked("prod", pair) == world.bits.revoked("prod", pair)
        assert again.suspended("prod", pair) == world.bits.suspended("prod", pair)
    assert again.pairs("prod") == world.bits.pairs("prod")


@given(lives)
def test_revocation_is_never_taken_back(life: list[tuple[str, str]]) -> None:
    world = World()
    for name, deed in life:
        before = {pair: set(world.bits.revoked("prod", pair)) for pair in (1, 2)}
        world.do(name, deed)
        for pair in (1, 2):
            assert before[pair] <= world.bits.revoked("prod", pair)


@given(lives)
def test_a_list_is_signed_anew_exactly_when_it_may_say_something_else(life: list[tuple[str, str]]) -> None:
    world = World()
    for name in AGENTS:
        world.born(name)
    for name, deed in life:
        changes, before = world.bits.changes("prod"), said(world.bits)
        world.do(name, deed)
        if said(world.bits) != before:
            assert world.bits.changes("prod") > changes
        if deed == "trust":
            assert world.bits.changes("prod") == changes


@given(st.sets(numbers, min_size=2, max_size=30), keys)
def test_no_two_certificates_share_a_place(given_out: set[int], key: MacKey) -> None:
    places = {(place.pair, place.index) for place in (place_of(number, key) for number in given_out)}
    assert len(places) == len(given_out)
    assert all(0 <= index < PLACES and pair >= 1 for pair, index in places)


@given(numbers, keys)
def test_a_place_is_the_same_each_time_and_in_the_pair_of_its_number(number: int, key: MacKey) -> None:
    place = place_of(number, key)
    assert place == place_of(number, key)
    assert place.pair == number // PLACES + 1
    assert (place.revocation_list % 2, place.suspension_list % 2) == (1, 0)
    assert place.revocation_list + 1 == place.suspension_list == 2 * place.pair


@given(st.sets(st.integers(0, PLACES - 1), max_size=200))
def test_a_list_is_packed_and_expanded_without_loss(indices: set[int]) -> None:
    bits = expand(encoded_list(indices))
    assert sum(byte.bit_count() for byte in bits) == len(indices)
    assert all(bits[index // 8] >> 7 - index % 8 & 1 for index in indices)
    assert encoded_list(sorted(indices)) == encoded_list(indices)


def said(bits: StatusBits) -> list[set[int]]:
    return [set(tell("prod", pair)) for pair in (1, 2, 3) for tell in (bits.revoked, bits.suspended)]
