"""Telemetry running as a server, with a stub of each face for any caller."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from ringfence.telemetry.v1 import audit_pb2, audit_pb2_grpc, telemetry_pb2, telemetry_pb2_grpc
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Clock, SystemClock
from ringfence_kit.ids import random_ids
from ringfence_kit.peers import PeerConfig
from ringfence_telemetry.app import build
from ringfence_telemetry.config import TelemetryConfig

from support.serving import OPERATOR, Mesh, server_config, serving
from support.telemetry.decisions import decision_id
from support.telemetry.spans import SpanSpec, request_of

AGENT_DID = "did:web:agents.example:a"
PEER_DID = "did:web:agents.example:b"
AGENT = Caller(principal=AGENT_DID, roles=frozenset({Role.AGENT}), environment="prod")
PEER = Caller(principal=PEER_DID, roles=frozenset({Role.AGENT}), environment="prod")
AUDITOR = Caller(principal="test:audrey", roles=frozenset({Role.AUDITOR}))
GATEWAY = Caller(principal="test:gate", roles=frozenset({Role.GATEWAY}), agents=frozenset({AGENT_DID, PEER_DID}))
OWNER = Caller(principal="test:olga", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"billing"}))

KINDS = ("telemetry.listen", "telemetry.fast_listen")
"""One port of each kind: that of grpcio, and that of libnghttp2."""

NOBODY = PeerConfig(address="127.0.0.1:1")
"""An identity that is not there: signals wait."""


@dataclass(slots=True, kw_only=True)
class TelemetryMesh:
    """The running service."""

    mesh: Mesh
    clock: Clock
    port: str = "telemetry.listen"
    """The setting of the port that is called where a test names no other: one that serves it."""
    _channels: dict[tuple[Caller, str], grpc.aio.Channel] = field(default_factory=dict)

    def channel(self, caller: Caller = OPERATOR, setting: str = "telemetry.listen") -> grpc.aio.Channel:
        """Return a channel of `caller`'s to the port of `setting`, the same each time."""
        key = caller, setting
        if key not in self._channels:
            self._channels[key] = self.mesh.channel(caller, setting)
        return self._channels[key]

    def usage(self, caller: Caller = OPERATOR) -> "telemetry_pb2_grpc.UsageServiceAsyncStub":
        """Return the stub of UsageService."""
        stub: telemetry_pb2_grpc.UsageServiceAsyncStub = telemetry_pb2_grpc.UsageServiceStub(self.channel(caller))
        return stub

    def workflow(self, caller: Caller = OPERATOR) -> "telemetry_pb2_grpc.WorkflowServiceAsyncStub":
        """Return the stub of WorkflowService."""
        stub: telemetry_pb2_grpc.WorkflowServiceAsyncStub = telemetry_pb2_grpc.WorkflowServiceStub(self.channel(caller))
        return stub

    def audit(self, caller: Caller = OPERATOR) -> "audit_pb2_grpc.AuditServiceAsyncStub":
        """Return the stub of AuditService."""
        stub: audit_pb2_grpc.AuditServiceAsyncStub = audit_pb2_grpc.AuditServiceStub(self.channel(caller, self.port))
        return stub

    def traces(self, caller: Caller = OPERATOR, setting: str = "") -> Any:
        """Return the stock OTLP stub."""
        return trace_service_pb2_grpc.TraceServiceStub(  # type: ignore[no-untyped-call] # its package has no types
            self.channel(caller, setting or self.port)
        )

    async def export(self, specs: Sequence[SpanSpec], caller: Caller = OPERATOR) -> ExportTraceServiceResponse:
        """Export spans."""
        response: ExportTraceServiceResponse = await self.traces(caller).Export(request_of(specs))
        return response

    async def everything_counted(self) -> None:
        """Wait until every accepted span is in the totals, however busy the machine."""
        question = telemetry_pb2.GetUsageRequest()
        question.end_time.FromMilliseconds(60_000)  # of 1970, where nothing has to be added up to be asked again
        while (await self.usage().GetUsage(question)).pending_spans:
            continue

    async def usage_by_agent(self) -> dict[tuple[str, bool], telemetry_pb2.UsageRow]:
        """Return usage by agent and whether it is untrusted, once everything is counted."""
        await self.everything_counted()
        request = telemetry_pb2.GetUsageRequest(group_by=[telemetry_pb2.USAGE_GROUP_AGENT])
        response = await self.usage().GetUsage(request)
        return {(row.agent, row.untrusted): row for row in response.rows}

    async def append(self, *bodies: bytes, first: int = 1) -> audit_pb2.AppendDecisionsResponse:
        """Append decisions numbered from `first` on."""
        entries = [
            audit_pb2.DecisionEntry(decision_id=decision_id(number), body=body)
            for number, body in enumerate(bodies, start=first)
        ]
        return await self.audit().AppendDecisions(audit_pb2.AppendDecisionsRequest(entries=entries))

    async def metrics(self) -> dict[str, float]:
        """Return what a scrape of the HTTP face says of telemetry's own metrics."""
        async with httpx.AsyncClient() as client:
            page = await client.get(f"http://{self.mesh.address('telemetry.http_listen')}/metrics")
        found = {}
        for line in page.text.splitlines():
            if line.startswith("ringfence_telemetry_"):
                name, _, value = line.partition(" ")
                found[name.removeprefix("ringfence_telemetry_")] = float(value)
        return found


@asynccontextmanager
async def telemetry_mesh(
    tmp_path: Path,
    *,
    config: TelemetryConfig | None = None,
    clock: Clock | None = None,
    port: str = "telemetry.listen",
) -> AsyncIterator[TelemetryMesh]:
    """Run telemetry on free ports, with data under `tmp_path`: again on the same path is a restart.

    OTLP and the audit log are called on `port`.
    """
    clock = clock or SystemClock()
    settings = server_config(tmp_path)
    service = build(config or quiet(), settings, clock=clock, new_id=random_ids)
    async with serving(service, config=settings, clock=clock) as mesh:
        yield TelemetryMesh(mesh=mesh, clock=clock, port=port)


def quiet(**changes: Any) -> TelemetryConfig:
    """Return settings with nobody to take signals, a fast port, and these changes."""
    return replace(TelemetryConfig(identity=NOBODY, fast_listen="127.0.0.1:0"), **changes)
