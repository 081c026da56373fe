"""Identity, registry and telemetry as the pdp meets them: small real gRPC services that say what a test tells them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message
from grpc_status import rpc_status
from ringfence.identity.v1 import identity_pb2, revocation_pb2
from ringfence.registry.v1 import boundary_pb2, registry_pb2, tool_pb2
from ringfence.telemetry.v1 import audit_pb2, budget_pb2
from ringfence_kit.errors import Failure
from ringfence_kit.status import status_of

from support.pdp.mint import Mint

ItemT = TypeVar("ItemT", bound=Message)
AnswerT = TypeVar("AnswerT", bound=Message)

_MODIFIED, _BOOKMARK = 2, 4
"""The numbers of WatchEventType, the same in identity and registry."""


class Watched(Generic[ItemT, AnswerT]):
    """A state that is watched: what is there, what changes, and heartbeats when a test says so."""

    def __init__(
        self,
        answer: Callable[..., AnswerT],
        item_field: str,
        key: Callable[[ItemT], str],
        changed: int = _MODIFIED,
    ) -> None:
        self._changed = changed
        self._answer = answer
        self._item_field = item_field
        self._key = key
        self._items: dict[str, ItemT] = {}
        self._events: list[AnswerT] = []
        self._beats = 0
        self._news = asyncio.Event()

    def say(self, item: ItemT) -> None:
        """Let everyone who watches know `item` as it is now."""
        self._items[self._key(item)] = item
        revision = len(self._events) + 1
        self._events.append(self._answer(type=self._changed, revision=revision, **{self._item_field: item}))
        self._wake()

    @property
    def revision(self) -> int:
        """The revision of the last change."""
        return len(self._events)

    def beat(self) -> None:
        """Send a heartbeat."""
        self._beats += 1
        self._wake()

    async def stream(self, start_revision: int) -> AsyncIterator[AnswerT]:
        """Send what is there, or what happened since `start_revision`, and then what happens."""
        position, beats = (start_revision - 1, self._beats) if start_revision else (len(self._events), self._beats - 1)
        if not start_revision:
            for item in self._items.values():
                yield self._answer(type=1, revision=position, **{self._item_field: item})
            yield self._answer(type=_BOOKMARK, revision=position, initial_state_end=True)
        while True:
            news = self._news
            while position < len(self._events):  # more may be said while one is on its way
                position += 1
                yield self._events[position - 1]
            if beats != self._beats:
                beats = self._beats
                yield self._answer(type=_BOOKMARK, revision=position)
            await news.wait()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Identity:
    """Identity, as far as the pdp sees it."""

    def __init__(self) -> None:
        self.agents = Watched[identity_pb2.AgentIdentity, identity_pb2.WatchAgentsResponse](
            identity_pb2.WatchAgentsResponse, "identity", lambda identity: identity.did
        )
        self.revocations = Watched[revocation_pb2.Revocation, revocation_pb2.WatchRevocationsResponse](
            revocation_pb2.WatchRevocationsResponse, "revocation", lambda revocation: revocation.subject, changed=1
        )
        self.mint = Mint("dev")

    async def get_jwks(self, request: identity_pb2.GetJwksRequest, context: Any) -> identity_pb2.GetJwksResponse:
        if request.environment != self.mint.environment:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such environment")
        return identity_pb2.GetJwksResponse(jwks=self.mint.jwks, issuer=self.mint.name)

    async def resolve(self, request: identity_pb2.ResolveDidRequest, context: Any) -> identity_pb2.ResolveDidResponse:
        return identity_pb2.ResolveDidResponse(did_document=self.mint.document(request.did))


class Registry:
    """The registry, as far as the pdp sees it."""

    def __init__(self) -> None:
        self.agents = Watched[registry_pb2.Agent, registry_pb2.WatchAgentsResponse](
            registry_pb2.WatchAgentsResponse, "agent", lambda agent: agent.name
        )
        self.tools = Watched[tool_pb2.Tool, tool_pb2.WatchToolsResponse](
            tool_pb2.WatchToolsResponse, "tool", lambda tool: tool.name
        )
        self.boundaries = Watched[boundary_pb2.Boundary, boundary_pb2.WatchBoundariesResponse](
            boundary_pb2.WatchBoundariesResponse, "boundary", lambda boundary: boundary.name
        )


class Budgets(Watched[budget_pb2.WatchBudgetsResponse, budget_pb2.WatchBudgetsResponse]):
    """Telemetry's budgets, and how they stand: what is said is the event as it goes over the wire."""

    def __init__(self) -> None:
        super().__init__(_budget_event, "said", lambda said: f"{said.budget.name or said.status}", changed=_MODIFIED)

    def set(self, budget: budget_pb2.Budget) -> None:
        """Tell of a budget."""
        self.say(budget_pb2.WatchBudgetsResponse(budget=budget))

    def stands(self, status: budget_pb2.BudgetStatus) -> None:
        """Tell how one stands."""
        self.say(budget_pb2.WatchBudgetsResponse(status=status))


