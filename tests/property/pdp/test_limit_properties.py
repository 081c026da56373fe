"""Limits under any interleaving: never more than they say, charged together or not at all, given back exactly."""

from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from ringfence_kit.clock import Instant, Millis
from ringfence_pdp.limit import Limit, LimitPer, LimitUnit
from ringfence_pdp.limits import gcra
from ringfence_pdp.limits.counters import Charge, Meter, Refusal, Reservation
from ringfence_pdp.limits.memory_counters import MemoryCounters

START = 1_767_225_600_000


def limit(*, budget: bool, maximum: int, window: int, burst: int | None = None) -> Limit:
    return Limit(
        name="l",
        budget=budget,
        unit=LimitUnit.REQUESTS,
        per=LimitPer.AGENT,
        maximum=maximum,
        window=Millis(window),
        burst=burst or maximum,
    )


rates = st.builds(
    lambda maximum, window, burst: limit(budget=False, maximum=maximum, window=window, burst=burst),
    st.integers(1, 50),
    st.integers(1_000, 100_000),
    st.integers(1, 60),
)
budgets = st.builds(
    lambda maximum, window: limit(budget=True, maximum=maximum, window=window),
    st.integers(1, 50),
    st.integers(60_000, 200_000),
)


@given(rate=rates, calls=st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 3)), max_size=60))
def test_no_stretch_of_time_lets_through_more_than_the_burst_and_what_filled_up(
    rate: Limit, calls: list[tuple[int, int]]
) -> None:
    now, drained, through = START, gcra.UNUSED, list[tuple[int, int]]()
    for later, amount in calls:
        now += later
        after = gcra.after(rate, drained, amount, Instant(now))
        if after is not None:
            drained = after
            through.append((now, amount))
    for first, (since, _) in enumerate(through):
        used = 0
        for until, amount in through[first:]:
            used += amount
            assert used <= rate.burst + Fraction((until - since) * rate.maximum, rate.window)


@given(rate=rates, calls=st.lists(st.integers(0, 5_000), min_size=1, max_size=30))
def test_a_refused_call_is_let_through_exactly_when_it_was_told_to_come_back(rate: Limit, calls: list[int]) -> None:
    now, drained = START, gcra.UNUSED
    for later in calls:
        now += later
        after = gcra.after(rate, drained, 1, Instant(now))
        if after is None:
            wait = gcra.wait(rate, drained, 1, Instant(now))
            assert wait is not None
            assert gcra.after(rate, drained, 1, Instant(now + wait)) is not None
            assert gcra.after(rate, drained, 1, Instant(now + wait - 1)) is None
        else:
            drained = after


@given(rate=rates, calls=st.lists(st.integers(0, 5_000), max_size=20), probe=st.integers(0, 200_000))
def test_what_remains_is_what_would_be_let_through(rate: Limit, calls: list[int], probe: int) -> None:
    now, drained = START, gcra.UNUSED
    for later in calls:
        now += later
        drained = gcra.after(rate, drained, 1, Instant(now)) or drained
    at = Instant(now + probe)
    left = gcra.remaining(rate, drained, at)
    if left:
        assert gcra.after(rate, drained, left, at) is not None
    assert gcra.after(rate, drained, left + 1, at) is None


@given(rate=rates, before=st.lists(st.integers(0, 3_000), max_size=10), probe=st.integers(0, 300_000))
def test_a_refund_at_once_leaves_no_trace(rate: Limit, before: list[int], probe: int) -> None:
    now, drained = START, gcra.UNUSED
    for later in before:
        now += later
        drained = gcra.after(rate, drained, 1, Instant(now)) or drained
    after = gcra.after(rate, drained, 1, Instant(now))
    if after is not None:
        refunded = gcra.refunded(rate, after, ends=after, amount=1, now=Instant(now))
        for at in (now, now + probe):
            assert gcra.remaining(rate, refunded, Instant(at)) == gcra.remaining(rate, drained, Instant(at))


@given(
    rate=rates,
    delay=st.integers(0, 200_000),
    others=st.lists(st.integers(0, 100_000), max_size=8),
    probe=st.integers(0, 200_000),
)
def test_a_late_refund_never_gives_more_than_was_taken(rate: Limit, delay: int, others: list[int], probe: int) -> None:
    taken = gcra.after(rate, gcra.UNUSED, 1, Instant(START))
    assert taken is not None
    with_it, without = taken, gcra.UNUSED
    now = START
    for later in sorted(others):
        if later <= delay:
            now = START + later
            both = gcra.after(rate, with_it, 1, Instant(now))
            if both is not None:
                with_it, without = both, gcra.after(rate, without, 1, Instant(now)) or without
    refunded = gcra.refunded(rate, with_it, ends=taken, amount=1, now=Instant(START + delay))
    at = Instant(START + delay + probe)
    assert gcra.remaining(rate, refunded, at) <= gcra.remaining(rate, without, at)


@dataclass
class _Spent:
    """What a naive count of one budget holds."""

    began: int = -1
    used: int = 0


@dataclass
class _Open:
    reservation: Reservation
    parts: list[tuple[int, int, int]] = field(default_factory=list)
    """Meter, window, amount."""


class Interleavings(RuleBasedStateMachine):
    """Charges of several budgets and refunds of them in any order, against a naive count."""

    @initialize(limits=st.lists(budgets, min_size=1, max_size=3))
    def begin(self, limits: list[Limit]) -> None:
        self.counters = MemoryCounters()
        self.meters = [Meter(f"m/{place}", "k", one) for place, one in enumerate(limits)]
        self.naive = [_Spent() for _ in limits]
        self.now = START
        self.open: list[_Open] = []

    @rule(later=st.integers(-50_000, 250_000), amounts=st.lists(st.integers(0, 12), min_size=1, max_size=3))
    def charge(self, later: int, amounts: list[int]) -> None:
        self.now += later
        pairs = list(zip(self.meters, amounts, strict=False))
        expected = all(self._room(place) and self._left(place) >= amount for place, (_, amount) in enumerate(pairs))
        found = self.counters.reserve([Charge(meter, amount, "a") for meter, amount in pairs], Instant(self.now))
        assert isinstance(found, Reservation) is expected
        if isinstance(found, Refusal):
            return
        held = _Open(found)
        for place, (_, amount) in enumerate(pairs):
            spent = self._window(place)
            spent.used += amount
            held.parts.append((place, spent.began, amount))
        self.open.append(held)

    @rule(which=st.integers(0, 20))
    def refund(self, which: int) -> None:
        if not self.open:
            return
        held = self.open.pop(which % len(self.open))
        self.counters.refund(held.reservation, Instant(self.now))
        for place, began, amount in held.parts:
            if self.naive[place].began == began:
                self.naive[place].used -= amount

    @invariant()
    def nothing_is_exceeded_and_nothing_is_lost(self) -> None:
        for place, meter in enumerate(getattr(self, "meters", ())):
            left = self.counters.status(meter, Instant(self.now)).remaining
            assert left == self._left(place)
            assert 0 <= left <= meter.limit.maximum

    def _window(self, place: int) -> _Spent:
        window, spent = self.meters[place].limit.window, self.naive[place]
        began = self.now - self.now % window
        if spent.began < began:  # a clock that is set back stays in the window that was begun
            spent.began, spent.used = began, 0
        return spent

    def _left(self, place: int) -> int:
        window, spent = self.meters[place].limit.window, self.naive[place]
        used = spent.used if spent.began >= self.now - self.now % window else 0
        return self.meters[place].limit.maximum - used

    def _room(self, place: int) -> bool:
        return self._left(place) > 0


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
