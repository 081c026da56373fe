"""Whatever the clock does, a bucket never gives more than its burst and its rate over any stretch of time."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import Instant
from ringfence_kit.quotas import Buckets, Rate, TokenBucket

rates = st.builds(Rate, per_second=st.integers(1, 2_000), burst=st.integers(1, 50))


@given(rates, st.lists(st.integers(-500, 2_000), min_size=1, max_size=200))
def test_never_over_the_rate_in_any_window(rate: Rate, steps: list[int]) -> None:
    now, latest = 10_000, 10_000
    bucket = TokenBucket(rate, Instant(now))
    taken: list[int] = []
    for step in steps:
        now += step
        latest = max(latest, now)
        while bucket.take(Instant(now)) == 0:
            taken.append(latest)
    for first, start in enumerate(taken):
        allowed = rate.burst + rate.per_second * (latest - start) / 1_000
        assert len(taken) - first <= allowed


@given(rates, st.integers(0, 60))
def test_after_the_wait_it_names_there_is_a_token_and_not_before(rate: Rate, spent: int) -> None:
    now = 10_000
    bucket = TokenBucket(rate, Instant(now))
    for _ in range(rate.burst):
        assert bucket.take(Instant(now)) == 0
    now += spent * 1_000 // rate.per_second // 60
    wait = bucket.take(Instant(now))
    if wait:
        if wait > 1:
            assert bucket.take(Instant(now + wait - 1)) == 1
        assert bucket.take(Instant(now + wait)) == 0


@given(rates, st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 500)), max_size=100))
def test_buckets_with_room_for_all_are_as_many_buckets(rate: Rate, calls: list[tuple[str, int]]) -> None:
    now = 10_000
    shared, own = Buckets[str](rate, 3), {key: TokenBucket(rate, Instant(now)) for key in "abc"}
    for key, passed in calls:
        now += passed
        assert shared.wait(key, Instant(now)) == own[key].wait(Instant(now))
        assert shared.take(key, Instant(now)) == own[key].take(Instant(now))


@given(rates, st.integers(1, 5), st.lists(st.integers(0, 20), max_size=100))
def test_no_more_buckets_are_held_than_there_is_room_for(rate: Rate, room: int, keys: list[int]) -> None:
    buckets = Buckets[int](rate, room)
    for key in keys:
        buckets.take(key, Instant(0))
        assert len(buckets) <= room
