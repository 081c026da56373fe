"""The invariants of trust, for any history of signals, reads and clocks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st
from ringfence_identity.trust.caps import TrustLedger
from ringfence_identity.trust.evidence import Evidence, Outcome
from ringfence_identity.trust.ledger import (
    CEILINGS,
    apply_evidence,
    newborn,
    with_ring_ceiling,
    with_ring_zero,
    without_ring_zero,
)
from ringfence_identity.trust.promotion import grant_conditions
from ringfence_kit.clock import DAY, HOUR, MINUTE, Instant
from ringfence_kit.trust_decay import DEBT_MAX, EARNED_MAX, MICRO, TrustState, ring_at, score_at

T0 = Instant(1_767_225_600_000)

evidence = st.builds(
    Evidence,
    points=st.sampled_from([1, 2, 15, 1_000, -2, -5, -50, -400, 0]) | st.integers(-2_000, 2_000),
    rater=st.sampled_from(["", "person:ada", "did:a", "did:b"]),
    rater_weight=st.integers(0, 1_000),
    complaint=st.booleans(),
)
gaps = st.sampled_from([0, 1, MINUTE, HOUR, 6 * HOUR, DAY - 1, DAY, 7 * DAY, 60 * DAY, 400 * DAY])
states = st.builds(
    TrustState,
    earned=st.integers(0, EARNED_MAX),
    debt=st.integers(0, DEBT_MAX),
    last_positive_at=st.integers(0, 90 * DAY).map(lambda ago: Instant(T0 - ago)),
    debt_at=st.integers(0, 90 * DAY).map(lambda ago: Instant(T0 - ago)),
    last_event_at=st.just(T0),
    stored_ring=st.integers(0, 3),
    ceiling=st.sampled_from([1000, 699, 399]),
    ring_zero_until=st.integers(-DAY, 30 * DAY).map(lambda ahead: Instant(T0 + ahead)),
)
ledgers = states.map(lambda state: TrustLedger(state=state))


@dataclass(frozen=True)
class Step:
    gap: int
    evidence: Evidence


histories = st.lists(st.builds(Step, gap=gaps, evidence=evidence), max_size=25)


def play(ledger: TrustLedger, history: Sequence[Step]) -> list[tuple[Instant, TrustLedger]]:
    """Return the ledger after each step, with the instant of the step."""
    now, played = T0, [(T0, ledger)]
    for step in history:
        now = Instant(now + step.gap)
        ledger = apply_evidence(ledger, step.evidence, now=now).ledger
        played.append((now, ledger))
    return played


@given(ledgers, histories)
def test_the_score_stays_between_zero_and_the_ceiling(ledger: TrustLedger, history: list[Step]) -> None:
    for now, after in play(ledger, history):
        assert 0 <= score_at(after.state, now) <= after.state.ceiling
        assert 0 <= after.state.earned <= EARNED_MAX
        assert 0 <= after.state.debt <= DEBT_MAX
        assert 0 <= after.state.stored_ring <= 3


@given(ledgers, histories, st.integers(0, 100 * DAY), st.integers(0, 100 * DAY))
def test_between_events_nothing_improves(ledger: TrustLedger, history: list[Step], one: int, more: int) -> None:
    now, after = play(ledger, history)[-1]
    early, late = Instant(now + one), Instant(now + one + more)
    assert score_at(after.state, late) <= score_at(after.state, early)
    assert ring_at(after.state, late) >= ring_at(after.state, early)


@given(ledgers, histories)
def test_no_more_than_60_points_are_gained_in_any_24_hours(ledger: TrustLedger, history: list[Step]) -> None:
    played = play(ledger, history)
    for start, (since, before) in enumerate(played):
        for now, after in played[start:]:
            if now - since < DAY:
                assert score_at(after.state, now) - score_at(before.state, since) <= 60


@given(ledgers, evidence, gaps)
def test_good_never_lowers_and_bad_never_raises(ledger: TrustLedger, signal: Evidence, gap: int) -> None:
    now = Instant(T0 + gap)
    after = apply_evidence(ledger, signal, now=now).ledger
    if signal.points >= 0:
        assert score_at(after.state, now) >= score_at(ledger.state, now)
        assert ring_at(after.state, now) >= ring_at(ledger.state, now) - 1
    if signal.points <= 0:
        assert score_at(after.state, now) <= score_at(ledger.state, now)
        assert ring_at(after.state, now) >= ring_at(ledger.state, now)


@given(ledgers, evidence, st.integers(1, 500), gaps)
def test_more_evidence_weighs_at_least_as_much(ledger: TrustLedger, signal: Evidence, more: int, gap: int) -> None:
    now = Instant(T0 + gap)
    stronger = replace(signal, points=signal.points + (more if signal.points > 0 else -more))
    one = score_at(apply_evidence(ledger, signal, now=now).ledger.state, now)
    other = score_at(apply_evidence(ledger, stronger, now=now).ledger.state, now)
    if signal.points > 0:
        assert other >= one
    if signal.points < 0:
        assert other <= one


@given(ledgers, histories, st.integers(0, 400 * DAY))
def test_a_clock_set_back_cannot_raise_a_score(ledger: TrustLedger, history: list[Step], back: int) -> None:
    now, after = play(ledger, history)[-1]
    earlier = Instant(now - back)
    assert score_at(after.state, earlier) <= score_at(after.state, after.state.last_event_at)
    assert ring_at(after.state, earlier) >= ring_at(after.state, after.state.last_event_at)


@given(ledgers, histories, evidence, st.integers(1, 400 * DAY))
def test_evidence_on_a_clock_set_back_counts_as_of_the_last_event(
    ledger: TrustLedger, history: list[Step], signal: Evidence, back: int
) -> None:
    _, after = play(ledger, history)[-1]
    last = after.state.last_event_at
    assert apply_evidence(after, signal, now=Instant(last - back)) == apply_evidence(after, signal, now=last)


@given(ledgers, histories)
def test_two_replicas_agree_exactly(ledger: TrustLedger, history: list[Step]) -> None:
    assert play(ledger, history) == play(ledger, history)


@given(ledgers, histories, st.lists(gaps, max_size=5))
def test_reading_at_any_times_changes_no_later_reading(
    ledger: TrustLedger, history: list[Step], reads: list[int]
) -> None:
    now, after = play(ledger, history)[-1]
    expected = score_at(after.state, Instant(now + 30 * DAY))
    for gap in reads:
        score_at(after.state, Instant(now + gap))
        ring_at(after.state, Instant(now + gap))
    assert score_at(after.state, Instant(now + 30 * DAY)) == expected


@given(ledgers, evidence, gaps, st.integers(0, 90 * DAY))
def test_a_signal_that_weighs_nothing_leaves_no_trace(
    ledger: TrustLedger, signal: Evidence, gap: int, later: int
) -> None:
    applied = apply_evidence(ledger, replace(signal, points=0), now=Instant(T0 + gap))
    assert applied.outcome is Outcome.CAPPED
    assert applied.ledger == ledger
    assert score_at(applied.ledger.state, Instant(T0 + later)) == score_at(ledger.state, Instant(T0 + later))


@given(ledgers, gaps, st.integers(0, 90 * DAY))
def test_a_penalty_neither_renews_the_grace_nor_counts_decay_twice(ledger: TrustLedger, gap: int, later: int) -> None:
    """What is left of the earned points after a penalty is what would have been left without it."""
    now = Instant(T0 + gap)
    fined = apply_evidence(ledger, Evidence(points=-1), now=now).ledger.state
    untouched = replace(ledger.state, debt=fined.debt)
    at = Instant(now + later)
    assert abs(score_at(fined, at) - score_at(untouched, at)) <= 1


@given(st.integers(0, DEBT_MAX), st.sampled_from([1, 2, 3]), histories)
def test_a_newborn_never_starts_better_than_the_baseline(debt: int, ceiling: int, history: list[Step]) -> None:
    ledger = newborn(ring_ceiling=ceiling, debt=debt, now=T0)
    assert score_at(ledger.state, T0) <= 300
    assert ring_at(ledger.state, T0) == 3
    for now, after in play(ledger, history):
        assert ring_at(after.state, now) >= ceiling


@dataclass(frozen=True)
class Deed:
    """What else may happen to an agent's trust than a signal."""

    gap: int
    lasts: int
    """For a grant of ring 0, how long; 0 suspends."""
    ring_ceiling: int
    """A new certificate with this ring ceiling; 0 leaves the old one."""


