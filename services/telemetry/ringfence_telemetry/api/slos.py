"""`ringfence.telemetry.v1.SloService`."""

from typing import Any

from google.protobuf.message import Message
from ringfence.telemetry.v1 import slo_pb2 as pb
from ringfence.telemetry.v1 import slo_pb2_grpc
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.store import Mutation
from ringfence_kit.wire import mutation_of, page_arguments

from ringfence_telemetry.convert import slo_messages as messages
from ringfence_telemetry.convert import slos as convert
from ringfence_telemetry.slo.feasible import feasible
from ringfence_telemetry.slo.objectives import Objectives
from ringfence_telemetry.slo.open_slo import export_documents, import_documents


class SloApi(slo_pb2_grpc.SloServiceServicer):
    """What agents promise, and how they keep it."""

    def __init__(self, objectives: Objectives, *, tokens: PageTokens, clock: Clock) -> None:
        self._objectives = objectives
        self._tokens = tokens
        self._clock = clock

    async def CreateSlo(self, request: pb.CreateSloRequest, context: Any) -> pb.CreateSloResponse:
        """Define an objective."""
        command, caller = convert.create_slo(request), current_caller()
        (created,) = await self._objectives.create(
            [command.objective],
            caller=caller,
            mutation=self._mutation(request, command.request_id, caller),
            validate_only=command.validate_only,
        )
        return pb.CreateSloResponse(slo=messages.slo_message(created))

    async def GetSlo(self, request: pb.GetSloRequest, context: Any) -> pb.GetSloResponse:
        """Return an objective and how it stands."""
        objective, standing = self._objectives.get(convert.get_slo(request), caller=current_caller())
        return pb.GetSloResponse(
            slo=messages.slo_message(objective), status=messages.status_message(objective, standing)
        )

    async def ListSlos(self, request: pb.ListSlosRequest, context: Any) -> pb.ListSlosResponse:
        """List objectives by name."""
        question, caller, now = convert.list_slos(request), current_caller(), self._clock.now()
        after, arguments = b"", page_arguments(request)
        if question.page_token:
            after = self._tokens.open(question.page_token, caller=caller.principal, arguments=arguments, now=now)
        page = self._objectives.page(
            agent=question.agent, after=convert.slo_name_of(after), size=question.page_size, caller=caller
        )
        response = pb.ListSlosResponse(
            slos=[messages.slo_message(objective) for objective, _ in page.found],
            statuses=[messages.status_message(objective, standing) for objective, standing in page.found],
        )
        if page.next_after:
            cursor = page.next_after.encode()
            response.next_page_token = self._tokens.seal(cursor, caller=caller.principal, arguments=arguments, now=now)
        return response

    async def UpdateSlo(self, request: pb.UpdateSloRequest, context: Any) -> pb.UpdateSloResponse:
        """Change an objective."""
        command, caller = convert.update_slo(request), current_caller()
        changed = await self._objectives.update(
            command.name,
            command.change,
            etag=command.etag,
            caller=caller,
            mutation=self._mutation(request, command.request_id, caller),
        )
        return pb.UpdateSloResponse(slo=messages.slo_message(changed))

    async def DeleteSlo(self, request: pb.DeleteSloRequest, context: Any) -> pb.DeleteSloResponse:
        """Delete an objective."""
        command, caller = convert.delete_slo(request), current_caller()
        mutation = self._mutation(request, command.request_id, caller)
        await self._objectives.delete(command.name, etag=command.etag, caller=caller, mutation=mutation)
        return pb.DeleteSloResponse()

    async def EvaluateSlo(self, request: pb.EvaluateSloRequest, context: Any) -> pb.EvaluateSloResponse:
        """Say how an objective stood."""
        question = convert.evaluate_slo(request)
        found = await self._objectives.evaluate(question.name, question.at, caller=current_caller())
        return pb.EvaluateSloResponse(status=messages.status_message(found.objective, found.standing, found.blamed))

    async def CheckFeasibility(self, request: pb.CheckFeasibilityRequest, context: Any) -> pb.CheckFeasibilityResponse:
        """Say what is possible."""
        question = convert.check_feasibility(request)
        return messages.feasibility(feasible(question.own, question.dependencies), question.target)

    async def ImportOpenSlo(self, request: pb.ImportOpenSloRequest, context: Any) -> pb.ImportOpenSloResponse:
        """Define the objectives of OpenSLO documents."""
        command, caller = convert.import_open_slo(request), current_caller()
        found = import_documents(command.document)
        created = await self._objectives.create(
            found.objectives,
            caller=caller,
            mutation=self._mutation(request, command.request_id, caller),
            validate_only=command.validate_only,
        )
        return pb.ImportOpenSloResponse(slos=map(messages.slo_message, created), remarks=found.remarks)

    async def ExportOpenSlo(self, request: pb.ExportOpenSloRequest, context: Any) -> pb.ExportOpenSloResponse:
        """Return objectives as OpenSLO documents."""
        chosen = self._objectives.chosen(convert.export_open_slo(request), caller=current_caller())
        return pb.ExportOpenSloResponse(document=export_documents(chosen))

    def _mutation(self, request: Message, request_id: str, caller: Caller) -> Mutation:
        return mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())


def slo_face(api: SloApi) -> Face:
    """Return the API as the server registers it."""
    return Face(slo_pb2_grpc.add_SloServiceServicer_to_server, api)
