"""Asking how versions do, what is asked of them, and how far they have moved; and setting what is asked.

Who may ask: administrators, auditors, services; the owner of an agent's namespace, when the agent is named by its
resource name; the agent itself. Who may set: administrators and that owner. Both are judged before anything is looked
up, so a refusal says nothing about what there is.
"""

from dataclasses import dataclass, replace

from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, Clock, Instant
from ringfence_kit.errors import EtagMismatch, NotPermitted
from ringfence_kit.events import Change
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.errors import BaselineNotFound, BaselineTooSmall
from ringfence_telemetry.evaluation.counts import Acceptance, acceptance
from ringfence_telemetry.evaluation.drift import SAMPLES_LEAST, Baseline, Drift, drifts, moments
from ringfence_telemetry.evaluation.gate import AcceptanceGate, GateResult, check
from ringfence_telemetry.store import TelemetryStore, TelemetryTx

GATE = "acceptance-gate"
BASELINE = "evaluation-baseline"
"""Kinds of the events that a change of either is."""

SCORES_MAX = 5_000
"""The newest scores that slow change is looked for in: a shift by half a deviation shows in 80."""
MEASURES_MAX = 50
"""Measures a baseline keeps, those with most scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose acceptance is asked for."""

    agent: str
    version: str = ""
    """Empty for all together."""
    also_known_as: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name its numbers are counted under."""
        return tuple(dict.fromkeys((self.agent, *self.also_known_as)))


class AcceptanceReader:
    """Answers questions."""

    def __init__(self, store: TelemetryStore, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def acceptance(self, subject: Subject, *, start: Instant, end: Instant, caller: Caller) -> Acceptance:
        """Return how a version did on the days from `start` to `end`. Raises NotPermitted."""
        _require_reader(caller, subject)
        return await self.acceptance_of(subject, first_day=start // DAY, last_day=end // DAY)

    async def check(self, subject: Subject, *, caller: Caller) -> tuple[GateResult, ...]:
        """Return every condition of the agent's gate; none when nothing is asked. Raises NotPermitted."""
        _require_reader(caller, subject)
        gate = await self._store.gate_of(subject.agent)
        if gate is None:
            return ()
        today = self._clock.now() // DAY
        return check(gate, await self.acceptance_of(subject, first_day=today - gate.days + 1, last_day=today))

    async def drift(self, subject: Subject, *, days: int, caller: Caller) -> tuple[Drift, ...]:
        """Return how a version moved away from its baseline. Raises NotPermitted, BaselineNotFound."""
        _require_reader(caller, subject)
        baseline = await self._store.baseline(subject.agent, subject.version)
        if baseline is None:
            raise BaselineNotFound(agent=subject.agent, version=subject.version)
        return await self.drift_from(baseline, days=days)

    async def drift_from(self, baseline: Baseline, *, days: int) -> tuple[Drift, ...]:
        """Return how a version moved away from `baseline`, over so many days."""
        now = self._clock.now()
        subject = Subject(agent=baseline.agent, version=baseline.version)
        recent = await self.acceptance_of(subject, first_day=now // DAY - days + 1, last_day=now // DAY)
        scores = await self._store.scores(
            subject.names,
            version=subject.version,
            start=Instant(baseline.end),
            end=Instant(now + DAY),
            limit=SCORES_MAX,
        )
        return drifts(baseline, recent, scores)

    async def baseline_of(self, subject: Subject, *, start: Instant, end: Instant) -> Baseline:
        """Return what a version would be compared with. Raises BaselineTooSmall."""
        found = await self.acceptance_of(subject, first_day=start // DAY, last_day=end // DAY)
        if found.workflows < SAMPLES_LEAST:
            raise BaselineTooSmall(agent=subject.agent, workflows=found.workflows, least=SAMPLES_LEAST)
        after = Instant((end // DAY + 1) * DAY)
        first = Instant(start // DAY * DAY)
        scores = await self._store.scores(
            subject.names, version=subject.version, start=first, end=after, limit=SCORES_MAX
        )
        most = sorted(scores, key=lambda metric: (-len(scores[metric]), metric))[:MEASURES_MAX]
        return Baseline(
            agent=subject.agent,
            version=subject.version,
            start=first,
            end=after,
            accuracy=found.accuracy,
            durations=tuple(sorted(found.durations.items())),
            mix=found.mix,
            workflows=found.workflows,
            scores={metric: moments(scores[metric]) for metric in most},
        )

    async def acceptance_of(self, subject: Subject, *, first_day: int, last_day: int) -> Acceptance:
        """Return how a version did on these days, both included; for whom is judged elsewhere."""
        counted = await self._store.evaluation_counts(
            subject.names, version=subject.version, first_day=first_day, last_day=last_day
        )
        return acceptance(counted)


class AcceptanceSetting:
    """Sets gates and baselines. Each change is an event, and so an entry of the audit log."""

    def __init__(self, writer: Writer[TelemetryTx], reader: AcceptanceReader) -> None:
        self._writer = writer
        self._reader = reader

    async def put_gate(self, gate: AcceptanceGate, *, etag: str, caller: Caller, mutation: Mutation) -> AcceptanceGate:
        """Return the gate as it is now. Raises NotPermitted, EtagMismatch."""
        _require_owner(caller, gate.agent)

        def work(tx: TelemetryTx) -> AcceptanceGate:
            known = tx.acceptance_gate(gate.agent)
            current = "" if known is None else known.etag
            if etag and etag != current:
                name = f"the acceptance gate of {gate.agent}"
                raise EtagMismatch(name=name, expected=etag, current=current or "none")
            now = replace(gate, revision=tx.next_revision)
            tx.keep_acceptance_gate(now)
            change = Change.ADDED if known is None else Change.MODIFIED
            tx.record(change, GATE, gate.agent, records.encode(now))
            return now

        return await self._writer.write(work, mutation=mutation, result=AcceptanceGate)

    async def pin_baseline(
        self, subject: Subject, *, start: Instant, end: Instant, caller: Caller, mutation: Mutation
    ) -> int:
        """Return how many pieces of work are in it. Raises NotPermitted, BaselineTooSmall."""
        _require_owner(caller, subject.agent)
        baseline = await self._reader.baseline_of(subject, start=start, end=end)

        def work(tx: TelemetryTx) -> int:
            tx.keep_baseline(baseline)
            name = f"{subject.agent} {subject.version}".rstrip()
            tx.record(Change.MODIFIED, BASELINE, name, records.encode(baseline))
            return baseline.workflows

        return await self._writer.write(work, mutation=mutation, result=int)


def _require_reader(caller: Caller, subject: Subject) -> None:
    if caller.has(Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE):
        return
    if not subject.also_known_as and (_owns(caller, subject.agent) or _is(caller, subject.agent)):
        return
    raise NotPermitted(
        principal=caller.principal,
        action=f"read the acceptance of {subject.agent}",
        needed="platform-admin, auditor or service; by one name, also its namespace's owner, or the agent itself",
    )


def _require_owner(caller: Caller, agent: str) -> None:
    if not caller.has(Role.PLATFORM_ADMIN) and not _owns(caller, agent):
        raise NotPermitted(
            principal=caller.principal,
            action=f"say what is asked of {agent}",
            needed="platform-admin, or namespace-owner of the agent, named namespaces/{namespace}/agents/{agent}",
        )


def _owns(caller: Caller, agent: str) -> bool:
    name = AgentName.parse(agent)
    return name is not None and caller.owns(name.namespace)


def _is(caller: Caller, agent: str) -> bool:
    return caller.has(Role.AGENT) and caller.principal == agent
