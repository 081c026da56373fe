"""R7: settles traces that are over, each time exactly once, whatever is killed in between.

The rules:

- which traces are to be settled, and when, is stored in the transaction that counts their spans (`DueTraces`), so what
  was accepted is settled after any crash, and not before it is counted;
- a trace is settled 30 s after its root came, or 15 minutes after its last span when the root never does; a span that
  comes later settles it again;
- taking it off the list, keeping what it came to and all that is concluded from it is one transaction: of any number
  of replicas one settles it; of which spans came meanwhile is settled again half a minute later;
- conclusions are drawn only from spans that are believed, and only when what the trace came to has changed;
- a span that comes when those before it are no longer kept settles nothing again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from operator import attrgetter

import structlog
from ringfence_kit.clock import SECOND, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.roll_up import Rolled
from ringfence_telemetry.store import PRINCIPAL, TelemetryTx
from ringfence_telemetry.store.workflows import DueTrace, TraceMark, WorkflowStore, WorkflowTx
from ringfence_telemetry.trace_keys import TraceKey, is_trusted
from ringfence_telemetry.workflows.kept_traces import KeptTraces, TraceRead
from ringfence_telemetry.workflows.settled import Judge, Settling
from ringfence_telemetry.workflows.summary import Summary, summary_of
from ringfence_telemetry.workflows.tree import grow

LOOK_EVERY = Millis(SECOND)

TRACES_AT_ONCE = 500
PARTS_AT_ONCE = 128
"""Parts of traces that are read and grown together, unless a single trace has more: a part is 512 spans at most."""

_log = structlog.get_logger(__name__)
_parent = attrgetter("parent")


class DueTraces:
    """A consequence of spans that were counted: their traces are to be settled."""

    def draw(self, tx: WorkflowTx, rolled: Rolled, at: Instant) -> None:  # noqa: ARG002 - when spans came counts
        """Put the traces on the list."""
        marks: dict[TraceKey, TraceMark] = {}
        for new in rolled.parts:
            there = marks.get(new.trace)
            rooted = (there is not None and there.rooted) or 0 in map(_parent, new.part.facts)
            marks[new.trace] = TraceMark(new.trace, rooted, new.received_at)
        tx.mark_due(list(marks.values()))


class Settler:
    """Settles what is due."""

    def __init__(
        self,
        writer: Writer[TelemetryTx],
        store: WorkflowStore,
        traces: KeptTraces,
        *,
        judges: Sequence[Judge[TelemetryTx]] = (),
        clock: Clock,
    ) -> None:
        """Let `judges` conclude what follows, in the transaction that keeps what a trace came to."""
        self._writer = writer
        self._store = store
        self._traces = traces
        self._judges = judges
        self._clock = clock
        self.settled = 0
        """Traces settled since the start, each as often as it was."""
        self.behind = Millis(0)
        """How long what was settled last had been due."""

    async def run(self) -> None:
        """Settle for ever."""
        while True:
            try:
                await self.settle_due()
            except Unavailable as problem:
                _log.warning("settling_put_off", problem=problem.message)
            await self._clock.sleep(LOOK_EVERY)

    async def settle_due(self) -> None:
        """Settle what is due now."""
        while due := await self._store.due(at=self._clock.now(), limit=TRACES_AT_ONCE):
            self.behind = Millis(self._clock.now() - due[0].due_at)
            for some in _in_turns(due):
                await self.settle(some)

    async def settle(self, due: Sequence[DueTrace]) -> None:
        """Settle traces that were found due; those that another settled meanwhile are left."""
        read = await self._traces.read([each.key for each in due])
        summaries = await asyncio.to_thread(_come_to, read)
        at, judges = self._clock.now(), self._judges

        def work(tx: TelemetryTx) -> int:
            return _keep(tx, due, summaries, judges, at)

        mutation = Mutation(principal=PRINCIPAL, at=at)
        self.settled += await self._writer.write(work, mutation=mutation, result=int)


def _in_turns(due: Sequence[DueTrace]) -> list[list[DueTrace]]:
    """Return the traces in lists of few parts each."""
    turns: list[list[DueTrace]] = [[]]
    parts = 0
    for each in due:
        if turns[-1] and parts + each.marks > PARTS_AT_ONCE:
            turns.append([])
            parts = 0
        turns[-1].append(each)
        parts += each.marks
    return turns


def _come_to(traces: Mapping[TraceKey, TraceRead]) -> dict[TraceKey, Summary]:
    """Return what traces come to."""
    found: dict[TraceKey, Summary] = {}
    for key, read in traces.items():
        tree = grow(read, trusted=is_trusted(key))
        if tree is not None:
            found[key] = summary_of(key, tree)
    return found


def _keep(
    tx: TelemetryTx,
    due: Sequence[DueTrace],
    summaries: Mapping[TraceKey, Summary],
    judges: Sequence[Judge[TelemetryTx]],
    at: Instant,
) -> int:
    """Keep what nobody else settled, with what is concluded from it; return how many traces that were."""
    claimed = tx.claim_due(due, at=at)
    before = tx.summaries(claimed)
    changed = [summaries[key] for key in claimed if key in summaries and _is_news(summaries[key], before.get(key))]
    tx.keep_summaries(changed)
    settlings = tuple(
        Settling(now=each.settled, previous=before[each.key].settled if each.key in before else None)
        for each in changed
        if each.trusted
    )
    if settlings:
        for judge in judges:
            judge.judge(tx, settlings, at)
    return len(claimed)


def _is_news(now: Summary, before: Summary | None) -> bool:
    """Say whether a trace came to something else. One of fewer spans than before is what is left of it: old ones go."""
    return before is None or (now != before and now.spans >= before.spans)
