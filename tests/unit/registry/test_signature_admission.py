"""What follows from a card's signatures: whether a namespace lets it in, and what people should look at."""

import json
from typing import Any

import pytest
from ringfence.proofs.card_forms import CardForm, CardForms
from ringfence.proofs.card_verdict import Coverage, SignatureStatus, SignatureVerdict
from ringfence_kit.clock import Instant
from ringfence_kit.errors import Unavailable
from ringfence_registry.cards.model import FindingKind, Severity
from ringfence_registry.cards.signatures.admission import refuses, require_admitted, signature_findings
from ringfence_registry.cards.signatures.index import SignatureIndex
from ringfence_registry.cards.signatures.judging import SignatureJudge, pinned_keys
from ringfence_registry.cards.signatures.keys import IdentityStanding
from ringfence_registry.cards.signatures.remembered_keys import RememberedKeys
from ringfence_registry.cards.signatures.report import UNSIGNED, SignatureReport
from ringfence_registry.cards.signatures.trust_root import TrustRoot
from ringfence_registry.errors.cards import CardSignatureRefused
from ringfence_registry.namespaces.policy import SignatureRequirement
from support.registry.signed_cards import CARD, TestSigner, hmac_entry, signer
from support.registry.signers import LEDGER, SigningAgent, SmallIdentity

NOW = Instant(1_000_000)
AGENT = SigningAgent()
OTHER = SigningAgent(agent="namespaces/payments/agents/refunder")
NONE, VERIFIED, FULL = SignatureRequirement


def jwks(*signers: TestSigner) -> str:
    return json.dumps({"keys": [one.jwk for one in signers]})


async def judged(
    card: dict[str, Any], *, trusted: str = "", away: bool = False, agent: str = LEDGER, **standing: Any
) -> SignatureReport:
    identity = SmallIdentity(away=away)
    identity.put(AGENT.known(**standing))
    identity.put(OTHER.known())
    judge = SignatureJudge(TrustRoot(RememberedKeys(identity)), SignatureIndex())
    return await judge.judge(json.dumps(card).encode(), agent=agent, trusted_jwks=trusted, now=NOW)


def statuses(report: SignatureReport) -> list[str]:
    return [verdict.status.value for verdict in report.verdicts]


def kinds(report: SignatureReport, agent: str = LEDGER) -> list[tuple[FindingKind, str]]:
    return [(finding.kind, finding.pointer) for finding in signature_findings(report, agent=agent)]


async def test_a_card_signed_by_its_agent_is_let_in_by_every_policy() -> None:
    report = await judged(AGENT.signer().signed(CARD))
    assert statuses(report) == ["VERIFIED"]
    for requirement in SignatureRequirement:
        require_admitted(report, requirement, agent=LEDGER)
    assert signature_findings(report, agent=LEDGER) == ()
    assert (report.first_seen_at, report.judged_at) == (NOW, NOW)


async def test_a_card_without_signatures_is_let_in_where_none_is_asked_for() -> None:
    report = await judged(CARD)
    assert report == UNSIGNED
    require_admitted(report, NONE, agent=LEDGER)
    for requirement in (VERIFIED, FULL):
        with pytest.raises(CardSignatureRefused, match="no signature"):
            require_admitted(report, requirement, agent=LEDGER)


async def test_a_card_whose_fields_alone_are_signed_is_not_let_in_where_all_must_be() -> None:
    report = await judged({**AGENT.signer().signed(CARD, CardForm.SDK), "x-evil": 1})
    require_admitted(report, VERIFIED, agent=LEDGER)
    with pytest.raises(CardSignatureRefused, match="cover the whole card") as refused:
        require_admitted(report, FULL, agent=LEDGER)
    assert [violation.field for violation in refused.value.violations] == ["card#/signatures/0"]
    assert kinds(report) == [(FindingKind.UNSIGNED_CONTENT, "/x-evil")]


async def test_another_signature_over_all_leaves_nothing_unsigned() -> None:
    release = signer("ES256", "release")
    card = {**AGENT.signer().signed(CARD, CardForm.SDK), "x-note": 1}
    report = await judged(release.signed(card), trusted=jwks(release))
    assert [verdict.coverage for verdict in report.verdicts] == [Coverage.KNOWN_FIELDS, Coverage.FULL]
    assert kinds(report) == []
    require_admitted(report, FULL, agent=LEDGER)


async def test_a_pinned_key_vouches_for_every_agent_of_the_namespace() -> None:
    release = signer("ES256", "release")
    report = await judged(release.signed(CARD), trusted=jwks(release))
    assert [(verdict.status, verdict.signer) for verdict in report.verdicts] == [(SignatureStatus.VERIFIED, "pinned")]
    require_admitted(report, FULL, agent=LEDGER)


@pytest.mark.parametrize("requirement", SignatureRequirement)
async def test_a_card_that_was_changed_after_signing_is_refused_by_every_policy(
    requirement: SignatureRequirement,
) -> None:
    report = await judged({**AGENT.signer().signed(CARD), "name": "Other"})
    assert statuses(report) == ["INVALID"]
    with pytest.raises(CardSignatureRefused, match="INVALID"):
        require_admitted(report, requirement, agent=LEDGER)


