"""What is known of agents: who a name means, and what is forgotten."""

from dataclasses import replace
from typing import Any

import pytest
from ringfence_kit.clock import EPOCH, Instant, Millis
from ringfence_pdp.facts import AgentIdentity, Facts, IdentityStatus, expired, standing_at
from support.pdp.world import ANALYST, NOW, identity

FIRST = identity()
SECOND = replace(FIRST, did="did:webvh:second:prod")


def known(*identities: object) -> Facts:
    facts = Facts()
    for one in (FIRST, SECOND):
        if one in identities:
            facts.put_identity(one)
    return facts


def test_an_identity_is_found_by_did_and_by_name_in_its_environment() -> None:
    facts = known(FIRST)
    assert facts.identity(FIRST.did, None, "dev") is FIRST
    assert facts.identity(None, ANALYST, "prod") is FIRST
    assert facts.identity(None, ANALYST, "dev") is None
    assert facts.identity("did:key:other", ANALYST, "prod") is None


def test_a_name_means_the_newest_identity_that_is_not_revoked() -> None:
    facts = known(FIRST, SECOND)
    assert facts.identity(None, ANALYST, "prod") is SECOND
    facts.put_identity(replace(FIRST, status=IdentityStatus.REVOKED))
    assert facts.identity(None, ANALYST, "prod") is SECOND
    facts.put_identity(replace(SECOND, status=IdentityStatus.REVOKED))
    named = facts.identity(None, ANALYST, "prod")
    assert named is not None
    assert named.status is IdentityStatus.REVOKED


def test_a_forgotten_identity_is_found_no_more_and_takes_no_other_along() -> None:
    facts = known(FIRST, SECOND)
    facts.drop_identity(FIRST.did)
    assert facts.identity(FIRST.did, None, "prod") is None
    assert facts.identity(None, ANALYST, "prod") is SECOND
    facts.drop_identity(SECOND.did)
    assert facts.identity(None, ANALYST, "prod") is None
    facts.drop_identity(SECOND.did)


@pytest.mark.parametrize(("age", "gone"), [(0, False), (299_999, False), (300_000, True), (None, True)])
def test_facts_expire_with_the_life_of_a_token(age: int | None, gone: bool) -> None:
    assert expired(None if age is None else Millis(age)) is gone


def test_the_ring_is_the_worst_of_stored_score_and_ceiling() -> None:
    assert standing_at(identity(ring=1, score=800), NOW, Millis(0)) == (1, 800)
    assert standing_at(identity(ring=1, score=650), NOW, Millis(0)) == (2, 650)
    assert standing_at(identity(ring=2, score=950), NOW, Millis(0)) == (2, 950)
    assert standing_at(identity(ring=2, score=650, ring_ceiling=3), NOW, Millis(0)) == (3, 650)
    assert standing_at(identity(ring=1, score=800, ring_ceiling=2), NOW, Millis(0)) == (2, 800)


def granted(until: Instant, **known: Any) -> AgentIdentity:
    agent = identity(ring=0, score=950, **known)
    return replace(agent, trust=replace(agent.trust, ring_zero_until=until))


def test_ring_0_holds_while_a_persons_grant_does_and_for_who_may_reach_ring_1() -> None:
    soon = Instant(NOW + 1)
    assert standing_at(granted(soon, ring_ceiling=1), NOW, Millis(0)) == (0, 950)
    assert standing_at(granted(soon, ring_ceiling=1), soon, Millis(0)) == (1, 950)
    assert standing_at(granted(EPOCH, ring_ceiling=1), NOW, Millis(0)) == (1, 950)
    assert standing_at(granted(soon, ring_ceiling=2), NOW, Millis(0)) == (2, 950)
    assert standing_at(granted(soon, ring_ceiling=3), NOW, Millis(0)) == (3, 950)


def test_ring_0_is_believed_only_while_identity_is_heard() -> None:
    forever = granted(Instant(NOW + 10**9), ring_ceiling=1)
    assert standing_at(forever, NOW, Millis(15_000)) == (0, 950)
    assert standing_at(forever, NOW, Millis(15_001)) == (3, 950)
    assert standing_at(forever, NOW, None) == (3, 950)
