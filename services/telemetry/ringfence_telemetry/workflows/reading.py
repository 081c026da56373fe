"""Answering questions about pieces of work: who may see which, and all that is told about one.

The rules:

- operators, auditors and services see all; an agent sees its own part in what it had a part in, with those it called,
  and is told of everything else what it is told of what never was;
- what a reporter says that may not speak for its agents is shown apart, to those who see all;
- as long as spans are kept the answer is made of them as they are now, afterwards of what they came to;
- an outcome belongs to a piece of work that the agent it is about had a part in; one rejection rejects the work;
- a decision is shown where its agent was at work at its time; nobody else is shown it.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import SECOND, Clock, Millis
from ringfence_kit.errors import NotPermitted

from ringfence_telemetry.decision_document import LoggedDecision, read_logged
from ringfence_telemetry.errors import WorkflowNotFound
from ringfence_telemetry.ingest import Ingest
from ringfence_telemetry.store import TelemetryStore
from ringfence_telemetry.store.workflows import ListedWorkflow, NotedOutcome, WorkflowQuery
from ringfence_telemetry.trace_keys import TraceKey, is_trusted
from ringfence_telemetry.waiting import happens_within
from ringfence_telemetry.workflows.blame import Promises
from ringfence_telemetry.workflows.hops import Hop, Tree
from ringfence_telemetry.workflows.kept_traces import KeptTraces, TraceRead
from ringfence_telemetry.workflows.placing import place_decisions
from ringfence_telemetry.workflows.summary import Summary, summary_of, topmost_of
from ringfence_telemetry.workflows.tree import grow

CATCH_UP = Millis(SECOND)
"""How long an answer waits for spans that are accepted and not yet counted."""

DECISIONS_MAX = 1_000
"""Decisions shown with one piece of work: the first."""

UNTRUSTED_MAX = 16
"""Reporters that are not believed and whose part of a trace is shown."""

ACCEPTED, REJECTED = "accepted", "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is told of a piece of work."""

    summary: Summary
    is_open: bool
    outcome: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTree:
    """Hops as they are shown, and the decisions by the span of the hop."""

    hops: Sequence[Hop]
    trusted: bool
    epoch_offset: int = 0
    """Added to a hop's start it gives nanoseconds by our clock."""
    decisions: Mapping[int, Sequence[LoggedDecision]] = field(default_factory=dict)
    blamed: int = 0
    """The span of the hop to blame; 0 when none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeWorkflow:
    """One piece of work."""

    told: Told
    trees: Sequence[ShownTree]


class WorkflowReader:
    """Answers questions about pieces of work."""

    def __init__(
        self, store: TelemetryStore, traces: KeptTraces, ingest: Ingest, promises: Promises, *, clock: Clock
    ) -> None:
        self._store = store
        self._traces = traces
        self._ingest = ingest
        self._promises = promises
        self._clock = clock

    async def workflow(self, trace_id: bytes, *, caller: Caller) -> WholeWorkflow:
        """Return one piece of work. Raises WorkflowNotFound, also when there is one that the caller may not see."""
        await happens_within(CATCH_UP, self._clock, self._ingest.caught_up())
        agent = "" if _sees_all(caller) else caller.principal
        keys = await self._store.keys_of(trace_id)
        shown = [key for key in keys if is_trusted(key) or not agent][: UNTRUSTED_MAX + 1]
        trees = await asyncio.to_thread(_grow_all, await self._traces.read(shown))
        settled = await self._store.summaries_of(shown)
        # Where it came to more than the spans still tell, some of them are no longer kept.
        trees = {key: tree for key, tree in trees.items() if key not in settled or tree.spans >= settled[key].spans}
        summaries = [summary_of(key, trees[key]) if key in trees else settled.get(key) for key in shown]
        summary = next((each.with_late_blamed(self._promises) for each in summaries if each is not None), None)
        seen = summary if summary is None or not agent else summary.seen_by(agent)
        if seen is None:
            raise WorkflowNotFound(trace_id=trace_id.hex())
        decisions = await self._decisions(trace_id)
        (told,) = await self._told([ListedWorkflow(summary=seen, waits=keys[seen.key])])
        return WholeWorkflow(
            told=told, trees=[_shown(key, tree, agent, seen, decisions) for key, tree in trees.items()]
        )

    async def workflows(self, query: WorkflowQuery, *, caller: Caller) -> Sequence[Told]:
        """Return pieces of work, the newest first. Raises NotPermitted."""
        if _sees_all(caller):
            return await self._told(await self._listed(query))
        if query.agent not in ("", caller.principal):
            raise NotPermitted(
                principal=caller.principal,
                action=f"list the work of {query.agent}",
                needed="platform-admin, auditor or service; an agent names itself",
            )
        listed = await self._listed(replace(query, agent=caller.principal, as_agent=True))
        own = [(each, each.summary.seen_by(caller.principal)) for each in listed]
        return await self._told([replace(each, summary=seen) for each, seen in own if seen is not None])

    async def _listed(self, query: WorkflowQuery) -> list[ListedWorkflow]:
        found = await self._store.workflows(query)
        return [replace(each, summary=each.summary.with_late_blamed(self._promises)) for each in found]

    async def _decisions(self, trace_id: bytes) -> Sequence[LoggedDecision]:
        bodies = await self._store.decisions_in(trace_id, limit=DECISIONS_MAX)
        return [read_logged(body, index=index) for index, body in bodies]

    async def _told(self, listed: Sequence[ListedWorkflow]) -> list[Told]:
        sessions = {each.summary.settled.session for each in listed} - {""}
        traces = {each.summary.settled.trace_id for each in listed}
        noted = await self._store.outcomes(trace_ids=traces, work_ids=sessions | {trace.hex() for trace in traces})
        verdicts = _Verdicts(noted)
        return [
            Told(
                summary=each.summary,
                is_open=each.waits,
                outcome=verdicts.of(each.summary) if each.summary.trusted else "",
            )
            for each in listed
        ]


class _Verdicts:
    """Outcomes, by what they name."""

    def __init__(self, noted: Collection[NotedOutcome]) -> None:
        self._named: dict[bytes | str, list[NotedOutcome]] = {}
        for each in noted:
            self._named.setdefault(each.trace_id or each.work_id, []).append(each)

    def of(self, summary: Summary) -> str:
        """Return what came of a piece of work; empty when nobody said."""
        trace_id, agents = summary.settled.trace_id, {share.agent for share in summary.shares}
        names: list[bytes | str] = [trace_id, trace_id.hex()]
        names += [summary.settled.session] if summary.settled.session else []
        said = {each.accepted for name in names for each in self._named.get(name, ()) if each.did in agents}
        return "" if not said else ACCEPTED if all(said) else REJECTED


def _sees_all(caller: Caller) -> bool:
    return caller.has(Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE)


def _grow_all(traces: Mapping[TraceKey, TraceRead]) -> dict[TraceKey, Tree]:
    grown = {key: grow(traces[key], trusted=is_trusted(key)) for key in sorted(traces)}
    return {key: tree for key, tree in grown.items() if tree is not None}


def _shown(key: TraceKey, tree: Tree, agent: str, seen: Summary, decisions: Sequence[LoggedDecision]) -> ShownTree:
    hops = topmost_of(tree)[agent] if agent else tree.hops
    offset = int(tree.started_at) * 1_000_000 - tree.root.start
    if not is_trusted(key):
        return ShownTree(hops=hops, trusted=False, epoch_offset=offset)
    return ShownTree(
        hops=hops,
        trusted=True,
        epoch_offset=offset,
        decisions=place_decisions(hops, decisions, offset=offset, strays=not agent),
        blamed=seen.blamed_span,
    )
