"""Two registries that differ in what one caller does not see, everything that caller can ask, and answers made alike.

Answers of the two are compared byte for byte once the three things are taken out that may differ: revision numbers
(and the etags that begin with them), which say how much happened in the whole mesh; random uids, of which only that
they are the same or different counts; and what is sealed in page tokens, of which the length counts.
"""

import json
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
import httpx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st
from ringfence.registry.v1 import (
    boundary_pb2,
    boundary_pb2_grpc,
    catalog_pb2,
    catalog_pb2_grpc,
    external_system_pb2,
    external_system_pb2_grpc,
    namespace_pb2,
    namespace_pb2_grpc,
    registry_pb2,
    tool_pb2,
    tool_pb2_grpc,
)
from ringfence_kit.callers import Caller, Role

from support.registry.served import ServedRegistry, agent_message
from support.wire import read_refusal

HOME, OPEN, HIDDEN = "home", "open", "hidden"
"""The caller's own namespace, one everybody sees, and one it does not see."""
SECRET_WORD = "zeppelin"
"""A word only hidden agents say; agents of every namespace share the others."""
WORDS = ("ledger", "reconciles", "sql", "books", "travel")
TIERS = (registry_pb2.RISK_TIER_LOW, registry_pb2.RISK_TIER_HIGH)
TOOLS = ("ledger.read", "ledger.write")
CALLER_DID = "did:web:dev.id.example.com:agents:caller"

CALLERS: Mapping[str, Caller] = {
    "owner": Caller(principal="olga", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({HOME})),
    "approver": Caller(principal="aldo", roles=frozenset({Role.APPROVER}), namespaces=frozenset({HOME})),
    "gateway": Caller(principal="gate", roles=frozenset({Role.GATEWAY}), namespaces=frozenset({HOME})),
    "agent": Caller(principal=CALLER_DID, roles=frozenset({Role.AGENT}), environment="dev"),
}
"""Everybody who sees HOME and OPEN, and no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An agent to be registered."""

    namespace: str
    agent: str
    words: tuple[str, ...]
    tags: tuple[str, ...]
    tier: int
    tools: tuple[str, ...]
    retired: bool

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"namespaces/{self.namespace}/agents/{self.agent}"

    def request(self, *, did: str = "") -> registry_pb2.RegisterAgentRequest:
        """Return what registers it."""
        said = " ".join((*self.words, *((SECRET_WORD,) if self.namespace == HIDDEN else ())))
        card = {
            "name": f"{self.agent} {said}",
            "description": f"It {said}.",
            "version": "1.0.0",
            "supportedInterfaces": [
                {"url": "https://a.example.com", "protocolBinding": "GRPC", "protocolVersion": "1.0"}
            ],
            "capabilities": {},
            "defaultInputModes": ["text/plain"],
            "defaultOutputModes": ["text/plain"],
            "skills": [{"id": "do", "name": "Do", "description": said or "does", "tags": list(self.tags) or ["any"]}],
        }
        return registry_pb2.RegisterAgentRequest(
            parent=f"namespaces/{self.namespace}",
            agent_id=self.agent,
            agent=agent_message(
                purpose=f"Purpose: {said}",
                risk_tier=self.tier,
                labels={"team": self.agent[0]},
                did=did,
                approved_tools=[registry_pb2.ApprovedTool(name=tool) for tool in self.tools],
            ),
            card=json.dumps(card).encode(),
        )


_some = st.lists(st.sampled_from(WORDS), max_size=3, unique=True).map(tuple)

PLANS = st.lists(
    st.builds(
        Planned,
        namespace=st.sampled_from((HOME, OPEN, HIDDEN, HIDDEN)),
        agent=st.sampled_from(("alpha", "beta", "gamma", "delta", "epsilon")),
        words=_some,
        tags=_some,
        tier=st.sampled_from(TIERS),
        tools=st.lists(st.sampled_from(TOOLS), max_size=2, unique=True).map(tuple),
        retired=st.booleans(),
    ),
    min_size=3,
    max_size=9,
    unique_by=lambda planned: planned.name,
).filter(lambda plans: any(planned.namespace == HIDDEN for planned in plans))
"""Random catalogs; in one of the two worlds the agents of HIDDEN were never registered."""


