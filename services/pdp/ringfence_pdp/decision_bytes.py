"""A decision's document joined from pieces that most decisions share: a third of writing it as a whole.

What an agent, a rule and a state of the facts say in it is the same each time, so those pieces are written once and
remembered; the moment, the id and the question stand between them. The bytes are those of `decision_document`, which a
property test holds it to, and which writes whatever is more than a rule's word to an agent that is alone.
"""

from functools import lru_cache
from typing import Any

import msgspec

from ringfence_pdp.answer import Answer
from ringfence_pdp.decision_document import DECISION, VERSION, Hides, decision_document, shows_all
from ringfence_pdp.facts import AgentIdentity
from ringfence_pdp.model import ALONE, CheckRequest, Effect, Reason, Stage
from ringfence_pdp.rollout.rollout import Mode

_REMEMBERED = 8_192

_encode = msgspec.json.Encoder(order="sorted").encode


def decision_bytes(
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
    """Return what `decision_document` returns."""
    decision = answer.decision
    verdict = decision.verdict
    if identity is None or not is_plain(answer):
        return decision_document(
            request,
            answer,
            identity,
            identity_age=identity_age,
            asked=asked,
            digest=digest,
            left_out=left_out,
            evidence=evidence,
            hides=hides,
        )
    # RFC 8785: members are ordered by name.
    revisions = (answer.identity_revision, answer.policy_revision, answer.registry_revision)
    return b"".join(
        (
            up_to_time(request.action, identity.resource_name, answer.bundle_digest),
            b'%d,"decision_id":"%b' % (answer.decided_at, answer.decision_id.encode()),
            up_to_age(identity.did, verdict.effect, request.environment, evidence, revisions),
            b'%d,"input":%b,"input_digest":"%b"'
            % (-1 if identity_age is None else identity_age, _encode(asked), digest.encode()),
            b',"left_out":' + _encode(sorted(left_out)) if left_out else b"",
            from_reason(verdict.reason, decision.ring, verdict.rules, decision.score, request.tool),
        )
    )


def is_plain(answer: Answer) -> bool:
    """Say whether an answer is no more than a rule's word to an agent that is alone."""
    decision = answer.decision
    return (
        decision.composed is ALONE
        and not decision.findings
        and not answer.limits
        and not answer.approval
        and answer.mode is Mode.NONE
        and answer.would is None
        and decision.verdict.stage is Stage.RULES
        and (answer.judged is None or answer.judged.verdict is decision.verdict)
    )


# A document without its last brace, or its first, goes on or has begun before.


@lru_cache(maxsize=_REMEMBERED)
def up_to_time(action: str, agent: str, bundle_digest: str) -> bytes:
    """Return a document as far as the moment of the decision."""
    return _encode({"action": action, "agent": agent, "bundle_digest": bundle_digest})[:-1] + b',"decide_time_ms":'


@lru_cache(maxsize=_REMEMBERED)
def up_to_age(
    did: str, effect: Effect, environment: str, evidence: tuple[str, ...], revisions: tuple[int, int, int]
) -> bytes:
    """Return what goes on behind the decision's id, as far as the age of what identity said."""
    identity, policy, registry = revisions
    members = {
        "did": did,
        "effect": effect.name,
        "environment": environment,
        "evidence": evidence,
        "facts": {"identity_revision": identity, "policy_revision": policy, "registry_revision": registry},
    }
    return b'",' + _encode(members)[1:-1] + b',"identity_age_ms":'


@lru_cache(maxsize=_REMEMBERED)
def from_reason(reason: Reason, ring: int, rules: tuple[str, ...], score: int, tool: str | None) -> bytes:
    """Return the rest."""
    members = {
        "reason": reason.name,
        "ring": ring,
        "rules": rules,
        "score": score,
        "type": DECISION,
        "version": VERSION,
        **({} if tool is None else {"tool": tool}),
    }
    return b"," + _encode(members)[1:]
