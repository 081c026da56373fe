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
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, get_args

import grpc

from ringfence.channel import ChannelOptions, open_aio_channel, open_channel
from ringfence.credentials import ChannelError
from ringfence.identity.v1.delegation_pb2_grpc import DelegationServiceStub
from ringfence.identity.v1.identity_pb2 import WatchAgentsRequest as WatchIdentitiesRequest
from ringfence.identity.v1.identity_pb2 import WatchAgentsResponse as WatchIdentitiesResponse
from ringfence.identity.v1.identity_pb2_grpc import CredentialServiceStub, IdentityServiceStub
from ringfence.identity.v1.trust_pb2_grpc import TrustServiceStub
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub, KillSwitchServiceStub
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence.registry.v1.boundary_pb2 import WatchBoundariesRequest, WatchBoundariesResponse
from ringfence.registry.v1.boundary_pb2_grpc import BoundaryServiceStub
from ringfence.registry.v1.catalog_pb2_grpc import CatalogServiceStub
from ringfence.registry.v1.external_system_pb2_grpc import ExternalSystemServiceStub
from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceStub
from ringfence.registry.v1.registry_pb2 import WatchAgentsRequest, WatchAgentsResponse
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.registry.v1.tool_pb2 import WatchToolsRequest, WatchToolsResponse
from ringfence.registry.v1.tool_pb2_grpc import ToolServiceStub
from ringfence.registry_watch import AioResumingWatch, Position, ResumingWatch
from ringfence.telemetry.v1.alert_pb2_grpc import AlertServiceStub
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub
from ringfence.telemetry.v1.budget_pb2_grpc import BudgetServiceStub, PriceServiceStub
from ringfence.telemetry.v1.evaluation_pb2_grpc import EvaluationServiceStub
from ringfence.telemetry.v1.health_pb2_grpc import HealthServiceStub
from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceStub, SloServiceStub
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub, WorkflowServiceStub
from ringfence.watch import AioWatch, Watch

if TYPE_CHECKING:  # these names exist for type checkers only
    from ringfence.identity.v1.delegation_pb2_grpc import DelegationServiceAsyncStub
    from ringfence.identity.v1.identity_pb2_grpc import CredentialServiceAsyncStub, IdentityServiceAsyncStub
    from ringfence.identity.v1.trust_pb2_grpc import TrustServiceAsyncStub
    from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceAsyncStub, KillSwitchServiceAsyncStub
    from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceAsyncStub
    from ringfence.registry.v1.boundary_pb2_grpc import BoundaryServiceAsyncStub
    from ringfence.registry.v1.catalog_pb2_grpc import CatalogServiceAsyncStub
    from ringfence.registry.v1.external_system_pb2_grpc import ExternalSystemServiceAsyncStub
    from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceAsyncStub
    from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceAsyncStub
    from ringfence.registry.v1.tool_pb2_grpc import ToolServiceAsyncStub
    from ringfence.telemetry.v1.alert_pb2_grpc import AlertServiceAsyncStub
    from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceAsyncStub
    from ringfence.telemetry.v1.budget_pb2_grpc import BudgetServiceAsyncStub, PriceServiceAsyncStub
    from ringfence.telemetry.v1.evaluation_pb2_grpc import EvaluationServiceAsyncStub
    from ringfence.telemetry.v1.health_pb2_grpc import HealthServiceAsyncStub
    from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceAsyncStub, SloServiceAsyncStub
    from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceAsyncStub, WorkflowServiceAsyncStub

Service: TypeAlias = Literal["registry", "identity", "pdp", "telemetry"]

ALL_NAMESPACES = "namespaces/-"


