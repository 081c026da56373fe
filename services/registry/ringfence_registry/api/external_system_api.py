"""`ringfence.registry.v1.ExternalSystemService` as it is served: convert, call, convert."""

from typing import Any

from google.protobuf.message import Message
from ringfence.registry.v1 import external_system_pb2 as pb
from ringfence.registry.v1 import external_system_pb2_grpc
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.service import Face
from ringfence_kit.store import Mutation
from ringfence_kit.wire import mutation_of

from ringfence_registry.convert import external_systems, resource_checks
from ringfence_registry.convert.tools import SYSTEM
from ringfence_registry.external_systems.deciding import ExternalSystemDeciding
from ringfence_registry.external_systems.entry import ExternalSystemEntry
from ringfence_registry.external_systems.model import ExternalSystem
from ringfence_registry.resources.reading import ResourceReading


class ExternalSystemApi(external_system_pb2_grpc.ExternalSystemServiceServicer):
    """The external systems, over gRPC."""

    def __init__(
        self,
        *,
        entry: ExternalSystemEntry,
        deciding: ExternalSystemDeciding,
        reading: ResourceReading[ExternalSystem],
        clock: Clock,
    ) -> None:
        self._entry = entry
        self._deciding = deciding
        self._reading = reading
        self._clock = clock

    async def CreateExternalSystem(
        self, request: pb.CreateExternalSystemRequest, context: Any
    ) -> pb.CreateExternalSystemResponse:
        """Enter a system."""
        caller, wanted = current_caller(), external_systems.create_external_system(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        system = await self._entry.create_system(wanted.system, caller=caller, mutation=mutation)
        return pb.CreateExternalSystemResponse(external_system=self._message(system))

    async def GetExternalSystem(
        self, request: pb.GetExternalSystemRequest, context: Any
    ) -> pb.GetExternalSystemResponse:
        """Return one system."""
        system = self._reading.get(SYSTEM.only(request.name), caller=current_caller())
        return pb.GetExternalSystemResponse(external_system=self._message(system))

    async def ListExternalSystems(
        self, request: pb.ListExternalSystemsRequest, context: Any
    ) -> pb.ListExternalSystemsResponse:
        """Return one page of systems."""
        query, now = resource_checks.list_query(request), self._clock.now()
        return external_systems.external_system_list(self._reading.list(query, caller=current_caller(), now=now), now)

    async def UpdateExternalSystem(
        self, request: pb.UpdateExternalSystemRequest, context: Any
    ) -> pb.UpdateExternalSystemResponse:
        """Change what the mask names."""
        caller, wanted = current_caller(), external_systems.update_external_system(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        system = await self._entry.update_system(
            wanted.name, wanted.patch, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.UpdateExternalSystemResponse(external_system=self._message(system))

    async def DeleteExternalSystem(
        self, request: pb.DeleteExternalSystemRequest, context: Any
    ) -> pb.DeleteExternalSystemResponse:
        """Delete a system."""
        caller, wanted = current_caller(), SYSTEM.delete(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        await self._entry.delete_system(wanted.name, etag=wanted.etag, caller=caller, mutation=mutation)
        return pb.DeleteExternalSystemResponse()

    async def DecideTrust(self, request: pb.DecideTrustRequest, context: Any) -> pb.DecideTrustResponse:
        """Decide whether a system is trusted."""
        caller, wanted = current_caller(), external_systems.decide_trust(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        system = await self._deciding.decide_trust(
            wanted.name, wanted.word, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.DecideTrustResponse(external_system=self._message(system))

    async def DisableExternalSystem(
        self, request: pb.DisableExternalSystemRequest, context: Any
    ) -> pb.DisableExternalSystemResponse:
        """Switch a system off."""
        caller, wanted = current_caller(), SYSTEM.turn(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        system = await self._deciding.disable_system(
            wanted.name, reason=wanted.reason, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.DisableExternalSystemResponse(external_system=self._message(system))

    async def EnableExternalSystem(
        self, request: pb.EnableExternalSystemRequest, context: Any
    ) -> pb.EnableExternalSystemResponse:
        """Switch a system on."""
        caller, wanted = current_caller(), SYSTEM.turn(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        system = await self._deciding.enable_system(
            wanted.name, reason=wanted.reason, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.EnableExternalSystemResponse(external_system=self._message(system))

    def _message(self, system: ExternalSystem) -> pb.ExternalSystem:
        return external_systems.external_system_message(system, self._clock.now())

    def _mutation(self, request: Message, request_id: str, caller: Caller) -> Mutation:
        return mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())


def external_system_face(api: ExternalSystemApi) -> Face:
    """Return the service as the server takes it."""
    return Face(external_system_pb2_grpc.add_ExternalSystemServiceServicer_to_server, api)
