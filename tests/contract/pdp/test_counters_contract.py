"""The contract of counters: what any store of them owes, here proven for the one in memory."""

import pytest
from ringfence_kit.clock import DAY, MINUTE, SECOND, Instant, Millis
from ringfence_pdp.limit import Alert, Limit, LimitPer, LimitUnit
from ringfence_pdp.limits.counters import Charge, Counters, Meter, Refusal, Reservation
from ringfence_pdp.limits.memory_counters import MemoryCounters

NOW = Instant(1_767_225_600_000 + 3_600_000)
AGENT = "namespaces/data/agents/analyst"
KEY = f"agent:{AGENT}@prod"
MIDNIGHT = Instant(NOW - NOW % DAY)


@pytest.fixture(params=[MemoryCounters])
def counters(request: pytest.FixtureRequest) -> Counters:
    made: Counters = request.param()
    return made


def rate(maximum: int, window: Millis = MINUTE, *, burst: int | None = None) -> Limit:
    return Limit(
        name="rate",
        budget=False,
        unit=LimitUnit.REQUESTS,
        per=LimitPer.AGENT,
        maximum=maximum,
        window=window,
        burst=maximum if burst is None else burst,
    )


def budget(maximum: int, window: Millis = DAY, *, alerts: tuple[Alert, ...] = ()) -> Limit:
    return Limit(
        name="budget",
        budget=True,
        unit=LimitUnit.TOKENS,
        per=LimitPer.AGENT,
        maximum=maximum,
        window=window,
        burst=maximum,
        alerts=alerts,
    )


def of(limit: Limit, amount: int = 1, *, key: str = KEY, until: Instant | None = None, owner: str = AGENT) -> Charge:
    return Charge(Meter(f"house/{limit.name}", key, limit, until), amount, owner)


def charged(counters: Counters, *charges: Charge, at: Instant = NOW) -> Reservation:
    reservation = counters.reserve(charges, at)
    assert isinstance(reservation, Reservation)
    return reservation


def refused(counters: Counters, *charges: Charge, at: Instant = NOW) -> Refusal:
    refusal = counters.reserve(charges, at)
    assert isinstance(refusal, Refusal)
    return refusal


def after(millis: int) -> Instant:
    return Instant(NOW + millis)


def test_a_rate_lets_its_burst_through_and_then_one_at_a_time(counters: Counters) -> None:
    call = of(rate(60, burst=3))
    for left in (2, 1, 0):
        assert charged(counters, call).statuses[0].remaining == left
    assert refused(counters, call).retry_after == SECOND
    assert refused(counters, call, at=after(999)).retry_after == 1
    charged(counters, call, at=after(1_000))
    refused(counters, call, at=after(1_000))


def test_a_rate_that_does_not_divide_evenly_loses_nothing(counters: Counters) -> None:
    call = of(rate(7, SECOND, burst=1))
    let_through = sum(isinstance(counters.reserve([call], after(at)), Reservation) for at in range(10_000))
    assert let_through == 70


def test_a_rate_says_when_all_of_it_is_there_again(counters: Counters) -> None:
    assert charged(counters, of(rate(60, burst=3), 3)).statuses[0].reset_at == after(3_000)


def test_more_than_a_burst_is_never_let_through(counters: Counters) -> None:
    assert refused(counters, of(rate(60, burst=3), 4)).retry_after is None


def test_a_budget_is_renewed_at_the_end_of_its_window_and_not_before(counters: Counters) -> None:
    spend = of(budget(10), 10)
    status = charged(counters, spend).statuses[0]
    assert (status.remaining, status.started_at, status.reset_at) == (0, MIDNIGHT, MIDNIGHT + DAY)
    assert refused(counters, spend).retry_after == MIDNIGHT + DAY - NOW
    refused(counters, spend, at=Instant(MIDNIGHT + DAY - 1))
    charged(counters, spend, at=Instant(MIDNIGHT + DAY))


def test_a_budget_that_is_used_up_lets_nothing_through_that_says_it_uses_nothing(counters: Counters) -> None:
    charged(counters, of(budget(10), 10))
    assert refused(counters, of(budget(10), 0)).status.remaining == 0


def test_more_than_a_budget_is_never_let_through(counters: Counters) -> None:
    assert refused(counters, of(budget(10), 11)).retry_after is None
    charged(counters, of(budget(10), 10))


def test_a_budget_that_is_not_renewed_ends_with_what_it_is_for(counters: Counters) -> None:
    spend = of(budget(10, Millis(0)), 6, until=after(DAY * 3))
    charged(counters, spend)
    refusal = refused(counters, spend, at=after(2 * DAY))
    assert (refusal.retry_after, refusal.status.remaining) == (None, 4)


