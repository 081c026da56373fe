"""The generated stub of each interface of the mesh, by the name people call it, at the service that has it.

For asyncio and for threads; `ringfence.client` opens the channels. Not here are the interfaces programs do not call:
snapshots, which `ringfence.local_pdp` follows, and the classifier, which is asked by a pdp and served by others.
"""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import grpc

from ringfence.identity.v1.delegation_pb2_grpc import DelegationServiceStub
from ringfence.identity.v1.identity_pb2_grpc import CredentialServiceStub, IdentityServiceStub
from ringfence.identity.v1.transparency_pb2_grpc import TransparencyServiceStub
from ringfence.identity.v1.trust_pb2_grpc import TrustServiceStub
from ringfence.pdp.v1.approval_pb2_grpc import ApprovalServiceStub
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub, KillSwitchServiceStub
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub
from ringfence.pdp.v1.filter_pb2_grpc import FilterServiceStub
from ringfence.pdp.v1.limit_pb2_grpc import LimitServiceStub
from ringfence.registry.v1.boundary_pb2_grpc import BoundaryServiceStub
from ringfence.registry.v1.catalog_pb2_grpc import CatalogServiceStub
from ringfence.registry.v1.external_system_pb2_grpc import ExternalSystemServiceStub
from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceStub
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.registry.v1.tool_pb2_grpc import ToolServiceStub
from ringfence.telemetry.v1.alert_pb2_grpc import AlertServiceStub
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub
from ringfence.telemetry.v1.budget_pb2_grpc import BudgetServiceStub, PriceServiceStub
from ringfence.telemetry.v1.evaluation_pb2_grpc import EvaluationServiceStub
from ringfence.telemetry.v1.health_pb2_grpc import HealthServiceStub
from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceStub, SloServiceStub
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub, WorkflowServiceStub

if TYPE_CHECKING:  # these names exist for type checkers only
    from ringfence.identity.v1.delegation_pb2_grpc import DelegationServiceAsyncStub
    from ringfence.identity.v1.identity_pb2_grpc import CredentialServiceAsyncStub, IdentityServiceAsyncStub
    from ringfence.identity.v1.transparency_pb2_grpc import TransparencyServiceAsyncStub
    from ringfence.identity.v1.trust_pb2_grpc import TrustServiceAsyncStub
    from ringfence.pdp.v1.approval_pb2_grpc import ApprovalServiceAsyncStub
    from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceAsyncStub, KillSwitchServiceAsyncStub
    from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceAsyncStub
    from ringfence.pdp.v1.filter_pb2_grpc import FilterServiceAsyncStub
    from ringfence.pdp.v1.limit_pb2_grpc import LimitServiceAsyncStub
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


class AioStubs(ABC):
    """The stubs of a mesh for asyncio, each made at its first use."""

    @abstractmethod
    def channel(self, service: Service) -> grpc.aio.Channel:
        """Return the channel to a service. Raises ChannelError when its address was not given."""

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
    def transparency(self) -> "TransparencyServiceAsyncStub":
        """Identity's own log of changes, and its proofs."""
        return TransparencyServiceStub(self.channel("identity"))

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
    def approvals(self) -> "ApprovalServiceAsyncStub":
        """What waits for people, and their votes."""
        return ApprovalServiceStub(self.channel("pdp"))

    @cached_property
    def limits(self) -> "LimitServiceAsyncStub":
        """How far what policies limit is used up."""
        return LimitServiceStub(self.channel("pdp"))

    @cached_property
    def filters(self) -> "FilterServiceAsyncStub":
        """What is dangerous in content, and the rules that say so."""
        return FilterServiceStub(self.channel("pdp"))

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


class Stubs(ABC):
    """The stubs of a mesh for threads, as `AioStubs`."""

    @abstractmethod
    def channel(self, service: Service) -> grpc.Channel:
        """Return the channel to a service. Raises ChannelError when its address was not given."""

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
    def transparency(self) -> TransparencyServiceStub:
        """Identity's own log of changes, and its proofs."""
        return TransparencyServiceStub(self.channel("identity"))

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
    def approvals(self) -> ApprovalServiceStub:
        """What waits for people, and their votes."""
        return ApprovalServiceStub(self.channel("pdp"))

    @cached_property
    def limits(self) -> LimitServiceStub:
        """How far what policies limit is used up."""
        return LimitServiceStub(self.channel("pdp"))

    @cached_property
    def filters(self) -> FilterServiceStub:
        """What is dangerous in content, and the rules that say so."""
        return FilterServiceStub(self.channel("pdp"))

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
