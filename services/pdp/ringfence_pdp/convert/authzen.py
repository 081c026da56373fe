"""AuthZEN's subject, action, resource and context to the CheckRequest of `ringfence.pdp.v1`, and decisions back.

`subject.properties` is not looked at: what the pdp knows of an agent no request can say. Approvals are the standard's
access requests: a denial that says where to ask, and that asking again finds the answer.
"""

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1 import filter_pb2 as filters
from ringfence_kit.errors import Failure, InvalidRequest, Violation
from ringfence_kit.status import code_of

from ringfence_pdp.convert.ext_authz import named_findings
from ringfence_pdp.doors.authzen import Evaluation
from ringfence_pdp.doors.json_reading import Json
from ringfence_pdp.doors.origins import read_origins, words
from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.filters.finding import Origin
from ringfence_pdp.model import Reason

AGENT: Final = "agent"
_SIDE_EFFECTS: Final = {
    "read": pb.SIDE_EFFECTS_READ,
    "reversible": pb.SIDE_EFFECTS_REVERSIBLE,
    "irreversible": pb.SIDE_EFFECTS_IRREVERSIBLE,
}
_SIDES: Final = {"caller": pb.SIDE_CALLER, "callee": pb.SIDE_CALLEE}
_PROTOCOLS: Final = {
    "mcp": pb.PROTOCOL_MCP,
    "a2a": pb.PROTOCOL_A2A,
    "http": pb.PROTOCOL_HTTP,
    "grpc": pb.PROTOCOL_GRPC,
    "model": pb.PROTOCOL_MODEL,
}


def question(asked: Evaluation, environment: str) -> pb.CheckRequest:
    """Return the question to decide; Refused for what is nobody's to answer, InvalidRequest for what is no question.

    `environment` is where the enforcement point stands, when something surer than the request says so.
    """
    where = environment or _text(asked.context, "environment", "context.environment")
    if asked.subject["type"] != AGENT:
        raise Refused(Reason.AGENT_UNKNOWN, 'only agents are decided about: subject.type has to be "agent"')
    if not where:
        message = "context.environment has to say where the enforcement point stands, e.g. prod"
        raise Refused(Reason.REQUEST_INVALID, message)
    action = _properties(asked.action)
    resource = _properties(asked.resource)
    made = pb.CheckRequest(
        subject=_subject(str(asked.subject["id"])),
        action=pb.Action(
            name=str(asked.action["name"]),
            tool=_text(action, "tool", "action.properties.tool"),
            tool_schema_hash=_text(action, "tool_schema_hash", "action.properties.tool_schema_hash"),
            arguments_digest=_text(action, "arguments_digest", "action.properties.arguments_digest"),
            side_effects=_word(action, "side_effects", _SIDE_EFFECTS, "action.properties.side_effects"),
            protocol=_word(action, "protocol", _PROTOCOLS, "action.properties.protocol"),
        ),
        resource=pb.Resource(
            type=str(asked.resource["type"]),
            id=str(asked.resource["id"]),
            data_class=_text(resource, "data_class", "resource.properties.data_class"),
            environment=_text(resource, "environment", "resource.properties.environment"),
            owner=_text(resource, "owner", "resource.properties.owner"),
            labels=_labels(resource),
        ),
        environment=where,
        side=_word(asked.context, "side", _SIDES, "context.side"),
        session=_text(asked.context, "session", "context.session"),
        delegation_token=_text(asked.context, "delegation_token", "context.delegation_token"),
        chain=_texts(asked.context, "chain"),
        elevation_grants=_texts(asked.context, "elevation_grants"),
        supported_obligations=_texts(asked.context, "supported_obligations"),
        approval=_approval(asked.context),
    )
    target = _text(asked.context, "target", "context.target")
    if target:
        made.target.CopyFrom(_subject(target))
    arguments = _object(action, "arguments", "action.properties.arguments")
    if arguments:
        made.action.arguments.update(arguments)
    for pointer, origin in _origins(asked.context).items():
        made.action.argument_origins[pointer] = filters.Origin.ValueType(origin)
    rest = {name: value for name, value in asked.context.items() if name not in _READ}
    if rest:
        made.context.update(rest)
    return made


_READ: Final = frozenset(
    {
        *("environment", "side", "session", "delegation_token", "chain", "elevation_grants", "supported_obligations"),
        *("approval", "target", "argument_origins"),
    }
)
"""Members of the context that are more than something to look at."""


