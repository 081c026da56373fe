"""Envoy's `ext_authz` v3 messages to what `doors/` reads, and decisions to what a gateway does.

What a gateway asks becomes the CheckRequest of `ringfence.pdp.v1`: it is judged, decided, and logged as any other.
"""

import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from google.protobuf.struct_pb2 import Struct
from google.rpc.status_pb2 import Status
from ringfence.extauthz.v3 import ext_authz_pb2 as gate
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1 import filter_pb2 as filters
from ringfence_kit.errors import Failure, InvalidRequest
from ringfence_kit.tracing import read_traceparent

from ringfence_pdp.convert.decisions import SESSION_MAX, plain
from ringfence_pdp.doors.gateway import A2A_FILTER, MCP_FILTER, GatewayRequest
from ringfence_pdp.doors.headers import NOT_PASSED_ON, Headers
from ringfence_pdp.doors.json_rpc import RpcBody, RpcMessage
from ringfence_pdp.doors.methods import Asked, passes
from ringfence_pdp.doors.paths import host_of, path_of
from ringfence_pdp.doors.refusal import UNREAD, Refused
from ringfence_pdp.doors.route import Route
from ringfence_pdp.doors.who_calls import JWT_AUTHN, Caller
from ringfence_pdp.facts import RegisteredTool
from ringfence_pdp.filters.pointers import shown
from ringfence_pdp.model import GATEWAY, CheckRequest, Protocol, Reason

DECISION: Final = "x-ringfence-decision"
APPROVAL: Final = "x-ringfence-approval"
REASON: Final = "x-ringfence-reason"

_OK, _PERMISSION_DENIED, _RESOURCE_EXHAUSTED, _UNAVAILABLE = 0, 7, 8, 14
_USED_UP: Final = frozenset({pb.DECISION_REASON_RATE_LIMITED, pb.DECISION_REASON_BUDGET_EXHAUSTED})

# JSON-RPC 2.0, 5.1; MCP 2026-07-28 for headers that do not say what the body says. The rest is ours, out of the range
# that implementations may use, and none that A2A has taken (-32001 to -32009).
_RPC_CODES: Final[Mapping[int, int]] = {
    pb.DECISION_REASON_BODY_MALFORMED: -32600,
    pb.DECISION_REASON_BODY_TRUNCATED: -32600,
    pb.DECISION_REASON_METHOD_UNKNOWN: -32601,
    pb.DECISION_REASON_HEADER_BODY_MISMATCH: -32020,
    pb.DECISION_REASON_RATE_LIMITED: -32052,
    pb.DECISION_REASON_BUDGET_EXHAUSTED: -32052,
}
_RPC_DENIED: Final = -32050
_RPC_NEEDS_APPROVAL: Final = -32051
_RPC_NOT_RUN: Final = -32053

_CONTENT: Final = b"content of a request at a gateway\0"
"""Keeps what is made with the key here apart from all else that is."""

_REMEMBERED_CLAIMS: Final = 2_048
"""Bytes; those who show larger tokens have them read each time."""


class AtGate(NamedTuple):
    """A gateway's request as it came: its bytes, and what they say."""

    sent: bytes
    request: gate.CheckRequest


def at_gate(sent: bytes) -> AtGate:
    """Read a gateway's request. Raises DecodeError for bytes that are none."""
    return AtGate(sent, gate.CheckRequest.FromString(sent))


def gateway_request(request: gate.CheckRequest) -> GatewayRequest:
    """Return what the gateway passed on, or raise Refused when it says it in two ways."""
    attributes = request.attributes
    http = attributes.request.http
    found = attributes.metadata_context.filter_metadata
    return GatewayRequest(
        extensions=dict(attributes.context_extensions),
        principal=attributes.source.principal,
        claims=_claims(found[JWT_AUTHN]) if JWT_AUTHN in found else {},
        filters={name: plain(found[name]) for name in (MCP_FILTER, A2A_FILTER) if name in found},
        method=http.method,
        path=http.path,
        host=http.host,
        headers=_headers(http),
        body=_body(http),
        size=http.size,
    )


