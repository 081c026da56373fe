"""A decision as the audit log keeps it: one JSON object in RFC 8785 form, described in services/telemetry/README.md.

Everything a replay needs is in it or named by it: what was asked, as far as it may be logged, and the addresses of the
facts it was decided on. Replaying makes what `said` returns anew, so whatever the software would decide or say
differently today shows as other bytes.

Members that are empty are left out. They are texts, whole numbers, lists and objects of these, with ASCII names: for
that shape sorted names without spaces are the canonical form, which a property test holds against the reference
implementation. What was sent as JSON is brought into that form where it is taken over.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
import rfc8785

from ringfence_pdp.answer import Answer
from ringfence_pdp.facts import AgentIdentity
from ringfence_pdp.finding_document import finding_document
from ringfence_pdp.limits.counters import Status
from ringfence_pdp.model import CheckRequest, Decision, Effect, Obligation, Reason, SideVerdict, Stage, Verdict
from ringfence_pdp.rollout.rollout import Mode

DECISION = "decision"
VERSION = 2

_QUESTION = b"question left out in part\0"
"""Keeps what is made with the key here apart from all else that is."""

_encode = msgspec.json.Encoder(order="sorted").encode

# Looked up by number, since the name of a member of an enumeration is worked out at every use.
_EFFECTS = ["", *(effect.name for effect in sorted(Effect))]
_REASONS = ["", *(reason.name for reason in sorted(Reason))]


Hides: TypeAlias = Callable[[str], bool]
"""Says of a JSON Pointer into the arguments that what stands there is masked."""


def shows_all(_pointer: str) -> bool:
    """Mask nothing."""
    return False


def decision_document(
    request: CheckRequest,
    answer: Answer,
    identity: AgentIdentity | None,
    *,
    identity_age: int | None,
    asked: dict[str, Any],
    digest: str,
    left_out: list[str],
    evidence: tuple[str, ...],
    hides: Hides = shows_all,
) -> bytes:
    """Return the document of one decision. `hides` says of a JSON Pointer into the arguments that it is masked."""
    decision, judged = answer.decision, answer.judged
    document = said(decision, request, identity, hides)
    document |= {
        "type": DECISION,
        "version": VERSION,
        "decision_id": answer.decision_id,
        "decide_time_ms": answer.decided_at,
        "environment": request.environment,
        "action": request.action,
        "input": asked,
        "input_digest": digest,
        "bundle_digest": answer.bundle_digest,
        "evidence": evidence,
        "facts": {
            "identity_revision": answer.identity_revision,
            "registry_revision": answer.registry_revision,
            "policy_revision": answer.policy_revision,
        },
        "identity_age_ms": -1 if identity_age is None else identity_age,
    }
    if request.tool is not None:
        document["tool"] = request.tool
    if left_out:
        document["left_out"] = sorted(left_out)
    if judged is not None and judged.verdict is not decision.verdict:
        document["judged"] = verdict_document(judged.verdict)
    if answer.limits:
        document["limits"] = [_limit(status) for status in answer.limits]
    if answer.approval:
        document["approval"] = answer.approval
    if answer.mode is not Mode.NONE:
        document["mode"] = answer.mode.value
    if answer.would is not None:
        document["would"] = verdict_document(answer.would.verdict)
    return _encode(document)


def said(
    decision: Decision,
    request: CheckRequest,
    identity: AgentIdentity | None,
    hides: Hides = shows_all,
) -> dict[str, Any]:
    """Return the members that follow from deciding a question: those a replay makes anew."""
    verdict = decision.verdict
    members: dict[str, Any] = {
        "agent": identity.resource_name if identity is not None else str(request.agent or ""),
        "did": identity.did if identity is not None else request.did or "",
        "effect": _EFFECTS[verdict.effect],
        "reason": _REASONS[verdict.reason],
        "ring": decision.ring,
        "score": decision.score,
        "rules": verdict.rules,
    }
    if verdict.stage is not Stage.RULES:
        members["stage"] = verdict.stage.value
    if decision.chain:
        members["chain"] = decision.chain
    if decision.sides:
        members["sides"] = [_side(side) for side in decision.sides]
    if decision.obligations:
        members["obligations"] = [_obligation(obligation) for obligation in decision.obligations]
    if decision.findings:
        members["findings"] = [finding_document(finding, hides) for finding in decision.findings]
    return members


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict that is not the answer itself."""
    return {
        "effect": verdict.effect.name,
        "reason": verdict.reason.name,
        "stage": verdict.stage.value,
        "rules": verdict.rules,
    }


def input_digest(decision_id: str, asked: bytes) -> str:
    """Return what stands for the question: `sha256-` over the decision's id and the request's bytes."""
    return f"sha256-{hashlib.sha256(decision_id.encode() + asked).hexdigest()}"


def keyed_digest(key: bytes, decision_id: str, asked: bytes) -> str:
    """Return what stands for a question that is not all in the log: without the key nobody can try out the rest."""
    return f"hmac-sha256-{hmac.digest(key, _QUESTION + decision_id.encode() + asked, 'sha256').hex()}"


def _side(side: SideVerdict) -> dict[str, Any]:
    who = {"hop": side.hop, "side": side.side.word, "party": side.party}
    return {**who, **verdict_document(side.verdict)}


def _limit(status: Status) -> dict[str, Any]:
    meter = status.meter
    return {
        "limit": meter.id,
        "key": meter.key,
        "unit": meter.limit.unit.word,
        "maximum": meter.limit.maximum,
        "remaining": status.remaining,
    }


def as_json(value: object) -> Any:
    """Return a value as it reads once it is written."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _obligation(obligation: Obligation) -> Mapping[str, Any]:
    properties = msgspec.Raw(rfc8785.dumps(as_json(obligation.properties)))
    return {"type": obligation.type, "id": obligation.id, "properties": properties}
