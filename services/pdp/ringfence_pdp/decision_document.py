"""A decision as the audit log keeps it: one JSON object in RFC 8785 form, described in services/telemetry/README.md.

The members are texts, whole numbers and lists of texts, with ASCII names; for that shape sorted keys without spaces are
the canonical form, which a property test holds against the reference implementation. Arguments never enter the log:
only a digest of the question does, salted with the decision's id, so that equal questions do not look equal.
"""

import hashlib

import msgspec

from ringfence_pdp.answer import Answer
from ringfence_pdp.facts import Facts
from ringfence_pdp.model import CheckRequest

_encode = msgspec.json.Encoder(order="sorted").encode


def document(request: CheckRequest, answer: Answer, facts: Facts, asked: bytes) -> bytes:
    """Return the document of one decision. `asked` are the bytes of the request."""
    identity = facts.identity(request.did, request.agent, request.environment)
    decision = answer.decision
    return _encode(
        {
            "type": "decision",
            "version": 1,
            "decision_id": answer.decision_id,
            "decide_time_ms": answer.decided_at,
            "environment": request.environment,
            "did": identity.did if identity is not None else request.did or "",
            "agent": identity.resource_name if identity is not None else str(request.agent or ""),
            "effect": decision.effect.name,
            "reason": decision.reason.name,
            "action": request.action,
            "tool": request.tool or "",
            "resource_type": request.resource.type or "",
            "resource_id": request.resource.id or "",
            "side": request.side.word,
            "session": request.session or "",
            "trace_id": request.trace_id.hex(),
            "input_digest": input_digest(answer.decision_id, asked),
            "bundle_digest": answer.bundle_digest,
            "rules": decision.verdict.rules,
            "ring": decision.ring,
            "score": decision.score,
            "facts": {
                "identity_revision": answer.identity_revision,
                "registry_revision": answer.registry_revision,
                "policy_revision": answer.policy_revision,
            },
        }
    )


def input_digest(decision_id: str, asked: bytes) -> str:
    """Return what stands for the question: `sha256-` over the decision's id and the request's bytes."""
    return f"sha256-{hashlib.sha256(decision_id.encode() + asked).hexdigest()}"
