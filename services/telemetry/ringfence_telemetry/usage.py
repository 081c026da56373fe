"""Usage as it is added up: what it is counted by, what is counted, and sums of both.

Counts are exact integers. A late span may take back what an earlier one was charged, so a change can be negative; a
total never is. The work of a change is done per key, however many spans were counted under it.
"""

from collections.abc import Mapping
from operator import sub
from typing import Final, NamedTuple, TypeAlias

from ringfence_telemetry.durations import Buckets, bucket_of

UNATTRIBUTED = "unattributed"
"""The agent of spans that no span of their trace attributes."""

OK: Final = "ok"
ERROR: Final = "error"
CANCELLED: Final = "cancelled"
"""What became of it. A caller that gave up is no error of the agent's."""


class UsageKey(NamedTuple):
    """What usage is counted by."""

    minute: int
    """Minutes since the epoch."""
    agent: str
    session: str
    model: str
    operation: str
    untrusted: bool
    """Reported by a credential that is not bound to the agent."""
    tool: str = ""
    team: str = ""
    outcome: str = OK
    currency: str = ""
    """What the cost is in, ISO 4217; empty when it cost nothing, or nobody knows what."""


class CallerKey(NamedTuple):
    """What is counted of those an agent had called: by the agent, in whose name it was done."""

    minute: int
    agent: str
    untrusted: bool
    currency: str = ""


class Counts(NamedTuple):
    """What is counted."""

    spans: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    tool_calls: int = 0
    duration_micros: int = 0
    retries: int = 0
    unknown_cost_calls: int = 0
    cost_nanos: int = 0
    """In the key's currency."""
    stated_cost_nanos: int = 0
    """Of the cost, what senders stated."""


ZERO = Counts()

CountRow: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int, int, int, int]
"""Counts as a plain tuple, in the same order: what a single span adds."""

_DURATION = Counts._fields.index("duration_micros")


class UsageChange:
    """What a batch of spans does to the totals, gathered to be applied at once.

    A span only leaves its counts here; they are added up column by column when somebody asks for the sums.
    """

    def __init__(self) -> None:
        self._added: dict[UsageKey, list[CountRow]] = {}
        self._taken: dict[UsageKey, list[CountRow]] = {}
        self._called: dict[CallerKey, list[int]] = {}
        self._sums: dict[UsageKey, Counts] | None = None
        """What `sums` found, until something changes."""

    def add(self, key: UsageKey, counts: CountRow, callers: tuple[str, ...] = ()) -> None:
        """Count a span under `key`, and among what `callers` had done."""
        self._sums = None
        rows = self._added.get(key)
        if rows is None:
            self._added[key] = [counts]
        else:
            rows.append(counts)
        if callers:
            self._tell(callers, key, counts, 1)

    def take_back(self, key: UsageKey, counts: CountRow, callers: tuple[str, ...] = ()) -> None:
        """Undo an earlier `add`, of this change or of one before."""
        self._sums = None
        self._taken.setdefault(key, []).append(counts)
        if callers:
            self._tell(callers, key, counts, -1)

    def sums(self) -> dict[UsageKey, Counts]:
        """Return the net change of each key; what cancelled out is left away."""
        if self._sums is None:
            sums = {key: Counts._make(map(sum, zip(*rows, strict=True))) for key, rows in self._added.items()}
            for key, rows in self._taken.items():
                taken = map(sum, zip(*rows, strict=True))
                sums[key] = Counts._make(map(sub, sums.get(key, ZERO), taken))
            self._sums = {key: counts for key, counts in sums.items() if any(counts)}
        return self._sums

    def durations(self) -> Mapping[UsageKey, Buckets]:
        """Return the net change of each key's durations; of a key that is none of `sums` it is of no account."""
        found: dict[UsageKey, Buckets] = {}
        for changes, sign in ((self._added, 1), (self._taken, -1)):
            for key, rows in changes.items():
                buckets = found.setdefault(key, {})
                for counts in rows:
                    bucket = bucket_of(counts[_DURATION])
                    buckets[bucket] = buckets.get(bucket, 0) + sign
        return found

    def called(self) -> dict[CallerKey, Counts]:
        """Return the net change of what each caller had done by others."""
        return {key: Counts._make(row) for key, row in self._called.items() if any(row)}

    def _tell(self, callers: tuple[str, ...], key: UsageKey, counts: CountRow, sign: int) -> None:
        for agent in callers:
            if agent != key.agent:
                row = self._called.setdefault(
                    CallerKey(key.minute, agent, key.untrusted, key.currency), [0] * len(counts)
                )
                for place, count in enumerate(counts):
                    row[place] += sign * count