deeds = st.builds(Deed, gap=gaps, lasts=st.sampled_from([0, HOUR, 30 * DAY]), ring_ceiling=st.integers(0, 3))


def done(ledger: TrustLedger, deed: Deed, now: Instant) -> TrustLedger:
    """Return the ledger after a deed, with ring 0 granted only where it may be."""
    if deed.ring_ceiling:
        return with_ring_ceiling(ledger, ring_ceiling=deed.ring_ceiling, now=now)
    if not deed.lasts:
        return without_ring_zero(ledger)
    if all(condition.met for condition in grant_conditions(ledger.state, now)):
        return with_ring_zero(ledger, until=Instant(now + deed.lasts), now=now)
    return ledger


@given(ledgers, st.lists(st.builds(Step, gap=gaps, evidence=evidence) | deeds, max_size=25))
def test_whatever_happens_every_promise_holds(ledger: TrustLedger, history: list[Step | Deed]) -> None:
    now = T0
    for one in history:
        now = Instant(now + one.gap)
        before = ledger
        if isinstance(one, Step):
            ledger = apply_evidence(ledger, one.evidence, now=now).ledger
            best = 0 if ring_at(before.state, now) == 0 else max(1, ring_at(before.state, now) - 1)
            assert ring_at(ledger.state, now) >= best, "one ring at a time, and never into ring 0"
        else:
            ledger = done(ledger, one, now)
        assert 0 <= score_at(ledger.state, now) <= ledger.state.ceiling
        if ring_at(ledger.state, now) == 0:
            assert now < ledger.state.ring_zero_until


