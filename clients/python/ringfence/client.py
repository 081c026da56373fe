"""The mesh in one object: a channel to each service that was named, and the generated stub of each of its interfaces.

    async with AioRingfence(registry="127.0.0.1:7401", pdp="127.0.0.1:7403", options=options) as mesh:
        agent = (await mesh.registry.GetAgent(GetAgentRequest(name=...))).agent
        async for step in mesh.watch_registered_agents(): ...

`Ringfence` is the same for threads. The rules:

- nothing is hidden: requests, answers and errors are those of the protos, and of `ringfence.errors`;
- a service without an address is an error when it is used, not before;
- the block owns the channels, and closes them.
"""

from contextlib import AsyncExitStack, ExitStack
from types import TracebackType
from typing import Self, get_args

import grpc

from ringfence.channel import ChannelOptions, open_aio_channel, open_channel
from ringfence.credentials import ChannelError
from ringfence.identity.v1.identity_pb2 import WatchAgentsRequest as WatchIdentitiesRequest
from ringfence.identity.v1.identity_pb2 import WatchAgentsResponse as WatchIdentitiesResponse
from ringfence.registry.v1.boundary_pb2 import WatchBoundariesRequest, WatchBoundariesResponse
from ringfence.registry.v1.registry_pb2 import WatchAgentsRequest, WatchAgentsResponse
from ringfence.registry.v1.tool_pb2 import WatchToolsRequest, WatchToolsResponse
from ringfence.registry_watch import AioResumingWatch, Position, ResumingWatch
from ringfence.stubs import AioStubs, Service, Stubs
from ringfence.watch import AioWatch, Watch

ALL_NAMESPACES = "namespaces/-"


class AioRingfence(AioStubs):
    """The mesh for asyncio. Addresses are gRPC targets; one set of options serves all of them."""

    def __init__(
        self,
        *,
        registry: str | None = None,
        identity: str | None = None,
        pdp: str | None = None,
        telemetry: str | None = None,
        options: ChannelOptions | None = None,
    ) -> None:
        self._addresses = {"registry": registry, "identity": identity, "pdp": pdp, "telemetry": telemetry}
        self._options = options
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            for service in get_args(Service):
                address = self._addresses[service]
                if address is not None:
                    channel = open_aio_channel(address, self._options)
                    self._channels[service] = await opening.enter_async_context(channel)
            self._stack = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channels = {}
        await self._stack.aclose()

    def channel(self, service: Service) -> grpc.aio.Channel:
        """Return the channel to a service. Raises ChannelError when its address was not given."""
        if service not in self._channels:
            raise _not_given(service, self._addresses)
        return self._channels[service]

    def watch_registered_agents(
        self, parent: str = ALL_NAMESPACES
    ) -> AioWatch[WatchAgentsRequest, WatchAgentsResponse]:
        """Follow the registry's agents: all there are, then every change."""
        return AioWatch(self.registry.WatchAgents, WatchAgentsRequest(parent=parent), initial_state=True)

    def follow_agents(
        self, position: Position, *, parent: str = ALL_NAMESPACES, matching: str = ""
    ) -> AioResumingWatch[WatchAgentsRequest, WatchAgentsResponse]:
        """Follow agents across restarts of either side, those that match an AIP-160 filter when one is given."""
        request = WatchAgentsRequest(parent=parent, filter=matching)
        return AioResumingWatch(self.registry.WatchAgents, request, position)

    def follow_tools(
        self, position: Position, *, parent: str = ALL_NAMESPACES
    ) -> AioResumingWatch[WatchToolsRequest, WatchToolsResponse]:
        """Follow tools across restarts of either side."""
        return AioResumingWatch(self.tools.WatchTools, WatchToolsRequest(parent=parent), position)

    def follow_boundaries(
        self, position: Position, *, parent: str = ALL_NAMESPACES
    ) -> AioResumingWatch[WatchBoundariesRequest, WatchBoundariesResponse]:
        """Follow boundaries across restarts of either side."""
        request = WatchBoundariesRequest(parent=parent)
        return AioResumingWatch(self.boundaries.WatchBoundaries, request, position)

    def watch_identities(self, environment: str = "") -> AioWatch[WatchIdentitiesRequest, WatchIdentitiesResponse]:
        """Follow the identities of one environment, or of all: those there are, then every change."""
        request = WatchIdentitiesRequest(environment=environment)
        return AioWatch(self.identity.WatchAgents, request, initial_state=True)


class Ringfence(Stubs):
    """The mesh for threads, as `AioRingfence`."""

    def __init__(
        self,
        *,
        registry: str | None = None,
        identity: str | None = None,
        pdp: str | None = None,
        telemetry: str | None = None,
        options: ChannelOptions | None = None,
    ) -> None:
        self._addresses = {"registry": registry, "identity": identity, "pdp": pdp, "telemetry": telemetry}
        self._channels: dict[str, grpc.Channel] = {}
        with ExitStack() as opening:
            for service, address in self._addresses.items():
                if address is not None:
                    self._channels[service] = opening.enter_context(open_channel(address, options))
            self._stack = opening.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channels; calls in progress are cancelled."""
        self._channels = {}
        self._stack.close()

    def channel(self, service: Service) -> grpc.Channel:
        """Return the channel to a service. Raises ChannelError when its address was not given."""
        if service not in self._channels:
            raise _not_given(service, self._addresses)
        return self._channels[service]

    def watch_registered_agents(self, parent: str = ALL_NAMESPACES) -> Watch[WatchAgentsRequest, WatchAgentsResponse]:
        """Follow the registry's agents: all there are, then every change."""
        return Watch(self.registry.WatchAgents, WatchAgentsRequest(parent=parent), initial_state=True)

    def follow_agents(
        self, position: Position, *, parent: str = ALL_NAMESPACES, matching: str = ""
    ) -> ResumingWatch[WatchAgentsRequest, WatchAgentsResponse]:
        """Follow agents across restarts of either side, those that match an AIP-160 filter when one is given."""
        request = WatchAgentsRequest(parent=parent, filter=matching)
        return ResumingWatch(self.registry.WatchAgents, request, position)

    def follow_tools(
        self, position: Position, *, parent: str = ALL_NAMESPACES
    ) -> ResumingWatch[WatchToolsRequest, WatchToolsResponse]:
        """Follow tools across restarts of either side."""
        return ResumingWatch(self.tools.WatchTools, WatchToolsRequest(parent=parent), position)

    def follow_boundaries(
        self, position: Position, *, parent: str = ALL_NAMESPACES
    ) -> ResumingWatch[WatchBoundariesRequest, WatchBoundariesResponse]:
        """Follow boundaries across restarts of either side."""
        request = WatchBoundariesRequest(parent=parent)
        return ResumingWatch(self.boundaries.WatchBoundaries, request, position)

    def watch_identities(self, environment: str = "") -> Watch[WatchIdentitiesRequest, WatchIdentitiesResponse]:
        """Follow the identities of one environment, or of all: those there are, then every change."""
        request = WatchIdentitiesRequest(environment=environment)
        return Watch(self.identity.WatchAgents, request, initial_state=True)


def _not_given(service: Service, addresses: dict[str, str | None]) -> ChannelError:
    if addresses[service] is None:
        return ChannelError(f"no address of the {service} service was given; pass {service}='host:port'")
    return ChannelError("the channels are open inside the block only")