async def populate(registry: ServedRegistry, plans: Sequence[Planned]) -> None:
    """Put namespaces, tools and agents into a world."""
    namespaces = namespace_pb2_grpc.NamespaceServiceStub(registry.channel())
    await namespaces.UpdateNamespace(
        namespace_pb2.UpdateNamespaceRequest(
            namespace=namespace_pb2.Namespace(name=f"namespaces/{OPEN}", visibility=namespace_pb2.VISIBILITY_PUBLIC)
        )
    )
    tools = tool_pb2_grpc.ToolServiceStub(registry.channel())
    for tool in TOOLS:
        await tools.RegisterTool(
            tool_pb2.RegisterToolRequest(
                parent=f"namespaces/{HOME}",
                tool_id=tool,
                tool=tool_pb2.Tool(
                    protocol=tool_pb2.TOOL_PROTOCOL_MCP,
                    input_schema='{"type": "object"}',
                    side_effect=tool_pb2.SIDE_EFFECT_READ,
                    owner=registry_pb2.Owner(display_name="Ada Example", contact="ada@example.com"),
                ),
            )
        )
    caller = Planned(namespace=HOME, agent="caller", words=(), tags=(), tier=TIERS[0], tools=(), retired=False)
    agents = registry.stub()
    await agents.RegisterAgent(caller.request(did=CALLER_DID))
    for planned in plans:
        await agents.RegisterAgent(planned.request())
        if planned.retired:
            await agents.RetireAgent(registry_pb2.RetireAgentRequest(name=planned.name))


# What can be asked


