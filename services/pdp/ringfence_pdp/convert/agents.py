"""What identity and the registry say of agents and tools, as facts, and the watches that say it.

Both services have checked what they send; what cannot be read all the same (a newer release's status, a name that is
none) makes no fact: the agent is not known, and an unknown agent is denied.
"""

from collections.abc import Mapping
from functools import lru_cache
from sys import intern

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.identity.v1 import identity_pb2, identity_pb2_grpc, trust_pb2
from ringfence.registry.v1 import registry_pb2, registry_pb2_grpc, tool_pb2, tool_pb2_grpc
from ringfence.watch import AioWatch, Change
from ringfence_kit.clock import EPOCH, Instant
from ringfence_kit.names import AgentName
from ringfence_kit.trust_decay import TrustState
from ringfence_kit.wire import to_instant

from ringfence_pdp.facts import AgentIdentity, Facts, IdentityStatus, RegisteredAgent, RegisteredTool
from ringfence_pdp.filters.finding import ArgumentType, Effects

_STATUS = {
    identity_pb2.IDENTITY_STATUS_ACTIVE: IdentityStatus.ACTIVE,
    identity_pb2.IDENTITY_STATUS_SUSPENDED: IdentityStatus.SUSPENDED,
    identity_pb2.IDENTITY_STATUS_REVOKED: IdentityStatus.REVOKED,
}

_RISK: Mapping[int, str] = {
    registry_pb2.RISK_TIER_LOW: "low",
    registry_pb2.RISK_TIER_MEDIUM: "medium",
    registry_pb2.RISK_TIER_HIGH: "high",
    registry_pb2.RISK_TIER_CRITICAL: "critical",
}

_HALTED: Mapping[int, str] = {
    registry_pb2.AGENT_STATE_ACTIVE: "",
    registry_pb2.AGENT_STATE_DEPRECATED: "",
    registry_pb2.AGENT_STATE_RETIRED: "",
    registry_pb2.AGENT_STATE_DRAFT: "is a draft in the registry; its owner hands it in with SubmitAgent",
    registry_pb2.AGENT_STATE_PENDING_REVIEW: "waits in the registry for an approver, who decides with ApproveAgent",
    registry_pb2.AGENT_STATE_SUSPENDED: "is suspended in the registry; an approver lets it go on with ResumeAgent",
}

_EFFECTS: Mapping[int, Effects] = {
    tool_pb2.SIDE_EFFECT_NONE: Effects.NONE,
    tool_pb2.SIDE_EFFECT_READ: Effects.READ,
    tool_pb2.SIDE_EFFECT_REVERSIBLE: Effects.REVERSIBLE,
    tool_pb2.SIDE_EFFECT_IRREVERSIBLE: Effects.IRREVERSIBLE,
}

_TYPES: Mapping[int, ArgumentType] = {
    tool_pb2.ArgumentType.Value(f"ARGUMENT_TYPE_{each.name}"): each for each in ArgumentType
}


def identity_watch(
    channel: grpc.aio.Channel,
) -> AioWatch[identity_pb2.WatchAgentsRequest, identity_pb2.WatchAgentsResponse]:
    """Return a watch of every identity, current state first."""
    stub: identity_pb2_grpc.IdentityServiceAsyncStub = identity_pb2_grpc.IdentityServiceStub(channel)
    return AioWatch(stub.WatchAgents, identity_pb2.WatchAgentsRequest(), initial_state=True)


def registry_watch(
    channel: grpc.aio.Channel,
) -> AioWatch[registry_pb2.WatchAgentsRequest, registry_pb2.WatchAgentsResponse]:
    """Return a watch of every registered agent, current state first: of each what decisions stand on, and no more."""
    stub: registry_pb2_grpc.RegistryServiceAsyncStub = registry_pb2_grpc.RegistryServiceStub(channel)
    request = registry_pb2.WatchAgentsRequest(
        parent="namespaces/-", detail=registry_pb2.AGENT_DETAIL_DECISION, batch_initial_state=True
    )
    return AioWatch(stub.WatchAgents, request, initial_state=True)


def take_identity(view: Facts, change: Change, answer: identity_pb2.WatchAgentsResponse) -> None:
    """Put one event of identity's watch into the identities of `view`."""
    identity = identity_from_proto(answer.identity)
    if identity is None or change is Change.DELETED:
        view.drop_identity(answer.identity.did)
    else:
        view.put_identity(identity)


def take_registered(view: Facts, change: Change, answer: registry_pb2.WatchAgentsResponse) -> None:
    """Put one event of the registry's watch, or a part of its state, into the registered agents of `view`."""
    for told in answer.agents or (answer.agent,):
        agent = registered_from_proto(told)
        if agent is None or change is Change.DELETED:
            view.registered.pop(told.name, None)
        else:
            view.registered[told.name] = agent


