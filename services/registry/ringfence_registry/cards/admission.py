"""Whether a namespace lets a card in, from what was read of it and the namespace's policy: values in, reasons out.

Signatures, look-alikes and callers of the present card are judged where the keys, the names and that card are known.
"""

from ringfence_registry.cards.model import CardFacts
from ringfence_registry.cards.strict_json import MAX_FAULTS, JsonFault
from ringfence_registry.errors.cards import CardInvalid
from ringfence_registry.namespaces.policy import Admission


def objections(card: CardFacts, admission: Admission) -> tuple[JsonFault, ...]:
    """Return everything the policy has against the card, each with its place; empty when it is let in."""
    against_verdict = [
        JsonFault(reason.pointer, reason.problem, reason.rule)
        for reason in card.reasons
        if not admission.admits(reason.verdict)
    ]
    against_findings = [
        JsonFault(finding.pointer, finding.problem)
        for finding in card.findings
        if finding.kind in admission.refused_findings
    ]
    return (*against_verdict, *against_findings)[:MAX_FAULTS]


def require_admissible(card: CardFacts, admission: Admission) -> None:
    """Raise `CardInvalid` with everything the policy has against the card."""
    if against := objections(card, admission):
        raise CardInvalid(against)
