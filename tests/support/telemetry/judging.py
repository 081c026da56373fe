"""Judgements and settled traces for tests, and what they come to over any store."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ringfence_kit.clock import DAY, Instant
from ringfence_telemetry.evaluation.consequences import AcceptanceJudge
from ringfence_telemetry.evaluation.counts import Acceptance, acceptance
from ringfence_telemetry.evaluation.judgement import Judgement, Layer
from ringfence_telemetry.evaluation.recording import VersionBook, enter
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.workflows.settled import Part, Settled, Settling

from support.telemetry.opened import BY_TELEMETRY, OpenedStore
from support.telemetry.spans import NOW

TRACE = b"t" * 16
DID = "did:web:agents.example:a"
OTHER = "did:web:agents.example:b"


def part(agent: str = DID, **changes: Any) -> Part:
    """Return a part that took a second and went well."""
    fields: dict[str, Any] = {"agent": agent, "version": "1", "span": 1, "duration_micros": 1_000_000, "own_micros": 5}
    return Part(**(fields | changes))


def settled(*parts: Part, **changes: Any) -> Settled:
    """Return a trace of these parts, the first one's the root."""
    parts = parts or (part(),)
    fields: dict[str, Any] = {
        "trace_id": TRACE,
        "trusted": True,
        "agent": parts[0].agent,
        "version": parts[0].version,
        "started_at": NOW,
        "ended_at": NOW,
        "duration_micros": parts[0].duration_micros,
        "failed": parts[0].failed,
        "parts": parts,
    }
    return Settled(**(fields | changes))


def judgement(key: str = "k", **changes: Any) -> Judgement:
    """Return a judgement of that trace that passed."""
    fields: dict[str, Any] = {
        "agent": DID,
        "version": "1",
        "layer": Layer.WORKFLOW,
        "metric": "accuracy",
        "passed": True,
        "trace_id": TRACE,
        "judge": "j",
        "at": NOW,
        "recorded_at": NOW,
    }
    return Judgement(key=key, **(fields | changes))


class Judging:
    """Evaluation over an opened store."""

    def __init__(self, opened: OpenedStore) -> None:
        self.opened = opened
        self.versions = VersionBook()
        self.judge = AcceptanceJudge(self.versions)

    async def settle(self, *now: Settled) -> None:
        """Settle traces."""
        await self.write(lambda tx: self.judge.judge(tx, tuple(Settling(now=each) for each in now), NOW))

    async def enter(self, *judgements: Judgement) -> int:
        """Take judgements in; return how many were new."""

        def work(tx: TelemetryTx) -> int:
            return len(enter(tx, judgements, versions=self.versions))

        return await self.opened.writer.write(work, mutation=BY_TELEMETRY, result=int)

    async def write(self, work: Callable[[TelemetryTx], object]) -> None:
        """Do something in a transaction."""

        def run(tx: TelemetryTx) -> None:
            work(tx)

        await self.opened.writer.write(run, mutation=BY_TELEMETRY, result=type(None))

    async def acceptance(self, agent: str = DID, version: str = "") -> Acceptance:
        """Return what is counted of an agent around now."""
        counted = await self.opened.store.evaluation_counts(
            [agent], version=version, first_day=NOW // DAY - 1, last_day=NOW // DAY + 1
        )
        return acceptance(counted)


def later(judged: Judgement, millis: int) -> Judgement:
    """Return a judgement of so much later."""
    return replace(judged, at=Instant(judged.at + millis))
