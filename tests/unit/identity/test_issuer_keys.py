"""The schedule of issuer keys, told as the days of one environment."""

from dataclasses import replace

from ringfence.proofs.jwk_set import ED_DSA, ES256
from ringfence_identity.issuer_keys.schedule import (
    KEPT_AFTER_LAST_SIGNATURE,
    KILL_REMEMBERED,
    LONGEST_JWKS_CACHE,
    SHORTEST_LEAD,
    USUAL_SCHEDULE,
    IssuerKey,
    KeyState,
    coming_key,
    next_activation,
    published_keys,
    signing_key,
    standing_of_key,
)
from ringfence_kit.clock import DAY, HOUR, MINUTE, Instant, Millis

T0 = Instant(1_767_225_600_000)


def key(name: str, activates_at: Instant = T0, **fields: object) -> IssuerKey:
    usual: dict[str, object] = {"created_at": min(T0, activates_at), "algorithm": ED_DSA, "environment": "prod"}
    return IssuerKey(key_id=name, jwk={}, activates_at=activates_at, **{**usual, **fields})  # type: ignore[arg-type]  # a mixed bag of fields


def after(duration: int) -> Instant:
    return Instant(T0 + duration)


FIRST = key("first")
SECOND = key("second", after(30 * DAY))
THIRD = key("third", after(60 * DAY))


def states(keys: list[IssuerKey], now: Instant) -> dict[str, KeyState]:
    return {one.key_id: standing_of_key(one, keys, now=now).state for one in keys}


def test_a_next_key_is_published_for_twice_the_longest_cache_before_it_signs() -> None:
    assert SHORTEST_LEAD == 2 * LONGEST_JWKS_CACHE
    assert USUAL_SCHEDULE.lead >= SHORTEST_LEAD


def test_the_first_key_of_an_environment_is_due_at_once() -> None:
    assert next_activation([], ED_DSA, USUAL_SCHEDULE, now=T0) == T0


def test_the_next_one_is_due_its_lead_before_the_end_of_the_period() -> None:
    due = after(30 * DAY - HOUR)
    assert next_activation([FIRST], ED_DSA, USUAL_SCHEDULE, now=Instant(due - 1)) is None
    assert next_activation([FIRST], ED_DSA, USUAL_SCHEDULE, now=due) == after(30 * DAY)
    assert next_activation([FIRST, SECOND], ED_DSA, USUAL_SCHEDULE, now=due) is None


def test_one_that_comes_late_is_published_as_long_all_the_same() -> None:
    late = after(45 * DAY)
    assert next_activation([FIRST], ED_DSA, USUAL_SCHEDULE, now=late) == after(45 * DAY + HOUR)
    assert signing_key([FIRST], ED_DSA, now=late) == FIRST


def test_the_life_of_a_key() -> None:
    keys = [FIRST, SECOND]
    change = 30 * DAY
    assert states(keys, after(change - 1)) == {"first": KeyState.ACTIVE, "second": KeyState.PUBLISHED}
    assert states(keys, after(change)) == {"first": KeyState.RETIRING, "second": KeyState.ACTIVE}
    last = change + KEPT_AFTER_LAST_SIGNATURE
    assert published_keys(keys, now=after(last - 1)) == (FIRST, SECOND)
    assert published_keys(keys, now=after(last)) == (SECOND,)
    assert states(keys, after(last)) == {"first": KeyState.GONE, "second": KeyState.ACTIVE}
    assert standing_of_key(FIRST, keys, now=T0).removed_at == after(last)
    assert standing_of_key(SECOND, keys, now=T0).removed_at is None


def test_a_retired_key_stays_until_its_last_token_has_expired_for_a_gateway_whose_clock_is_a_minute_late() -> None:
    assert Millis(5 * MINUTE + 60_000) == KEPT_AFTER_LAST_SIGNATURE


def test_each_algorithm_has_a_line_of_its_own() -> None:
    other = key("other", after(DAY), algorithm=ES256)
    keys = [FIRST, other]
    assert signing_key(keys, ED_DSA, now=after(2 * DAY)) == FIRST
    assert signing_key(keys, ES256, now=after(2 * DAY)) == other
    assert published_keys(keys, now=after(2 * DAY)) == (FIRST, other)
    assert standing_of_key(FIRST, keys, now=after(2 * DAY)).removed_at is None


def test_a_revoked_key_is_gone_at_once_and_remembered_for_as_long_as_a_cache_may_hold_it() -> None:
    killed = replace(FIRST, revoked_at=after(DAY))
    successor = key("successor", after(DAY))
    keys = [killed, successor]
    assert published_keys(keys, now=after(DAY)) == (successor,)
    assert signing_key(keys, ED_DSA, now=after(DAY)) == successor
    assert states(keys, after(DAY))["first"] is KeyState.REVOKED
    assert standing_of_key(killed, keys, now=after(DAY)).removed_at == after(DAY)
    assert states(keys, after(DAY + KILL_REMEMBERED))["first"] is KeyState.GONE


def test_killing_a_key_does_not_bring_back_the_one_before_it() -> None:
    killed = replace(SECOND, revoked_at=after(31 * DAY))
    assert signing_key([FIRST, killed], ED_DSA, now=after(31 * DAY)) is None
    assert next_activation([FIRST, killed], ED_DSA, USUAL_SCHEDULE, now=after(31 * DAY)) == after(31 * DAY)


def test_a_key_killed_before_it_ever_signed_changes_nothing_for_the_one_that_does() -> None:
    killed = replace(SECOND, revoked_at=after(DAY))
    keys = [FIRST, killed]
    assert signing_key(keys, ED_DSA, now=after(31 * DAY)) == FIRST
    assert coming_key(keys, ED_DSA, now=after(DAY)) is None
    assert published_keys(keys, now=after(31 * DAY)) == (FIRST,)
    assert standing_of_key(FIRST, keys, now=after(31 * DAY)).removed_at is None


def test_killing_one_that_has_retired_leaves_the_others_alone() -> None:
    killed = replace(FIRST, revoked_at=after(30 * DAY + MINUTE))
    assert published_keys([killed, SECOND], now=after(30 * DAY + MINUTE)) == (SECOND,)
    assert signing_key([killed, SECOND], ED_DSA, now=after(30 * DAY + MINUTE)) == SECOND


def test_a_key_of_the_future_does_not_sign() -> None:
    assert signing_key([SECOND], ED_DSA, now=T0) is None
    assert coming_key([THIRD, SECOND], ED_DSA, now=T0) == SECOND
