"""`ringfence.pdp.v1.KillSwitchService` messages to values and back."""

import re
from dataclasses import dataclass

from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence_kit.names import AgentName, parse_namespace
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_pdp.kill_switch import KillSwitch, KillTarget, TargetKind

REASON_BYTES_MAX = 500
TOOL_PATTERN = re.compile(r"[a-z0-9._-]{1,128}")
CHAIN_PATTERN = re.compile(r"(?:delegations/)?[!-~]{1,128}")
CHAIN_SHAPE = "delegations/{hash} of a grant, or the chain of a token"
TOOL_SHAPE = "a tool's name: a-z, 0-9, dot, underscore and dash, at most 128"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngageKillSwitch:
    """A checked EngageKillSwitchRequest."""

    target: KillTarget
    reason: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseKillSwitch:
    """A checked ReleaseKillSwitchRequest."""

    name: str
    reason: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKillSwitches:
    """A checked ListKillSwitchesRequest; the token is opened by the face, which knows the caller."""

    page_size: int
    page_token: str


def engage_kill_switch(request: pb.EngageKillSwitchRequest) -> EngageKillSwitch:
    """Build the command, or raise InvalidRequest with every violation."""
    found = Violations()
    target = _target(request.target, found)
    reason = found.text(request.reason, "reason", max_bytes=REASON_BYTES_MAX)
    request_id = found.request_id(request.request_id)
    return EngageKillSwitch(target=found.ok(target), reason=reason, request_id=request_id)


def release_kill_switch(request: pb.ReleaseKillSwitchRequest) -> ReleaseKillSwitch:
    """Build the command, or raise InvalidRequest with every violation."""
    found = Violations()
    name = found.resource_name(request.name, "name", _switch_name, shape="killSwitches/{kill_switch}")
    reason = found.text(request.reason, "reason", max_bytes=REASON_BYTES_MAX)
    request_id = found.request_id(request.request_id)
    return ReleaseKillSwitch(name=found.ok(name), reason=reason, request_id=request_id)


def list_kill_switches(request: pb.ListKillSwitchesRequest) -> ListKillSwitches:
    """Build the query, or raise InvalidRequest."""
    found = Violations()
    page_size = found.page_size(request.page_size)
    return found.ok(ListKillSwitches(page_size=page_size, page_token=request.page_token))


def kill_switch_to_proto(switch: KillSwitch) -> pb.KillSwitch:
    """Return the resource."""
    return pb.KillSwitch(
        name=switch.name,
        target=_target_to_proto(switch.target),
        reason=switch.reason,
        actor=switch.actor,
        create_time=to_timestamp(switch.engaged_at),
    )


def _target(target: pb.KillTarget, found: Violations) -> KillTarget | None:
    under = found.at("target")
    match target.WhichOneof("target"):
        case "everything":
            if not target.everything:
                under.add("everything", "must be true; to stop less, name a namespace, an agent or a tool")
            return KillTarget(TargetKind.EVERYTHING)
        case "namespace":
            namespace = under.resource_name(
                target.namespace, "namespace", parse_namespace, shape="namespaces/{namespace}"
            )
            return None if namespace is None else KillTarget(TargetKind.NAMESPACE, namespace)
        case "agent":
            shape = "namespaces/{namespace}/agents/{agent}"
            agent = under.resource_name(target.agent, "agent", AgentName.parse, shape=shape)
            return None if agent is None else KillTarget(TargetKind.AGENT, str(agent))
        case "tool":
            tool = under.text(target.tool, "tool", max_bytes=128, pattern=TOOL_PATTERN, shape=TOOL_SHAPE)
            return KillTarget(TargetKind.TOOL, tool)
        case "chain":
            chain = under.text(target.chain, "chain", max_bytes=160, pattern=CHAIN_PATTERN, shape=CHAIN_SHAPE)
            return KillTarget(TargetKind.CHAIN, chain.removeprefix("delegations/"))
        case _:
            found.add("target", "exactly one of everything, namespace, agent, tool, chain must be set")
            return None


def _target_to_proto(target: KillTarget) -> pb.KillTarget:
    match target.kind:
        case TargetKind.EVERYTHING:
            return pb.KillTarget(everything=True)
        case TargetKind.NAMESPACE:
            return pb.KillTarget(namespace=f"namespaces/{target.value}")
        case TargetKind.AGENT:
            return pb.KillTarget(agent=target.value)
        case TargetKind.TOOL:
            return pb.KillTarget(tool=target.value)
        case TargetKind.CHAIN:
            return pb.KillTarget(chain=target.value)


def _switch_name(text: str) -> str | None:
    """Return `killSwitches/{uuid}` when `text` is one."""
    return text if re.fullmatch(r"killSwitches/[0-9a-f-]{36}", text) else None
