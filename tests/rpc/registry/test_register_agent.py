"""RegisterAgent over gRPC: what is kept, and what each mistake is told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from ringfence.registry.v1 import registry_pb2 as pb
from support.registry.agents import CARD
from support.registry.served import (
    FINANCE_OWNER,
    LEDGER,
    REQUEST_ID,
    ServedRegistry,
    agent_message,
    registration,
    served_registry,
)
from support.serving import SERVICE
from support.wire import refusal


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path) as served:
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def untouched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedRegistry]:
    """One registry for all tests that are refused, and so leave it as it was."""
    async with served_registry(tmp_path_factory.mktemp("untouched")) as served:
        yield served


async def test_everything_said_about_an_agent_comes_back(registry: ServedRegistry) -> None:
    said = agent_message(
        display_name="Ledger Lädger",
        team="finance",
        on_call="1. #ledger\n2. https://pager.example.com/ledger",
        data_classes=["pii", "financial"],
        environments=["dev", "staging"],
        approved_tools=[
            pb.ApprovedTool(name="ledger.read"),
            pb.ApprovedTool(name="warehouse.export", schema_hash="sha256-" + "ab" * 32),
        ],
        did="did:webvh:QmSomething:dev.id.example.com:agents:QmSomething",
        labels={"tier": "gold", "empty": ""},
        annotations={"example.com/runbook": "line one\nline two"},
        policies=["ledger-guardrails"],
        evaluation_plan="https://evals.example.com/ledger",
        slo="ledger-availability",
        deployments=[pb.Deployment(environment="dev", region="eu-west-1", location="kubernetes://dev/ledger")],
        escalation_path=[
            pb.EscalationStep(contact="ada@example.com", wait=Duration(seconds=900)),
            pb.EscalationStep(contact="https://pager.example.com/ledger"),
        ],
    )
    agent = await registry.register(agent=said)
    assert (agent.name, agent.state) == (LEDGER, pb.AGENT_STATE_ACTIVE)
    assert agent.etag.startswith('"1-')
    assert agent.uid
    assert agent.create_time == agent.update_time
    assert not agent.HasField("retire_time")
    assert agent.card.version == "1.0.0"
    assert (agent.revision, agent.liveness) == (f"{LEDGER}/revisions/1", pb.LIVENESS_NO_LEASE)
    for tool in agent.approved_tools:
        assert tool.state == pb.APPROVAL_STATE_TOOL_UNKNOWN
        tool.ClearField("state")
    for field in said.DESCRIPTOR.fields:
        if field.name in {each.name for each, _ in said.ListFields()}:
            assert getattr(agent, field.name) == getattr(said, field.name), field.name


async def test_what_is_output_only_is_ignored(registry: ServedRegistry) -> None:
    said = agent_message(
        name="namespaces/evil/agents/x",
        uid="mine",
        state=pb.AGENT_STATE_RETIRED,
        etag='"mine"',
        card=pb.CardView(display_name="Evil"),
    )
    agent = await registry.register(agent=said)
    assert (agent.name, agent.state, agent.card.display_name) == (LEDGER, pb.AGENT_STATE_ACTIVE, "Ledger")
    assert agent.uid != "mine"
    assert agent.etag != '"mine"'


LONG = "x" * 70_000


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("changed", "field", "problem"),
    [
        ({"parent": ""}, "parent", "must not be empty"),
        ({"parent": "finance"}, "parent", "must have the form namespaces/{namespace}"),
        ({"parent": "namespaces/-"}, "parent", "must have the form namespaces/{namespace}"),
        ({"parent": "namespaces/Finance"}, "parent", "must have the form"),
        ({"parent": "namespaces/finance/agents"}, "parent", "must have the form"),
        ({"parent": LONG}, "parent", "must have the form"),
        ({"agent_id": ""}, "agent_id", "must not be empty"),
        ({"agent_id": "-"}, "agent_id", "must have the form"),
        ({"agent_id": "a" * 64}, "agent_id", "is longer than 63 bytes"),
        ({"agent_id": "a/b"}, "agent_id", "must have the form"),
        ({"agent_id": "l\u0435dger"}, "agent_id", "must have the form"),  # CYRILLIC SMALL LETTER IE
        ({"request_id": "1"}, "request_id", "must be a UUID"),
        ({"request_id": "00000000-0000-0000-0000-000000000000"}, "request_id", "must not be the nil UUID"),
        ({"agent": None}, "agent.purpose", "must not be empty"),
        ({"agent": agent_message(purpose="")}, "agent.purpose", "must not be empty"),
        ({"agent": agent_message(purpose="x" * 2_001)}, "agent.purpose", "is longer than 2000 bytes"),
        ({"agent": agent_message(purpose="a\x00b")}, "agent.purpose", "contains control characters"),
        ({"agent": agent_message(display_name="x\ny")}, "agent.display_name", "contains control characters"),
        ({"agent": agent_message(display_name="a\u202eb")}, "agent.display_name", "contains control characters"),
        ({"agent": agent_message(display_name="e\u0301")}, "agent.display_name", "normal form C"),
        ({"agent": agent_message(display_name="ü" * 101)}, "agent.display_name", "is longer than 200 bytes"),
        ({"agent": agent_message(owner=None)}, "agent.owner.contact", "must not be empty"),
        ({"agent": agent_message(owner=pb.Owner(display_name="Ada", contact="ada"))}, "agent.owner.contact", "form"),
        ({"agent": agent_message(owner=pb.Owner(contact="a@b"))}, "agent.owner.display_name", "must not be empty"),
        ({"agent": agent_message(team=LONG)}, "agent.team", "is longer than 200 bytes"),
        ({"agent": agent_message(on_call="x" * 501)}, "agent.on_call", "is longer than 500 bytes"),
        ({"agent": agent_message(risk_tier=0)}, "agent.risk_tier", "must be set"),
        ({"agent": agent_message(risk_tier=99)}, "agent.risk_tier", "99 is not a value this server knows"),
        ({"agent": agent_message(risk_tier=-1)}, "agent.risk_tier", "-1 is not a value this server knows"),
        ({"agent": agent_message(data_classes=["PII"])}, "agent.data_classes[0]", "must have the form"),
        ({"agent": agent_message(data_classes=[f"c{n}" for n in range(33)])}, "agent.data_classes", "at most 32"),
        ({"agent": agent_message(data_classes=["a", "b", "a"])}, "agent.data_classes[2]", "repeats data_classes[0]"),
        ({"agent": agent_message(environments=[])}, "agent.environments", "must have at least 1 entry"),
        ({"agent": agent_message(environments=list("abcdefghi"))}, "agent.environments", "at most 8"),
        ({"agent": agent_message(environments=["dev", ""])}, "agent.environments[1]", "must have the form"),
        (
            {"agent": agent_message(approved_tools=[pb.ApprovedTool(name="Warehouse")])},
            "agent.approved_tools[0].name",
            "must have the form [a-z0-9._-]",
        ),
        (
            {"agent": agent_message(approved_tools=[pb.ApprovedTool(name="a", schema_hash="sha256-abc")])},
            "agent.approved_tools[0].schema_hash",
            "must have the form sha256- and 64",
        ),
        (
            {"agent": agent_message(approved_tools=[pb.ApprovedTool(name="a"), pb.ApprovedTool(name="a")])},
            "agent.approved_tools[1]",
            "repeats",
        ),
        (
            {"agent": agent_message(approved_tools=[pb.ApprovedTool(name=f"t{n}") for n in range(257)])},
            "agent.approved_tools",
            "at most 256",
        ),
        ({"agent": agent_message(did="ledger")}, "agent.did", "must have the form did:method:identifier"),
        ({"agent": agent_message(did="did:web:a b")}, "agent.did", "must have the form"),
        ({"agent": agent_message(did="did:web:" + "a" * 600)}, "agent.did", "is longer than 512 bytes"),
        ({"agent": agent_message(labels={"Tier": "x"})}, "agent.labels", "keys must have the form"),
        ({"agent": agent_message(labels={"tier": "x" * 257})}, "agent.labels[tier]", "is longer than 256 bytes"),
        ({"agent": agent_message(labels={f"l{n}": "" for n in range(65)})}, "agent.labels", "at most 64"),
        ({"agent": agent_message(annotations={"a b": "x"})}, "agent.annotations", "keys must have the form"),
        ({"agent": agent_message(annotations={"": "x"})}, "agent.annotations", "keys must have the form"),
        ({"agent": agent_message(annotations={"a": "x" * 4_097})}, "agent.annotations[a]", "longer than 4096 bytes"),
    ],
)
async def test_a_field_that_breaks_its_rule_is_named(
    untouched: ServedRegistry, changed: dict[str, Any], field: str, problem: str
) -> None:
    refused = await refusal(untouched.stub().RegisterAgent(registration(**changed)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert problem in refused.violations[field]
    listed = await untouched.stub().ListAgents(pb.ListAgentsRequest(parent="namespaces/-", show_retired=True))
    assert (list(listed.agents), listed.revision) == ([], 0)


async def test_everything_wrong_is_said_at_once(registry: ServedRegistry) -> None:
    refused = await refusal(registry.stub().RegisterAgent(pb.RegisterAgentRequest(request_id="?")))
    assert set(refused.violations) == {
        *("parent", "agent_id", "request_id"),
        *("agent.purpose", "agent.owner.display_name", "agent.owner.contact", "agent.risk_tier", "agent.environments"),
    }


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("card", "field", "problem"),
    [
        (b"", "card", "is empty"),
        (b"{", "card", "is not JSON"),
        (b"\xff\xfe", "card", "is not UTF-8"),
        (b"\xef\xbb\xbf" + CARD, "card", "byte order mark"),
        (b" " * 65_537, "card", "has 65537 bytes; at most 65536 are read"),
        (b"[" * 30_000, "card", "nests deeper than 64 levels"),
        (b"[1, 2]", "card", "must be a JSON object"),
        (b'{"name": "A", "name": "B", "version": "1", "url": "u"}', "card#/name", "is given more than once"),
        (b'{"name": "A", "version": "1", "url": "u", "x": NaN}', "card#/x", "not a finite number"),
        (b'{"name": "A", "version": "1", "url": "\\udfff"}', "card#/url", "lone surrogate"),
        (b'{"name": "A", "version": "1"}', "card#/supportedInterfaces", "is missing"),
        (b'{"name": "A", "version": 1, "url": "u"}', "card#/version", "must be a string, not a number"),
    ],
)
async def test_a_card_that_cannot_be_admitted_is_told_why_and_where(
    untouched: ServedRegistry, card: bytes, field: str, problem: str
) -> None:
    refused = await refusal(untouched.stub().RegisterAgent(registration(card=card)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "CARD_INVALID")
    assert problem in refused.violations[field]


async def test_a_name_is_given_once(registry: ServedRegistry) -> None:
    await registry.register()
    refused = await refusal(registry.stub().RegisterAgent(registration()))
    assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "AGENT_ALREADY_EXISTS")
    assert refused.metadata == {"name": LEDGER, "state": "ACTIVE"}


async def test_a_repeated_request_gets_the_same_answer_and_an_altered_one_is_refused(registry: ServedRegistry) -> None:
    stub = registry.stub()
    first = await stub.RegisterAgent(registration(request_id=REQUEST_ID))
    assert await stub.RegisterAgent(registration(request_id=REQUEST_ID.upper())) == first
    altered = registration(request_id=REQUEST_ID, agent=agent_message(team="other"))
    refused = await refusal(stub.RegisterAgent(altered))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")
    assert list(refused.violations) == ["request_id"]
    refused = await refusal(stub.RetireAgent(pb.RetireAgentRequest(name=LEDGER, request_id=REQUEST_ID)))
    assert refused.reason == "REQUEST_ID_REUSED"
    refused = await refusal(registry.stub(FINANCE_OWNER).RegisterAgent(registration(request_id=REQUEST_ID)))
    assert refused.reason == "REQUEST_ID_REUSED"


async def test_a_rehearsal_answers_as_if_and_does_nothing(registry: ServedRegistry) -> None:
    agent = await registry.register(validate_only=True)
    assert (agent.name, agent.uid, agent.etag) == (LEDGER, "", "")
    refused = await refusal(registry.stub().GetAgent(pb.GetAgentRequest(name=LEDGER)))
    assert refused.reason == "AGENT_NOT_FOUND"
    refused = await refusal(registry.stub().RegisterAgent(registration(validate_only=True, card=b"{}")))
    assert refused.reason == "CARD_INVALID"


async def test_a_namespace_owner_registers_in_its_own_namespace_only(registry: ServedRegistry) -> None:
    assert (await registry.register(caller=FINANCE_OWNER)).name == LEDGER
    foreign = registration(parent="namespaces/travel")
    refused = await refusal(registry.stub(FINANCE_OWNER).RegisterAgent(foreign))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
    refused = await refusal(registry.stub(SERVICE).RegisterAgent(registration()))
    assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")