class AioRingfence:
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

    @cached_property
    def registry(self) -> "RegistryServiceAsyncStub":
        """The catalog of agents."""
        return RegistryServiceStub(self.channel("registry"))

    @cached_property
    def catalog(self) -> "CatalogServiceAsyncStub":
        """Finding agents: by words, likeness and number, and the one to call now."""
        return CatalogServiceStub(self.channel("registry"))

    @cached_property
    def tools(self) -> "ToolServiceAsyncStub":
        """The contracts of tools."""
        return ToolServiceStub(self.channel("registry"))

    @cached_property
    def boundaries(self) -> "BoundaryServiceAsyncStub":
        """What is governed together."""
        return BoundaryServiceStub(self.channel("registry"))

    @cached_property
    def external_systems(self) -> "ExternalSystemServiceAsyncStub":
        """Systems outside the mesh, and who trusts them."""
        return ExternalSystemServiceStub(self.channel("registry"))

    @cached_property
    def namespaces(self) -> "NamespaceServiceAsyncStub":
        """Who sees what, and what is let in."""
        return NamespaceServiceStub(self.channel("registry"))

    @cached_property
    def identity(self) -> "IdentityServiceAsyncStub":
        """Sponsors, enrolment, DIDs, revocation."""
        return IdentityServiceStub(self.channel("identity"))

    @cached_property
    def credentials(self) -> "CredentialServiceAsyncStub":
        """Tokens and the keys that verify them."""
        return CredentialServiceStub(self.channel("identity"))

    @cached_property
    def delegations(self) -> "DelegationServiceAsyncStub":
        """Authority handed from agent to agent."""
        return DelegationServiceStub(self.channel("identity"))

    @cached_property
    def trust(self) -> "TrustServiceAsyncStub":
        """Signals, scores and rings."""
        return TrustServiceStub(self.channel("identity"))

    @cached_property
    def decisions(self) -> "DecisionServiceAsyncStub":
        """May this caller do this to that, now."""
        return DecisionServiceStub(self.channel("pdp"))

    @cached_property
    def bundles(self) -> "BundleServiceAsyncStub":
        """The policies in force."""
        return BundleServiceStub(self.channel("pdp"))

    @cached_property
    def kill_switches(self) -> "KillSwitchServiceAsyncStub":
        """What is stopped at once."""
        return KillSwitchServiceStub(self.channel("pdp"))

    @cached_property
    def audit(self) -> "AuditServiceAsyncStub":
        """The log of decisions and its proofs."""
        return AuditServiceStub(self.channel("telemetry"))

    @cached_property
    def usage(self) -> "UsageServiceAsyncStub":
        """What agents used and what it cost."""
        return UsageServiceStub(self.channel("telemetry"))

    @cached_property
    def workflows(self) -> "WorkflowServiceAsyncStub":
        """What became of the work."""
        return WorkflowServiceStub(self.channel("telemetry"))

    @cached_property
    def alerts(self) -> "AlertServiceAsyncStub":
        """What somebody has to look at, as it happens."""
        return AlertServiceStub(self.channel("telemetry"))

    @cached_property
    def budgets(self) -> "BudgetServiceAsyncStub":
        """What may be spent, and what is left of it."""
        return BudgetServiceStub(self.channel("telemetry"))

    @cached_property
    def prices(self) -> "PriceServiceAsyncStub":
        """What tokens cost, and since when."""
        return PriceServiceStub(self.channel("telemetry"))

    @cached_property
    def slos(self) -> "SloServiceAsyncStub":
        """Objectives, and how much of their error budget is left."""
        return SloServiceStub(self.channel("telemetry"))

    @cached_property
    def breakers(self) -> "BreakerServiceAsyncStub":
        """Which agents are not called for now."""
        return BreakerServiceStub(self.channel("telemetry"))

    @cached_property
    def evaluations(self) -> "EvaluationServiceAsyncStub":
        """What evaluators said, gates and drift."""
        return EvaluationServiceStub(self.channel("telemetry"))

    @cached_property
    def health(self) -> "HealthServiceAsyncStub":
        """How agents do, as their callers see it."""
        return HealthServiceStub(self.channel("telemetry"))

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