async def test_attack_one_good_signature_does_not_cover_for_a_false_one() -> None:
    release = signer("ES256", "release")
    false = AGENT.signer().signed({**CARD, "name": "Other"})["signatures"]
    report = await judged(release.signed({**CARD, "signatures": false}), trusted=jwks(release))
    assert statuses(report) == ["INVALID", "VERIFIED"]
    assert refuses(report, NONE, agent=LEDGER)


async def test_attack_replay_of_a_signed_card_under_another_name_is_reported_and_does_not_count() -> None:
    report = await judged(OTHER.signer().signed(CARD))
    assert statuses(report) == ["VERIFIED"]
    assert report.verdicts[0].signer_agent == OTHER.agent
    (finding,) = signature_findings(report, agent=LEDGER)
    assert (finding.kind, finding.severity) == (FindingKind.REPLAYED_CARD, Severity.CRITICAL)
    require_admitted(report, NONE, agent=LEDGER)
    for requirement in (VERIFIED, FULL):
        with pytest.raises(CardSignatureRefused, match="another agent"):
            require_admitted(report, requirement, agent=LEDGER)


async def test_no_sentence_names_an_agent_of_another_namespace() -> None:
    report = await judged(OTHER.signer().signed(CARD))
    with pytest.raises(CardSignatureRefused) as refused:
        require_admitted(report, VERIFIED, agent=LEDGER)
    said = [str(refused.value), *(finding.problem for finding in signature_findings(report, agent=LEDGER))]
    assert not any("payments" in sentence or "refunder" in sentence for sentence in said)


async def test_a_card_for_no_agent_yet_is_judged_without_that() -> None:
    report = await judged(OTHER.signer().signed(CARD), agent="")
    require_admitted(report, FULL, agent="")
    assert signature_findings(report, agent="") == ()


@pytest.mark.parametrize("standing", [IdentityStanding.REVOKED, IdentityStanding.SUSPENDED])
async def test_attack_a_revoked_agents_signature_does_not_count(standing: IdentityStanding) -> None:
    report = await judged(AGENT.signer().signed(CARD), standing=standing)
    assert statuses(report) == ["KEY_REVOKED"]
    require_admitted(report, NONE, agent=LEDGER)
    with pytest.raises(CardSignatureRefused, match="KEY_REVOKED"):
        require_admitted(report, VERIFIED, agent=LEDGER)


async def test_attack_an_unknown_signer_with_a_jku_is_a_stranger() -> None:
    report = await judged(signer("ES256", "attacker").signed(CARD, jku="https://evil.example.com/keys"))
    assert statuses(report) == ["UNTRUSTED_KEY"]
    assert kinds(report) == [(FindingKind.UNUSUAL, "/signatures/0")]
    with pytest.raises(CardSignatureRefused, match="UNTRUSTED_KEY"):
        require_admitted(report, VERIFIED, agent=LEDGER)


async def test_attack_a_symmetric_signature_does_not_count() -> None:
    payload = CardForms(CARD).agreed()
    report = await judged({**CARD, "signatures": [hmac_entry(payload, AGENT.signer().key_id, b"secret" * 8)]})
    assert statuses(report) == ["ALGORITHM_REFUSED"]
    with pytest.raises(CardSignatureRefused, match="HS256"):
        require_admitted(report, VERIFIED, agent=LEDGER)


async def test_identity_away_refuses_where_signatures_are_asked_for_and_says_so_elsewhere() -> None:
    report = await judged(AGENT.signer().signed(CARD), away=True)
    assert statuses(report) == ["KEYS_UNAVAILABLE"]
    require_admitted(report, NONE, agent=LEDGER)
    with pytest.raises(Unavailable, match="keys of the card's signatures"):
        require_admitted(report, VERIFIED, agent=LEDGER)


async def test_a_pinned_key_is_enough_while_identity_is_away() -> None:
    release = signer("ES256", "release")
    report = await judged(release.signed(AGENT.signer().signed(CARD)), trusted=jwks(release), away=True)
    assert statuses(report) == ["KEYS_UNAVAILABLE", "VERIFIED"]
    require_admitted(report, VERIFIED, agent=LEDGER)


async def test_a_false_signature_is_refused_also_while_identity_is_away() -> None:
    release = signer("ES256", "release")
    false = release.signed({**CARD, "name": "Other"})["signatures"]
    report = await judged(AGENT.signer().signed({**CARD, "signatures": false}), trusted=jwks(release), away=True)
    with pytest.raises(CardSignatureRefused):
        require_admitted(report, VERIFIED, agent=LEDGER)


def test_the_same_signed_card_under_two_names_is_a_finding_on_the_second() -> None:
    verdict = SignatureVerdict(index=0, status=SignatureStatus.VERIFIED, coverage=Coverage.FULL, signer="pinned")
    report = SignatureReport(verdicts=(verdict,), copied=True)
    assert kinds(report) == [(FindingKind.REPLAYED_CARD, "/signatures")]


@pytest.mark.parametrize(
    "trusted", ["", "{}", "nonsense", '{"keys":[{"kty":"oct"}]}', '{"keys":1,"keys":2}', "[" * 10_000]
)
def test_a_set_that_does_not_hold_pins_nothing(trusted: str) -> None:
    assert pinned_keys(trusted) == {}


def test_a_set_that_holds_is_read() -> None:
    assert list(pinned_keys(jwks(signer("ES256", "release")))) == ["release"]
