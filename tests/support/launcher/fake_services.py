"""Small real services behind a real gRPC port: what the commands are tested against.

Each keeps what it is given in plain attributes, which tests read and set. They refuse as the services do, with
google.rpc details, because how a refusal is shown is half of what a command does.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse, HealthListResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from ringfence.identity.v1 import identity_pb2_grpc, transparency_pb2_grpc, trust_pb2_grpc
from ringfence.pdp.v1 import (
    approval_pb2,
    approval_pb2_grpc,
    bundle_pb2_grpc,
    decision_pb2_grpc,
    filter_pb2,
    filter_pb2_grpc,
)
from ringfence.registry.v1 import (
    boundary_pb2,
    boundary_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    external_system_pb2,
    external_system_pb2_grpc,
    namespace_pb2,
    namespace_pb2_grpc,
    registry_pb2_grpc,
    tool_pb2,
    tool_pb2_grpc,
)
from ringfence.telemetry.v1 import (
    alert_pb2,
    alert_pb2_grpc,
    audit_pb2_grpc,
    budget_pb2,
    budget_pb2_grpc,
    evaluation_pb2,
    evaluation_pb2_grpc,
    slo_pb2,
    slo_pb2_grpc,
    telemetry_pb2_grpc,
)

from support.launcher.fake_identity import FakeIdentity
from support.launcher.fake_pdp import FakePdp
from support.launcher.fake_registry import FakeRegistry
from support.launcher.fake_telemetry import FakeTelemetry
from support.launcher.fake_transparency import FakeTransparency
from support.launcher.refusals import refuse
from support.launcher.scripted_service import ScriptedService


@dataclass
class Seen:
    """One call a fake received."""

    method: str
    request: Any
    metadata: dict[str, str]
    time_left: float | None


@dataclass
class FakeMesh:
    """All fakes on one port, and every call they received."""

    address: str = ""
    calls: list[Seen] = field(default_factory=list)
    token: str = ""
    """When set, calls without it are refused."""
    answers: threading.Event = field(default_factory=threading.Event)
    """Cleared, no call is answered until it is set again."""
    serving: bool = True
    """What health says of all of them."""
    address_of_nothing: str = ""
    """A gRPC server without our services."""

    def __post_init__(self) -> None:
        self.answers.set()
        self.registry = FakeRegistry(self.saw)
        self.catalog = ScriptedService(self.saw, catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"])
        self.tools = ScriptedService(self.saw, tool_pb2.DESCRIPTOR.services_by_name["ToolService"])
        self.boundaries = ScriptedService(self.saw, boundary_pb2.DESCRIPTOR.services_by_name["BoundaryService"])
        external_systems = external_system_pb2.DESCRIPTOR.services_by_name["ExternalSystemService"]
        self.external_systems = ScriptedService(self.saw, external_systems)
        self.namespaces = ScriptedService(self.saw, namespace_pb2.DESCRIPTOR.services_by_name["NamespaceService"])
        self.approvals = ScriptedService(self.saw, approval_pb2.DESCRIPTOR.services_by_name["ApprovalService"])
        self.filters = ScriptedService(self.saw, filter_pb2.DESCRIPTOR.services_by_name["FilterService"])
        self.identity = FakeIdentity(self.saw)  # type: ignore[abstract]  # the rest answers UNIMPLEMENTED
        self.pdp = FakePdp(self.saw)  # type: ignore[abstract]  # the rest answers UNIMPLEMENTED
        self.telemetry = FakeTelemetry(self.saw)  # type: ignore[abstract]  # the rest answers UNIMPLEMENTED
        self.evaluations = ScriptedService(self.saw, evaluation_pb2.DESCRIPTOR.services_by_name["EvaluationService"])
        self.slos = ScriptedService(self.saw, slo_pb2.DESCRIPTOR.services_by_name["SloService"])
        self.breakers = ScriptedService(self.saw, slo_pb2.DESCRIPTOR.services_by_name["BreakerService"])
        self.budgets = ScriptedService(self.saw, budget_pb2.DESCRIPTOR.services_by_name["BudgetService"])
        self.alerts = ScriptedService(self.saw, alert_pb2.DESCRIPTOR.services_by_name["AlertService"])
        self.transparency = FakeTransparency(self.saw)

    def add_to(self, server: grpc.Server) -> None:
        add_HealthServicer_to_server(FakeHealth(self), server)
        # Scripted ones have their methods by name, which no type checker sees.
        scripted: tuple[tuple[Callable[[Any, grpc.Server], None], Any], ...] = (
            (registry_pb2_grpc.add_RegistryServiceServicer_to_server, self.registry),
            (catalog_pb2_grpc.add_CatalogServiceServicer_to_server, self.catalog),
            (tool_pb2_grpc.add_ToolServiceServicer_to_server, self.tools),
            (boundary_pb2_grpc.add_BoundaryServiceServicer_to_server, self.boundaries),
            (external_system_pb2_grpc.add_ExternalSystemServiceServicer_to_server, self.external_systems),
            (namespace_pb2_grpc.add_NamespaceServiceServicer_to_server, self.namespaces),
            (approval_pb2_grpc.add_ApprovalServiceServicer_to_server, self.approvals),
            (filter_pb2_grpc.add_FilterServiceServicer_to_server, self.filters),
            (evaluation_pb2_grpc.add_EvaluationServiceServicer_to_server, self.evaluations),
            (slo_pb2_grpc.add_SloServiceServicer_to_server, self.slos),
            (slo_pb2_grpc.add_BreakerServiceServicer_to_server, self.breakers),
            (budget_pb2_grpc.add_BudgetServiceServicer_to_server, self.budgets),
            (alert_pb2_grpc.add_AlertServiceServicer_to_server, self.alerts),
        )
        for add, service in scripted:
            add(service, server)
        identity_pb2_grpc.add_IdentityServiceServicer_to_server(self.identity, server)
        identity_pb2_grpc.add_CredentialServiceServicer_to_server(self.identity, server)
        trust_pb2_grpc.add_TrustServiceServicer_to_server(self.identity, server)
        decision_pb2_grpc.add_DecisionServiceServicer_to_server(self.pdp, server)
        bundle_pb2_grpc.add_BundleServiceServicer_to_server(self.pdp, server)
        bundle_pb2_grpc.add_KillSwitchServiceServicer_to_server(self.pdp, server)
        telemetry_pb2_grpc.add_UsageServiceServicer_to_server(self.telemetry, server)
        budget_pb2_grpc.add_PriceServiceServicer_to_server(self.telemetry, server)
        telemetry_pb2_grpc.add_WorkflowServiceServicer_to_server(self.telemetry, server)
        audit_pb2_grpc.add_AuditServiceServicer_to_server(self.telemetry, server)
        transparency_pb2_grpc.add_TransparencyServiceServicer_to_server(self.transparency, server)

    @property
    def last(self) -> Seen:
        return self.calls[-1]

    def sent(self, method: str) -> Any:
        """The last request of a method."""
        return next(call.request for call in reversed(self.calls) if call.method == method)

    def environment(self) -> dict[str, str]:
        """The variables that lead commands here."""
        return {f"RINGFENCE_ADDR_{name}": self.address for name in ("REGISTRY", "IDENTITY", "PDP", "TELEMETRY")}

    def saw(self, request: Any, context: grpc.ServicerContext) -> None:
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        method = type(request).__name__.removesuffix("Request")
        self.calls.append(Seen(method, request, metadata, context.time_remaining()))
        self.answers.wait()
        if self.token and metadata.get("authorization") != f"Bearer {self.token}":
            refuse(context, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", "the caller is unknown")


class FakeHealth:
    """grpc.health.v1, as far as it is asked here."""

    def __init__(self, mesh: FakeMesh) -> None:
        self._mesh = mesh

    def List(self, request: Any, context: Any) -> HealthListResponse:
        return HealthListResponse(statuses={"": self.Check(request, context)})

    def Watch(self, request: Any, context: Any) -> Iterator[HealthCheckResponse]:
        yield self.Check(request, context)

    def Check(self, request: Any, context: Any) -> HealthCheckResponse:
        status = HealthCheckResponse.SERVING if self._mesh.serving else HealthCheckResponse.NOT_SERVING
        return HealthCheckResponse(status=status)


@contextmanager
def fake_mesh() -> Iterator[FakeMesh]:
    """Serve the fakes on a free loopback port."""
    mesh = FakeMesh()
    with _serving(mesh.add_to) as mesh.address, _serving() as mesh.address_of_nothing:
        yield mesh


@contextmanager
def _serving(*adders: Callable[[grpc.Server], None]) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    for add in adders:
        add(server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield address
    finally:
        stopped: threading.Event = server.stop(grace=None)
        stopped.wait()