class Ringfence:
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

    @cached_property
    def registry(self) -> RegistryServiceStub:
        """The catalog of agents."""
        return RegistryServiceStub(self.channel("registry"))

    @cached_property
    def catalog(self) -> CatalogServiceStub:
        """Finding agents: by words, likeness and number, and the one to call now."""
        return CatalogServiceStub(self.channel("registry"))

    @cached_property
    def tools(self) -> ToolServiceStub:
        """The contracts of tools."""
        return ToolServiceStub(self.channel("registry"))

    @cached_property
    def boundaries(self) -> BoundaryServiceStub:
        """What is governed together."""
        return BoundaryServiceStub(self.channel("registry"))

    @cached_property
    def external_systems(self) -> ExternalSystemServiceStub:
        """Systems outside the mesh, and who trusts them."""
        return ExternalSystemServiceStub(self.channel("registry"))

    @cached_property
    def namespaces(self) -> NamespaceServiceStub:
        """Who sees what, and what is let in."""
        return NamespaceServiceStub(self.channel("registry"))

    @cached_property
    def identity(self) -> IdentityServiceStub:
        """Sponsors, enrolment, DIDs, revocation."""
        return IdentityServiceStub(self.channel("identity"))

    @cached_property
    def credentials(self) -> CredentialServiceStub:
        """Tokens and the keys that verify them."""
        return CredentialServiceStub(self.channel("identity"))

    @cached_property
    def delegations(self) -> DelegationServiceStub:
        """Authority handed from agent to agent."""
        return DelegationServiceStub(self.channel("identity"))

    @cached_property
    def trust(self) -> TrustServiceStub:
        """Signals, scores and rings."""
        return TrustServiceStub(self.channel("identity"))

    @cached_property
    def decisions(self) -> DecisionServiceStub:
        """May this caller do this to that, now."""
        return DecisionServiceStub(self.channel("pdp"))

    @cached_property
    def bundles(self) -> BundleServiceStub:
        """The policies in force."""
        return BundleServiceStub(self.channel("pdp"))

    @cached_property
    def kill_switches(self) -> KillSwitchServiceStub:
        """What is stopped at once."""
        return KillSwitchServiceStub(self.channel("pdp"))

    @cached_property
    def audit(self) -> AuditServiceStub:
        """The log of decisions and its proofs."""
        return AuditServiceStub(self.channel("telemetry"))

    @cached_property
    def usage(self) -> UsageServiceStub:
        """What agents used and what it cost."""
        return UsageServiceStub(self.channel("telemetry"))

    @cached_property
    def workflows(self) -> WorkflowServiceStub:
        """What became of the work."""
        return WorkflowServiceStub(self.channel("telemetry"))

    @cached_property
    def alerts(self) -> AlertServiceStub:
        """What somebody has to look at, as it happens."""
        return AlertServiceStub(self.channel("telemetry"))

    @cached_property
    def budgets(self) -> BudgetServiceStub:
        """What may be spent, and what is left of it."""
        return BudgetServiceStub(self.channel("telemetry"))

    @cached_property
    def prices(self) -> PriceServiceStub:
        """What tokens cost, and since when."""
        return PriceServiceStub(self.channel("telemetry"))

    @cached_property
    def slos(self) -> SloServiceStub:
        """Objectives, and how much of their error budget is left."""
        return SloServiceStub(self.channel("telemetry"))

    @cached_property
    def breakers(self) -> BreakerServiceStub:
        """Which agents are not called for now."""
        return BreakerServiceStub(self.channel("telemetry"))

    @cached_property
    def evaluations(self) -> EvaluationServiceStub:
        """What evaluators said, gates and drift."""
        return EvaluationServiceStub(self.channel("telemetry"))

    @cached_property
    def health(self) -> HealthServiceStub:
        """How agents do, as their callers see it."""
        return HealthServiceStub(self.channel("telemetry"))

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
