"""From requests to the model: the one place a request is judged, with everything wrong with it at once.

The rules are those the messages' comments state. What is output only is ignored when it comes in. A card has failures
of its own (`CardInvalid`), and is read after the rest of the request was found to be in order.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.clock import DAY, Millis
from ringfence_kit.events import Revision
from ringfence_kit.names import ID_PATTERN, AgentName, is_resource_id, parse_namespace
from ringfence_kit.validation import Violations
from ringfence_kit.wire import page_arguments

from ringfence_registry.agents.amendment import AgentPatch
from ringfence_registry.agents.registration import NewAgent
from ringfence_registry.cards.reading import read_card
from ringfence_registry.convert.agent_life import lease_ttl
from ringfence_registry.convert.finding import agent_order
from ringfence_registry.finding.reading import AgentQuery
from ringfence_registry.finding.standing import ONE_BY_ONE, PART_BYTES
from ringfence_registry.finding.watching import AgentWatch
from ringfence_registry.model import AgentSpec, ApprovedTool, Deployment, EscalationStep, Owner, RiskTier

_DETAILS: Mapping[int, int] = {number: number for number in pb.AgentDetail.values()}

EVERY_NAMESPACE = "-"
"""AIP-159: the wildcard in `namespaces/-`."""

RISK_TIERS: Mapping[int, RiskTier] = {
    pb.RISK_TIER_LOW: RiskTier.LOW,
    pb.RISK_TIER_MEDIUM: RiskTier.MEDIUM,
    pb.RISK_TIER_HIGH: RiskTier.HIGH,
    pb.RISK_TIER_CRITICAL: RiskTier.CRITICAL,
}

_LABEL_SHAPE = "of a letter, then letters, digits or -, lower case (RFC 1034)"
_CONTACT = re.compile(r"[^\s@]+@[^\s@]+|[A-Za-z][A-Za-z0-9+.-]*:\S+")
_CONTACT_SHAPE = "of an e-mail address or a URL"
_TOOL_NAME = re.compile(r"[a-z0-9._-]+", re.ASCII)
_SCHEMA_HASH = re.compile(r"sha256-[0-9a-f]{64}")
_DID = re.compile(r"did:[a-z0-9]+:([A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*([A-Za-z0-9._-]|%[0-9A-Fa-f]{2})")  # DID 1.0 3.1
_ANNOTATION_KEY = re.compile(r"[a-z0-9]([a-z0-9._/-]*[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """What an UpdateAgentRequest asks for."""

    name: AgentName
    patch: AgentPatch
    etag: str
    request_id: str


def register_agent(request: pb.RegisterAgentRequest) -> tuple[NewAgent, str]:
    """Return the agent to be, and the checked request_id."""
    found = Violations()
    namespace = found.resource_name(request.parent, "parent", parse_namespace, shape="namespaces/{namespace}")
    agent_id = found.text(request.agent_id, "agent_id", max_bytes=63, pattern=ID_PATTERN, shape=_LABEL_SHAPE)
    facts = _facts(found.at("agent"), request.agent, _CHECKS)
    request_id = found.request_id(request.request_id)
    ttl = lease_ttl(found, request.lease_ttl, "lease_ttl") if request.HasField("lease_ttl") else None
    name = AgentName(found.ok(namespace), agent_id)
    card = read_card(request.card)
    return NewAgent(name=name, spec=_spec(facts), card=card, as_draft=request.as_draft, lease_ttl=ttl), request_id


def agent_name(request: pb.GetAgentRequest) -> AgentName:
    """Return the name of the agent that is asked for."""
    return _agent_name(request.name)


@lru_cache(maxsize=8_192)
def _agent_name(text: str) -> AgentName:
    # Agents are asked for again and again; what is no name raises, and is not kept.
    found = Violations()
    return found.ok(_name(found, text, "name"))


def list_agents(request: pb.ListAgentsRequest) -> AgentQuery:
    """Return what is to be listed. The filter and the page token are judged where they are used."""
    found = Violations()
    parent = _parent(found, request.parent)
    page_size = found.page_size(request.page_size)
    found.enum(request.detail, "detail", _DETAILS, default=pb.AGENT_DETAIL_UNSPECIFIED)
    order = agent_order(found, request.order_by)
    return AgentQuery(
        namespace=_namespace(found.ok(parent)),
        filter=request.filter,
        show_retired=request.show_retired,
        show_deleted=request.show_deleted,
        order=order,
        page_size=page_size,
        page_token=request.page_token,
        arguments=page_arguments(request),
    )


def update_agent(request: pb.UpdateAgentRequest) -> Amend:
    """Return the change that is asked for. An agent sent with its etag, as it was read, need not repeat it beside."""
    found = Violations()
    name = _name(found, request.agent.name, "agent.name")
    fields = _masked(found, request)
    facts = _facts(found.at("agent"), request.agent, fields)
    etag = found.etag(request.etag) or found.etag(request.agent.etag, "agent.etag")
    request_id = found.request_id(request.request_id)
    name = found.ok(name)
    patch = AgentPatch(**{field.replace(".", "_"): value for field, value in facts.items()})
    if "card" in fields:
        patch = replace(patch, card=read_card(request.card))
    return Amend(name=name, patch=patch, etag=etag, request_id=request_id)


def watch_agents(request: pb.WatchAgentsRequest) -> AgentWatch:
    """Return what is to be watched."""
    found = Violations()
    parent, start = _parent(found, request.parent), request.start_revision
    if start < 0:
        found.add("start_revision", "must not be negative")
    if start > 0 and request.send_initial_state:
        found.add("start_revision", "must be 0 with send_initial_state: the state stands at one revision, the newest")
    found.enum(request.detail, "detail", _DETAILS, default=pb.AGENT_DETAIL_UNSPECIFIED)
    return AgentWatch(
        namespace=_namespace(found.ok(parent)),
        start_revision=Revision(start) if start else None,
        send_initial_state=request.send_initial_state,
        filter=request.filter,
        part_bytes=PART_BYTES if request.batch_initial_state else ONE_BY_ONE,
    )


def _name(found: Violations, value: str, field: str) -> AgentName | None:
    return found.resource_name(value, field, AgentName.parse, shape="namespaces/{namespace}/agents/{agent}")


def _parent(found: Violations, value: str) -> str | None:
    return found.resource_name(value, "parent", _parse_parent, shape="namespaces/{namespace} or namespaces/-")


def _parse_parent(text: str) -> str | None:
    return EVERY_NAMESPACE if text == f"namespaces/{EVERY_NAMESPACE}" else parse_namespace(text)


def _namespace(parent: str) -> str | None:
    return None if parent == EVERY_NAMESPACE else parent


def _data_classes(found: Violations, agent: pb.Agent) -> tuple[str, ...]:
    return _labels(found, agent.data_classes, "data_classes", max_items=32)


def _environments(found: Violations, agent: pb.Agent) -> tuple[str, ...]:
    return _labels(found, agent.environments, "environments", max_items=8, min_items=1)


def _labels(
    found: Violations, values: Collection[str], field: str, *, max_items: int, min_items: int = 0
) -> tuple[str, ...]:
    for path, value in found.items(list(values), field, max_items=max_items, min_items=min_items):
        if not is_resource_id(value):
            found.add(path, f"must have the form {_LABEL_SHAPE}, at most 63 characters")
    found.distinct(list(values)[:max_items], field)
    return tuple(values)


def _approved_tools(found: Violations, agent: pb.Agent) -> tuple[ApprovedTool, ...]:
    for path, tool in found.items(agent.approved_tools, "approved_tools", max_items=256):
        at = found.at(path)
        at.text(tool.name, "name", max_bytes=128, pattern=_TOOL_NAME, shape="[a-z0-9._-]")
        shape = "sha256- and 64 lower-case hex digits"
        at.text(tool.schema_hash, "schema_hash", max_bytes=71, required=False, pattern=_SCHEMA_HASH, shape=shape)
    found.distinct([tool.name for tool in agent.approved_tools[:256]], "approved_tools")
    return tuple(ApprovedTool(name=tool.name, schema_hash=tool.schema_hash) for tool in agent.approved_tools)


def _resource_labels(found: Violations, agent: pb.Agent) -> Mapping[str, str]:
    return found.mapping(
        agent.labels, "labels", max_entries=64, keys=ID_PATTERN, keys_shape=_LABEL_SHAPE, max_value_bytes=256
    )


def _annotations(found: Violations, agent: pb.Agent) -> Mapping[str, str]:
    keys = found.mapping(
        dict.fromkeys(agent.annotations, ""),
        "annotations",
        max_entries=64,
        keys=_ANNOTATION_KEY,
        keys_shape="[a-z0-9._/-], starting and ending with a letter or digit",
        max_key_bytes=128,
        max_value_bytes=0,
    )
    for key in keys:
        value = agent.annotations[key]
        found.text(value, f"annotations[{key[:128]}]", max_bytes=4_096, required=False, multiline=True)
    return dict(agent.annotations)


def _policies(found: Violations, agent: pb.Agent) -> tuple[str, ...]:
    for path, policy in found.items(agent.policies, "policies", max_items=32):
        found.text(policy, path, max_bytes=200)
    found.distinct(agent.policies[:32], "policies")
    return tuple(agent.policies)


def _deployments(found: Violations, agent: pb.Agent) -> tuple[Deployment, ...]:
    for path, place in found.items(agent.deployments, "deployments", max_items=16):
        at = found.at(path)
        at.text(place.environment, "environment", max_bytes=63, pattern=ID_PATTERN, shape=_LABEL_SHAPE)
        at.text(place.region, "region", max_bytes=63, required=False)
        at.text(place.location, "location", max_bytes=500, required=False)
    return tuple(
        Deployment(environment=place.environment, region=place.region, location=place.location)
        for place in agent.deployments
    )


def _escalation_path(found: Violations, agent: pb.Agent) -> tuple[EscalationStep, ...]:
    steps = []
    for path, step in found.items(agent.escalation_path, "escalation_path", max_items=8):
        at = found.at(path)
        contact = at.text(step.contact, "contact", max_bytes=320, pattern=_CONTACT, shape=_CONTACT_SHAPE)
        wait = at.duration(step.wait, "wait", minimum=Millis(0), maximum=DAY) if step.HasField("wait") else None
        steps.append(EscalationStep(contact=contact, wait=wait or Millis(0)))
    return tuple(steps)


_Check = Callable[[Violations, pb.Agent], Any]

_CHECKS: Mapping[str, _Check] = {
    "display_name": lambda found, agent: found.text(agent.display_name, "display_name", max_bytes=200, required=False),
    "purpose": lambda found, agent: found.text(agent.purpose, "purpose", max_bytes=2_000, multiline=True),
    "owner.display_name": lambda found, agent: found.text(
        agent.owner.display_name, "owner.display_name", max_bytes=200
    ),
    "owner.contact": lambda found, agent: found.text(
        agent.owner.contact, "owner.contact", max_bytes=320, pattern=_CONTACT, shape=_CONTACT_SHAPE
    ),
    "team": lambda found, agent: found.text(agent.team, "team", max_bytes=200, required=False),
    "on_call": lambda found, agent: found.text(agent.on_call, "on_call", max_bytes=500, required=False, multiline=True),
    "risk_tier": lambda found, agent: found.enum(agent.risk_tier, "risk_tier", RISK_TIERS),
    "data_classes": _data_classes,
    "environments": _environments,
    "approved_tools": _approved_tools,
    "did": lambda found, agent: found.text(
        agent.did, "did", max_bytes=512, required=False, pattern=_DID, shape="did:method:identifier"
    ),
    "labels": _resource_labels,
    "annotations": _annotations,
    "policies": _policies,
    "evaluation_plan": lambda found, agent: found.text(
        agent.evaluation_plan, "evaluation_plan", max_bytes=500, required=False
    ),
    "slo": lambda found, agent: found.text(agent.slo, "slo", max_bytes=500, required=False),
    "deployments": _deployments,
    "escalation_path": _escalation_path,
}
"""Field path in the agent → what is checked there. The checked value comes back."""

_OWNER = frozenset({"owner.display_name", "owner.contact"})
_MASKABLE = frozenset({*_CHECKS, "owner", "card"})


def _facts(found: Violations, agent: pb.Agent, fields: Collection[str]) -> dict[str, Any]:
    return {field: check(found, agent) for field, check in _CHECKS.items() if field in fields}


def _spec(facts: dict[str, Any]) -> AgentSpec:
    owner = Owner(display_name=facts["owner.display_name"], contact=facts["owner.contact"])
    return AgentSpec(owner=owner, **{field: value for field, value in facts.items() if field not in _OWNER})


def _masked(found: Violations, request: pb.UpdateAgentRequest) -> frozenset[str]:
    populated = _populated(request)
    masked = found.update_mask(list(request.update_mask.paths), _MASKABLE, when_empty=populated)
    if not request.update_mask.paths and not populated:
        found.add("update_mask", "names nothing to change, and no field of agent is set")
    if list(request.update_mask.paths) == ["*"] and not request.card:
        masked -= {"card"}  # an agent keeps its card until it gets another
    return masked | _OWNER if "owner" in masked else masked


def _populated(request: pb.UpdateAgentRequest) -> frozenset[str]:
    # `agent.card` is output only; the card that counts is the request's.
    agent = {descriptor.name for descriptor, _ in request.agent.ListFields()} - {"owner", "card"}
    owner = {f"owner.{descriptor.name}" for descriptor, _ in request.agent.owner.ListFields()}
    card = {"card"} if request.card else set()
    return _MASKABLE & (agent | owner | card)
