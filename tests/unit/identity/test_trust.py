"""Trust to the point: the check values of the design, and each rule of the write side by itself."""

from dataclasses import replace

import pytest
from ringfence_identity.trust.caps import TrustLedger
from ringfence_identity.trust.evidence import Evidence, Outcome, weight_of_rater
from ringfence_identity.trust.ledger import (
    CEILINGS,
    DEBT_HALF_LIFE,
    apply_evidence,
    inherited_debt,
    newborn,
    with_ring_ceiling,
    with_ring_zero,
    without_ring_zero,
)
from ringfence_identity.trust.promotion import grant_conditions
from ringfence_kit.clock import DAY, EPOCH, HOUR, Instant, Millis
from ringfence_kit.trust_decay import DEBT_MAX, MICRO, TrustState, demotion_at, ring_at, score_at

T0 = Instant(1_767_225_600_000)
FLOOD = Evidence(points=1_000)


def after(days: float) -> Instant:
    return Instant(T0 + round(days * DAY))


def idle_from(score: int, *, ring: int = 0, debt: int = 0) -> TrustLedger:
    """Return an agent that reached `score` at T0 and does nothing since."""
    return TrustLedger(
        state=TrustState(
            earned=(score - 300 + debt) * MICRO,
            debt=debt * MICRO,
            debt_at=T0,
            last_positive_at=T0,
            last_event_at=T0,
            stored_ring=ring,
            ring_zero_until=after(30) if ring == 0 else EPOCH,
        )
    )


# Idle since day 0, without debt: the score on each day, and when each ring is left.
IDLE_DAYS = (1, 2, 3, 7, 14, 28, 60, 90)
IDLE = {
    950: (950, 918, 888, 782, 641, 470, 335, 307),
    900: (900, 871, 843, 745, 615, 457, 332, 307),
    800: (800, 775, 752, 671, 562, 431, 326, 306),
    700: (700, 680, 662, 597, 510, 405, 321, 304),
    500: (500, 490, 481, 448, 405, 352, 310, 302),
}


@pytest.mark.parametrize(
    ("start", "day", "score"),
    [(start, day, score) for start, row in IDLE.items() for day, score in zip(IDLE_DAYS, row, strict=True)],
)
def test_an_idle_agent_fades_to_the_point(start: int, day: int, score: int) -> None:
    assert score_at(idle_from(start).state, after(day)) == score


@pytest.mark.parametrize(
    ("start", "ring", "day"),
    [
        (950, 0, 2.6),
        (950, 1, 10.8),
        (950, 2, 38.8),
        (900, 0, 1.0),
        (900, 1, 9.2),
        (900, 2, 37.2),
        (800, 1, 5.5),
        (800, 2, 33.5),
        (700, 1, 1.0),
        (700, 2, 29.0),
        (500, 2, 15.0),
    ],
)
def test_an_idle_agent_leaves_its_ring_on_the_day(start: int, ring: int, day: float) -> None:
    state = replace(idle_from(start).state, ring_zero_until=after(365))
    at = T0
    while ring_at(state, at) < ring:
        at = demotion_at(state, at) or pytest.fail("it never leaves the ring before")
    left = demotion_at(state, at)
    assert left is not None
    assert round((left - T0) / DAY, 1) == day


def test_one_millisecond_after_the_grace_ring_0_is_left() -> None:
    state = idle_from(900).state
    assert ring_at(state, after(1)) == 0
    assert ring_at(state, Instant(after(1) + 1_000)) == 1


def eligible(ledger: TrustLedger, now: Instant) -> bool:
    return all(condition.met for condition in grant_conditions(ledger.state, now))


def climb(hours: int) -> list[TrustLedger]:
    """Flood a newborn with evidence every hour and return the ledger after each."""
    ledger = newborn(ring_ceiling=1, debt=0, now=T0)
    ledgers = []
    for hour in range(hours):
        ledger = apply_evidence(ledger, FLOOD, now=Instant(T0 + hour * HOUR)).ledger
        ledgers.append(ledger)
    return ledgers