def tool_watch(channel: grpc.aio.Channel) -> AioWatch[tool_pb2.WatchToolsRequest, tool_pb2.WatchToolsResponse]:
    """Return a watch of every tool, current state first."""
    stub: tool_pb2_grpc.ToolServiceAsyncStub = tool_pb2_grpc.ToolServiceStub(channel)
    return AioWatch(stub.WatchTools, tool_pb2.WatchToolsRequest(parent="namespaces/-"), initial_state=True)


def take_tool(view: Facts, change: Change, answer: tool_pb2.WatchToolsResponse) -> None:
    """Put one event of the registry's watch into the tools of `view`."""
    tool_id = answer.tool.name.rpartition("/")[2]
    if change is Change.DELETED:
        view.tools.pop(tool_id, None)
    else:
        view.tools[tool_id] = tool_from_proto(answer.tool)


def tool_from_proto(tool: tool_pb2.Tool) -> RegisteredTool:
    """Return the fact. A state this release does not know is not enabled, and a type it does not know is not said."""
    return RegisteredTool(
        name=tool.name.rpartition("/")[2],
        schema_hash=tool.schema_hash,
        enabled=tool.state == tool_pb2.SWITCH_STATE_ENABLED,
        systems_trusted=tool.external_systems_trusted,
        trust_expires_at=to_instant(tool.trust_expire_time) if tool.HasField("trust_expire_time") else None,
        external_systems=tuple(tool.external_systems),
        permissions=tuple(tool.required_permissions),
        argument_types={
            pointer: _TYPES[number] for pointer, number in sorted(tool.argument_types.items()) if number in _TYPES
        },
        external_sink=tool.external_sink,
        effects=_EFFECTS.get(tool.side_effect, Effects.UNKNOWN),
    )


def identity_from_proto(identity: identity_pb2.AgentIdentity) -> AgentIdentity | None:
    """Return the fact, or None when it cannot be read."""
    name = AgentName.parse(identity.agent)
    if name is None or identity.status not in _STATUS:
        return None
    birth = identity.birth_certificate
    return AgentIdentity(
        did=identity.did,
        name=name,
        resource_name=str(name),
        environment=identity.environment,
        status=_STATUS[identity.status],
        trust=trust_from_proto(identity.trust_state),
        ring_ceiling=birth.ring_ceiling,
        approved_tools={tool.name: tool.schema_hash for tool in birth.approved_tools},
        expires_at=to_instant(identity.expire_time) if identity.HasField("expire_time") else None,
        permissions=tuple(birth.permissions),
        certificate_hash=identity.birth_certificate_hash,
        revocation_epoch=identity.revocation_epoch,
    )


def trust_from_proto(state: trust_pb2.TrustState) -> TrustState:
    """Return the stored numbers; the score is computed from them at the moment of each decision."""
    return TrustState(
        earned=state.earned_micro_points,
        debt=state.debt_micro_points,
        last_positive_at=_instant(state.last_positive_time),
        debt_at=_instant(state.debt_time),
        last_event_at=_instant(state.last_event_time),
        stored_ring=state.stored_ring,
        promoted_at=_instant(state.promote_time),
        penalised_at=_instant(state.penalty_time),
        ceiling=state.ceiling,
        ring_zero_until=_instant(state.ring_zero_until_time),
    )


def registered_from_proto(agent: registry_pb2.Agent) -> RegisteredAgent | None:
    """Return the fact, or None when it cannot be read."""
    name = AgentName.parse(agent.name)
    risk = _RISK.get(agent.risk_tier)
    if name is None or risk is None:
        return None
    # Agents have much in common: every text is kept once, in less than half the memory.
    return RegisteredAgent(
        name=name,
        retired=agent.state == registry_pb2.AGENT_STATE_RETIRED,
        halted=_HALTED.get(agent.state, "is in a state this pdp does not know"),
        environments=_one_set(tuple(agent.environments)),
        approved_tools={intern(tool.name): intern(tool.schema_hash) for tool in agent.approved_tools},
        owner=intern(agent.owner.contact) or None,
        team=intern(agent.team) or None,
        risk_tier=risk,
        data_classes=tuple(map(intern, agent.data_classes)),
        labels={intern(key): intern(value) for key, value in agent.labels.items()},
    )


@lru_cache(maxsize=1_024)
def _one_set(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(texts)


def _instant(timestamp: Timestamp) -> Instant:
    return to_instant(timestamp) if timestamp.ByteSize() else EPOCH