@dataclass(slots=True, kw_only=True)
class Asking:
    """One caller, who asks everything and writes down the answers, made alike."""

    registry: ServedRegistry
    caller: Caller
    names: Sequence[str]
    """Agents to ask for by name, there or not."""
    answers: dict[str, list[bytes]] = field(default_factory=dict)
    _uids: dict[str, int] = field(default_factory=dict)

    async def everything(self) -> Mapping[str, list[bytes]]:
        """Ask everything there is to ask, and return the answers by question."""
        for parent in (f"namespaces/{each}" for each in ("-", HOME, OPEN, HIDDEN, "nobody")):
            await self._lists(parent)
            await self._finding(parent)
            await self._streams(parent)
        for name in self.names:
            await self._one(name)
        await self._changes()
        return self.answers

    async def _lists(self, parent: str) -> None:
        agents = self.registry.stub(self.caller)
        for shown in (False, True):
            for text in ("", "labels.team=a", f"skills.tags:sql OR purpose:{SECRET_WORD}", "-state=ACTIVE"):
                request = registry_pb2.ListAgentsRequest(
                    parent=parent, page_size=2, filter=text, show_retired=shown, show_deleted=shown
                )
                await self._pages(f"ListAgents {text} {shown}", agents.ListAgents, request)
        tools = tool_pb2_grpc.ToolServiceStub(self._channel())
        await self._pages("ListTools", tools.ListTools, tool_pb2.ListToolsRequest(parent=parent, page_size=1))
        boundaries = boundary_pb2_grpc.BoundaryServiceStub(self._channel())
        listed = boundary_pb2.ListBoundariesRequest(parent=parent, page_size=1)
        await self._pages("ListBoundaries", boundaries.ListBoundaries, listed)
        systems = external_system_pb2_grpc.ExternalSystemServiceStub(self._channel())
        all_systems = external_system_pb2.ListExternalSystemsRequest(parent=parent, page_size=1)
        await self._pages("ListExternalSystems", systems.ListExternalSystems, all_systems)
        namespaces = namespace_pb2_grpc.NamespaceServiceStub(self._channel())
        await self._ask(namespaces.GetNamespace, namespace_pb2.GetNamespaceRequest(name=parent))
        each = namespace_pb2.ListNamespacesRequest(page_size=1)
        await self._pages("ListNamespaces", namespaces.ListNamespaces, each)

    async def _finding(self, parent: str) -> None:
        catalog = catalog_pb2_grpc.CatalogServiceStub(self._channel())
        for query in (SECRET_WORD, "ledger", "sql books travel", f"reconciles {SECRET_WORD}"):
            found = catalog_pb2.SearchAgentsRequest(parent=parent, query=query, page_size=1)
            await self._pages(f"SearchAgents {query}", catalog.SearchAgents, found)
            counted = catalog_pb2.GetFacetsRequest(
                parent=parent, query=query, fields=["risk_tier", "skills.tags", "labels.team", "approved_tools"]
            )
            await self._ask(catalog.GetFacets, counted)
            like = catalog_pb2.FindSimilarAgentsRequest(parent=parent, purpose=f"Purpose: {query}", min_score=0.01)
            await self._ask(catalog.FindSimilarAgents, like)
        await self._ask(catalog.GetFacets, catalog_pb2.GetFacetsRequest(parent=parent, fields=["state", "skills.id"]))
        for tag in ("sql", "any"):
            for most in (registry_pb2.RISK_TIER_UNSPECIFIED, registry_pb2.RISK_TIER_LOW):
                wanted = catalog_pb2.SelectAgentRequest(
                    parent=parent, tags=[tag], environment="dev", max_risk_tier=most
                )
                await self._ask(catalog.SelectAgent, wanted)

    async def _streams(self, parent: str) -> None:
        catalog = catalog_pb2_grpc.CatalogServiceStub(self._channel())
        for form in (catalog_pb2.INVENTORY_FORMAT_JSON_LINES, catalog_pb2.INVENTORY_FORMAT_CSV):
            request = catalog_pb2.ExportInventoryRequest(parent=parent, format=form)
            await self._drain(f"ExportInventory {form}", catalog.ExportInventory(request), parent)
        agents = self.registry.stub(self.caller)
        for text in ("", f"purpose:{SECRET_WORD} OR labels.team=a"):
            watch = registry_pb2.WatchAgentsRequest(parent=parent, send_initial_state=True, filter=text)
            await self._drain(f"WatchAgents {text}", agents.WatchAgents(watch), parent)
        tools = tool_pb2_grpc.ToolServiceStub(self._channel())
        watch_tools = tool_pb2.WatchToolsRequest(parent=parent, send_initial_state=True)
        await self._drain("WatchTools", tools.WatchTools(watch_tools), parent)

    async def _one(self, name: str) -> None:
        agents = self.registry.stub(self.caller)
        catalog = catalog_pb2_grpc.CatalogServiceStub(self._channel())
        await self._ask(agents.GetAgent, registry_pb2.GetAgentRequest(name=name))
        await self._ask(agents.GetCard, registry_pb2.GetCardRequest(name=name))
        await self._ask(agents.GetCardAttestation, registry_pb2.GetCardAttestationRequest(name=name))
        await self._ask(agents.ListAgentRevisions, registry_pb2.ListAgentRevisionsRequest(parent=name))
        await self._ask(agents.CheckReadiness, registry_pb2.CheckReadinessRequest(name=name))
        like = catalog_pb2.FindSimilarAgentsRequest(parent="namespaces/-", agent=name, min_score=0.01)
        await self._ask(catalog.FindSimilarAgents, like)

    async def _changes(self) -> None:
        """Try to change what is not the caller's, and look at what a change of its own tells it."""
        agents = self.registry.stub(self.caller)
        for name in self.names:
            update = registry_pb2.UpdateAgentRequest(agent=registry_pb2.Agent(name=name, team="t"), validate_only=True)
            await self._ask(agents.UpdateAgent, update)
        for namespace in (HOME, HIDDEN):
            like = Planned(
                namespace=namespace,
                agent="newcomer",
                words=(*WORDS, SECRET_WORD),
                tags=("sql",),
                tier=TIERS[0],
                tools=TOOLS,
                retired=False,
            ).request()
            like.validate_only = True
            await self._ask(agents.RegisterAgent, like)
            judged = registry_pb2.ValidateCardRequest(parent=f"namespaces/{namespace}", card=like.card)
            await self._ask(agents.ValidateCard, judged)
        tools = tool_pb2_grpc.ToolServiceStub(self._channel())
        changed = tool_pb2.UpdateToolRequest(
            tool=tool_pb2.Tool(
                name=f"namespaces/{HOME}/tools/{TOOLS[0]}", input_schema='{"type": "object", "required": ["x"]}'
            ),
            validate_only=True,
        )
        await self._ask(tools.UpdateTool, changed)

    def _channel(self) -> grpc.aio.Channel:
        return self.registry.channel(self.caller)

    async def _ask(self, method: Any, request: Message) -> Message | None:
        question = f"{type(request).__name__} {request}"
        answer = await self._answer(question, method(request))
        return answer if isinstance(answer, Message) else None

    async def _pages(self, question: str, method: Any, request: Any) -> None:
        """Ask for every page of a list, by the tokens."""
        request = _copy(request)
        while True:
            answer: Any = await self._answer(f"{question} {request.DESCRIPTOR.name} {_where(request)}", method(request))
            token = getattr(answer, "next_page_token", "")
            if not token:
                return
            request.page_token = token

    async def _answer(self, question: str, call: Awaitable[Any]) -> Any:
        answers = self.answers.setdefault(question, [])
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            answers.append(_refused(error))
            return None
        answers.append(self._alike(answer))
        return answer

    async def _drain(self, question: str, stream: Any, parent: str) -> None:
        """Take a stream's answers up to the end of the state, or its end."""
        answers = self.answers.setdefault(f"{question} {parent}", [])
        try:
            async for answer in stream:
                answers.append(self._alike(answer))
                if getattr(answer, "initial_state_end", False):
                    break
        except grpc.aio.AioRpcError as error:
            answers.append(_refused(error))
        finally:
            stream.cancel()

    def _alike(self, answer: Message) -> bytes:
        alike = _copy(answer)
        self._make_alike(alike)
        written: bytes = alike.SerializeToString(deterministic=True)
        return written

    def _make_alike(self, message: Any) -> None:
        for descriptor, value in message.ListFields():
            name = descriptor.name
            if name == "revision" and descriptor.type == FieldDescriptor.TYPE_INT64:
                message.ClearField(name)
            elif name == "etag":
                setattr(message, name, "etag")
            elif name == "uid":
                setattr(message, name, str(self._uids.setdefault(value, len(self._uids))))
            elif name == "next_page_token":
                setattr(message, name, "." * len(value))
            else:
                for inner in _messages_in(descriptor, value):
                    self._make_alike(inner)


