"""What follows from the signatures of an agent's card: whether it is let in, and what people should look at.

- A signature by an agent's own key speaks for that agent's card only. On another agent's card it holds, is reported as
  a copy, and does not count for what the namespace asks.
- A signature that is INVALID refuses the card whatever the namespace asks: somebody changed it.
- Names of agents elsewhere are in no sentence here: who holds a copy of a card learns nothing more from us.
"""

from collections.abc import Iterator

from ringfence.proofs.card_verdict import Coverage, SignatureStatus, SignatureVerdict
from ringfence_kit.errors import Unavailable

from ringfence_registry.cards.model import CardFinding, FindingKind, Severity
from ringfence_registry.cards.signatures.report import SignatureReport
from ringfence_registry.errors.cards import CardSignatureRefused
from ringfence_registry.namespaces.policy import SignatureRequirement

_NEEDED = {
    SignatureRequirement.NONE: "none may be over something else",
    SignatureRequirement.VERIFIED: "at least one has to verify",
    SignatureRequirement.FULL_COVERAGE: "at least one has to verify and cover the whole card",
}


def counts(verdict: SignatureVerdict, agent: str) -> bool:
    """Say whether a signature vouches for the card of the agent with this name; an empty name is any agent."""
    if verdict.status is not SignatureStatus.VERIFIED:
        return False
    return not agent or verdict.signer_agent in {"", agent}


def require_admitted(report: SignatureReport, requirement: SignatureRequirement, *, agent: str) -> None:
    """Raise `CardSignatureRefused` unless the signatures show what is asked; `Unavailable` when that cannot be told."""
    if not refuses(report, requirement, agent=agent):
        return
    invalid = any(verdict.status is SignatureStatus.INVALID for verdict in report.verdicts)
    if not invalid and any(verdict.status is SignatureStatus.KEYS_UNAVAILABLE for verdict in report.verdicts):
        raise Unavailable(problem="the keys of the card's signatures, which its namespace asks for, cannot be read now")
    problems = [_problem(verdict, agent) for verdict in report.verdicts]
    raise CardSignatureRefused(needed=_NEEDED[requirement], problems=problems)


def refuses(report: SignatureReport, requirement: SignatureRequirement, *, agent: str) -> bool:
    """Say whether a namespace that asks for `requirement` does not let the card in, now."""
    if any(verdict.status is SignatureStatus.INVALID for verdict in report.verdicts):
        return True
    counting = [verdict for verdict in report.verdicts if counts(verdict, agent)]
    match requirement:
        case SignatureRequirement.NONE:
            return False
        case SignatureRequirement.VERIFIED:
            return not counting
        case SignatureRequirement.FULL_COVERAGE:
            return not any(verdict.coverage is Coverage.FULL for verdict in counting)


def signature_findings(report: SignatureReport, *, agent: str) -> tuple[CardFinding, ...]:
    """Return what is remarkable about the signatures on the card of the agent with this name."""
    return tuple(_findings(report, agent))


def _findings(report: SignatureReport, agent: str) -> Iterator[CardFinding]:
    whole = any(counts(verdict, agent) and verdict.coverage is Coverage.FULL for verdict in report.verdicts)
    for verdict in report.verdicts:
        place = f"/signatures/{verdict.index}"
        if verdict.status is SignatureStatus.VERIFIED and not counts(verdict, agent):
            problem = "is by the key of another agent: the card may be a copy of its card"
            yield CardFinding(FindingKind.REPLAYED_CARD, Severity.CRITICAL, place, problem)
        elif counts(verdict, agent) and not whole:
            for pointer in verdict.uncovered:
                problem = f"is not covered by signature {verdict.index}: anybody could have added it"
                yield CardFinding(FindingKind.UNSIGNED_CONTENT, Severity.WARNING, pointer, problem)
        if verdict.ignored:
            problem = f"offers keys of its own ({', '.join(verdict.ignored)}), which are neither used nor fetched"
            yield CardFinding(FindingKind.UNUSUAL, Severity.INFO, place, problem)
    if report.copied:
        problem = "are those of a card that was registered under another name before"
        yield CardFinding(FindingKind.REPLAYED_CARD, Severity.WARNING, "/signatures", problem)


def _problem(verdict: SignatureVerdict, agent: str) -> str:
    if verdict.status is SignatureStatus.VERIFIED and not counts(verdict, agent):
        return "VERIFIED, by the key of another agent"
    return f"{verdict.status.value}: {verdict.problem}" if verdict.problem else verdict.status.value
