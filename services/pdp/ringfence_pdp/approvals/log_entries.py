"""An approval as the audit log keeps it: one entry for the question, one for every vote, one for the end.

Every entry follows from the record alone, its id included, so one that may have been lost is simply sent again: the
log drops what it has. JSON in RFC 8785 form, described in services/telemetry/README.md; arguments never enter it, nor
does a secret in the name of what is asked for: people who decide see it, the log is for more.
"""

from collections.abc import Iterator, Sequence

from ringfence.proofs.canonical_json import Json, canonical
from ringfence_kit.ids import id_of

from ringfence_pdp.approvals.approval import Approval
from ringfence_pdp.secrets_out import without_secrets

ENTRY = "approval"
"""The entries' `type`."""

Entry = tuple[str, bytes]
"""Its id and its body."""


def entries_of(approval: Approval) -> Sequence[Entry]:
    """Return everything the log keeps of an approval as it is now, the oldest first."""
    return [_entry(approval, document) for document in _documents(approval)]


def _documents(approval: Approval) -> Iterator[dict[str, Json]]:
    question, left_out = approval.question, list[str]()
    resource_id = str(without_secrets(question.resource_id, ("resource", "id"), left_out))
    yield {
        "event": "OPENED",
        "time_ms": approval.opened_at,
        "actor": approval.asked.principal,
        "asked_by_decision": approval.asked.decision_id,
        "agent": question.agent,
        "chain": [*question.chain, question.did],
        "target": question.target,
        "action": question.action,
        "tool": question.tool,
        "resource_type": question.resource_type,
        "resource_id": resource_id,
        **({"left_out": [*left_out]} if left_out else {}),
        "arguments_digest": question.arguments_digest,
        "bundle_digest": question.bundle_digest,
        "rules": list(approval.asked.rules),
        "min_approvals": question.min_approvals,
        "approver_groups": list(question.approver_groups),
        "expire_time_ms": approval.expires_at,
    }
    for vote in approval.votes:
        yield {
            "event": "APPROVE" if vote.approve else "DENY",
            "time_ms": vote.at,
            "actor": vote.voter,
            "groups": list(vote.groups),
            "comment": vote.comment,
        }
    if approval.ended_at is not None:
        yield {
            "event": approval.state.name,
            "time_ms": approval.ended_at,
            "reason": approval.end_reason,
            "used_by_decision": approval.used_by,
        }


def _entry(approval: Approval, document: dict[str, Json]) -> Entry:
    about = f"{approval.name} {document['event']} {document.get('actor', '')}"
    entry_id = id_of(about.encode())
    body: dict[str, Json] = {
        **document,
        "type": ENTRY,
        "version": 1,
        "decision_id": entry_id,
        "approval": approval.name,
        "binding_digest": approval.binding_digest,
        "did": approval.question.did,
        "environment": approval.question.environment,
    }
    return entry_id, canonical(body)