def _messages_in(descriptor: FieldDescriptor, value: Any) -> Iterator[Any]:
    if descriptor.type != FieldDescriptor.TYPE_MESSAGE:
        return
    if isinstance(value, Message):
        yield value
    elif isinstance(value, Mapping):
        yield from (each for each in value.values() if isinstance(each, Message))
    else:
        yield from value


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _where(request: Any) -> str:
    return str(getattr(request, "parent", ""))


def _refused(error: grpc.aio.AioRpcError) -> bytes:
    told = read_refusal(error)
    assert told.code != "INTERNAL", told.message  # two defects alike would be no answers alike
    return json.dumps([told.code, told.reason, told.message, told.metadata, told.violations]).encode()


PAGES = (
    "/agents",
    "/agents?pageSize=1",
    "/.well-known/ai-catalog.json",
    f"/agents/{OPEN}/alpha/agent-card.json",
    f"/agents/{HIDDEN}/alpha/agent-card.json",
    f"/agents/{HOME}/alpha/agent-card.json",
    "/agents/nobody/alpha/agent-card.json",
)


async def pages(registry: ServedRegistry) -> Mapping[str, tuple[int, str, str]]:
    """Return what the HTTP face tells anybody: status, body and ETag by question."""
    found: dict[str, tuple[int, str, str]] = {}
    async with httpx.AsyncClient(base_url=f"http://{registry.mesh.address('registry.http_listen')}") as client:
        for path in PAGES:
            told = await client.get(path)
            found[path] = (told.status_code, _without_tokens(told.text), told.headers.get("etag", ""))
        for text in (SECRET_WORD, "ledger sql"):
            body = {"query": {"text": text}}
            told = await client.post("/search", json=body)
            found[f"search {text}"] = (told.status_code, _without_tokens(told.text), "")
            told = await client.post("/explore", json={**body, "resultType": {"facets": [{"field": "publisher"}]}})
            found[f"explore {text}"] = (told.status_code, told.text, "")
    return found


def _without_tokens(text: str) -> str:
    try:
        body = json.loads(text)
    except ValueError:
        return text
    if isinstance(body, dict) and body.get("pageToken"):
        body["pageToken"] = "." * len(body["pageToken"])
    return json.dumps(body)