def _budget_event(
    *, said: budget_pb2.WatchBudgetsResponse | None = None, **fields: Any
) -> budget_pb2.WatchBudgetsResponse:
    event = budget_pb2.WatchBudgetsResponse(**fields)
    if said is not None:
        event.MergeFrom(said)
    return event


@dataclass
class Telemetry:
    """Telemetry: an audit log that keeps what it is sent, or fails as a test says, and budgets."""

    entries: dict[str, bytes] = field(default_factory=dict)
    budgets: Budgets = field(default_factory=Budgets)
    failure: Failure | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def append_decisions(
        self, request: audit_pb2.AppendDecisionsRequest, context: Any
    ) -> audit_pb2.AppendDecisionsResponse:
        if self.failure is not None:
            await context.abort_with_status(rpc_status.to_status(status_of(self.failure)))
        for entry in request.entries:
            self.entries.setdefault(entry.decision_id, entry.body)
        self._news.set()
        self._news = asyncio.Event()
        return audit_pb2.AppendDecisionsResponse(indexes=range(len(request.entries)))

    async def logged(self, decision_id: str) -> bytes:
        """Return a decision's document once it has arrived."""
        while decision_id not in self.entries:
            await self._news.wait()
        return self.entries[decision_id]


@dataclass(frozen=True)
class Neighbours:
    """The three, on one port."""

    address: str
    identity: Identity
    registry: Registry
    telemetry: Telemetry


@asynccontextmanager
async def neighbours() -> AsyncIterator[Neighbours]:
    """Serve the three on loopback."""
    server = grpc.aio.server()
    identity, registry, telemetry = Identity(), Registry(), Telemetry()
    server.add_generic_rpc_handlers(
        [
            _watch("ringfence.identity.v1.IdentityService", identity_pb2.WatchAgentsRequest, identity.agents),
            _watch(
                "ringfence.identity.v1.IdentityService",
                revocation_pb2.WatchRevocationsRequest,
                identity.revocations,
                "WatchRevocations",
            ),
            _unary(
                "ringfence.identity.v1.IdentityService", "ResolveDid", identity_pb2.ResolveDidRequest, identity.resolve
            ),
            _unary(
                "ringfence.identity.v1.CredentialService", "GetJwks", identity_pb2.GetJwksRequest, identity.get_jwks
            ),
            _watch(
                "ringfence.registry.v1.BoundaryService",
                boundary_pb2.WatchBoundariesRequest,
                registry.boundaries,
                "WatchBoundaries",
            ),
            _watch("ringfence.registry.v1.RegistryService", registry_pb2.WatchAgentsRequest, registry.agents),
            _watch("ringfence.registry.v1.ToolService", tool_pb2.WatchToolsRequest, registry.tools, "WatchTools"),
            _watch(
                "ringfence.telemetry.v1.BudgetService",
                budget_pb2.WatchBudgetsRequest,
                telemetry.budgets,
                "WatchBudgets",
            ),
            _unary(
                "ringfence.telemetry.v1.AuditService",
                "AppendDecisions",
                audit_pb2.AppendDecisionsRequest,
                telemetry.append_decisions,
            ),
        ]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield Neighbours(f"127.0.0.1:{port}", identity, registry, telemetry)
    finally:
        await server.stop(None)


def _watch(
    service: str, request: type[Message], watched: Watched[Any, Any], method: str = "WatchAgents"
) -> grpc.GenericRpcHandler:
    async def stream(asked: Any, context: Any) -> AsyncIterator[Any]:
        async for answer in watched.stream(asked.start_revision):
            yield answer

    handler: Any = grpc.unary_stream_rpc_method_handler(
        stream, request_deserializer=request.FromString, response_serializer=lambda answer: answer.SerializeToString()
    )
    return grpc.method_handlers_generic_handler(service, {method: handler})


def _unary(service: str, method: str, request: type[Message], answer: Any) -> grpc.GenericRpcHandler:
    handler: Any = grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=request.FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
    return grpc.method_handlers_generic_handler(service, {method: handler})
