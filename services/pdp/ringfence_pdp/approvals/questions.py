"""From a decision that needs people to the question that is put to them."""

from ringfence.proofs.canonical_json import canonical

from ringfence_pdp.answer import Answer
from ringfence_pdp.approvals.approval import Asked, Question
from ringfence_pdp.approvals.binding import arguments_digest, digest_of, json_of
from ringfence_pdp.facts import AgentIdentity, Facts
from ringfence_pdp.model import GATEWAY, Approval, CheckRequest
from ringfence_pdp.secrets_out import TooManyTextsError, without_secrets

ARGUMENTS_SHOWN_MAX = 4_096
"""Bytes of arguments that are kept for people to look at."""

WHY_MAX = 1_000
"""Characters of why they are asked."""


def question_of(
    request: CheckRequest, answer: Answer, acting: AgentIdentity, facts: Facts, needed: Approval
) -> Question:
    """Return what people are asked. Raises CanonicalFormError when the arguments have no canonical form."""
    target = request.target
    called = None if target is None else facts.identity(target.did, target.agent, request.environment)
    return Question(
        agent=acting.resource_name,
        did=acting.did,
        chain=answer.decision.composed.chain[:-1],
        environment=request.environment,
        side=request.side.word,
        action=request.action,
        tool=request.tool or "",
        tool_schema_hash=request.tool_schema_hash or "",
        side_effects=request.side_effects.word,
        protocol=request.protocol.word,
        target="" if called is None else called.resource_name,
        target_did="" if called is None else called.did,
        resource_type=request.resource.type or "",
        resource_id=request.resource.id or "",
        resource_owner=request.resource.owner or "",
        resource_environment=request.resource.environment or "",
        data_class=request.resource.data_class or "",
        labels=dict(request.resource.labels),
        arguments_digest=_digest(request),
        bundle_digest=answer.bundle_digest,
        min_approvals=max(needed.min_approvals, len(needed.approver_groups)),
        approver_groups=needed.approver_groups,
        timeout=needed.timeout,
        deny_ends=needed.deny_ends,
        gateway_digest=_around(request),
    )


def asked_by(
    principal: str, request: CheckRequest, answer: Answer, acting: AgentIdentity, facts: Facts, *, shown: bool
) -> Asked:
    """Return what stands behind the question. `shown`: whether people see the arguments."""
    subjects = answer.decision.composed.subjects or (acting.resource_name,)
    target = request.target
    called = None if target is None else facts.identity(target.did, target.agent, request.environment)
    sides = {_namespace(name) for name in subjects}
    known = [facts.registered.get(name) for name in subjects]
    return Asked(
        decision_id=answer.decision_id,
        principal=principal,
        session=request.session or "",
        rules=answer.decision.verdict.rules,
        arguments=_arguments(request, secret=bool(answer.decision.findings)) if shown else "",
        namespaces=tuple(sorted(sides if called is None else {*sides, called.namespace})),
        subject_namespaces=tuple(sorted(sides)),
        subjects=tuple(sorted({*subjects, *(answer.decision.composed.chain or (acting.did,))})),
        why=answer.decision.verdict.message[:WHY_MAX],
        owners=tuple(sorted({one.owner for one in known if one is not None and one.owner is not None})),
    )


def _digest(request: CheckRequest) -> str:
    """The digest of the arguments that were sent; what the caller says it is counts only when none were."""
    arguments = request.arguments()
    if not arguments and request.arguments_digest is not None:
        return request.arguments_digest
    return arguments_digest(arguments)


def _around(request: CheckRequest) -> str:
    """The digest of what a gateway saw: a path is another resource on another host, and with another query."""
    seen = request.context().get(GATEWAY)
    return digest_of(json_of(seen)) if seen else ""


def _arguments(request: CheckRequest, *, secret: bool) -> str:
    """The arguments as people see them; where filters found something in them, without secrets, as in the log."""
    arguments: object = request.arguments()
    if secret:
        try:
            arguments = without_secrets(arguments, ("arguments",), [])
        except TooManyTextsError:
            return ""
    written = canonical(json_of(arguments)) if arguments else b""
    return written.decode() if len(written) <= ARGUMENTS_SHOWN_MAX else ""


def _namespace(name: str) -> str:
    return name.split("/")[1]
