"""ListAllowedTools and WatchDecisions: messages to values and back."""

from collections.abc import Callable
from dataclasses import dataclass

from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.names import AgentName, parse_namespace
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_pdp.allowed_tools import AllowedTool
from ringfence_pdp.convert.decisions import check_request
from ringfence_pdp.decision_watch import Seen
from ringfence_pdp.doors.methods import action_of
from ringfence_pdp.model import CheckRequest, Effect, Protocol, Resource

_PLACEHOLDER = "tools/call"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolQuery:
    """A checked ListAllowedToolsRequest; the token is opened by the face, which knows the caller."""

    asked: Callable[[str], CheckRequest]
    """The question about a tool."""
    subject: CheckRequest
    """Whom it is about."""
    show_denied: bool
    page_size: int
    page_token: str


def tool_query(request: pb.ListAllowedToolsRequest) -> ToolQuery:
    """Build the query, or raise InvalidRequest with every violation."""
    about = pb.CheckRequest(
        subject=request.subject,
        environment=request.environment,
        delegation_token=request.delegation_token,
        chain=request.chain,
        action=pb.Action(name=request.action or _PLACEHOLDER, protocol=pb.PROTOCOL_MCP),
    )
    if request.HasField("target"):
        about.target.CopyFrom(request.target)
    subject = _checked(about)._replace(protocol=Protocol.MCP)
    found = Violations()
    page_size = found.page_size(request.page_size)
    found.raise_if_any()

    def asked(tool: str) -> CheckRequest:
        action = request.action or action_of(tool)
        return subject._replace(action=action, tool=tool, resource=Resource(type="tool", id=tool))

    return ToolQuery(
        asked=asked,
        subject=subject,
        show_denied=request.show_denied,
        page_size=page_size,
        page_token=request.page_token,
    )


def _checked(about: pb.CheckRequest) -> CheckRequest:
    """Judge it as Check does, or raise InvalidRequest with the paths as they are in this request."""
    try:
        return check_request(about)
    except InvalidRequest as invalid:
        paths = {"action.name": "action"}
        found = [Violation(paths.get(one.field, one.field), one.problem) for one in invalid.violations]
        raise InvalidRequest(*found) from None


def allowed_tool_to_proto(tool: AllowedTool) -> pb.AllowedTool:
    """Return what would be said to calling a tool."""
    verdict = tool.decision.verdict
    return pb.AllowedTool(
        tool=tool.name,
        schema_hash=tool.schema_hash,
        effect=pb.Effect.ValueType(verdict.effect),
        reason=pb.DecisionReason.ValueType(verdict.reason),
        message=verdict.message,
        depends_on_arguments=tool.depends_on_arguments,
    )


def watched(request: pb.WatchDecisionsRequest) -> Callable[[Seen], bool]:
    """Return which decisions are wanted, or raise InvalidRequest."""
    found = Violations()
    scope = request.scope
    if scope and AgentName.parse(scope) is None and parse_namespace(scope) is None:
        found.add("scope", "must be empty, namespaces/{namespace}, or namespaces/{namespace}/agents/{agent}")
    effects = {
        found.enum(effect, path, {effect.value: effect for effect in Effect})
        for path, effect in found.items(request.effects, "effects", min_items=0, max_items=len(Effect))
    }
    found.raise_if_any()
    inside = f"{scope}/"

    def wants(seen: Seen) -> bool:
        if effects and seen.answer.decision.effect not in effects:
            return False
        return not scope or seen.agent == scope or seen.agent.startswith(inside)

    return wants


def seen_to_proto(seen: Seen) -> pb.WatchedDecision:
    """Return a decision as a watcher sees it."""
    request, answer, verdict = seen.request, seen.answer, seen.answer.decision.verdict
    target = request.target
    return pb.WatchedDecision(
        decision_id=answer.decision_id,
        decide_time=to_timestamp(answer.decided_at),
        agent=seen.agent,
        did=seen.identity.did if seen.identity is not None else request.did or "",
        environment=request.environment,
        action=request.action,
        tool=request.tool or "",
        target="" if target is None else str(target.agent or target.did or ""),
        effect=pb.Effect.ValueType(verdict.effect),
        reason=pb.DecisionReason.ValueType(verdict.reason),
        message=verdict.message,
        rules=verdict.rules,
        bundle_digest=answer.bundle_digest,
    )
