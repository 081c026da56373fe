"""`ringfence.telemetry.v1.EvaluationService`."""

from typing import Any

from ringfence.telemetry.v1 import evaluation_pb2 as pb
from ringfence.telemetry.v1 import evaluation_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of

from ringfence_telemetry.convert import evaluations as convert
from ringfence_telemetry.evaluation.acceptance import AcceptanceReader, AcceptanceSetting
from ringfence_telemetry.evaluation.recording import Recording


class EvaluationApi(evaluation_pb2_grpc.EvaluationServiceServicer):
    """Whether agents do their work well."""

    def __init__(
        self, recording: Recording, reader: AcceptanceReader, setting: AcceptanceSetting, *, clock: Clock
    ) -> None:
        self._recording = recording
        self._reader = reader
        self._setting = setting
        self._clock = clock

    async def RecordEvaluations(
        self, request: pb.RecordEvaluationsRequest, context: Any
    ) -> pb.RecordEvaluationsResponse:
        """Record judgements."""
        caller, now = current_caller(), self._clock.now()
        command = convert.record_evaluations(request, judge=caller.principal, now=now)
        mutation = mutation_of(request, request_id=command.request_id, principal=caller.principal, now=now)
        recorded = await self._recording.record(command.judgements, caller=caller, mutation=mutation)
        return pb.RecordEvaluationsResponse(recorded=recorded)

    async def GetAcceptance(self, request: pb.GetAcceptanceRequest, context: Any) -> pb.GetAcceptanceResponse:
        """Say how a version does."""
        asked = convert.get_acceptance(request, now=self._clock.now())
        found = await self._reader.acceptance(asked.subject, start=asked.start, end=asked.end, caller=current_caller())
        return pb.GetAcceptanceResponse(acceptance=convert.acceptance_to_proto(asked.subject, found))

    async def PutAcceptanceGate(
        self, request: pb.PutAcceptanceGateRequest, context: Any
    ) -> pb.PutAcceptanceGateResponse:
        """Say what a version has to reach."""
        command, caller = convert.put_gate(request), current_caller()
        mutation = mutation_of(
            request, request_id=command.request_id, principal=caller.principal, now=self._clock.now()
        )
        gate = await self._setting.put_gate(command.gate, etag=command.etag, caller=caller, mutation=mutation)
        return pb.PutAcceptanceGateResponse(gate=convert.gate_to_proto(gate))

    async def CheckAcceptance(self, request: pb.CheckAcceptanceRequest, context: Any) -> pb.CheckAcceptanceResponse:
        """Say whether a version reaches what is asked of it."""
        results = await self._reader.check(convert.check_acceptance(request), caller=current_caller())
        return convert.results_to_proto(results)

    async def PinBaseline(self, request: pb.PinBaselineRequest, context: Any) -> pb.PinBaselineResponse:
        """Pin what a version is compared with."""
        caller, now = current_caller(), self._clock.now()
        command = convert.pin_baseline(request, now=now)
        mutation = mutation_of(request, request_id=command.request_id, principal=caller.principal, now=now)
        workflows = await self._setting.pin_baseline(
            command.subject, start=command.start, end=command.end, caller=caller, mutation=mutation
        )
        return pb.PinBaselineResponse(workflows=workflows)

    async def GetDrift(self, request: pb.GetDriftRequest, context: Any) -> pb.GetDriftResponse:
        """Say how far a version has moved."""
        subject, days = convert.get_drift(request)
        return convert.drifts_to_proto(await self._reader.drift(subject, days=days, caller=current_caller()))


def evaluation_face(api: EvaluationApi) -> Face:
    """Return the API as the server registers it."""
    return Face(evaluation_pb2_grpc.add_EvaluationServiceServicer_to_server, api)
