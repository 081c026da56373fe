"""`ringfence.registry.v1.NamespaceService` as it is served: convert, call, convert."""

from typing import Any

from ringfence.registry.v1 import namespace_pb2 as pb
from ringfence.registry.v1 import namespace_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of

from ringfence_registry.convert import namespaces
from ringfence_registry.namespaces.model import NamespaceDefaults
from ringfence_registry.namespaces.reading import NamespaceReading
from ringfence_registry.namespaces.updating import NamespaceUpdating


class NamespaceApi(namespace_pb2_grpc.NamespaceServiceServicer):
    """The namespaces, over gRPC."""

    def __init__(
        self, *, reading: NamespaceReading, updating: NamespaceUpdating, defaults: NamespaceDefaults, clock: Clock
    ) -> None:
        self._reading = reading
        self._updating = updating
        self._defaults = defaults
        self._clock = clock

    async def GetNamespace(self, request: pb.GetNamespaceRequest, context: Any) -> pb.GetNamespaceResponse:
        """Return one namespace."""
        namespace = self._reading.get_namespace(namespaces.namespace_id(request), caller=current_caller())
        return pb.GetNamespaceResponse(namespace=namespaces.namespace_message(namespace, self._defaults))

    async def ListNamespaces(self, request: pb.ListNamespacesRequest, context: Any) -> pb.ListNamespacesResponse:
        """Return one page of namespaces."""
        wanted = namespaces.list_namespaces(request)
        page = self._reading.list_namespaces(
            page_size=wanted.page_size,
            page_token=wanted.page_token,
            arguments=wanted.arguments,
            caller=current_caller(),
            now=self._clock.now(),
        )
        return namespaces.namespace_list(page, self._defaults)

    async def UpdateNamespace(self, request: pb.UpdateNamespaceRequest, context: Any) -> pb.UpdateNamespaceResponse:
        """Change what the mask names."""
        caller = current_caller()
        wanted = namespaces.update_namespace(request)
        mutation = mutation_of(request, request_id=wanted.request_id, principal=caller.principal, now=self._clock.now())
        namespace = await self._updating.update_namespace(
            wanted.namespace, wanted.patch, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.UpdateNamespaceResponse(namespace=namespaces.namespace_message(namespace, self._defaults))


def namespace_face(api: NamespaceApi) -> Face:
    """Return the service as the server takes it."""
    return Face(namespace_pb2_grpc.add_NamespaceServiceServicer_to_server, api)
