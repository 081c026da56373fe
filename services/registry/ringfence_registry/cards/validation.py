"""Judging a card that nobody registers: what registering it would say, and every reason at once.

Registering stops at the first kind of thing that is wrong; whoever is still writing a card wants to hear all of it. Who
else is in the namespace is not looked at: a look-alike or a copy is told when there is a name to tell it of.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import Unavailable

from ringfence_registry.access import require_sight
from ringfence_registry.cards.admission import objections
from ringfence_registry.cards.model import CardFacts, CardFinding, CardReason, CardVerdict
from ringfence_registry.cards.reading import read_card
from ringfence_registry.cards.signatures.admission import require_admitted, signature_findings
from ringfence_registry.cards.signatures.judging import SignatureJudge
from ringfence_registry.cards.signatures.report import UNSIGNED, SignatureReport
from ringfence_registry.errors.cards import CardInvalid, CardSignatureRefused
from ringfence_registry.namespaces.policy import Admission, PolicyReader
from ringfence_registry.namespaces.visible import VisibilityReader

_NO_NAME = ""
"""The card is for no agent yet, so a signature by any agent's key vouches for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatedCard:
    """What there is to say about a card."""

    verdict: CardVerdict
    reasons: tuple[CardReason, ...]
    findings: tuple[CardFinding, ...] = ()
    signatures: SignatureReport = UNSIGNED
    refusals: tuple[str, ...] = ()
    """Why the policy would not let it in, in sentences."""
    facts: CardFacts | None = None
    """None when the card cannot be read."""

    @property
    def admissible(self) -> bool:
        """Whether the policy would let it in."""
        return not self.refusals


class CardValidation:
    """Judges cards for whoever asks. Nothing is kept."""

    def __init__(self, judge: SignatureJudge, *, policies: PolicyReader, visibility: VisibilityReader) -> None:
        self._judge = judge
        self._policies = policies
        self._visibility = visibility

    async def validate_card(self, body: bytes, *, namespace: str | None, caller: Caller, now: Instant) -> ValidatedCard:
        """Return what there is to say about a card, by the policy of a namespace or the registry's defaults.

        Raises `NotPermitted` when the caller does not see the namespace.
        """
        if namespace is not None:
            require_sight(caller, self._visibility.visible(caller), namespace)
        policy = self._policies.default_policy if namespace is None else self._policies.policy_of(namespace)
        try:
            facts = read_card(body).facts
        except CardInvalid as unreadable:
            return _unreadable(unreadable)
        trusted = policy.admission.trusted_jwks
        signatures = await self._judge.judge(body, agent=_NO_NAME, trusted_jwks=trusted, now=now)
        remarks = signature_findings(signatures, agent=_NO_NAME)
        return ValidatedCard(
            verdict=facts.verdict,
            reasons=facts.reasons,
            findings=(*facts.findings, *remarks),
            signatures=signatures,
            refusals=tuple(_refusals(facts, signatures, remarks, policy.admission)),
            facts=facts,
        )


def _unreadable(failure: CardInvalid) -> ValidatedCard:
    faults = failure.faults
    return ValidatedCard(
        verdict=CardVerdict.UNREADABLE,
        reasons=tuple(CardReason(CardVerdict.UNREADABLE, each.pointer, each.rule, each.problem) for each in faults),
        refusals=tuple(_sentence(each.pointer, each.problem) for each in faults),
    )


def _refusals(
    facts: CardFacts, signatures: SignatureReport, remarks: tuple[CardFinding, ...], admission: Admission
) -> Iterator[str]:
    for fault in objections(facts, admission):
        yield _sentence(fault.pointer, fault.problem)
    try:
        require_admitted(signatures, admission.signatures, agent=_NO_NAME)
    except (CardSignatureRefused, Unavailable) as refused:
        yield refused.message
    for remark in remarks:
        if remark.kind in admission.refused_findings:
            yield _sentence(remark.pointer, remark.problem)


def _sentence(pointer: str, problem: str) -> str:
    return f"{pointer or 'the card'} {problem}"
