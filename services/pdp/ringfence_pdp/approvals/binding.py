"""What an approval is bound to: SHA-256 over RFC 8785 forms, so that what was approved for one call opens no other.

Two digests. The question's key names what is asked, and finds its approval when the same is asked again. The binding
adds a nonce and the end of this one approval: it is what people vote for, and never comes twice.
"""

import hashlib

from ringfence.proofs.canonical_json import CanonicalFormError, Json, canonical
from ringfence_kit.clock import Instant

from ringfence_pdp.approvals.approval import Question
from ringfence_pdp.model import Plain


def digest_of(value: Json) -> str:
    """Return `sha256-` and 64 hex digits over the canonical form. Raises CanonicalFormError when there is none."""
    return f"sha256-{hashlib.sha256(canonical(value)).hexdigest()}"


def arguments_digest(arguments: Plain) -> str:
    """Return the digest of a call's arguments. Raises CanonicalFormError when they have no canonical form."""
    return digest_of(json_of(arguments))


def question_key(question: Question) -> str:
    """Return what is the same exactly for the same question."""
    return digest_of(_bound(question))


def binding_digest(question: Question, *, nonce: str, expires_at: Instant) -> str:
    """Return what the votes are for."""
    return digest_of({**_bound(question), "nonce": nonce, "expire_time_ms": expires_at})


def _bound(question: Question) -> dict[str, Json]:
    around = {"gateway_digest": question.gateway_digest} if question.gateway_digest else {}
    return {
        **around,
        "origin": question.chain[0] if question.chain else question.did,
        "chain": [*question.chain, question.did],
        "agent": question.agent,
        "side": question.side,
        "target": {"agent": question.target, "did": question.target_did},
        "action": {
            "name": question.action,
            "tool": question.tool,
            "tool_schema_hash": question.tool_schema_hash,
            "side_effects": question.side_effects,
            "protocol": question.protocol,
        },
        "resource": {
            "type": question.resource_type,
            "id": question.resource_id,
            "owner": question.resource_owner,
            "environment": question.resource_environment,
            "data_class": question.data_class,
            "labels": dict(question.labels),
        },
        "arguments_digest": question.arguments_digest,
        "environment": question.environment,
        "bundle_digest": question.bundle_digest,
        "approval": {
            "min_approvals": question.min_approvals,
            "approver_groups": list(question.approver_groups),
            "timeout_ms": question.timeout,
            "deny_ends": question.deny_ends,
        },
    }


def json_of(value: object) -> Json:
    """Return plain values as what can be written canonically; anything else has no canonical form."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(name): json_of(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [json_of(member) for member in value]
    raise CanonicalFormError(f"{type(value).__name__} is not JSON")
