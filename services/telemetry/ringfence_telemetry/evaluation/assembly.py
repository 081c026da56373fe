"""Evaluation, put together: what its parts share is said here once, for the service and for tests."""

from dataclasses import dataclass

from ringfence_kit.clock import Clock
from ringfence_kit.store import Writer

from ringfence_telemetry.evaluation.acceptance import AcceptanceReader, AcceptanceSetting
from ringfence_telemetry.evaluation.consequences import AcceptanceJudge, EvaluationEvents
from ringfence_telemetry.evaluation.keeping import EvaluationKeeping
from ringfence_telemetry.evaluation.recording import OnJudged, Recording, VersionBook, nobody
from ringfence_telemetry.store import TelemetryStore, TelemetryTx


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Its parts."""

    recording: Recording
    reader: AcceptanceReader
    setting: AcceptanceSetting
    events: EvaluationEvents
    """A consequence of what is rolled up."""
    judge: AcceptanceJudge
    """A judge of what is settled."""
    keeping: EvaluationKeeping


def evaluation(
    writer: Writer[TelemetryTx], store: TelemetryStore, *, clock: Clock, on_judged: OnJudged = nobody
) -> Evaluation:
    """Put it together; `on_judged` is told the traces that were judged."""
    versions, reader = VersionBook(), AcceptanceReader(store, clock=clock)
    return Evaluation(
        recording=Recording(writer, versions, on_judged=on_judged),
        reader=reader,
        setting=AcceptanceSetting(writer, reader),
        events=EvaluationEvents(versions, on_judged=on_judged),
        judge=AcceptanceJudge(versions),
        keeping=EvaluationKeeping(writer, store, reader, clock=clock),
    )
