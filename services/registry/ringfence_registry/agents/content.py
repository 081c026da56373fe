"""Judging what an agent is to be: its card, by what its namespace asks, beside others there and those it had before.

What needs keys or other cards is judged before the transaction; names that look alike and cards it had before are
looked up inside it, so of two agents who come at once with one name the second sees the first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName

from ringfence_registry.cards.admission import require_admissible
from ringfence_registry.cards.model import Card, CardFinding, FindingKind, Severity
from ringfence_registry.cards.signatures.admission import require_admitted, signature_findings
from ringfence_registry.cards.signatures.report import SignatureReport
from ringfence_registry.cards.strict_json import JsonFault
from ringfence_registry.errors import CardInvalid, LookAlikeName
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.policy import Admission, PolicyReader
from ringfence_registry.store import AgentTx

_VERSION = re.compile(r"v?([0-9]{1,9}(?:\.[0-9]{1,9}){0,5})")


class Judge(Protocol):
    """Judges signatures; `cards/signatures/judging.py`."""

    async def judge(
        self, body: bytes, *, agent: str, trusted_jwks: str, now: Instant, first_seen_at: Instant | None = None
    ) -> SignatureReport:
        """Return what became of each signature of a card."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedCard:
    """A card that may be let in, with the report on its signatures."""

    card: Card
    signatures: SignatureReport


class CardAdmission:
    """Says whether a namespace lets a card in."""

    def __init__(self, policies: PolicyReader, judge: Judge) -> None:
        self._policies = policies
        self._judge = judge

    async def admit(
        self, card: Card, name: AgentName, *, now: Instant, first_seen_at: Instant | None = None
    ) -> AdmittedCard:
        """Return the card with its signatures judged.

        Raises `CardInvalid`, `CardSignatureRefused`; `Unavailable` when the namespace asks for signatures and the keys
        cannot be read now.
        """
        admission = self._policies.policy_of(name.namespace).admission
        require_admissible(card.facts, admission)
        signatures = await self._judge.judge(
            card.body, agent=str(name), trusted_jwks=admission.trusted_jwks, now=now, first_seen_at=first_seen_at
        )
        require_admitted(signatures, admission.signatures, agent=str(name))
        _refuse(signature_findings(signatures, agent=str(name)), admission)
        return AdmittedCard(card=card, signatures=signatures)


def remarked(tx: AgentTx, before: Agent | None, after: Agent, admission: Admission) -> Agent:
    """Return `after` with what is remarkable about it in this place, or raise what the policy refuses for it."""
    if before is not None and before.spec.display_name == after.spec.display_name and before.card == after.card:
        return after
    remarks = (*_look_alikes(tx, before, after, admission), *_older_cards(tx, before, after))
    _refuse(remarks, admission)
    return replace(after, remarks=remarks)


def _look_alikes(tx: AgentTx, before: Agent | None, after: Agent, admission: Admission) -> Iterator[CardFinding]:
    if before is not None and before.spec.display_name == after.spec.display_name:
        yield from (remark for remark in before.remarks if remark.kind is FindingKind.LOOK_ALIKE)
        return
    other = tx.look_alike(after)
    if other is None:
        return
    if admission.refuse_look_alikes or FindingKind.LOOK_ALIKE in admission.refused_findings:
        raise LookAlikeName(shown=after.spec.display_name, other=str(other))
    problem = f"looks like the name of {other}"
    yield CardFinding(FindingKind.LOOK_ALIKE, Severity.WARNING, "/name", problem)


def _older_cards(tx: AgentTx, before: Agent | None, after: Agent) -> Iterator[CardFinding]:
    if before is None:
        return
    if before.card.sha256 == after.card.sha256:
        yield from (remark for remark in before.remarks if remark.kind is FindingKind.OLDER_CARD)
        return
    # A signature stays good for an old card, so whoever puts it back puts back what it had wrong.
    severity = Severity.WARNING if after.signatures.verdicts else Severity.INFO
    if tx.had_card(after.name, after.card.sha256):
        problem = "the agent had this card before, and another since"
        yield CardFinding(FindingKind.OLDER_CARD, severity, "", problem)
    elif _is_older(after.card.version, before.card.version):
        problem = "is a lower version than the card before it had"
        yield CardFinding(FindingKind.OLDER_CARD, severity, "/version", problem)


def _is_older(version: str, than: str) -> bool:
    one, other = _VERSION.match(version), _VERSION.match(than)
    return one is not None and other is not None and _numbers(one) < _numbers(other)


def _numbers(version: re.Match[str]) -> tuple[int, ...]:
    return tuple(int(number) for number in version[1].split("."))


def _refuse(findings: tuple[CardFinding, ...], admission: Admission) -> None:
    refused = [finding for finding in findings if finding.kind in admission.refused_findings]
    if refused:
        raise CardInvalid([JsonFault(finding.pointer, finding.problem) for finding in refused])
