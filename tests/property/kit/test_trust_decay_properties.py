"""Reading trust: for any stored state and any instants, what a reader may rely on."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit import records
from ringfence_kit.clock import DAY, EPOCH, HOUR, Instant
from ringfence_kit.trust_decay import (
    DEBT_MAX,
    EARNED_MAX,
    LEAST_TRUSTED_RING,
    TrustState,
    demotion_at,
    ring_at,
    ring_of,
    score_at,
    score_falls_at,
    within_ceiling,
)

T0 = Instant(1_767_225_600_000)

moments = st.integers(-100 * DAY, 100 * DAY).map(lambda ahead: Instant(T0 + ahead))
states = st.builds(
    TrustState,
    earned=st.integers(0, EARNED_MAX),
    debt=st.integers(0, DEBT_MAX) | st.just(0),
    last_positive_at=moments,
    debt_at=moments,
    last_event_at=moments,
    stored_ring=st.integers(0, 3),
    ceiling=st.sampled_from([399, 699, 1_000]),
    ring_zero_until=st.just(EPOCH) | moments,
)


@given(states, moments, st.integers(0, 200 * DAY))
def test_nothing_gets_better_by_waiting(state: TrustState, now: Instant, later: int) -> None:
    after = Instant(now + later)
    assert score_at(state, after) <= score_at(state, now)
    assert ring_at(state, after) >= ring_at(state, now)


@given(states, moments)
def test_the_ring_is_never_better_than_the_stored_one_or_the_scores(state: TrustState, now: Instant) -> None:
    ring = ring_at(state, now)
    assert ring >= state.stored_ring
    assert ring >= ring_of(score_at(state, now))


@given(states, moments)
def test_ring_0_is_there_only_while_the_grant_holds(state: TrustState, now: Instant) -> None:
    if ring_at(state, now) == 0:
        assert max(now, state.last_event_at) < state.ring_zero_until
    assert ring_at(replace(state, ring_zero_until=EPOCH), now) >= 1


@given(states, moments)
def test_the_demotion_comes_at_the_predicted_millisecond(state: TrustState, now: Instant) -> None:
    at = demotion_at(state, now)
    if at is None:
        assert ring_at(state, now) == LEAST_TRUSTED_RING
        return
    assert at > now
    assert ring_at(state, Instant(at - 1)) == ring_at(state, now)
    assert ring_at(state, at) > ring_at(state, now)


@given(states, moments)
def test_the_score_falls_at_the_predicted_millisecond_and_not_before(state: TrustState, now: Instant) -> None:
    score, falls_at = score_at(state, now), score_falls_at(state, now)
    if falls_at is None:
        assert score_at(state, Instant(now + 1_000_000 * DAY)) == score
        return
    assert falls_at > now
    assert score_at(state, Instant(falls_at - 1)) == score
    assert score_at(state, falls_at) < score


@given(st.integers(0, 3), st.integers(0, 3))
def test_a_ceiling_never_betters_a_ring_and_leaves_ring_0_to_ceiling_1(ring: int, ceiling: int) -> None:
    bounded = within_ceiling(ring, ceiling)
    assert bounded >= ring
    if ceiling >= 2:
        assert bounded >= ceiling
    else:
        assert bounded == ring


def test_a_record_from_before_ring_0_was_granted_reads_as_it_did() -> None:
    stored = b'{"earned":450000000,"stored_ring":1,"last_positive_at":1767225600000}'
    state = records.decode(stored, TrustState)
    assert state.ring_zero_until == EPOCH
    assert (score_at(state, T0), ring_at(state, T0)) == (750, 1)


def test_the_last_millisecond_of_ring_0() -> None:
    state = TrustState(
        earned=EARNED_MAX, last_positive_at=T0, stored_ring=0, ring_zero_until=Instant(T0 + HOUR), last_event_at=T0
    )
    assert ring_at(state, Instant(T0 + HOUR - 1)) == 0
    assert ring_at(state, Instant(T0 + HOUR)) == 1
    assert demotion_at(state, T0) == T0 + HOUR
    assert ring_at(state, Instant(T0 - DAY)) == 0, "a clock set back reads as of the last event"
    assert ring_at(replace(state, last_event_at=Instant(T0 + HOUR)), T0) == 1
