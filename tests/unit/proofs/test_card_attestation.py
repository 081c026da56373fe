"""The registry's own signature on a card: the SDK accepts it, and it holds for nothing but what it says."""

import json
from typing import Any

import jwt
import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier
from ringfence.proofs.canonical_json import JsonObject, base64url
from ringfence.proofs.card_attestation import (
    AttestationError,
    Attested,
    attest_card,
    check_attestation,
)
from ringfence.proofs.card_forms import CardFormError
from ringfence.proofs.jwk_set import JwkSet, published_jwk
from ringfence.proofs.public_keys import PublicKey
from support.identity.keys import seeded_key
from support.registry.signed_cards import CARD, signer

KEY = seeded_key(61)
KEYS: JwkSet = {KEY.key_id: PublicKey(KEY.public_key)}
SAYS = Attested(agent="namespaces/finance/agents/reader", revision=3)


def attested(card: dict[str, Any] = CARD, says: Attested = SAYS) -> JsonObject:
    return attest_card(card, says, KEY)


def sdk_accepts(card: dict[str, Any], key: JsonObject) -> None:
    verify = create_signature_verifier(lambda _kid, _jku: jwt.PyJWK({**key}), ["EdDSA"])
    verify(parse_agent_card(json.loads(json.dumps(card))))


def test_it_says_for_whom_it_was_made() -> None:
    assert check_attestation(CARD, attested(), KEYS, agent=SAYS.agent) == SAYS


def test_the_sdk_accepts_it_in_the_cards_own_list() -> None:
    own = signer("ES256").signed(CARD)
    served = {**own, "signatures": [*own["signatures"], attested(own)]}
    sdk_accepts(served, published_jwk(PublicKey(KEY.public_key)))


def test_the_sdk_refuses_it_on_a_card_that_was_changed() -> None:
    served = {**CARD, "name": "Other", "signatures": [attested()]}
    with pytest.raises(InvalidSignaturesError):
        sdk_accepts(served, published_jwk(PublicKey(KEY.public_key)))


def test_it_is_the_same_each_time() -> None:
    assert attested() == attested()


def test_signatures_of_others_change_nothing_about_it() -> None:
    assert attested(signer("ES256").signed(CARD)) == attested()


@pytest.mark.parametrize(
    "card",
    [
        {**CARD, "description": ""},
        {**CARD, "x-evil": 1},
        {**CARD, "url": "https://a.example.com"},
        {**CARD, "securityRequirements": [{"schemes": {"key": {"list": []}}}]},
        {**CARD, "skills": "s"},
    ],
)
def test_a_card_that_verifiers_read_differently_is_not_attested(card: dict[str, Any]) -> None:
    with pytest.raises(CardFormError):
        attested(card)
    with pytest.raises(AttestationError):
        check_attestation(card, attested(), KEYS)


def test_attack_replay_of_an_attestation_for_another_agent_is_seen() -> None:
    with pytest.raises(AttestationError, match="is for namespaces/finance/agents/reader, not for"):
        check_attestation(CARD, attested(), KEYS, agent="namespaces/evil/agents/reader")


def test_attack_rollback_to_an_older_attested_card_shows_its_revision() -> None:
    older, newer = attested(), attested(says=Attested(agent=SAYS.agent, revision=4))
    revisions = [check_attestation(CARD, each, KEYS).revision for each in (older, newer)]
    assert revisions == [3, 4]


@pytest.mark.parametrize("place", ["protected", "signature"])
def test_no_part_of_it_can_be_changed(place: str) -> None:
    entry = {**attested()}
    text = str(entry[place])
    entry[place] = ("A" if text[0] != "A" else "B") + text[1:]
    with pytest.raises(AttestationError):
        check_attestation(CARD, entry, KEYS)


def test_a_card_of_another_key_or_by_no_key_of_the_registry_is_refused() -> None:
    with pytest.raises(AttestationError, match="none of the registry's keys"):
        check_attestation(CARD, attested(), {})
    with pytest.raises(AttestationError, match="not over this card"):
        check_attestation(CARD, attested(), {KEY.key_id: PublicKey(seeded_key(62).public_key)})


@pytest.mark.parametrize(
    "header",
    [{}, {"sub": "a"}, {"sub": "a", "rev": 0}, {"sub": "", "rev": 1}, {"sub": "a", "rev": True}, {"sub": 1, "rev": 1}],
)
def test_a_signature_by_the_same_key_that_says_nothing_of_that_is_no_attestation(header: JsonObject) -> None:
    protected = base64url(json.dumps({"alg": "EdDSA", "kid": KEY.key_id, **header}).encode())
    payload = json.dumps(CARD, sort_keys=True, separators=(",", ":")).encode()
    signature = base64url(KEY.sign(f"{protected}.{base64url(payload)}".encode()))
    with pytest.raises(AttestationError, match="which agent"):
        check_attestation(CARD, {"protected": protected, "signature": signature}, KEYS)


@pytest.mark.parametrize("entry", [None, {}, {"protected": "e30", "signature": "AA"}])
def test_what_is_no_signature_is_no_attestation(entry: Any) -> None:
    with pytest.raises(AttestationError):
        check_attestation(CARD, entry, KEYS)
