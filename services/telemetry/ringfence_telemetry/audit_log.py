"""The log of decisions nobody can rewrite: entries appended in groups, each group under one signature.

The rules:

- an entry is acknowledged with its index once it is durable and a signed checkpoint covers it;
- calls that wait together share a transaction and a signature; while one commits the next group gathers by itself;
- what is appended is new: the same entry again gets the index it has, another one about the same thing is refused, and
  refuses its own call only;
- nothing is appended to a head that was not signed here: who alters the database does not get the alteration signed;
- what the entries say about an agent becomes trust signals in the same transaction: no evidence without its entry, and
  no entry whose signal is forgotten.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from ringfence.proofs.merkle import Frontier, leaf_hash
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.errors import Unavailable
from ringfence_kit.log_keys import LogKeys, StoredCheckpoint
from ringfence_kit.log_tiles import add_to_tiles
from ringfence_kit.refusals import StartRefused
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.decision_document import Decision
from ringfence_telemetry.errors import DecisionConflict
from ringfence_telemetry.signals import Conduct, Effect, Observed, Signal, observe
from ringfence_telemetry.store import PRINCIPAL, AuditTx, StoredEntry, TelemetryTx
from ringfence_telemetry.store.audit import AuditLogTx

GROUP_ENTRIES = 2_000
"""Entries after which a group is closed, though more are waiting."""


class LogDoesNotFit(StartRefused):
    """The newest head in the database is none that was signed here."""

    def __init__(self, *, problem: str) -> None:
        super().__init__(
            f"the newest head of the audit log is not what this service signed: {problem}. Its database was altered or "
            "belongs with another key file; keep both as evidence, and restore those that were backed up together"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry to append."""

    key: str
    """What it is about, unique in the log."""
    body: bytes
    decision: Decision | None = None
    """What it says about an agent, when it is a decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """What became of the entries of one call."""

    indexes: tuple[int, ...] = ()
    """Their places, in order; empty when one of them was refused, and with it all."""
    conflict_key: str = ""
    """What the refused one is about."""
    conflict_index: int = -1
    """Where another entry about it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendedGroup:
    """What became of the calls of a group, and the checkpoint that covers them."""

    calls: tuple[Appended, ...]
    checkpoint: StoredCheckpoint


def decision_key(decision_id: str) -> str:
    """Return what the entry of a decision is about."""
    return f"decision:{decision_id}"


def append_entries(tx: AuditTx, calls: Sequence[Sequence[Draft]], *, keys: LogKeys, at: Instant) -> AppendedGroup:
    """Append what is new in `calls`, with everything that follows from it."""
    group, placed = _append(tx, calls, keys=keys, at=at)
    _observe_all(tx, placed)
    return group


def append_plain(tx: AuditLogTx, drafts: Sequence[Draft], *, keys: LogKeys, at: Instant) -> None:
    """Append entries from which nothing follows."""
    _append(tx, [drafts], keys=keys, at=at)


def ensure_head(tx: AuditTx, *, keys: LogKeys, at: Instant) -> StoredCheckpoint:
    """Return the newest head; sign the log as it is when there is none, or none by the key in force."""
    newest = tx.checkpoint()
    if newest is not None and (problem := keys.why_not_ours(newest)):
        raise LogDoesNotFit(problem=problem)
    if newest is not None and newest.note == keys.head(newest.frontier, newest.at).note:
        return newest
    head = keys.head(Frontier() if newest is None else newest.frontier, at)
    tx.append_entries((), {}, head)
    return head


def _append(
    tx: AuditLogTx, calls: Sequence[Sequence[Draft]], *, keys: LogKeys, at: Instant
) -> "tuple[AppendedGroup, _Placement]":
    newest = tx.checkpoint()
    if newest is not None and (problem := keys.why_not_ours(newest)):
        raise Unavailable(problem=f"the audit log's newest head was altered: {problem}")
    frontier = Frontier() if newest is None else newest.frontier
    known = dict(tx.entries_of({draft.key for drafts in calls for draft in drafts}))
    placed = _Placement(frontier.size, known, at)
    results = tuple(placed.place(drafts) for drafts in calls)
    if not placed.entries and newest is not None:
        return AppendedGroup(calls=results, checkpoint=newest), placed
    frontier, completed = frontier.grow(entry.leaf_hash for entry in placed.entries)
    checkpoint = keys.head(frontier, at)
    tx.append_entries(placed.entries, add_to_tiles(completed, tx.tile), checkpoint)
    return AppendedGroup(calls=results, checkpoint=checkpoint), placed


class _Placement:
    """Gives new entries their places."""

    def __init__(self, size: int, known: dict[str, StoredEntry], at: Instant) -> None:
        self._size = size
        self._known = known
        self._at = at
        self.entries: list[StoredEntry] = []
        self.decisions: list[tuple[StoredEntry, Decision]] = []

    def place(self, drafts: Sequence[Draft]) -> Appended:
        """Return the places of one call's entries; nothing of the call is placed when one of them is refused."""
        mine: dict[str, StoredEntry] = {}
        for draft in drafts:
            there = self._known.get(draft.key) or mine.get(draft.key)
            if there is None:
                mine[draft.key] = self._entry(draft, self._size + len(self.entries) + len(mine))
            elif there.body != draft.body:
                return Appended(conflict_key=draft.key, conflict_index=there.index)
        self._known |= mine
        self.entries += mine.values()
        new = [draft for draft in drafts if mine.pop(draft.key, None) is not None]
        self.decisions += [(self._known[draft.key], draft.decision) for draft in new if draft.decision is not None]
        return Appended(indexes=tuple(self._known[draft.key].index for draft in drafts))

    def _entry(self, draft: Draft, index: int) -> StoredEntry:
        leaf = leaf_hash(draft.body)
        return StoredEntry(index=index, key=draft.key, body=draft.body, leaf_hash=leaf, appended_at=self._at)


