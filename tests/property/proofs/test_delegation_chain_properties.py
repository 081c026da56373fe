"""What holds of every chain of grants, whoever made it: it narrows, it hangs together, and it ends."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ringfence.proofs.delegation_chain import DelegationError, Rights, Rule, require_in_force
from ringfence.proofs.delegation_grant import Grant, GrantFormError, claims_of, read_grant, sign_grant
from ringfence.proofs.scopes import covers, is_scope, meet, not_covered
from ringfence_kit.clock import HOUR, Instant
from support.identity.delegation_chains import NOW, World, did_of, next_grant, sound_chain
from support.identity.delegation_strategies import (
    hashes_of,
    scope_sets,
    scopes,
    signed,
    sound_chains,
    wild_chains,
    worlds,
)
from support.identity.keys import seeded_key

chains_in_worlds = worlds().flatmap(lambda world: st.tuples(st.just(world), sound_chains(world)))
wild_chains_in_worlds = worlds().flatmap(lambda world: st.tuples(st.just(world), wild_chains(world)))
long_chains_in_worlds = worlds().flatmap(lambda world: st.tuples(st.just(world), sound_chains(world, least=2)))


def rule_broken(world: World, grants: tuple[str, ...]) -> Rule | None:
    """Return the rule a chain is refused for; None when it holds."""
    try:
        world.rights(grants)
    except DelegationError as refused:
        return refused.rule
    return None


def rights_or_none(world: World, grants: tuple[str, ...]) -> Rights | None:
    try:
        return world.rights(grants)
    except DelegationError:
        return None


@given(chains_in_worlds)
def test_what_is_narrowed_holds(drawn: tuple[World, tuple[str, ...]]) -> None:
    world, grants = drawn
    rights = world.rights(grants)
    assert rights.grants == hashes_of(grants)
    assert rights.path == tuple(did_of(number) for number in range(len(grants) + 1))


@given(wild_chains_in_worlds)
def test_no_chain_is_worth_more_than_any_link_or_any_certificate(drawn: tuple[World, tuple[str, ...]]) -> None:
    """Property 1 and 8: wherever a random walk of grants leads, it does not lead beyond what its root had."""
    world, grants = drawn
    rights = rights_or_none(world, grants)
    assume(rights is not None)
    assert rights is not None
    held = [read_grant(compact).grant for compact in grants]
    for grant in held:
        assert not_covered(grant.scopes, rights.scopes) == ()
        assert set(rights.audiences) <= set(grant.audiences)
        assert rights.tools.items() <= dict(grant.tools).items()
        assert grant.not_before <= rights.not_before
        assert rights.expires_at <= grant.expires_at
    for did in rights.path:
        certificate = world.parties[did].certificate
        assert not_covered(certificate.permissions, rights.scopes) == ()
        assert all(certificate.approves(tool, schema) for tool, schema in rights.tools.items())


@given(wild_chains_in_worlds, scopes)
def test_a_scope_the_root_lacks_is_reached_by_nobody(drawn: tuple[World, tuple[str, ...]], wish: str) -> None:
    world, grants = drawn
    root = world.parties[did_of(0)].certificate.permissions
    assume(not_covered(root, (wish,)))
    rights = rights_or_none(world, grants)
    assert rights is None or not_covered(rights.scopes, (wish,)) == (wish,)


@given(long_chains_in_worlds, st.data())
def test_a_chain_without_one_of_its_links_is_none(drawn: tuple[World, tuple[str, ...]], data: st.DataObject) -> None:
    world, grants = drawn
    left_out = data.draw(st.integers(0, len(grants) - 2))
    assert rule_broken(world, grants[:left_out] + grants[left_out + 1 :]) is not None


@given(long_chains_in_worlds, st.data())
def test_a_chain_in_another_order_is_none(drawn: tuple[World, tuple[str, ...]], data: st.DataObject) -> None:
    world, grants = drawn
    shuffled = tuple(data.draw(st.permutations(grants)))
    assert (rule_broken(world, shuffled) is None) == (shuffled == grants)


@given(chains_in_worlds, st.data())
def test_a_chain_with_a_link_twice_is_none(drawn: tuple[World, tuple[str, ...]], data: st.DataObject) -> None:
    world, grants = drawn
    twice, at = data.draw(st.sampled_from(grants)), data.draw(st.integers(0, len(grants)))
    assert rule_broken(world, (*grants[:at], twice, *grants[at:])) is not None


@given(long_chains_in_worlds, st.data())
def test_a_chain_with_a_link_of_another_chain_is_none(
    drawn: tuple[World, tuple[str, ...]], data: st.DataObject
) -> None:
    world, grants = drawn
    at = data.draw(st.integers(0, len(grants) - 1))
    own = read_grant(grants[at]).grant
    others = replace(own, grant_id="of-another", chain="of-another")
    assert rule_broken(world, (*grants[:at], signed(others), *grants[at + 1 :])) is not None


@given(chains_in_worlds, st.data())
def test_one_flipped_bit_anywhere_voids_a_chain(drawn: tuple[World, tuple[str, ...]], data: st.DataObject) -> None:
    world, grants = drawn
    link = data.draw(st.integers(0, len(grants) - 1))
    raw = bytearray(grants[link].encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 6))
    bent = raw.decode("ascii")
    assert rule_broken(world, (*grants[:link], bent, *grants[link + 1 :])) is not None


@given(st.integers(0, 2), st.data())
def test_one_other_character_anywhere_voids_a_chain(link: int, data: st.DataObject) -> None:
    grants = sound_chain(3)
    at = data.draw(st.integers(0, len(grants[link]) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda one: one != grants[link][at]))
    bent = grants[link][:at] + other + grants[link][at + 1 :]
    assert rule_broken(World(), (*grants[:link], bent, *grants[link + 1 :])) is not None


@given(chains_in_worlds)
def test_the_further_down_the_sooner_it_ends(drawn: tuple[World, tuple[str, ...]]) -> None:
    world, grants = drawn
    ends = [world.rights(grants[:depth]).expires_at for depth in range(1, len(grants) + 1)]
    assert ends == sorted(ends, reverse=True)


@given(wild_chains_in_worlds)
def test_no_grant_outlives_the_one_above(drawn: tuple[World, tuple[str, ...]]) -> None:
    world, grants = drawn
    ends = [read_grant(compact).grant.expires_at for compact in grants]
    if ends != sorted(ends, reverse=True):
        assert rule_broken(world, grants) is not None


@given(chains_in_worlds, st.integers(-2, 2).map(lambda hours: Instant(NOW + hours * HOUR)))
def test_a_chain_is_good_exactly_while_every_link_is(drawn: tuple[World, tuple[str, ...]], now: Instant) -> None:
    """Property 5: a fresh leaf saves no expired ancestor."""
    world, grants = drawn
    held = [read_grant(compact).grant for compact in grants]
    good = all(grant.not_before <= now < grant.expires_at for grant in held)
    rights = world.rights(grants)
    if good:
        require_in_force(rights, now=now)
    else:
        with pytest.raises(DelegationError) as refused:
            require_in_force(rights, now=now)
        assert refused.value.rule is Rule.TIME


@given(long_chains_in_worlds, st.data())
def test_a_leaf_fresher_than_its_ancestor_is_refused(drawn: tuple[World, tuple[str, ...]], data: st.DataObject) -> None:
    world, grants = drawn
    longer = data.draw(st.integers(1, 10**6))
    fresh = replace(read_grant(grants[-1]).grant, expires_at=Instant(NOW + HOUR + longer * 1_000))
    assert rule_broken(world, (*grants[:-1], signed(fresh))) is Rule.WINDOW


@given(chains_in_worlds, st.data())
def test_one_hop_into_another_environment_voids_a_chain(
    drawn: tuple[World, tuple[str, ...]], data: st.DataObject
) -> None:
    world, grants = drawn
    if data.draw(st.booleans(), label="an agent rather than a claim"):
        world.change(data.draw(st.integers(0, len(grants))), environment="dev")
        assert rule_broken(world, grants) is Rule.ENVIRONMENT
        return
    link = data.draw(st.integers(0, len(grants) - 1))
    elsewhere = [signed(replace(read_grant(grants[link]).grant, environment="dev"))]
    for number in range(link + 2, len(grants) + 1):
        elsewhere.append(signed(next_grant(elsewhere[-1], to=number, environment="prod")))
    assert rule_broken(world, (*grants[:link], *elsewhere)) is Rule.ENVIRONMENT


@given(worlds(), st.data())
def test_six_links_are_never_a_chain(world: World, data: st.DataObject) -> None:
    grants = data.draw(sound_chains(world, least=5))
    sixth = sign_grant(next_grant(grants[-1], to=6, depth=6, max_depth=6), seeded_key(6))
    with pytest.raises(GrantFormError):
        read_grant(sixth)
    again = signed(next_grant(grants[-1], to=6, depth=5))
    assert rule_broken(world, (*grants, again)) is Rule.LINKS
    assert rule_broken(world, (*grants[1:], again)) is not None


@given(chains_in_worlds, st.data())
def test_nobody_is_in_a_chain_twice(drawn: tuple[World, tuple[str, ...]], data: st.DataObject) -> None:
    """Property 13: a cycle of any length, one included."""
    world, grants = drawn
    back_to = data.draw(st.integers(0, len(grants) - 1))
    closing = replace(read_grant(grants[-1]).grant, delegatee=did_of(back_to))
    assert rule_broken(world, (*grants[:-1], signed(closing))) is Rule.LOOP


@given(chains_in_worlds)
def test_the_ring_is_no_better_than_anyones(drawn: tuple[World, tuple[str, ...]]) -> None:
    world, grants = drawn
    rights = world.rights(grants)
    rings = [world.parties[did].ring for did in rights.path]
    assert rights.ring == max(rings)
    assert all(rights.ring >= ring for ring in rings)


@given(chains_in_worlds)
def test_asking_twice_gives_the_same(drawn: tuple[World, tuple[str, ...]]) -> None:
    world, grants = drawn
    assert world.rights(grants) == world.rights(grants)


@given(long_chains_in_worlds)
def test_one_more_link_never_adds_anything(drawn: tuple[World, tuple[str, ...]]) -> None:
    world, grants = drawn
    above, below = world.rights(grants[:-1]), world.rights(grants)
    assert not_covered(above.scopes, below.scopes) == ()
    assert set(below.audiences) <= set(above.audiences)
    assert below.tools.items() <= above.tools.items()
    assert (below.ring, -below.expires_at, below.not_before) >= (above.ring, -above.expires_at, above.not_before)


@given(chains_in_worlds)
def test_another_key_signs_no_link(drawn: tuple[World, tuple[str, ...]]) -> None:
    world, grants = drawn
    last = read_grant(grants[-1]).grant
    assert rule_broken(world, (*grants[:-1], sign_grant(last, seeded_key(99)))) is Rule.KEY


@given(chains_in_worlds)
def test_a_grant_says_what_is_read_from_it(drawn: tuple[World, tuple[str, ...]]) -> None:
    for compact in drawn[1]:
        grant: Grant = read_grant(compact).grant
        assert claims_of(grant) == read_grant(compact).jws.payload
        assert read_grant(signed(grant)).grant == grant
        assert signed(grant) == compact


@given(scope_sets, scope_sets, scopes)
def test_what_two_have_in_common_covers_exactly_what_both_cover(
    one: tuple[str, ...], other: tuple[str, ...], wish: str
) -> None:
    common = meet(one, other)
    assert all(is_scope(scope) for scope in common)
    both = not not_covered(one, (wish,)) and not not_covered(other, (wish,))
    assert (not not_covered(common, (wish,))) == both


@given(scope_sets, scope_sets, scope_sets)
def test_the_meet_is_a_meet(one: tuple[str, ...], other: tuple[str, ...], third: tuple[str, ...]) -> None:
    assert meet(one, other) == meet(other, one)
    assert meet(meet(one, other), third) == meet(one, meet(other, third))
    assert meet(one, one) == meet(one, one + one)
    assert meet(meet(one, other), one) == meet(one, other)
    common = meet(one, other)
    assert not any(covers(wide, narrow) for wide in common for narrow in common if wide != narrow)
