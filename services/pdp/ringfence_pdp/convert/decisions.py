"""`ringfence.pdp.v1.DecisionService` messages to values and back.

This is the hot path: a request is judged field by field with as little ceremony as the rules allow, and what most
conditions never look at (arguments, context) is turned into plain values only when one asks.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from google.protobuf.struct_pb2 import ListValue, Struct, Value
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.names import ID_PATTERN, AgentName
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_pdp.answer import Answer
from ringfence_pdp.cacheable import CacheHint
from ringfence_pdp.cel.cost import JSON_VALUES_MAX
from ringfence_pdp.convert.calls import (
    DID,
    approval_name,
    parties,
    put_composed,
    require_digest_of,
    supported_obligations,
    usage,
)
from ringfence_pdp.convert.findings import argument_origins, finding_to_proto
from ringfence_pdp.convert.limits import RESOURCE_LIMITS, status_to_proto, to_duration
from ringfence_pdp.explain import Explanation, RuleTrace, truth_of
from ringfence_pdp.model import (
    ALONE,
    NO_RESOURCE,
    CheckRequest,
    Effect,
    Plain,
    Protocol,
    Resource,
    Side,
    SideEffects,
    Verdict,
    nothing,
)

STRUCT_BYTES_MAX = 64 * 1024
LABELS_MAX = 64
BATCH_MAX = 256
SESSION_MAX = 256
_AGENT_NAME_MAX = 160
_NAMES_REMEMBERED = 8_192

_ACTION = re.compile(r"[a-z0-9._:/-]{1,128}")
_TOOL = re.compile(r"[a-z0-9._-]{1,128}")
_HASH = re.compile(r"sha256-[0-9a-f]{64}")
_LABEL_KEY = re.compile(r"[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?")

_SIDES: Mapping[int, Side] = {pb.SIDE_CALLER: Side.CALLER, pb.SIDE_CALLEE: Side.CALLEE}
_SIDE_EFFECTS: Mapping[int, SideEffects] = {
    pb.SIDE_EFFECTS_READ: SideEffects.READ,
    pb.SIDE_EFFECTS_REVERSIBLE: SideEffects.REVERSIBLE,
    pb.SIDE_EFFECTS_IRREVERSIBLE: SideEffects.IRREVERSIBLE,
}

_PROTOCOLS: Mapping[int, Protocol] = {protocol.value: protocol for protocol in Protocol}


def check_request(request: pb.CheckRequest) -> CheckRequest:
    """Build the question, or raise InvalidRequest with every violation."""
    found = Violations()
    action = request.action
    name, tool, schema = action.name, action.tool, action.tool_schema_hash
    agent = _subject(request.subject, found)
    if not _is_shaped(name, _ACTION, 128):
        found.text(name, "action.name", max_bytes=128, pattern=_ACTION, shape="a-z, 0-9 and . _ : / -")
    if tool and not _is_shaped(tool, _TOOL, 128):
        found.text(tool, "action.tool", max_bytes=128, pattern=_TOOL, shape="a-z, 0-9 and . _ -")
    if schema:
        found.text(schema, "action.tool_schema_hash", max_bytes=71, pattern=_HASH, shape="sha256- and 64 hex digits")
        if not tool:
            found.add("action.tool", "must be set with action.tool_schema_hash")
    if not _is_shaped(request.environment, ID_PATTERN, 63):
        found.add("environment", "must be the name of an environment: an RFC 1034 label such as prod")
    _text(request.session, "session", SESSION_MAX, found)
    if len(request.trace_id) not in (0, 16):
        found.add("trace_id", "must be 16 bytes long, or empty")
    side, effects = Side.CALLER, SideEffects.UNKNOWN
    if request.side:
        side = found.enum(request.side, "side", _SIDES) or side
    if action.side_effects:
        effects = found.enum(action.side_effects, "action.side_effects", _SIDE_EFFECTS) or effects
    resource = resource_of(request.resource, found) if request.HasField("resource") else NO_RESOURCE
    arguments = struct_reader(action.arguments, "action.arguments", found) if action.HasField("arguments") else nothing
    context = struct_reader(request.context, "context", found) if request.HasField("context") else nothing
    more = _more(request, arguments, found)
    found.raise_if_any()
    asked = CheckRequest(
        did=request.subject.did or None,
        agent=agent,
        action=name,
        tool=tool or None,
        tool_schema_hash=schema or None,
        side_effects=effects,
        arguments=arguments,
        resource=resource,
        environment=request.environment,
        side=side,
        session=request.session or None,
        context=context,
        trace_id=request.trace_id,
    )
    return asked._replace(**more) if more else asked


def _more(request: pb.CheckRequest, arguments: Callable[[], Plain], found: Violations) -> dict[str, Any]:
    """Judge what most questions say nothing of, and return what of it is there."""
    action, more = request.action, dict[str, Any]()
    if request.HasField("target") or request.delegation_token or request.chain or request.elevation_grants:
        more = parties(request, found)._asdict()
    if action.protocol:
        more["protocol"] = found.enum(action.protocol, "action.protocol", _PROTOCOLS)
    if action.arguments_digest:
        digest = more["arguments_digest"] = action.arguments_digest
        found.text(digest, "action.arguments_digest", max_bytes=71, pattern=_HASH, shape="sha256- and 64 hex digits")
        if action.HasField("arguments"):
            require_digest_of(arguments(), digest, found)
    if action.argument_origins:
        more["origins"] = argument_origins(action.argument_origins, "action.argument_origins", found)
    if request.supported_obligations:
        more["supported_obligations"] = supported_obligations(request, found)
    if request.approval:
        more["approval"] = approval_name(request.approval, found)
    if request.HasField("usage"):
        more["usage"] = usage(request.usage, found)
    return more


def explain_request(request: pb.ExplainRequest) -> CheckRequest:
    """Build the question to explain, or raise InvalidRequest with the paths as they are in this request."""
    try:
        return check_request(request.request)
    except InvalidRequest as invalid:
        inside = [Violation(f"request.{violation.field}", violation.problem) for violation in invalid.violations]
        raise InvalidRequest(*inside) from None


# Names come back with every call, and what was a name once is one again, so shapes are judged once and remembered.
# Lengths are looked at first: what is remembered must be small.


def _is_shaped(text: str, pattern: re.Pattern[str], max_bytes: int) -> bool:
    return len(text) <= max_bytes and _matches(pattern, text)


@lru_cache(maxsize=_NAMES_REMEMBERED)
def _matches(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.fullmatch(text) is not None


@lru_cache(maxsize=_NAMES_REMEMBERED)
def _parsed_name(text: str) -> AgentName | None:
    return AgentName.parse(text)


def response_to_proto(answer: Answer) -> pb.CheckResponse:
    """Return the answer. `answer_bytes` says the same where it has to be said often."""
    response = pb.CheckResponse(
        decision_id=answer.decision_id,
        effective_ring=answer.decision.ring,
        trust_score=answer.decision.score,
        bundle_digest=answer.bundle_digest,
        decide_time=to_timestamp(answer.decided_at),
        epoch=answer.epoch,
    )
    facts = response.facts
    facts.identity_revision = answer.identity_revision
    facts.registry_revision = answer.registry_revision
    facts.policy_revision = answer.policy_revision
    put_verdict(response, answer.decision.verdict, answer.decision.ring)
    if answer.decision.composed is not ALONE:
        put_composed(response, answer)
    response.findings.extend(map(finding_to_proto, answer.decision.findings))
    if answer.limits or answer.approval or answer.retry_after is not None:
        _put_reckoned(response, answer)
    if answer.cache is not None:
        response.cache.CopyFrom(hint_to_proto(answer.cache))
    return response


def hint_to_proto(hint: CacheHint) -> pb.CacheHint:
    """Return how an answer may be used again."""
    return pb.CacheHint(ttl=to_duration(hint.ttl), vary_on=hint.vary_on)


def put_verdict(response: pb.CheckResponse, verdict: Verdict, ring: int) -> None:
    """Say what a verdict always says to an agent of `ring`."""
    response.effect = pb.Effect.ValueType(verdict.effect)
    response.reason = pb.DecisionReason.ValueType(verdict.reason)
    response.message = verdict.message
    response.rules.extend(verdict.rules)
    response.rule_reason = verdict.rule_reason
    if verdict.approval is not None:
        approval = response.approval
        approval.min_approvals = verdict.approval.min_approvals
        approval.approver_groups.extend(verdict.approval.approver_groups)
        approval.timeout_seconds = verdict.approval.timeout // 1_000
    if verdict.effect is not Effect.DENY:
        response.resource_limits.CopyFrom(RESOURCE_LIMITS[ring])


def _put_reckoned(response: pb.CheckResponse, answer: Answer) -> None:
    """Say what was counted, and who was asked."""
    response.limits.extend(map(status_to_proto, answer.limits))
    if answer.retry_after is not None:
        response.retry_after.CopyFrom(to_duration(answer.retry_after))
    if answer.approval and answer.decision.verdict.approval is not None:
        response.approval.approval = answer.approval
        if answer.approval_expires_at is not None:
            response.approval.expire_time.CopyFrom(to_timestamp(answer.approval_expires_at))


def explanation_to_proto(answer: Answer, explanation: Explanation) -> pb.ExplainResponse:
    """Return the answer with its work shown."""
    return pb.ExplainResponse(
        response=response_to_proto(answer),
        stages=[_stage(verdict) for verdict in explanation.stages],
        rules=[_rule(trace) for trace in explanation.rules],
        nearest_misses=explanation.nearest_misses,
    )


def plain(struct: Struct) -> Plain:
    """Return a Struct as plain values. Its depth is bounded by the parser that read it (100 levels)."""
    return {name: _plain_value(value) for name, value in struct.fields.items()}


def _subject(subject: pb.Subject, found: Violations) -> AgentName | None:
    if not subject.did and not subject.agent:
        found.add("subject", "did or agent must be set")
        return None
    if subject.did:
        found.text(subject.did, "subject.did", max_bytes=512, pattern=DID, shape="did:method:id")
    if not subject.agent:
        return None
    agent = _parsed_name(subject.agent) if len(subject.agent) <= _AGENT_NAME_MAX else None
    if agent is None:
        found.add("subject.agent", "must have the form namespaces/{namespace}/agents/{agent}")
    return agent


def _text(text: str, field: str, max_bytes: int, found: Violations) -> None:
    # Printable ASCII of the right length is in order; only other texts need a closer look.
    if text and not (len(text) <= max_bytes and text.isascii() and text.isprintable()):
        found.text(text, field, max_bytes=max_bytes, required=False)


def resource_of(resource: pb.Resource, found: Violations) -> Resource:
    """Judge what is acted on."""
    _text(resource.type, "resource.type", 128, found)
    _text(resource.id, "resource.id", 512, found)
    _text(resource.data_class, "resource.data_class", 63, found)
    labels: Mapping[str, str] = {}
    if resource.labels:
        labels = found.mapping(
            resource.labels,
            "resource.labels",
            max_entries=LABELS_MAX,
            keys=_LABEL_KEY,
            keys_shape="a-z, 0-9 and . _ / - between letters or digits",
            max_value_bytes=256,
        )
    environment, owner = resource.environment, resource.owner
    if environment and not _is_shaped(environment, ID_PATTERN, 63):
        found.add("resource.environment", "must be the name of an environment: an RFC 1034 label such as prod")
    _text(owner, "resource.owner", 200, found)
    return Resource(
        type=resource.type or None,
        id=resource.id or None,
        data_class=resource.data_class or None,
        labels=labels,
        environment=environment or None,
        owner=owner or None,
    )


def struct_reader(struct: Struct, field: str, found: Violations) -> Callable[[], Plain]:
    """Return what reads a Struct when a condition first asks; judge its size now."""
    if struct.ByteSize() > STRUCT_BYTES_MAX:
        found.add(field, f"is larger than {STRUCT_BYTES_MAX} bytes")
        return nothing
    # No value takes less than two bytes, so most requests need no counting.
    if struct.ByteSize() > 2 * JSON_VALUES_MAX and _holds_too_many_values(struct):
        found.add(field, f"holds more than {JSON_VALUES_MAX} values")
        return nothing
    made: list[Plain] = []

    def read() -> Plain:
        if not made:
            made.append(plain(struct))
        return made[0]

    return read


def _holds_too_many_values(struct: Struct) -> bool:
    waiting, count = list(struct.fields.values()), 0
    while waiting:
        value = waiting.pop()
        count += 1
        if count > JSON_VALUES_MAX:
            return True
        waiting.extend(value.list_value.values or value.struct_value.fields.values())
    return False


def _plain_value(value: Value) -> object:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return value.number_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return plain(value.struct_value)
        case "list_value":
            return _plain_list(value.list_value)
        case _:
            return None


def _plain_list(values: ListValue) -> list[object]:
    return [_plain_value(value) for value in values.values]


def _stage(verdict: Verdict) -> pb.StageTrace:
    return pb.StageTrace(
        stage=verdict.stage.value,
        effect=pb.Effect.ValueType(verdict.effect),
        reason=pb.DecisionReason.ValueType(verdict.reason),
        detail=verdict.message,
    )


def _rule(trace: RuleTrace) -> pb.RuleTrace:
    clauses = [
        pb.ClauseTrace(
            expression=clause.text,
            result=pb.ConditionResult.ValueType(truth_of(clause.result)),
            detail=clause.detail,
        )
        for clause in trace.clauses
    ]
    return pb.RuleTrace(
        rule=trace.rule,
        effect=pb.Effect.ValueType(trace.effect),
        result=pb.ConditionResult.ValueType(trace.result),
        clauses=clauses,
    )
