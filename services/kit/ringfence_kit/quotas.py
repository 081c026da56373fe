"""Token buckets: how often a caller may call each class of methods.

The rules:

- a bucket never lets through more than its burst plus its rate times the time passed, to the token: all whole numbers;
- a clock set back earns nothing; a clock set forward earns at most the burst;
- memory is bounded: past `max_buckets` of a class the least recently used goes. A caller who can make that many others
  appear to reset its own bucket holds that many credentials, or addresses, already.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from ringfence_kit.clock import Clock, Instant, Millis
from ringfence_kit.errors import QuotaExceeded
from ringfence_kit.grants import MethodClass
from ringfence_kit.server_config import QuotasConfig

K = TypeVar("K")

Quota: TypeAlias = Callable[[MethodClass], None]
"""Counts one call more of one caller, or raises QuotaExceeded."""

_TOKEN = 1_000
"""A token in thousandths: a rate per second is then thousandths per millisecond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Calls per second on average, and how many may come at once."""

    per_second: int
    burst: int


def configured_rates(config: QuotasConfig) -> Mapping[MethodClass, Rate]:
    """Return the rates that are set; a class at 0 per second is not limited and has none."""
    rates = {
        MethodClass.DECIDE: Rate(per_second=config.decide_per_second, burst=config.decide_burst),
        MethodClass.READ: Rate(per_second=config.read_per_second, burst=config.read_burst),
        MethodClass.WRITE: Rate(per_second=config.write_per_second, burst=config.write_burst),
        MethodClass.INGEST: Rate(per_second=config.ingest_per_second, burst=config.ingest_burst),
        MethodClass.STREAM: Rate(per_second=config.stream_per_second, burst=config.stream_burst),
    }
    return {method_class: rate for method_class, rate in rates.items() if rate.per_second > 0}


class TokenBucket:
    """One bucket, full at first."""

    __slots__ = ("_at", "_level", "_rate")

    def __init__(self, rate: Rate, now: Instant) -> None:
        self._rate = rate
        self._level = rate.burst * _TOKEN
        self._at = now

    def take(self, now: Instant) -> Millis:
        """Take a token and return 0, or take nothing and return how long until there is one."""
        if now != self._at:
            self._earn(now)
        if self._level < _TOKEN:
            return self._until_next()
        self._level -= _TOKEN
        return Millis(0)

    def wait(self, now: Instant) -> Millis:
        """Return how long until there is a token, 0 when there is one, and take none."""
        self._earn(now)
        return Millis(0) if self._level >= _TOKEN else self._until_next()

    def _earn(self, now: Instant) -> None:
        passed = now - self._at
        if passed > 0:
            self._level = min(self._rate.burst * _TOKEN, self._level + passed * self._rate.per_second)
            self._at = now

    def _until_next(self) -> Millis:
        return Millis(-(-(_TOKEN - self._level) // self._rate.per_second))


class Buckets(Generic[K]):
    """A bucket for each key that came up, all of one rate; the least recently used go when there are too many."""

    def __init__(self, rate: Rate, max_buckets: int) -> None:
        self._rate = rate
        self._max_buckets = max_buckets
        self.held: OrderedDict[K, TokenBucket] = OrderedDict()
        """Those that are remembered, the least recently used first."""

    def __len__(self) -> int:
        return len(self.held)

    def take(self, key: K, now: Instant) -> Millis:
        """Take a token of `key` and return 0, or take nothing and return how long until there is one."""
        bucket = self.held.get(key)
        if bucket is None:
            bucket = self.held[key] = TokenBucket(self._rate, now)
            if len(self.held) > self._max_buckets:
                self.held.popitem(last=False)
        else:
            self.held.move_to_end(key)
        return bucket.take(now)

    def wait(self, key: K, now: Instant) -> Millis:
        """Return how long until there is a token for `key`, 0 when there is one, and take none."""
        bucket = self.held.get(key)
        return Millis(0) if bucket is None else bucket.wait(now)


class Quotas:
    """The buckets of one service, by caller and method class. A class without a rate is not limited."""

    def __init__(self, rates: Mapping[MethodClass, Rate], clock: Clock, *, max_buckets: int = 20_000) -> None:
        self._clock = clock
        self._buckets = {method_class: Buckets[str](rate, max_buckets) for method_class, rate in rates.items()}

    @property
    def buckets_held(self) -> int:
        """How many buckets are remembered."""
        return sum(map(len, self._buckets.values()))

    def take(self, caller: str, method_class: MethodClass) -> None:
        """Count one call of `caller`, or raise QuotaExceeded with the time to wait."""
        buckets = self._buckets.get(method_class)
        if buckets is None:
            return
        wait = buckets.take(caller, self._clock.now())
        if wait:
            raise QuotaExceeded(principal=caller, method_class=method_class.value, retry_after=wait)


def _unlimited(_method_class: MethodClass) -> None:
    """Count nothing."""


_CURRENT: ContextVar[Quota] = ContextVar("ringfence_quota", default=_unlimited)


def current_quota() -> Quota:
    """Return what counts further calls of whoever calls: each message of a stream may be as much as a call."""
    return _CURRENT.get()


def establish_quota(quota: Quota) -> None:
    """Set what counts further calls within this one: for the interceptors, of streams, which share no context."""
    _CURRENT.set(quota)