def test_climbing_at_the_cap_takes_as_long_as_the_design_says() -> None:
    ledgers = climb(26 * 24)

    def day_of(reached: object) -> float:
        return next(hour / 24 for hour, ledger in enumerate(ledgers) if reached(ledger, hour))  # type: ignore[operator]  # a predicate

    def ring(ledger: TrustLedger, hour: int) -> int:
        return ring_at(ledger.state, Instant(T0 + hour * HOUR))

    assert round(day_of(lambda ledger, hour: score_at(ledger.state, Instant(T0 + hour * HOUR)) >= 400), 1) == 1.1
    assert round(day_of(lambda ledger, hour: ring(ledger, hour) == 2), 1) == 2.0
    assert round(day_of(lambda ledger, hour: ring(ledger, hour) == 1), 1) == 10.1
    assert round(day_of(lambda ledger, hour: eligible(ledger, Instant(T0 + hour * HOUR))), 1) == 25.1


def test_four_days_of_flooding_give_505_and_no_more() -> None:
    assert score_at(climb(96)[-1].state, after(96 / 24)) == 505


def test_no_amount_of_evidence_gives_ring_0() -> None:
    ledger = climb(26 * 24)[-1]
    assert eligible(ledger, after(26))
    assert ledger.state.stored_ring == 1


def test_a_penalty_demotes_at_once() -> None:
    after_penalty = apply_evidence(idle_from(900), Evidence(points=-150), now=T0).ledger
    assert score_at(after_penalty.state, T0) == 750
    assert after_penalty.state.stored_ring == 1


@pytest.mark.parametrize(("day", "score"), [(0, 500), (7, 345), (30, 42)])
def test_a_confirmed_incident_and_then_idleness(day: int, score: int) -> None:
    ledger = apply_evidence(idle_from(900), Evidence(points=-400), now=T0).ledger
    assert score_at(ledger.state, after(day)) == score


@pytest.mark.parametrize(("day", "score"), [(7, 595), (14, 465), (30, 292), (90, 157)])
def test_a_scope_escalation_and_then_idleness(day: int, score: int) -> None:
    ledger = apply_evidence(idle_from(900), Evidence(points=-150), now=T0).ledger
    assert score_at(ledger.state, after(day)) == score


def test_debt_does_not_fade_while_nothing_good_is_shown() -> None:
    ledger = idle_from(300, ring=3, debt=200)
    a_year = replace(ledger.state, earned=0)
    assert score_at(a_year, after(365)) == 100


def test_good_evidence_pays_debt_with_its_half_and_earns_with_the_rest() -> None:
    ledger = TrustLedger(state=TrustState(debt=100 * MICRO, debt_at=T0, last_event_at=T0))
    state = apply_evidence(ledger, Evidence(points=20), now=T0).ledger.state
    assert (state.debt, state.earned) == (90 * MICRO, 10 * MICRO)


def test_debt_fades_by_half_in_sixty_days_once_evidence_comes_within_the_days_allowance() -> None:
    ledger = TrustLedger(state=TrustState(debt=40 * MICRO, debt_at=T0, last_event_at=T0))
    state = apply_evidence(ledger, Evidence(points=2), now=Instant(T0 + DEBT_HALF_LIFE)).ledger.state
    assert state.debt == 19 * MICRO
    assert state.debt_at == T0 + DEBT_HALF_LIFE


def test_a_great_old_debt_does_not_vanish_in_a_day_but_what_could_not_fade_is_not_forgotten() -> None:
    ledger = TrustLedger(state=TrustState(debt=DEBT_MAX, debt_at=T0, earned=700 * MICRO, last_event_at=T0))
    now = Instant(T0 + DEBT_HALF_LIFE)
    first = apply_evidence(ledger, Evidence(points=2), now=now).ledger
    assert first.gains[0].rise == 60 * MICRO
    assert first.state.debt == DEBT_MAX - 59 * MICRO  # 1 paid, 58 faded, and 1 point earned
    second = apply_evidence(first, Evidence(points=2), now=Instant(now + DAY)).ledger
    assert second.state.debt < first.state.debt - 50 * MICRO


def test_a_whole_point_renews_the_grace() -> None:
    state = apply_evidence(idle_from(900), Evidence(points=1), now=after(10)).ledger.state
    assert state.last_positive_at == after(10)


def test_a_trickle_does_not_hold_the_grace_open() -> None:
    trickle = Evidence(points=1, rater="did:a", rater_weight=500)
    state = apply_evidence(idle_from(900), trickle, now=after(10)).ledger.state
    assert state.last_positive_at == after(9)


