"""Birth certificate content, both ways. What is malformed is refused here; what is missing is the gate's to name."""

import re

from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.proofs.scopes import MAX_SCOPE_BYTES, SCOPE_SHAPE, is_scope
from ringfence_kit.names import is_resource_id
from ringfence_kit.validation import Violations

from ringfence_identity.birth_certificate import (
    ApprovedTool,
    ArtifactDigests,
    BirthContent,
    EvaluationGate,
    EvaluationPlan,
)

SPONSOR_SHAPE = "sponsors/{sponsor}"
ID_SHAPE = "[a-z]([a-z0-9-]{0,61}[a-z0-9])?"

MAX_PERMISSIONS = 64
MAX_TOOLS = 256
MAX_GATES = 64
MILLION = 1_000_000

_TOOL_NAME = re.compile(r"[a-z0-9._-]+")
_SHA256 = re.compile(r"sha256-[0-9a-f]{64}")
_SHA256_SHAPE = "sha256- and 64 hex digits"


def parse_sponsor(text: str) -> str | None:
    """Return the name when `text` is `sponsors/{sponsor}`."""
    match text.split("/"):
        case ["sponsors", sponsor] if is_resource_id(sponsor):
            return text
        case _:
            return None


def birth_content(message: pb.BirthCertificateContent, found: Violations) -> BirthContent:
    """Return the content; its violations are reported under the prefix of `found`."""
    permissions = tuple(_scope(scope, path, found) for path, scope in _permissions(message, found))
    found.distinct(message.permissions[:MAX_PERMISSIONS], "permissions")
    tools = found.items(message.approved_tools, "approved_tools", max_items=MAX_TOOLS)
    approved = tuple(_tool(tool, found.at(path)) for path, tool in tools)
    found.distinct([tool.name for tool in approved], "approved_tools")
    return BirthContent(
        purpose=found.text(message.purpose, "purpose", max_bytes=2_000, required=False, multiline=True),
        sponsor=sponsor_name(message.sponsor, "sponsor", found),
        backup_sponsor=sponsor_name(message.backup_sponsor, "backup_sponsor", found),
        permissions=permissions,
        approved_tools=approved,
        ring_ceiling=found.integer(message.ring_ceiling, "ring_ceiling", minimum=0, maximum=3),
        max_delegation_depth=found.integer(message.max_delegation_depth, "max_delegation_depth", minimum=0, maximum=5),
        artifacts=_artifacts(message.artifacts, found.at("artifacts")),
        evaluation_plan=_plan(message.evaluation_plan, found.at("evaluation_plan")),
        derived_from=found.text(message.derived_from, "derived_from", max_bytes=1_024, required=False),
    )


def birth_content_to_proto(content: BirthContent) -> pb.BirthCertificateContent:
    """Return the message of `content`."""
    plan = content.evaluation_plan
    return pb.BirthCertificateContent(
        purpose=content.purpose,
        sponsor=content.sponsor,
        backup_sponsor=content.backup_sponsor,
        permissions=content.permissions,
        approved_tools=[
            pb.ApprovedTool(name=tool.name, version=tool.version, schema_hash=tool.schema_hash)
            for tool in content.approved_tools
        ],
        ring_ceiling=content.ring_ceiling,
        max_delegation_depth=content.max_delegation_depth,
        artifacts=pb.ArtifactDigests(
            image=content.artifacts.image, model=content.artifacts.model, prompt=content.artifacts.prompt
        ),
        evaluation_plan=pb.EvaluationPlan(
            uri=plan.uri, hash=plan.hash, gates=[_gate_to_proto(gate) for gate in plan.gates]
        ),
        derived_from=content.derived_from,
    )


def sponsor_name(text: str, field: str, found: Violations) -> str:
    """Return a sponsor's name; empty stays empty."""
    if text:
        found.resource_name(text, field, parse_sponsor, shape=SPONSOR_SHAPE)
    return text


def _permissions(message: pb.BirthCertificateContent, found: Violations) -> list[tuple[str, str]]:
    return list(found.items(message.permissions, "permissions", max_items=MAX_PERMISSIONS))


def _scope(scope: str, path: str, found: Violations) -> str:
    if not is_scope(scope):
        found.add(path, f"must have the form {SCOPE_SHAPE}, at most {MAX_SCOPE_BYTES} bytes")
    return scope


def _tool(message: pb.ApprovedTool, found: Violations) -> ApprovedTool:
    return ApprovedTool(
        name=found.text(message.name, "name", max_bytes=128, pattern=_TOOL_NAME, shape="[a-z0-9._-]"),
        version=found.text(message.version, "version", max_bytes=64, required=False),
        schema_hash=_hash(message.schema_hash, "schema_hash", found),
    )


def _artifacts(message: pb.ArtifactDigests, found: Violations) -> ArtifactDigests:
    return ArtifactDigests(
        image=found.text(message.image, "image", max_bytes=256, required=False),
        model=found.text(message.model, "model", max_bytes=256, required=False),
        prompt=found.text(message.prompt, "prompt", max_bytes=256, required=False),
    )


def _plan(message: pb.EvaluationPlan, found: Violations) -> EvaluationPlan:
    gates = found.items(message.gates, "gates", max_items=MAX_GATES)
    return EvaluationPlan(
        uri=found.text(message.uri, "uri", max_bytes=1_024, required=False),
        hash=_hash(message.hash, "hash", found),
        gates=tuple(_gate(gate, found.at(path)) for path, gate in gates),
    )


def _gate(message: pb.EvaluationGate, found: Violations) -> EvaluationGate:
    ran = message.HasField("result_micros")
    result = found.integer(message.result_micros, "result_micros", minimum=0, maximum=MILLION)
    return EvaluationGate(
        suite=found.text(message.suite, "suite", max_bytes=128, required=False),
        minimum_micros=found.integer(message.minimum_micros, "minimum_micros", minimum=0, maximum=MILLION),
        result_micros=result if ran else None,
        evidence_hash=_hash(message.evidence_hash, "evidence_hash", found),
        waived_by=sponsor_name(message.waived_by, "waived_by", found),
    )


def _gate_to_proto(gate: EvaluationGate) -> pb.EvaluationGate:
    return pb.EvaluationGate(
        suite=gate.suite,
        minimum_micros=gate.minimum_micros,
        result_micros=gate.result_micros,
        evidence_hash=gate.evidence_hash,
        waived_by=gate.waived_by,
    )


def _hash(text: str, field: str, found: Violations) -> str:
    return found.text(text, field, max_bytes=71, required=False, pattern=_SHA256, shape=_SHA256_SHAPE)
