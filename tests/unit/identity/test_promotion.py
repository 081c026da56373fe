"""What a promotion needs, and what a person's grant needs."""

from dataclasses import replace

import pytest
from ringfence_identity.accounts import Accounts
from ringfence_identity.model import Sponsor
from ringfence_identity.trust.promotion import Condition, conditions_of, grant_conditions, may_be_promoted
from ringfence_kit.clock import DAY, EPOCH, Instant
from ringfence_kit.trust_decay import MICRO, TrustState

T0 = Instant(1_767_225_600_000)


def state(score: int, *, ring: int = 3, ceiling: int = 1_000) -> TrustState:
    earned = (score - 300) * MICRO
    return TrustState(earned=earned, last_positive_at=T0, last_event_at=T0, stored_ring=ring, ceiling=ceiling)


def unmet(conditions: tuple[Condition, ...]) -> list[str]:
    return [condition.text for condition in conditions if not condition.met]


@pytest.mark.parametrize(("ring", "score"), [(2, 425), (1, 725), (0, 925)])
def test_each_ring_needs_25_points_more_than_its_threshold(ring: int, score: int) -> None:
    assert may_be_promoted(state(score), ring, T0)
    assert unmet(conditions_of(state(score - 1), ring, T0)) == [f"a score of {score} or more"]


def test_time_brings_what_time_can_bring_and_says_when() -> None:
    waiting = replace(state(980, ring=1), promoted_at=Instant(T0 - DAY + 5), penalised_at=Instant(T0 - 7 * DAY + 9))
    _, dwell, quarantine, _ = conditions_of(waiting, 0, T0)
    assert (dwell.met, dwell.met_at) == (False, T0 + 5)
    assert (quarantine.met, quarantine.met_at) == (False, T0 + 9)
    _, dwell, quarantine, _ = conditions_of(waiting, 0, Instant(T0 + 9))
    assert (dwell, quarantine) == (Condition(dwell.text, met=True), Condition(quarantine.text, met=True))


@pytest.mark.parametrize(("ceiling", "reachable"), [(1_000, {0, 1, 2}), (699, {2}), (399, set())])
def test_a_ring_ceiling_keeps_better_rings_out_of_reach(ceiling: int, reachable: set[int]) -> None:
    met = {ring for ring in range(3) if conditions_of(state(399, ceiling=ceiling), ring, T0)[-1].met}
    assert met == reachable


def test_ring_0_takes_ring_1_at_present() -> None:
    assert unmet(grant_conditions(state(950, ring=1), T0)) == []
    assert unmet(grant_conditions(state(950, ring=2), T0)) == ["ring 1 at present"]
    granted = replace(state(950, ring=0), ring_zero_until=Instant(T0 + 1))
    assert unmet(grant_conditions(granted, T0)) == ["ring 1 at present"]
    assert unmet(grant_conditions(replace(granted, ring_zero_until=EPOCH), T0)) == []


ADA = Sponsor(
    name="sponsors/ada",
    display_name="Ada",
    contact="ada@example.com",
    oidc_issuer="https://idp.example.com",
    oidc_subject="00u1",
    verified_by="dev:operator",
    created_at=T0,
    revision=1,
)


@pytest.mark.parametrize(
    ("principal", "sponsor", "same"),
    [
        ("corp:00u1", ADA, True),
        ("corp:00u2", ADA, False),
        ("other:00u1", ADA, False),
        ("00u1", ADA, False),
        ("corp:00u1", replace(ADA, oidc_issuer="https://idp.example.com/"), False),
        ("corp:", replace(ADA, oidc_issuer="", oidc_subject=""), False),
        ("corp:00u1", None, False),
    ],
)
def test_a_principal_is_a_sponsor_when_issuer_and_subject_are_the_same(
    principal: str, sponsor: Sponsor | None, same: bool
) -> None:
    accounts = Accounts({"corp": "https://idp.example.com", "other": "https://other.example.com"})
    assert accounts.is_of(principal, sponsor) is same
