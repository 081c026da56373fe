"""What followers of a pdp are told: everything decisions stand on at one moment, then every change of it, in order.

The rules:

- a change is told as one event: what of it is there together is seen together. Nothing is missed between the state and
  what follows, and a follower that comes back goes on where it was, as long as the events in between are kept;
- what feeds change is noted by name while somebody follows, so a change costs what it changes and not what is known;
- what is replaced as a whole is told as a new state: whoever follows begins again;
- a quiet stream says every second that it is alive, and how old everything is;
- revisions are those of this process, and begin at a number no other process uses.

Everything here happens on the event loop, between decisions.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, NoReturn, TypeAlias, TypeVar

from ringfence.watch import Change
from ringfence_kit.clock import MINUTE, SECOND, Clock, Instant, Millis
from ringfence_kit.errors import RevisionCompacted, RevisionInFuture

from ringfence_pdp.facts import Facts
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.snapshots.facts_by_name import PLACES, few_of, frozen
from ringfence_pdp.snapshots.shipped import Kind, Record, Settings, Standing, record_of

View = TypeVar("View")

BEAT = Millis(SECOND)
"""How often a quiet stream says something."""

RECORDS_MAX = 4_096
"""Records of one event, or of one part of the state."""

PART_BYTES = 64 << 10
"""From so many bytes on, a part of the state is sent: writing one holds up decisions for a millisecond or two."""

EVENTS_KEPT = 16_384
BYTES_KEPT = 32 << 20

REMEMBERED_FOR = Millis(5 * MINUTE)
"""How long events are kept for followers that may come back, when none is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatePart:
    """Part of the state, which stands at `revision`; the last one says how everything stands."""

    revision: int
    records: tuple[Record, ...]
    standing: Standing | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateComplete:
    """The state was told."""

    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What changed together, and how everything stands with it."""

    revision: int
    records: tuple[Record, ...]
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """Nothing is missing up to `revision`."""

    revision: int


Told: TypeAlias = StatePart | StateComplete | Changed | Beat


class Ages(NamedTuple):
    """How long ago others were heard; None means never."""

    identity: Millis | None
    budgets: Millis | None


class Shipping:
    """Tells followers. `changed` has to be called after every change of policy or facts, and `beating` to run."""

    def __init__(
        self,
        *,
        policy: PolicyState[Any],
        facts: Callable[[], Facts],
        ages: Callable[[Instant], Ages],
        settings: Settings,
        clock: Clock,
        salt: int,
        events_kept: int = EVENTS_KEPT,
    ) -> None:
        """`salt`, below 65,536, keeps apart the revisions of processes that began in the same millisecond."""
        self._policy = policy
        self._facts = facts
        self._ages = ages
        self._settings = settings
        self._clock = clock
        self._events_kept = events_kept
        self._noted: dict[Kind, dict[str, None]] = {place.kind: {} for place in PLACES}
        self._revision = clock.now() << 16 | salt
        self._history: deque[Changed] = deque()
        self._history_bytes = 0
        self._told: _Told | None = None
        """What the newest event left followers with; None while nobody follows."""
        self._forgets_at = clock.now()
        self._beats = 0
        self._news = asyncio.Event()
        self.followers = 0
        """How many there are."""

    def noting(
        self, kind: Kind, names_of: Callable[[Any], Iterable[str]], take: Callable[[View, Change, Any], None]
    ) -> Callable[[View, Change, Any], None]:
        """Return what takes a feed's answer as `take` does, and notes the names of the facts that it changes."""

        def noted(view: View, change: Change, answer: Any) -> None:
            if self._told is not None:
                self._noted[kind].update(dict.fromkeys(names_of(answer)))
            take(view, change, answer)

        return noted

    def changed(self) -> None:
        """Tell what changed."""
        if self._told is None:
            return
        facts, few = self._facts(), self._few()
        records = self._changes(facts, few)
        if records is None or len(records) > RECORDS_MAX:
            self._begin_anew()
            return
        standing = self._standing(facts)
        if records or not standing.says_as(self._told.standing):
            self._tell(tuple(records), standing, few)

    async def beating(self) -> NoReturn:
        """Say every second that all is well, and forget what nobody comes back for. Runs until cancelled."""
        while True:
            await self._clock.sleep(BEAT)
            if self._told is None:
                continue
            if not self.followers and self._clock.now() >= self._forgets_at:
                self._forget()
                continue
            self.changed()
            self._tell((), self._standing(self._facts()), self._told.few)
            self._beats += 1

    async def following(self, start_revision: int | None) -> AsyncGenerator[Told, None]:
        """Yield the state and then events, or events from `start_revision` on, until closed (`contextlib.aclosing`).

        Raises RevisionCompacted or RevisionInFuture for one that is not among this process's.
        """
        if self._told is None:
            self._begin_anew()
        self.followers += 1
        try:
            seen = self._revision if start_revision is None else start_revision - 1
            if start_revision is None:
                for part in self._state():
                    yield part
                yield StateComplete(revision=seen)
            elif seen > self._revision:
                raise RevisionInFuture(requested=start_revision, newest=self._revision)
            beats = self._beats
            while True:
                if seen < self._revision:
                    event = self._event(seen + 1)
                    seen = event.revision
                    yield event
                elif beats != self._beats:
                    beats = self._beats
                    yield Beat(revision=seen)
                else:
                    await self._news.wait()
        finally:
            self.followers -= 1
            self._forgets_at = Instant(self._clock.now() + REMEMBERED_FOR)

    def _event(self, revision: int) -> Changed:
        oldest = self._revision - len(self._history) + 1
        if revision < oldest:
            raise RevisionCompacted(requested=revision, oldest=oldest)
        return self._history[revision - oldest]

    def _state(self) -> Iterator[StatePart]:
        """Return the parts of the state as it is now; what is not sent yet is not written yet."""
        facts, few, revision = frozen(self._facts()), self._few(), self._revision
        standing = self._standing(facts)
        records = _records_of(facts, few)

        def parts() -> Iterator[StatePart]:
            while part := tuple(_one_part(records)):
                yield StatePart(revision=revision, records=part)
            yield StatePart(revision=revision, records=(), standing=standing)

        return parts()

    def _changes(self, facts: Facts, few: "_Few") -> list[Record] | None:
        """Return the records of what is otherwise than it was told; None when something was replaced as a whole."""
        told = self._told
        if told is None or any(
            place.held_in(facts) is not held for place, held in zip(PLACES, told.holders, strict=True)
        ):
            return None
        found: list[Record] = []
        for kind, values in few.items():
            before = told.few[kind]
            if values is not before:
                gone = (name for name in before if name not in values)
                found.extend(record_of(kind, name, None) for name in gone)
                changed = (name for name, value in values.items() if before.get(name) != value)
                found.extend(record_of(kind, name, values[name]) for name in changed)
        for place in PLACES:
            noted = self._noted[place.kind]
            found.extend(place.record(facts, name) for name in noted)
            noted.clear()
        return found

    def _few(self) -> "_Few":
        """Return everything of which there is little, by kind and name; the same values while they are the same."""
        facts, in_force = self._facts(), self._policy.current
        made_of = (facts.issuers, facts.spending, in_force.kill_switches, in_force.rollout)
        bundles = {digest: self._policy.find(digest) for digest in sorted(in_force.rollout.named)}
        if self._told is not None and all(one is other for one, other in zip(made_of, self._told.made_of, strict=True)):
            known = self._told.few
            if all(known[Kind.BUNDLE].get(digest) is bundle for digest, bundle in bundles.items()):
                return known
        return {
            Kind.SETTINGS: {"settings": self._settings},
            Kind.BUNDLE: {digest: bundle for digest, bundle in bundles.items() if bundle is not None},
            Kind.ROLLOUT: {"rollout": in_force.rollout},
            Kind.KILL_SWITCH: {switch.name: switch for switch in in_force.kill_switches},
            **few_of(facts),
        }

    def _standing(self, facts: Facts) -> Standing:
        ages, in_force = self._ages(self._clock.now()), self._policy.current
        return Standing(
            policy_revision=in_force.revision,
            identity_revision=facts.identity_revision,
            registry_revision=facts.registry_revision,
            epoch=in_force.epoch + facts.epoch,
            identity_age=ages.identity,
            budgets_age=ages.budgets,
            boundaries_heard=facts.boundaries.heard,
        )

    def _tell(self, records: tuple[Record, ...], standing: Standing, few: "_Few") -> None:
        self._revision += 1
        self._history.append(Changed(revision=self._revision, records=records, standing=standing))
        self._history_bytes += _size(records)
        while len(self._history) > self._events_kept or self._history_bytes > BYTES_KEPT:
            self._history_bytes -= _size(self._history.popleft().records)
        self._left_with(standing, few)
        self._wake()

    def _begin_anew(self) -> None:
        """Keep track from here on; nobody can go on from before."""
        self._revision += 1
        self._history.clear()
        self._history_bytes = 0
        for noted in self._noted.values():
            noted.clear()
        self._left_with(self._standing(self._facts()), self._few())
        self._wake()

    def _left_with(self, standing: Standing, few: "_Few") -> None:
        facts, in_force = self._facts(), self._policy.current
        self._told = _Told(
            standing=standing,
            few=few,
            made_of=(facts.issuers, facts.spending, in_force.kill_switches, in_force.rollout),
            holders=tuple(place.held_in(facts) for place in PLACES),
        )

    def _forget(self) -> None:
        self._told = None
        self._history.clear()
        self._history_bytes = 0
        for noted in self._noted.values():
            noted.clear()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


_Few: TypeAlias = Mapping[Kind, Mapping[str, object]]


class _Told(NamedTuple):
    standing: Standing
    few: _Few
    made_of: tuple[object, ...]
    """What `few` was made of: as long as these are the same, so is it."""
    holders: tuple[object, ...]
    """What holds the facts of each place; while these are the same, only what was noted has changed."""


def _records_of(facts: Facts, few: _Few) -> Iterator[Record]:
    for kind, values in few.items():
        for name, value in values.items():
            yield record_of(kind, name, value)
    for place in PLACES:
        for name in place.names(facts):
            yield place.record(facts, name)


def _one_part(records: Iterator[Record]) -> Iterator[Record]:
    size = 0
    for record in islice(records, RECORDS_MAX):
        yield record
        size += len(record.content)
        if size >= PART_BYTES:
            return


def _size(records: tuple[Record, ...]) -> int:
    return sum(len(record.content) for record in records) + 256