def question(
    request: GatewayRequest,
    route: Route,
    caller: Caller,
    asked: Asked,
    schemas: Mapping[str, RegisteredTool],
    *,
    content: str = "",
) -> pb.CheckRequest:
    """Return the question about one thing that a request wants; `schemas` are those the route vouches for.

    `content` is the `content_digest` of query and body, where there are any that nobody reads.
    """
    made = who_does_what(route, caller, asked, schemas)
    made.resource.CopyFrom(pb.Resource(type=resource_type(route, asked), id=asked.resource_id or ""))
    made.session = session_of(request, asked)
    made.trace_id = trace_id_of(request.headers)
    if asked.arguments:
        made.action.arguments.update(asked.arguments)
    for pointer, origin in asked.origins.items():
        made.action.argument_origins[pointer] = filters.Origin.ValueType(origin)
    made.context.update(seen_at_gate(request, content))
    return made


def who_does_what(route: Route, caller: Caller, asked: Asked, schemas: Mapping[str, RegisteredTool]) -> pb.CheckRequest:
    """Return what one question has in common with the next ones: all that does not depend on path, body and ids."""
    made = pb.CheckRequest(
        subject=pb.Subject(did=caller.did, agent=caller.agent),
        action=pb.Action(name=asked.action, tool=asked.tool or "", protocol=pb.Protocol.ValueType(int(asked.protocol))),
        environment=route.environment,
        side=pb.Side.ValueType(int(route.side)),
        delegation_token=caller.delegation_token,
        chain=caller.chain,
        elevation_grants=caller.elevation_grants,
        supported_obligations=route.obligations,
        approval=caller.approval,
    )
    if asked.tool is not None and asked.tool in schemas:
        made.action.tool_schema_hash = schemas[asked.tool].schema_hash
    if route.target:
        made.target.CopyFrom(_target(route.target))
    return made


def resource_type(route: Route, asked: Asked) -> str:
    """Return what is acted on; of a message to an agent nobody named, an agent."""
    is_agent = asked.protocol is Protocol.A2A and not asked.resource_id and not route.target
    return "agent" if is_agent else asked.resource_type or ""


def session_of(request: GatewayRequest, asked: Asked) -> str:
    """Return the session; empty where that does not fit: it is for usage and for finding things again."""
    session = asked.session or request.headers.get("mcp-session-id") or ""
    return session if len(session) <= SESSION_MAX and session.isascii() and session.isprintable() else ""


def unread_content(request: GatewayRequest, route: Route) -> bytes:
    """Return query and body where neither is read; empty where they are, or there are none."""
    query = request.path.partition("?")[2]
    if route.profile.protocols or not (query or request.body):
        return b""
    return b"\0".join((query.encode(), request.body))


def content_digest(key: bytes, content: bytes) -> str:
    """Return what stands for content in questions and in the log: nobody without the key can try out what it was."""
    return f"hmac-sha256-{hmac.digest(key, _CONTENT + content, 'sha256').hex()}"


def seen_at_gate(request: GatewayRequest, content: str = "") -> dict[str, dict[str, str]]:
    """Return what conditions may look at besides, each in its one spelling; or raise Refused."""
    seen = {"method": request.method, "host": host_of(request.host), "path": path_of(request.path)}
    seen["boundary"] = request.extensions.get("boundary", "")
    if content:
        # Bound by approvals; a secret in a query is in no log.
        seen["content_digest"] = content
    return {GATEWAY: seen}


def refused_question(request: gate.CheckRequest) -> CheckRequest:
    """Return what the log says was asked when it could not be read: where, and nothing that is not certain."""
    environment = request.attributes.context_extensions.get("environment", "")
    return CheckRequest(action=UNREAD, environment=environment[:63])


def refusal_of(failure: InvalidRequest) -> Refused:
    """Return the denial that stands for a question that cannot be asked."""
    return Refused(Reason.REQUEST_INVALID, failure.message[:1_000])


# Answers


def passing() -> gate.CheckResponse:
    """Let a request pass about which there is nothing to decide."""
    return gate.CheckResponse(status=Status(code=_OK), ok_response=_ok())