@given(ledgers, gaps, st.integers(1, 30 * DAY), histories)
def test_ring_0_ends_with_its_grant_whatever_is_sent(
    ledger: TrustLedger, gap: int, lasts: int, history: list[Step]
) -> None:
    now = Instant(T0 + gap)
    until = Instant(now + lasts)
    granted = with_ring_zero(ledger, until=until, now=now)
    for step in history:
        now = Instant(now + step.gap)
        granted = apply_evidence(granted, step.evidence, now=now).ledger
        if now >= until:
            assert ring_at(granted.state, now) >= 1
    assert ring_at(granted.state, until) >= 1


@given(ledgers, gaps, evidence)
def test_ring_0_once_lost_stays_lost(ledger: TrustLedger, gap: int, signal: Evidence) -> None:
    now = Instant(T0 + gap)
    if ring_at(ledger.state, now) == 0:
        return
    after = apply_evidence(ledger, signal, now=now).ledger
    for later in (0, 1, HOUR, DAY):
        assert ring_at(after.state, Instant(now + later)) >= 1


@given(ledgers, st.integers(1, 3), gaps, st.integers(0, 90 * DAY))
def test_a_new_certificate_gives_no_ring_and_takes_no_debt(
    ledger: TrustLedger, ceiling: int, gap: int, later: int
) -> None:
    now = Instant(T0 + gap)
    after = with_ring_ceiling(ledger, ring_ceiling=ceiling, now=now)
    at = Instant(now + later)
    assert ring_at(after.state, at) >= ring_at(ledger.state, at)
    assert (after.state.debt, after.state.earned) == (ledger.state.debt, ledger.state.earned)
    assert score_at(after.state, now) <= CEILINGS[ceiling]


@given(ledgers, histories, gaps)
def test_taking_ring_0_away_changes_nothing_else(ledger: TrustLedger, history: list[Step], gap: int) -> None:
    _, after = play(ledger, history)[-1]
    taken = without_ring_zero(after)
    now = Instant(T0 + gap)
    assert score_at(taken.state, now) == score_at(after.state, now)
    assert ring_at(taken.state, now) == max(1, ring_at(after.state, now))


@given(ledgers, histories, st.lists(st.integers(-400 * DAY, 400 * DAY), max_size=20))
def test_wild_clocks_gain_nothing_over_a_straight_one(
    ledger: TrustLedger, history: list[Step], jumps: list[int]
) -> None:
    """Evidence recorded while the clock jumps back counts as of the latest instant seen: nothing is gained by it."""
    latest, now = T0, T0
    for step, jump in zip(history, jumps, strict=False):
        now = Instant(now + jump)
        before = score_at(ledger.state, latest)
        latest = Instant(max(latest, now, ledger.state.last_event_at))
        ledger = apply_evidence(ledger, step.evidence, now=now).ledger
        assert ledger.state.last_event_at <= latest
        assert score_at(ledger.state, now) <= max(before + 60, score_at(ledger.state, ledger.state.last_event_at))
        assert sum(credit.charge for credit in ledger.gains) <= 60 * MICRO
