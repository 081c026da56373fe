"""`ringfence.registry.v1.BoundaryService` as it is served: convert, call, convert."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message
from ringfence.registry.v1 import boundary_pb2 as pb
from ringfence.registry.v1 import boundary_pb2_grpc
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.service import Face
from ringfence_kit.store import Mutation
from ringfence_kit.wire import mutation_of

from ringfence_registry.boundaries.drawing import BoundaryDrawing
from ringfence_registry.boundaries.model import Boundary
from ringfence_registry.boundaries.reading import BoundaryReading
from ringfence_registry.convert import boundaries, resource_checks
from ringfence_registry.convert.boundaries import BOUNDARY, boundary_message
from ringfence_registry.resources.watching import ResourceWatching


class BoundaryApi(boundary_pb2_grpc.BoundaryServiceServicer):
    """The boundaries, over gRPC."""

    def __init__(
        self,
        *,
        drawing: BoundaryDrawing,
        reading: BoundaryReading,
        watching: ResourceWatching[Boundary],
        clock: Clock,
    ) -> None:
        self._drawing = drawing
        self._reading = reading
        self._watching = watching
        self._clock = clock

    async def CreateBoundary(self, request: pb.CreateBoundaryRequest, context: Any) -> pb.CreateBoundaryResponse:
        """Draw a boundary."""
        caller, wanted = current_caller(), boundaries.create_boundary(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        boundary = await self._drawing.create_boundary(wanted.boundary, caller=caller, mutation=mutation)
        return pb.CreateBoundaryResponse(boundary=boundary_message(boundary))

    async def GetBoundary(self, request: pb.GetBoundaryRequest, context: Any) -> pb.GetBoundaryResponse:
        """Return one boundary."""
        boundary = self._reading.get_boundary(BOUNDARY.only(request.name), caller=current_caller())
        return pb.GetBoundaryResponse(boundary=boundary_message(boundary))

    async def ListBoundaries(self, request: pb.ListBoundariesRequest, context: Any) -> pb.ListBoundariesResponse:
        """Return one page of boundaries."""
        query = resource_checks.list_query(request)
        page = self._reading.list_boundaries(query, caller=current_caller(), now=self._clock.now())
        return boundaries.boundary_list(page)

    async def UpdateBoundary(self, request: pb.UpdateBoundaryRequest, context: Any) -> pb.UpdateBoundaryResponse:
        """Change what the mask names."""
        caller, wanted = current_caller(), boundaries.update_boundary(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        boundary = await self._drawing.update_boundary(
            wanted.name, wanted.patch, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.UpdateBoundaryResponse(boundary=boundary_message(boundary))

    async def DeleteBoundary(self, request: pb.DeleteBoundaryRequest, context: Any) -> pb.DeleteBoundaryResponse:
        """Delete a boundary."""
        caller, wanted = current_caller(), BOUNDARY.delete(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        await self._drawing.delete_boundary(wanted.name, etag=wanted.etag, caller=caller, mutation=mutation)
        return pb.DeleteBoundaryResponse()

    async def DisableBoundary(self, request: pb.DisableBoundaryRequest, context: Any) -> pb.DisableBoundaryResponse:
        """Close a boundary."""
        caller, wanted = current_caller(), BOUNDARY.turn(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        boundary = await self._drawing.disable_boundary(
            wanted.name, reason=wanted.reason, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.DisableBoundaryResponse(boundary=boundary_message(boundary))

    async def EnableBoundary(self, request: pb.EnableBoundaryRequest, context: Any) -> pb.EnableBoundaryResponse:
        """Open a boundary."""
        caller, wanted = current_caller(), BOUNDARY.turn(request)
        mutation = self._mutation(request, wanted.request_id, caller)
        boundary = await self._drawing.enable_boundary(
            wanted.name, reason=wanted.reason, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.EnableBoundaryResponse(boundary=boundary_message(boundary))

    async def ListBoundaryMembers(
        self, request: pb.ListBoundaryMembersRequest, context: Any
    ) -> pb.ListBoundaryMembersResponse:
        """Return one page of the agents in a boundary."""
        query = boundaries.list_members(request)
        page = self._reading.list_members(query, caller=current_caller(), now=self._clock.now())
        return boundaries.member_list(page)

    async def WatchBoundaries(
        self, request: pb.WatchBoundariesRequest, context: Any
    ) -> AsyncIterator[pb.WatchBoundariesResponse]:
        """Stream changes."""
        wanted = resource_checks.watch_query(request)
        async with aclosing(self._watching.watch(wanted, caller=current_caller())) as items:
            async for item in items:
                yield boundaries.watched(item)

    def _mutation(self, request: Message, request_id: str, caller: Caller) -> Mutation:
        return mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())


def boundary_face(api: BoundaryApi) -> Face:
    """Return the service as the server takes it."""
    return Face(boundary_pb2_grpc.add_BoundaryServiceServicer_to_server, api)