def answered(decisions: Sequence[pb.CheckResponse], body: RpcBody | None) -> gate.CheckResponse:
    """Return what the gateway does about a request: the lowest of what was decided about its parts."""
    lowest = min(decisions, key=lambda decision: decision.effect)
    if lowest.effect == pb.EFFECT_ALLOW:
        response = gate.CheckResponse(status=Status(code=_OK), ok_response=_ok(lowest))
    else:
        used_up = lowest.reason in _USED_UP
        denied = gate.DeniedHttpResponse(
            status=gate.HttpStatus(code=429 if used_up else 403),
            headers=[_header(name, value) for name, value in _denial_headers(lowest)],
            body=_denial_body(decisions, lowest, body),
        )
        code = _RESOURCE_EXHAUSTED if used_up else _PERMISSION_DENIED
        response = gate.CheckResponse(status=Status(code=code, message=lowest.message), denied_response=denied)
    response.dynamic_metadata.CopyFrom(_metadata(lowest, len(decisions)))
    return response


def not_permitted(failure: Failure) -> gate.CheckResponse:
    """Deny for a gateway that is not bound to the agent. Not an error, which a gateway may be told to ignore."""
    denied = gate.DeniedHttpResponse(
        status=gate.HttpStatus(code=403),
        headers=[_header(REASON, failure.reason), _header("content-type", "application/json")],
        body=_json({"error": {"reason": failure.reason, "message": "the gateway is not bound to this agent"}}),
    )
    return gate.CheckResponse(status=Status(code=_PERMISSION_DENIED, message=failure.message), denied_response=denied)


def undecided(failure: Failure) -> gate.CheckResponse:
    """Say that we failed: the gateway does what `failure_mode_allow` says."""
    headers = [_header(REASON, failure.reason), _header("content-type", "application/json")]
    if failure.retry_after is not None:
        headers.append(_header("retry-after", _seconds(failure.retry_after)))
    error = gate.DeniedHttpResponse(
        status=gate.HttpStatus(code=503),
        headers=headers,
        body=_json({"error": {"reason": failure.reason, "message": failure.message}}),
    )
    return gate.CheckResponse(status=Status(code=_UNAVAILABLE, message=failure.message), error_response=error)


def _ok(decision: pb.CheckResponse | None = None) -> gate.OkHttpResponse:
    set_here = [_header(DECISION, decision.decision_id)] if decision is not None else []
    removed = NOT_PASSED_ON if decision is not None else (*NOT_PASSED_ON, DECISION)
    return gate.OkHttpResponse(headers=set_here, headers_to_remove=removed)


def _denial_headers(decision: pb.CheckResponse) -> Iterable[tuple[str, str]]:
    yield "content-type", "application/json"
    yield DECISION, decision.decision_id
    yield REASON, _reason(decision)
    if decision.approval.approval:
        yield APPROVAL, decision.approval.approval
    if decision.reason in _USED_UP:
        yield "retry-after", _seconds(decision.retry_after.ToMilliseconds())


def _denial_body(decisions: Sequence[pb.CheckResponse], lowest: pb.CheckResponse, body: RpcBody | None) -> str:
    if body is None:
        return _json({"error": {"message": lowest.message, **_told(lowest)}})
    if not body.is_batch:
        return _json(_rpc_error(body.messages[0], lowest))
    # A batch that could not be read as a whole has one answer for all of its messages.
    each = iter(decisions if len(decisions) > 1 else ())
    errors = []
    for message in body.messages:
        decision = lowest if passes(message) else next(each, lowest)
        if message.expects_answer:
            errors.append(_rpc_error(message, decision))
    return _json(errors or [_rpc_error(body.messages[0], lowest)])


def _rpc_error(message: RpcMessage, decision: pb.CheckResponse) -> dict[str, Any]:
    if decision.effect == pb.EFFECT_ALLOW:
        error = {"code": _RPC_NOT_RUN, "message": "not run: another message of the batch may not pass"}
    else:
        needs_approval = decision.effect == pb.EFFECT_REQUIRE_APPROVAL
        code = _RPC_NEEDS_APPROVAL if needs_approval else _RPC_CODES.get(decision.reason, _RPC_DENIED)
        error = {"code": code, "message": decision.message, "data": _told(decision)}
    return {"jsonrpc": "2.0", "id": message.id, "error": error}


UNREADABLE: Final = RpcBody((RpcMessage(None, {}, None, expects_answer=True),), is_batch=False)
"""What is answered to when no id could be read (JSON-RPC 2.0, 5: null)."""