@pytest.mark.parametrize(
    ("evidence", "cap"),
    [
        (Evidence(points=50), 20),
        (Evidence(points=50, rater="person:ada"), 10),
        (Evidence(points=8, rater="did:a", rater_weight=500), 4),
    ],
)
def test_one_signal_is_worth_what_the_narrowest_cap_leaves(evidence: Evidence, cap: int) -> None:
    applied = apply_evidence(newborn(ring_ceiling=1, debt=0, now=T0), evidence, now=T0)
    assert applied.ledger.gains[0].weight == cap * MICRO


def test_the_caps_slide() -> None:
    ledger = newborn(ring_ceiling=1, debt=0, now=T0)
    worth = []
    for hour in (0, 0.5, 1, 2, 3, 23.99, 24):
        applied = apply_evidence(ledger, FLOOD, now=Instant(T0 + int(hour * HOUR)))
        worth.append(sum(credit.weight for credit in applied.ledger.gains) // MICRO)
        ledger = applied.ledger
    assert worth == [20, 20, 40, 60, 60, 60, 60]


def test_a_capped_signal_says_which_cap_and_changes_nothing() -> None:
    full = apply_evidence(newborn(ring_ceiling=1, debt=0, now=T0), FLOOD, now=T0).ledger
    capped = apply_evidence(full, FLOOD, now=T0)
    assert capped.outcome is Outcome.CAPPED
    assert "20 points an hour" in capped.detail
    assert capped.ledger == full


def test_one_rater_is_capped_and_another_is_not() -> None:
    ledger = newborn(ring_ceiling=1, debt=0, now=T0)
    ada = Evidence(points=10, rater="person:ada")
    ledger = apply_evidence(ledger, ada, now=T0).ledger
    again = apply_evidence(ledger, ada, now=Instant(T0 + 2 * HOUR))
    assert again.outcome is Outcome.CAPPED
    assert "from one rater" in again.detail
    other = apply_evidence(ledger, replace(ada, rater="person:grace"), now=Instant(T0 + 2 * HOUR))
    assert other.outcome is Outcome.APPLIED


@pytest.mark.parametrize(
    ("rater", "weight"),
    [
        ({"score": 820, "ring": 1, "same_agent": False, "same_sponsor": False}, 820),
        ({"score": 399, "ring": 3, "same_agent": False, "same_sponsor": False}, 0),
        ({"score": 900, "ring": 3, "same_agent": False, "same_sponsor": False}, 0),
        ({"score": 820, "ring": 1, "same_agent": True, "same_sponsor": False}, 0),
        ({"score": 820, "ring": 1, "same_agent": False, "same_sponsor": True}, 0),
    ],
)
def test_a_raters_weight_is_its_score_unless_it_has_an_interest(rater: dict[str, int], weight: int) -> None:
    assert weight_of_rater(**rater) == weight  # type: ignore[arg-type]  # keyword names as in the cases
    evidence = Evidence(points=2, rater="did:a", rater_weight=weight)
    applied = apply_evidence(newborn(ring_ceiling=1, debt=0, now=T0), evidence, now=T0)
    assert (applied.outcome is Outcome.APPLIED) is (weight > 0)


def test_complaints_are_capped_a_reporter_and_in_all() -> None:
    ledger = idle_from(900)
    for number in range(100):
        complaint = Evidence(points=-2, rater=f"person:{number % 5}", complaint=True)
        ledger = apply_evidence(ledger, complaint, now=Instant(T0 + number)).ledger
    assert ledger.state.debt == 60 * MICRO
    one = idle_from(900)
    for number in range(100):
        complaint = Evidence(points=-2, rater="person:eve", complaint=True)
        one = apply_evidence(one, complaint, now=Instant(T0 + number)).ledger
    assert one.state.debt == 20 * MICRO


def test_what_our_own_services_observe_is_not_capped() -> None:
    ledger = idle_from(900)
    for number in range(100):
        ledger = apply_evidence(ledger, Evidence(points=-5), now=Instant(T0 + number)).ledger
    assert ledger.state.debt == 500 * MICRO


def test_promotion_waits_a_day_and_a_week_after_a_penalty() -> None:
    strong = replace(idle_from(800, ring=3), state=replace(idle_from(800, ring=3).state, promoted_at=Instant(0)))
    one = apply_evidence(strong, Evidence(points=2), now=T0).ledger
    assert one.state.stored_ring == 2
    too_soon = apply_evidence(one, Evidence(points=2), now=after(0.99)).ledger
    assert too_soon.state.stored_ring == 2
    assert apply_evidence(one, Evidence(points=2), now=after(1)).ledger.state.stored_ring == 1
    fined = apply_evidence(strong, Evidence(points=-1), now=T0).ledger
    assert apply_evidence(fined, Evidence(points=2), now=after(6.99)).ledger.state.stored_ring == 3
    assert apply_evidence(fined, Evidence(points=2), now=after(7)).ledger.state.stored_ring == 2


def test_promotion_needs_25_points_more_than_the_threshold() -> None:
    near = apply_evidence(idle_from(424, ring=3), Evidence(points=1), now=T0).ledger
    assert (score_at(near.state, T0), near.state.stored_ring) == (424, 3)
    enough = apply_evidence(idle_from(425, ring=3), Evidence(points=1), now=T0).ledger
    assert enough.state.stored_ring == 2


def test_a_ring_lost_to_time_is_not_regained_by_one_signal() -> None:
    faded = idle_from(705, ring=1)
    later = after(3)
    assert ring_at(faded.state, later) == 2
    back = apply_evidence(faded, FLOOD, now=later).ledger
    assert back.state.stored_ring == 2
    assert ring_at(back.state, later) == 2


def test_the_ring_ceiling_is_a_ceiling_of_the_score() -> None:
    assert CEILINGS == {1: 1000, 2: 699, 3: 399}
    ledger = newborn(ring_ceiling=2, debt=0, now=T0)
    for hour in range(60 * 24):
        ledger = apply_evidence(ledger, FLOOD, now=Instant(T0 + hour * HOUR)).ledger
    now = Instant(T0 + 60 * DAY)
    assert score_at(ledger.state, now) == 699
    assert ring_at(ledger.state, now) == 2


def granted(score: int = 950, *, days: int = 30) -> TrustLedger:
    """Return an agent that a person put into ring 0 at T0."""
    return with_ring_zero(idle_from(score, ring=1), until=after(days), now=T0)


def test_a_granted_ring_0_holds_until_its_end_and_is_a_promotion() -> None:
    ledger = granted(days=1)
    assert ring_at(ledger.state, T0) == 0
    assert ledger.state.promoted_at == T0
    assert ring_at(ledger.state, Instant(after(1) - 1)) == 0
    assert ring_at(ledger.state, after(1)) == 1


def test_a_grant_changes_no_score() -> None:
    before = idle_from(950, ring=1)
    for day in (0, 1, 5, 50):
        assert score_at(granted().state, after(day)) == score_at(before.state, after(day))


def test_what_our_services_observed_ends_a_grant_and_a_complaint_alone_does_not() -> None:
    fined = apply_evidence(granted(), Evidence(points=-1), now=T0).ledger
    assert (fined.state.stored_ring, fined.state.ring_zero_until) == (1, EPOCH)
    blamed = apply_evidence(granted(), Evidence(points=-2, rater="person:eve", complaint=True), now=T0).ledger
    assert ring_at(blamed.state, T0) == 0
    on_the_edge = apply_evidence(granted(901), Evidence(points=-2, rater="person:eve", complaint=True), now=T0).ledger
    assert (on_the_edge.state.stored_ring, on_the_edge.state.ring_zero_until) == (1, EPOCH)


def test_ring_0_lost_to_time_is_not_regained_by_good_evidence() -> None:
    for ledger, later in ((granted(days=2), after(2)), (granted(901), after(3))):
        assert ring_at(ledger.state, later) == 1
        back = apply_evidence(ledger, FLOOD, now=later).ledger
        assert (back.state.stored_ring, back.state.ring_zero_until) == (1, EPOCH)


def test_good_evidence_keeps_ring_0_and_its_end() -> None:
    kept = apply_evidence(granted(), FLOOD, now=after(0.5)).ledger
    assert (kept.state.stored_ring, kept.state.ring_zero_until) == (0, after(30))


def test_a_suspension_takes_ring_0_and_nothing_else() -> None:
    ledger = granted()
    taken = without_ring_zero(ledger)
    assert (taken.state.stored_ring, taken.state.ring_zero_until) == (1, EPOCH)
    assert score_at(taken.state, T0) == score_at(ledger.state, T0)
    for ring in (1, 2, 3):
        other = idle_from(500, ring=ring)
        assert without_ring_zero(other) == other


def test_a_worse_ring_ceiling_takes_ring_0_and_a_better_one_gives_nothing_back() -> None:
    """A ceiling is not lost when the score is computed anew, nor is what it took regained when it is lifted."""
    capped = with_ring_ceiling(granted(), ring_ceiling=2, now=T0)
    assert (score_at(capped.state, T0), capped.state.stored_ring) == (699, 2)
    flooded = apply_evidence(capped, FLOOD, now=after(0.5)).ledger
    assert score_at(flooded.state, after(0.5)) == 699
    lifted = with_ring_ceiling(flooded, ring_ceiling=1, now=after(0.5))
    assert score_at(lifted.state, after(0.5)) > 900
    assert (ring_at(lifted.state, after(0.5)), lifted.state.ring_zero_until) == (2, EPOCH)


@pytest.mark.parametrize(("ceiling", "score", "ring"), [(1, 1_000, 1), (2, 699, 2), (3, 399, 3)])
def test_a_ceiling_bounds_the_score_and_the_ring_for_ever(ceiling: int, score: int, ring: int) -> None:
    ledger = newborn(ring_ceiling=ceiling, debt=0, now=T0)
    for hour in range(90 * 24):
        ledger = apply_evidence(ledger, FLOOD, now=Instant(T0 + hour * HOUR)).ledger
    assert score_at(ledger.state, after(90)) <= score
    assert score_at(ledger.state, after(90)) >= score - 10
    assert ring_at(ledger.state, after(90)) == ring


def test_good_behaviour_after_a_scope_escalation_pays_the_debt_in_a_week() -> None:
    ledger = apply_evidence(idle_from(900, ring=1), Evidence(points=-150), now=T0).ledger
    scores = {}
    for hour in range(14 * 24 + 1):
        scores[hour / 24] = score_at(ledger.state, Instant(T0 + hour * HOUR))
        ledger = apply_evidence(ledger, FLOOD, now=Instant(T0 + hour * HOUR)).ledger
    assert scores[1] in range(780, 791)
    assert scores[3] in range(850, 861)
    assert scores[7] in range(927, 938)
    assert scores[14] in range(958, 969)
    assert not eligible(ledger, after(6.99))


def test_a_new_agent_inherits_half_of_the_worst_debt() -> None:
    assert inherited_debt(0) == 0
    assert inherited_debt(400 * MICRO) == 200 * MICRO
    ledger = newborn(ring_ceiling=1, debt=200 * MICRO, now=T0)
    assert score_at(ledger.state, T0) == 100


def test_a_clock_set_back_does_not_reopen_the_caps_or_raise_the_score() -> None:
    full = apply_evidence(idle_from(700, ring=1), FLOOD, now=after(2)).ledger
    earlier = Instant(T0 - 30 * DAY)
    assert score_at(full.state, earlier) == score_at(full.state, after(2))
    replayed = apply_evidence(full, FLOOD, now=earlier)
    assert replayed.outcome is Outcome.CAPPED


def test_a_heartbeat_weighs_nothing() -> None:
    ledger = idle_from(900)
    applied = apply_evidence(ledger, Evidence(points=0), now=after(10))
    assert applied.outcome is Outcome.CAPPED
    assert applied.ledger == ledger


def test_a_new_debt_does_not_fade_with_an_old_one() -> None:
    """A fresh penalty is not halved by the age of the debt before it."""
    old = TrustLedger(state=TrustState(debt=2 * MICRO, debt_at=T0, last_event_at=T0))
    now = Instant(T0 + DEBT_HALF_LIFE)
    fined = apply_evidence(old, Evidence(points=-40), now=now).ledger
    healed = apply_evidence(fined, Evidence(points=2), now=Instant(now + Millis(1))).ledger
    assert healed.state.debt == pytest.approx(40 * MICRO, abs=10)