def test_alerts_are_told_once_their_share_is_used_and_as_long_as_it_is(counters: Counters) -> None:
    limit = budget(10, alerts=(Alert(share=0.5, used=5), Alert(share=0.8, used=8)))
    told = [charged(counters, of(limit, amount)).statuses[0].alerts for amount in (4, 1, 3)]
    assert told == [(), (0.5,), (0.5, 0.8)]
    assert counters.status(of(limit).meter, Instant(MIDNIGHT + DAY)).alerts == ()


def test_several_limits_are_charged_together_or_not_at_all(counters: Counters) -> None:
    theirs, mine = of(budget(5), key="agent:a@prod"), of(budget(1), key="agent:b@prod")
    charged(counters, mine)
    refusal = refused(counters, theirs, mine)
    assert refusal.status.meter == mine.meter
    assert counters.status(theirs.meter, NOW).remaining == 5


def test_the_limit_that_takes_longest_to_recover_is_named(counters: Counters) -> None:
    soon, late = of(rate(60, burst=1)), of(budget(1))
    charged(counters, soon, late)
    assert refused(counters, soon, late).status.meter == late.meter


def test_a_refund_gives_back_what_was_charged(counters: Counters) -> None:
    call, spend = of(rate(60, burst=1)), of(budget(5), 5)
    reservation = charged(counters, call, spend)
    counters.refund(reservation, NOW)
    assert charged(counters, call, spend).statuses == reservation.statuses


def test_a_refund_of_a_rate_does_not_pay_for_what_came_after_it(counters: Counters) -> None:
    call = of(rate(60, burst=1))
    first = charged(counters, call)
    charged(counters, call, at=after(1_000))
    counters.refund(first, after(1_000))
    refused(counters, call, at=after(1_000))


def test_a_refund_is_for_the_window_it_was_charged_in(counters: Counters) -> None:
    first = charged(counters, of(budget(5), 5))
    tomorrow = Instant(MIDNIGHT + DAY)
    charged(counters, of(budget(5), 3), at=tomorrow)
    counters.refund(first, tomorrow)
    assert counters.status(of(budget(5)).meter, tomorrow).remaining == 2


def test_a_clock_set_back_opens_no_window_again(counters: Counters) -> None:
    spend = of(budget(5), 5)
    charged(counters, spend)
    refused(counters, spend, at=after(-2 * DAY))
    charged(counters, spend, at=after(DAY))
    refused(counters, spend, at=NOW)


def test_a_clock_set_back_refills_no_rate(counters: Counters) -> None:
    call = of(rate(60, burst=1))
    charged(counters, call)
    assert refused(counters, call, at=after(-5_000)).retry_after == 6_000


def test_a_budget_that_is_made_smaller_goes_on_counting(counters: Counters) -> None:
    charged(counters, of(budget(10), 6))
    refused(counters, of(budget(5), 1))
    charged(counters, of(budget(7), 1))


def test_keys_do_not_touch_each_other(counters: Counters) -> None:
    charged(counters, of(budget(5), 5, key="agent:a@prod"))
    charged(counters, of(budget(5), 5, key="agent:a@dev"))
    assert counters.status(of(budget(5), key="agent:b@prod").meter, NOW).remaining == 5


def test_what_cannot_be_counted_is_refused_and_nothing_is_charged() -> None:
    counters = MemoryCounters(keys_max=2)
    charged(counters, of(budget(5), key="a"), of(budget(5), key="b"))
    refusal = refused(counters, of(budget(5), key="b"), of(budget(5), key="c"))
    assert refusal.crowded
    assert len(counters) == 2
    assert counters.status(of(budget(5), key="b").meter, NOW).remaining == 4


def test_one_agent_that_names_many_sessions_crowds_out_only_itself() -> None:
    counters = MemoryCounters(keys_of_one_max=2)
    for session in ("one", "two"):
        charged(counters, of(budget(5), key=f"session:mallory/{session}@prod", owner="mallory"))
    assert refused(counters, of(budget(5), key="session:mallory/three@prod", owner="mallory")).crowded
    charged(counters, of(budget(5), key="session:ada/one@prod", owner="ada"))


def test_room_is_made_by_what_says_nothing_any_more() -> None:
    counters = MemoryCounters(keys_max=2)
    charged(counters, of(rate(60, burst=1), key="a"), of(budget(5), key="b"))
    charged(counters, of(rate(60, burst=1), key="c"), at=after(2_000))
    assert len(counters) == 2


def test_a_clock_set_back_does_not_find_a_forgotten_window_open() -> None:
    counters = MemoryCounters(keys_max=1)
    charged(counters, of(budget(5), 5))
    charged(counters, of(budget(5), 5, key="other"), at=Instant(MIDNIGHT + DAY))
    refused(counters, of(budget(5), 1, key="other"))
    assert counters.status(of(budget(5)).meter, NOW).started_at == MIDNIGHT + DAY