def _told(decision: pb.CheckResponse) -> dict[str, Any]:
    told: dict[str, Any] = {"reason": _reason(decision), "decision_id": decision.decision_id}
    if decision.rule_reason:
        told["rule_reason"] = decision.rule_reason
    if decision.findings:
        told["findings"] = named_findings(decision)
    if decision.approval.approval:
        told["approval"] = decision.approval.approval
        told["expire_time"] = decision.approval.expire_time.ToJsonString()
    if decision.HasField("retry_after"):
        told["retry_after_ms"] = decision.retry_after.ToMilliseconds()
    return told


def named_findings(decision: pb.CheckResponse) -> list[dict[str, Any]]:
    """Return what filters found, by name and place: whoever gets this may be who sent it, or write it to a log."""
    return [
        {
            "id": finding.id,
            "category": finding.category,
            "severity": filters.Severity.Name(finding.severity).removeprefix("SEVERITY_").lower(),
            "action": filters.FilterAction.Name(finding.action).removeprefix("FILTER_ACTION_").lower(),
            "argument": shown(finding.argument),
            "message": finding.message,
        }
        for finding in decision.findings
    ]


def _metadata(decision: pb.CheckResponse, count: int) -> Struct:
    said = Struct()
    said.update(
        {
            "decision_id": decision.decision_id,
            "effect": pb.Effect.Name(decision.effect).removeprefix("EFFECT_"),
            "reason": _reason(decision),
            "effective_ring": decision.effective_ring,
            "trust_score": decision.trust_score,
            "rules": list(decision.rules),
            "bundle_digest": decision.bundle_digest,
            "epoch": decision.epoch,
            "decisions": count,
            "approval": decision.approval.approval,
            "chain": list(decision.chain),
            "findings": named_findings(decision),
            "obligations": [
                {"type": one.type, "id": one.id, "properties": one.properties} for one in decision.obligations
            ],
        }
    )
    return said


def _reason(decision: pb.CheckResponse) -> str:
    return pb.DecisionReason.Name(decision.reason).removeprefix("DECISION_REASON_")


def _seconds(millis: int) -> str:
    """Whole seconds, rounded up, and at least one (RFC 9110 10.2.3)."""
    return str(max(1, -(-millis // 1_000)))


def _header(name: str, value: str) -> gate.HeaderValueOption:
    return gate.HeaderValueOption(
        header=gate.HeaderValue(key=name, value=value),
        append_action=gate.HeaderValueOption.HEADER_APPEND_ACTION_OVERWRITE_IF_EXISTS_OR_ADD,
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


# Requests


def _claims(said: Struct) -> Mapping[str, Mapping[str, object]]:
    """Return what jwt_authn verified; a token comes with many requests, so what it says is read once."""
    sent = said.SerializeToString()
    return _known_claims(sent) if len(sent) <= _REMEMBERED_CLAIMS else _read_claims(said)


@lru_cache(maxsize=1_024)
def _known_claims(sent: bytes) -> Mapping[str, Mapping[str, object]]:
    return _read_claims(Struct.FromString(sent))


def _read_claims(said: Struct) -> Mapping[str, Mapping[str, object]]:
    return {name: claims for name, claims in plain(said).items() if isinstance(claims, Mapping)}


def _headers(http: gate.AttributeContext.HttpRequest) -> Headers:
    if http.headers and http.header_map.headers:
        raise Refused(Reason.IDENTITY_AMBIGUOUS, "the gateway sent the headers in two encodings at once")
    if http.headers:
        return Headers.of(http.headers.items())
    # Latin-1 keeps every byte: none is lost, and two values that differ stay different.
    return Headers.of([(one.key, one.raw_value.decode("latin-1") or one.value) for one in http.header_map.headers])


def _body(http: gate.AttributeContext.HttpRequest) -> bytes:
    text = http.body.encode()
    if text and http.raw_body and text != http.raw_body:
        raise Refused(Reason.BODY_MALFORMED, "the gateway sent two bodies")
    return http.raw_body or text


def trace_id_of(headers: Headers) -> bytes:
    """Return the W3C trace id; empty where none is said, or several."""
    return bytes.fromhex(read_traceparent(headers.only("traceparent")).trace_id)


def _target(named: str) -> pb.Subject:
    return pb.Subject(did=named) if named.startswith("did:") else pb.Subject(agent=named)
