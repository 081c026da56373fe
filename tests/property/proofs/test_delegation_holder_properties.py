"""Whose key a chain of grants is good with: the one its last grant is bound to, and nobody else's."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.delegation_chain import DelegationError, Rights, Rule, require_holder
from ringfence.proofs.delegation_grant import read_grant, sign_grant
from ringfence.proofs.did_keys import KeyPeriod
from ringfence.proofs.public_keys import Thumbprint, public_key_of
from ringfence_kit.clock import DAY, Instant
from support.identity.delegation_chains import NOW, World, did_of, next_grant
from support.identity.delegation_strategies import MOST_AGENTS, signed, sound_chains, worlds
from support.identity.keys import seeded_key

SPARE = 50
"""Agent n has the keys n + 1 and SPARE + n, both in force."""

chains_in_worlds = worlds().flatmap(lambda world: st.tuples(st.just(world), sound_chains(world, most=4)))
agents = st.integers(0, MOST_AGENTS)
keys = st.integers(1, MOST_AGENTS + 1) | st.integers(SPARE, SPARE + MOST_AGENTS)


def named(key: int) -> Thumbprint:
    return public_key_of(seeded_key(key)).thumbprint


def bound_to(grants: tuple[str, ...], key: int | None) -> tuple[str, ...]:
    """Return the chain with its last grant bound to a key, or to none."""
    last = replace(read_grant(grants[-1]).grant, holder=None if key is None else named(key))
    return (*grants[:-1], signed(last))


def rule_for(rights: Rights, did: str, key: int) -> Rule | None:
    """Return the rule for which the chain is refused to a key; None when it may be used."""
    try:
        require_holder(rights, did, named(key))
    except DelegationError as refused:
        return refused.rule
    return None


def with_spare_keys(world: World) -> World:
    for number in range(MOST_AGENTS):
        own = (public_key_of(seeded_key(key)) for key in (number + 1, SPARE + number))
        world.change(number, keys=tuple(KeyPeriod(key=key, since=Instant(NOW - DAY)) for key in own))
    return world


@given(chains_in_worlds, st.none() | keys, agents, keys)
def test_without_the_key_it_is_bound_to_a_chain_is_of_no_use(
    drawn: tuple[World, tuple[str, ...]], bound: int | None, agent: int, key: int
) -> None:
    """Property 14, for whoever checks a chain: the right agent with another key is as good as a thief."""
    world, grants = drawn
    rights = world.rights(bound_to(grants, bound))
    if agent != len(grants):
        assert rule_for(rights, did_of(agent), key) is Rule.HOLDER
    elif bound not in (None, key):
        assert rule_for(rights, did_of(agent), key) is Rule.HOLDER_KEY
    else:
        assert rule_for(rights, did_of(agent), key) is None


@given(chains_in_worlds, st.booleans(), st.booleans())
def test_without_the_key_it_is_bound_to_nobody_hands_a_chain_on(
    drawn: tuple[World, tuple[str, ...]], bound_to_spare: bool, signed_by_spare: bool
) -> None:
    """Both keys are the delegatee's, at work and good for anything else; only one may sign the next grant."""
    world, grants = drawn
    holder, own, spare = len(grants), len(grants) + 1, SPARE + len(grants)
    grants = bound_to(grants, spare if bound_to_spare else own)
    below = next_grant(grants[-1], to=holder + 1)
    longer = (*grants, sign_grant(below, seeded_key(spare if signed_by_spare else own)))
    world = with_spare_keys(world)
    if bound_to_spare == signed_by_spare:
        assert world.rights(longer).path[-1] == did_of(holder + 1)
        return
    with pytest.raises(DelegationError) as refused:
        world.rights(longer)
    assert (refused.value.rule, refused.value.link) == (Rule.HOLDER_KEY, holder + 1)


@given(chains_in_worlds, keys)
def test_being_bound_takes_nothing_from_a_chain_but_its_other_holders(
    drawn: tuple[World, tuple[str, ...]], bound: int
) -> None:
    world, grants = drawn
    free, tied = world.rights(bound_to(grants, None)), world.rights(bound_to(grants, bound))
    assert tied.holder == named(bound)
    assert replace(tied, holder=None, grants=free.grants) == free