def decision(response: pb.CheckResponse) -> dict[str, Any]:
    """Return a decision as the standard gives it (AuthZEN 1.0, 5.5)."""
    said: dict[str, Any] = {
        "decision_id": response.decision_id,
        "evaluation_id": response.decision_id,
        "reason": pb.DecisionReason.Name(response.reason).removeprefix("DECISION_REASON_"),
        "message": response.message,
        "effective_ring": response.effective_ring,
        "trust_score": response.trust_score,
        "rules": list(response.rules),
        "policy_version": response.bundle_digest,
        "epoch": response.epoch,
    }
    if response.rule_reason:
        said["rule_reason"] = response.rule_reason
    if response.findings:
        said["findings"] = named_findings(response)
    if response.obligations:
        said["obligations"] = [
            {"id": one.id, "type": one.type, "properties": MessageToDict(one.properties)}
            for one in response.obligations
        ]
    if response.HasField("cache"):
        said["ttl_ms"] = response.cache.ttl.ToMilliseconds()
        said["vary_on"] = list(response.cache.vary_on)
    if response.HasField("retry_after"):
        said["retry_after_ms"] = response.retry_after.ToMilliseconds()
    if response.effect == pb.EFFECT_REQUIRE_APPROVAL:
        said["access_request"] = _access_request(response.approval)
    return {"decision": response.effect == pb.EFFECT_ALLOW, "context": said}


def item_error(failure: Failure) -> dict[str, Any]:
    """Return what stands in the place of a decision about an item that could not be asked about."""
    status = {"INVALID_ARGUMENT": 400, "PERMISSION_DENIED": 403, "RESOURCE_EXHAUSTED": 429}
    error: dict[str, Any] = {
        "status": status.get(code_of(failure).name, 503),
        "reason": failure.reason,
        "message": failure.message,
    }
    return {"decision": False, "context": {"error": error}}


def _access_request(approval: pb.ApprovalRequirement) -> dict[str, Any]:
    asked: dict[str, Any] = {
        "endpoint": "ringfence.pdp.v1.ApprovalService",
        "template": {"min_approvals": approval.min_approvals, "approver_groups": list(approval.approver_groups)},
    }
    if approval.approval:
        asked["id"] = approval.approval
    if approval.HasField("expire_time"):
        asked["expires_at"] = approval.expire_time.ToJsonString()
    return asked


def _subject(named: str) -> pb.Subject:
    return pb.Subject(did=named) if named.startswith("did:") else pb.Subject(agent=named)


def _properties(part: Mapping[str, Json]) -> Mapping[str, Json]:
    properties = part.get("properties")
    return properties if isinstance(properties, dict) else {}


def _text(values: Mapping[str, Json], name: str, field: str) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise InvalidRequest(Violation(field, "must be a text"))
    return value


def _texts(values: Mapping[str, Json], name: str) -> list[str]:
    value = values.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidRequest(Violation(f"context.{name}", "must be an array of texts"))
    return [str(one) for one in value]


def _object(values: Mapping[str, Json], name: str, field: str) -> Mapping[str, Any]:
    value = values.get(name, {})
    if not isinstance(value, dict):
        raise InvalidRequest(Violation(field, "must be an object"))
    return value


def _origins(context: Mapping[str, Json]) -> Mapping[str, Origin]:
    field = "context.argument_origins"
    found = read_origins(_object(context, "argument_origins", field))
    if found is None:
        raise InvalidRequest(Violation(field, f"must hold one of {words()} for each JSON Pointer"))
    return found


def _labels(resource: Mapping[str, Json]) -> Mapping[str, str]:
    labels = _object(resource, "labels", "resource.properties.labels")
    if not all(isinstance(value, str) for value in labels.values()):
        raise InvalidRequest(Violation("resource.properties.labels", "must hold texts"))
    return labels


def _word(values: Mapping[str, Json], name: str, known: Mapping[str, Any], field: str) -> Any:
    value = values.get(name)
    if value is None:
        return 0
    if not isinstance(value, str) or value not in known:
        raise InvalidRequest(Violation(field, f"must be one of {', '.join(known)}"))
    return known[value]


def _approval(context: Mapping[str, Json]) -> str:
    approval = context.get("approval", "")
    named = approval.get("id", "") if isinstance(approval, dict) else approval
    if not isinstance(named, str):
        raise InvalidRequest(Violation("context.approval", "must be an object with an id"))
    return named