def _observe_all(tx: AuditTx, placed: _Placement) -> None:
    """Turn the decisions that were appended into conduct and signals, in log order; note the traces they name."""
    tx.note_decisions({entry.index: decision.trace_id for entry, decision in placed.decisions if decision.trace_id})
    conducts: dict[tuple[str, str], Conduct] = {}
    changed: dict[tuple[str, str], Conduct] = {}
    signals = list[Signal]()
    for entry, decision in placed.decisions:
        if not decision.names_an_agent:
            continue
        agent = decision.did, decision.environment
        if agent not in conducts:
            conducts[agent] = tx.conduct(*agent) or Conduct(did=decision.did, environment=decision.environment)
        after, said = observe(conducts[agent], _observed(entry, decision))
        if after is not conducts[agent]:
            conducts[agent] = changed[agent] = after
        signals += said
    for conduct in changed.values():
        tx.remember(conduct)
    tx.queue_signals(signals)


def _observed(entry: StoredEntry, decision: Decision) -> Observed:
    return Observed(
        index=entry.index,
        leaf_hash=entry.leaf_hash,
        decision_id=decision.decision_id,
        did=decision.did,
        environment=decision.environment,
        effect=decision.effect,
        reason=decision.reason,
        at=min(decision.decided_at, entry.appended_at),  # what is decided later than now was not decided yet
    )


def _denied_in(calls: Sequence[Sequence[Draft]]) -> frozenset[bytes]:
    """Return the traces in which something was denied."""
    decisions = (draft.decision for drafts in calls for draft in drafts)
    return frozenset(
        each.trace_id for each in decisions if each is not None and each.trace_id and each.effect is Effect.DENY
    )


def _nobody(_tx: TelemetryTx, _trace_ids: frozenset[bytes]) -> None:
    """Nobody waits for denials."""


@dataclass(slots=True, eq=False)
class _Waiting:
    drafts: Sequence[Draft]
    answer: "asyncio.Future[tuple[Appended, StoredCheckpoint]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class AuditLog:
    """Appends decisions in groups, for as long as `run` runs."""

    def __init__(
        self,
        writer: Writer[TelemetryTx],
        keys: LogKeys,
        *,
        on_appended: Callable[[], None],
        on_denied: Callable[[TelemetryTx, frozenset[bytes]], None] = _nobody,
        clock: Clock,
    ) -> None:
        """`on_appended` is called when entries, and with them signals, may have been stored; `on_denied` is told the
        traces in which something was denied, in the transaction that keeps the denial."""
        self._writer = writer
        self._keys = keys
        self._on_appended = on_appended
        self._on_denied = on_denied
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._work = asyncio.Event()

    async def append(self, drafts: Sequence[Draft]) -> tuple[Sequence[int], StoredCheckpoint]:
        """Return the places of the entries and a head that covers them. Raises DecisionConflict, Unavailable."""
        waiting = _Waiting(drafts)
        self._waiting.append(waiting)
        self._work.set()
        appended, checkpoint = await waiting.answer
        if appended.conflict_key:
            raise DecisionConflict(decision_id=appended.conflict_key.partition(":")[2], index=appended.conflict_index)
        return appended.indexes, checkpoint

    async def run(self) -> None:
        """Append what waits, group after group."""
        try:
            while True:
                await self._work.wait()
                await self._append(self._take_group())
        finally:
            for waiting in self._waiting:
                _refuse(waiting, Unavailable(problem="it is ending"))

    async def _append(self, group: Collection[_Waiting]) -> None:
        calls = [waiting.drafts for waiting in group]
        at, denied = self._clock.now(), _denied_in(calls)

        def work(tx: TelemetryTx) -> AppendedGroup:
            appended = append_entries(tx, calls, keys=self._keys, at=at)
            if denied:
                self._on_denied(tx, denied)
            return appended

        try:
            appended = await self._writer.write(
                work, mutation=Mutation(principal=PRINCIPAL, at=at), result=AppendedGroup
            )
        except BaseException as error:
            for waiting in group:
                _refuse(waiting, error if isinstance(error, Unavailable) else Unavailable(problem="it has failed"))
            if not isinstance(error, Unavailable):
                raise
            return
        self._on_appended()
        for waiting, call in zip(group, appended.calls, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result((call, appended.checkpoint))

    def _take_group(self) -> list[_Waiting]:
        group, entries = [], 0
        while self._waiting and entries < GROUP_ENTRIES:
            group.append(self._waiting.popleft())
            entries += len(group[-1].drafts)
        if not self._waiting:
            self._work.clear()
        return group


def _refuse(waiting: _Waiting, failure: Unavailable) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(failure)
