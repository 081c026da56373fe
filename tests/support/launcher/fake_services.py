"""Small real services behind a real gRPC port: what the commands are tested against.

Each keeps what it is given in plain attributes, which tests read and set. They refuse as the services do, with
google.rpc details, because how a refusal is shown is half of what a command does.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from ringfence.registry.v1 import registry_pb2, registry_pb2_grpc


def refuse(
    context: grpc.ServicerContext,
    code: grpc.StatusCode,
    reason: str,
    message: str,
    *,
    violations: Sequence[tuple[str, str]] = (),
    retry_after: float = 0,
) -> NoReturn:
    """End the call as a Ringfence service does."""
    status = Status(code=code.value[0], message=message)
    details: list[Any] = [ErrorInfo(reason=reason, domain="ringfence.dev")]
    if violations:
        listed = [BadRequest.FieldViolation(field=where, description=what) for where, what in violations]
        details.append(BadRequest(field_violations=listed))
    if retry_after:
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(int(retry_after * 1_000))
        details.append(retry)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)


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
    registry: "FakeRegistry" = field(init=False)

    def __post_init__(self) -> None:
        self.registry = FakeRegistry(self)

    @property
    def last(self) -> Seen:
        return self.calls[-1]

    def environment(self) -> dict[str, str]:
        """The variables that lead commands here."""
        return {f"RINGFENCE_ADDR_{name}": self.address for name in ("REGISTRY", "IDENTITY", "PDP", "TELEMETRY")}

    def saw(self, request: Any, context: grpc.ServicerContext) -> None:
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        self.calls.append(
            Seen(type(request).__name__.removesuffix("Request"), request, metadata, context.time_remaining())
        )
        if self.token and metadata.get("authorization") != f"Bearer {self.token}":
            problem = "no such token"
            refuse(context, grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", f"the caller is unknown: {problem}")


class FakeRegistry(registry_pb2_grpc.RegistryServiceServicer):
    """Agents and their cards, by name; `events` is what a watch sends before it ends."""

    def __init__(self, mesh: FakeMesh) -> None:
        self._mesh = mesh
        self.agents: dict[str, registry_pb2.Agent] = {}
        self.cards: dict[str, bytes] = {}
        self.events: list[registry_pb2.WatchAgentsResponse] = []
        self.page_limit = 1_000

    def RegisterAgent(self, request: Any, context: Any) -> registry_pb2.RegisterAgentResponse:
        self._mesh.saw(request, context)
        name = f"{request.parent}/agents/{request.agent_id}"
        if name in self.agents:
            refuse(context, grpc.StatusCode.ALREADY_EXISTS, "AGENT_ALREADY_EXISTS", f"{name} is registered")
        if not request.card.startswith(b"{"):
            problems = [("card", "is not JSON"), ("card/skills", "is missing")]
            refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "CARD_INVALID", "the card is bad", violations=problems)
        agent = registry_pb2.Agent()
        agent.CopyFrom(request.agent)
        agent.name, agent.state, agent.etag = name, registry_pb2.AGENT_STATE_ACTIVE, '"1-a"'
        agent.create_time.FromJsonString("2026-01-01T00:00:00Z")
        if not request.validate_only:
            self.agents[name], self.cards[name] = agent, request.card
        return registry_pb2.RegisterAgentResponse(agent=agent)

    def GetAgent(self, request: Any, context: Any) -> registry_pb2.GetAgentResponse:
        self._mesh.saw(request, context)
        return registry_pb2.GetAgentResponse(agent=self._found(request.name, context))

    def GetCard(self, request: Any, context: Any) -> registry_pb2.GetCardResponse:
        self._mesh.saw(request, context)
        self._found(request.name, context)
        return registry_pb2.GetCardResponse(card=self.cards[request.name])

    def ListAgents(self, request: Any, context: Any) -> registry_pb2.ListAgentsResponse:
        self._mesh.saw(request, context)
        names = sorted(self.agents)
        start = int(request.page_token or 0)
        end = start + min(request.page_size, self.page_limit)
        following = str(end) if end < len(names) else ""
        return registry_pb2.ListAgentsResponse(
            agents=[self.agents[name] for name in names[start:end]], next_page_token=following
        )

    def UpdateAgent(self, request: Any, context: Any) -> registry_pb2.UpdateAgentResponse:
        self._mesh.saw(request, context)
        agent = self._found(request.agent.name, context)
        if request.etag and request.etag != agent.etag:
            refuse(context, grpc.StatusCode.ABORTED, "ETAG_MISMATCH", f"{agent.name} has etag {agent.etag}")
        request.update_mask.MergeMessage(request.agent, agent, True, True)
        return registry_pb2.UpdateAgentResponse(agent=agent)

    def RetireAgent(self, request: Any, context: Any) -> registry_pb2.RetireAgentResponse:
        self._mesh.saw(request, context)
        agent = self._found(request.name, context)
        agent.state = registry_pb2.AGENT_STATE_RETIRED
        return registry_pb2.RetireAgentResponse(agent=agent)

    def WatchAgents(self, request: Any, context: Any) -> Iterator[registry_pb2.WatchAgentsResponse]:
        self._mesh.saw(request, context)
        yield from self.events
        refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "WATCHER_TOO_SLOW", "watch again from 7", retry_after=0.1)

    def _found(self, name: str, context: grpc.ServicerContext) -> registry_pb2.Agent:
        if name not in self.agents:
            refuse(context, grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND", f"there is no {name}")
        return self.agents[name]


@contextmanager
def fake_mesh() -> Iterator[FakeMesh]:
    """Serve the fakes on a free loopback port."""
    mesh = FakeMesh()
    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    registry_pb2_grpc.add_RegistryServiceServicer_to_server(mesh.registry, server)
    mesh.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield mesh
    finally:
        stopped: threading.Event = server.stop(grace=None)
        stopped.wait()
