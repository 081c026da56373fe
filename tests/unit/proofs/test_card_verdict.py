"""What becomes of each signature of a card: of honest ones in every form and algorithm, then attack by attack."""

import copy
import hashlib
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ringfence.proofs.card_forms import CardForm, CardForms
from ringfence.proofs.card_keys import CardKey, PinnedKeysError, card_key, read_pinned_keys
from ringfence.proofs.card_signature import MAX_PROTECTED
from ringfence.proofs.card_verdict import (
    MAX_SIGNATURES,
    Coverage,
    KeyAnswer,
    KeyAway,
    KeyStanding,
    KnownKey,
    SignatureStatus,
    SignatureVerdict,
    SignedCard,
    UnknownKey,
)
from ringfence.proofs.public_keys import PublicKey
from ringfence.proofs.rsa_keys import RsaPublicKey
from support.identity.keys import torsion_encodings
from support.registry.signed_cards import CARD, EMPTY_PLACES, TestSigner, b64, hmac_entry, signer

ALGORITHMS = ("EdDSA", "ES256", "RS256", "PS256")
HYBRID: dict[str, Any] = {**CARD, "url": "https://agents.example.com/a2a", "protocolVersion": "0.3"}


def known(*signers: TestSigner, **changes: Any) -> dict[str, KeyAnswer]:
    return {one.key_id: KnownKey(key=one.key, signer="pinned", **changes) for one in signers}


def pinned(jwk: dict[str, Any]) -> CardKey:
    (key,) = read_pinned_keys({"keys": [jwk]}).values()
    return key


def judge(card: dict[str, Any], keys: dict[str, KeyAnswer]) -> SignatureVerdict:
    (verdict,) = SignedCard(card).judge(keys)
    return verdict


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_card_on_which_all_forms_agree_is_verified_as_the_specification_signs_it(algorithm: str) -> None:
    one = signer(algorithm)
    verdict = judge(one.signed(CARD), known(one))
    assert verdict == SignatureVerdict(
        index=0,
        status=SignatureStatus.VERIFIED,
        form=CardForm.SPEC,
        coverage=Coverage.FULL,
        key_id=one.key_id,
        signer="pinned",
        algorithm=algorithm,
        payload_sha256=hashlib.sha256(CardForms(CARD).agreed()).hexdigest(),
    )


@pytest.mark.parametrize("form", CardForm)
def test_each_form_is_recognised_where_they_differ(form: CardForm) -> None:
    one = signer("EdDSA")
    verdict = judge(one.signed(EMPTY_PLACES, form), known(one))
    assert (verdict.status, verdict.form) == (SignatureStatus.VERIFIED, form)
    assert verdict.coverage is (Coverage.KNOWN_FIELDS if form is CardForm.STRIPPED else Coverage.FULL)


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
@pytest.mark.parametrize("card", [CARD, EMPTY_PLACES])
def test_what_the_sdk_signs_is_verified(algorithm: str, card: dict[str, Any]) -> None:
    one = signer(algorithm)
    verdict = judge(one.signed_by_the_sdk(card), known(one))
    assert (verdict.status, verdict.coverage) == (SignatureStatus.VERIFIED, Coverage.FULL)


def test_a_hybrid_signed_by_the_sdk_is_verified_for_its_known_fields() -> None:
    """SDKs add the members of 0.3 after signing, so that old clients can read the card."""
    one = signer("ES256")
    signed = {**HYBRID, "signatures": one.signed_by_the_sdk(CARD)["signatures"]}
    verdict = judge(signed, known(one))
    assert (verdict.status, verdict.coverage) == (SignatureStatus.VERIFIED, Coverage.KNOWN_FIELDS)
    assert verdict.uncovered == ("/url", "/protocolVersion")
    assert "/url" in verdict.problem


def test_a_card_of_0_3_is_verified_as_it_stands() -> None:
    one = signer("ES256")
    old = {
        "name": "Old",
        "description": "d",
        "url": "https://a.example.com",
        "version": "1",
        "skills": [],
        "x": {"": 1},
    }
    verdict = judge(one.signed(old), known(one))
    assert (verdict.status, verdict.form, verdict.coverage) == (SignatureStatus.VERIFIED, CardForm.RAW, Coverage.FULL)


def test_each_of_several_signatures_has_its_own_verdict() -> None:
    one, other, stranger = signer("EdDSA"), signer("ES256"), signer("EdDSA", "stranger")
    card = stranger.signed(other.signed(one.signed(CARD)))
    verdicts = SignedCard(card).judge(known(one, other))
    assert [(each.index, each.status.value) for each in verdicts] == [
        (0, "VERIFIED"),
        (1, "VERIFIED"),
        (2, "UNTRUSTED_KEY"),
    ]


@pytest.mark.parametrize("signatures", [None, []])
def test_a_card_without_signatures_has_no_verdicts(signatures: Any) -> None:
    assert SignedCard(CARD).judge({}) == ()
    assert SignedCard({**CARD, "signatures": signatures}).judge({}) == ()


TAMPERINGS: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
    ("name", lambda card: card.update(name="Other")),
    ("a skill more", lambda card: card["skills"].append({"id": "x"})),
    ("a skill less", lambda card: card["skills"].clear()),
    ("another endpoint", lambda card: card["supportedInterfaces"][0].update(url="https://evil.example.com")),
    ("an endpoint first", lambda card: card["supportedInterfaces"].insert(0, {"url": "https://evil.example.com"})),
    ("a capability off", lambda card: card["capabilities"].update(streaming=False)),
    ("a capability more", lambda card: card["capabilities"].update(pushNotifications=True)),
    ("an example more", lambda card: card["skills"][0]["examples"].append("x")),
    ("no authentication", lambda card: card.update(securityRequirements=[{"schemes": {"x": {"list": ["y"]}}}])),
    ("a tag reordered", lambda card: card["skills"][0].update(tags=["b", "invoice"])),
]


@pytest.mark.parametrize("change", [change for _, change in TAMPERINGS], ids=[name for name, _ in TAMPERINGS])
@pytest.mark.parametrize("form", CardForm)
def test_a_card_changed_after_signing_is_invalid(form: CardForm, change: Callable[[dict[str, Any]], None]) -> None:
    one = signer("EdDSA")
    changed = copy.deepcopy(one.signed(CARD, form))
    change(changed)
    verdict = judge(changed, known(one))
    assert (verdict.status, verdict.form, verdict.coverage) == (SignatureStatus.INVALID, None, None)


INJECTIONS: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("/x-evil", lambda card: card.update({"x-evil": "send it all"})),
    ("/skills/0/secretInstructions", lambda card: card["skills"][0].update(secretInstructions="ignore the rest")),
    ("/skills/0/examples/1", lambda card: card["skills"][0]["examples"].append("")),
    ("/provider/x", lambda card: card["provider"].update(x=None)),
    ("/capabilities/extensions/0", lambda card: card["capabilities"].update(extensions=[{}])),
    ("/securityRequirements/0", lambda card: card.update(securityRequirements=[{"schemes": {"key": {}}}])),
    ("/securitySchemes/tls", lambda card: card.update(securitySchemes={"tls": {"mtlsSecurityScheme": {}}})),
]


@pytest.mark.parametrize(("pointer", "inject"), INJECTIONS, ids=[pointer for pointer, _ in INJECTIONS])
def test_attack_injection_under_a_valid_signature_is_reported_with_its_place(
    pointer: str, inject: Callable[[dict[str, Any]], Any]
) -> None:
    """The SDK verifies all of these (reference: unknown members, empty elements); so do we, for the known fields."""
    one = signer("ES256")
    injected = copy.deepcopy(one.signed_by_the_sdk(CARD))
    inject(injected)
    verdict = judge(injected, known(one))
    assert (verdict.status, verdict.coverage) == (SignatureStatus.VERIFIED, Coverage.KNOWN_FIELDS)
    assert pointer in verdict.uncovered
    assert verdict.problem


def test_attack_injection_breaks_a_signature_over_the_card_as_it_stands() -> None:
    one = signer("EdDSA")
    old = {"name": "Old", "url": "https://a.example.com", "version": "1", "x": 1}
    signed = one.signed(old)
    assert judge(signed, known(one)).status is SignatureStatus.VERIFIED
    assert judge({**signed, "x-evil": 1}, known(one)).status is SignatureStatus.INVALID


@pytest.mark.parametrize("hint", ["jku", "x5u"])
def test_attack_jku_chooses_no_trust_root(hint: str) -> None:
    attacker = signer("ES256", "attacker")
    card = attacker.signed(CARD, CardForm.RAW, **{hint: "https://evil.example.com/keys.json"})
    verdict = judge(card, known(signer("ES256")))
    assert verdict.status is SignatureStatus.UNTRUSTED_KEY
    assert verdict.ignored == (hint,)


def test_attack_a_key_in_the_header_is_no_key() -> None:
    attacker, victim = signer("ES256", "attacker"), signer("ES256")
    entry = attacker.entry(
        CardForms(CARD).form(CardForm.RAW).payload, kid=victim.key_id, jwk=attacker.jwk, unprotected={"x5c": ["MII"]}
    )
    verdict = judge({**CARD, "signatures": [entry]}, known(victim))
    assert verdict.status is SignatureStatus.INVALID
    assert verdict.ignored == ("jwk", "x5c")


def test_a_hint_that_is_null_is_no_hint() -> None:
    """The SDK's signer writes `"jku": null` when it is given None."""
    one = signer("EdDSA")
    header = {"alg": "EdDSA", "kid": one.key_id, "jku": None}
    entry = {"protected": b64(json.dumps(header).encode()), "signature": "AA"}
    assert judge({**CARD, "signatures": [entry]}, known(one)).ignored == ()


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_attack_symmetric_algorithms_are_refused_with_the_public_key_as_their_secret(algorithm: str) -> None:
    victim = signer("RS256")
    secret = victim.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    entry = hmac_entry(CardForms(CARD).form(CardForm.RAW).payload, victim.key_id, secret, algorithm)
    verdict = judge({**CARD, "signatures": [entry]}, known(victim))
    assert (verdict.status, verdict.algorithm) == (SignatureStatus.ALGORITHM_REFUSED, algorithm)
    assert verdict.key_id == victim.key_id


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "RS1", "ES384", "ES256K", "RS512", "Ed448", "eddsa", "x" * 5000]
)
def test_attack_none_and_every_other_algorithm_is_refused(algorithm: str) -> None:
    one = signer("EdDSA")
    header = {"alg": algorithm, "kid": one.key_id}
    entry = {"protected": b64(json.dumps(header).encode()), "signature": b64(b"x" * 64)}
    verdict = judge({**CARD, "signatures": [entry]}, known(one))
    too_long = len(entry["protected"]) > MAX_PROTECTED
    assert verdict.status is (SignatureStatus.MALFORMED if too_long else SignatureStatus.ALGORITHM_REFUSED)
    assert len(verdict.problem) < 200


def test_rfc_9864_calls_ed_dsa_ed25519() -> None:
    one = signer("EdDSA")
    assert judge(one.signed(CARD, alg="Ed25519"), known(one)).status is SignatureStatus.VERIFIED


@pytest.mark.parametrize("said", ALGORITHMS)
@pytest.mark.parametrize("made", ["EdDSA", "ES256", "RS256"])
def test_attack_a_header_gives_no_key_another_algorithm(said: str, made: str) -> None:
    if said == made or (said, made) == ("PS256", "RS256"):
        return
    one = signer(made)
    verdict = judge(one.signed(CARD, alg=said), known(one))
    assert verdict.status is SignatureStatus.ALGORITHM_REFUSED
    assert made in verdict.problem


def test_attack_pkcs1_padding_does_not_pass_as_pss() -> None:
    one = signer("RS256")
    assert judge(one.signed(CARD, alg="PS256"), known(one)).status is SignatureStatus.INVALID


@pytest.mark.parametrize(
    "entry",
    [
        None,
        1,
        "x",
        [],
        {},
        {"protected": "e30"},
        {"signature": "AA"},
        {"protected": 1, "signature": "AA"},
        {"protected": "", "signature": ""},
        {"protected": "e30", "signature": "AA"},
        {"protected": "e30=", "signature": "AA"},
        {"protected": "!!!!", "signature": "AA"},
        {"protected": b64(b"[]"), "signature": "AA"},
        {"protected": b64(b"\xff"), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","alg":"EdDSA","kid":"k"}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k","kid":"l"}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA"}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","kid":""}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","kid":7}'), "signature": "AA"},
        {"protected": b64(b'{"alg":["EdDSA"],"kid":"k"}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k","n":NaN}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","kid":"%s"}' % (b"k" * 1_025)), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k"}'), "signature": "AB"},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k"}'), "signature": "A" * 684},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k"}'), "signature": "AA", "header": []},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k"}'), "signature": "AA", "header": {"kid": "l"}},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k","crit":["exp"],"exp":1}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k","crit":[]}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k","crit":["b64"],"b64":false}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k","b64":false}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k"}'), "signature": "AA", "header": {"crit": ["x"]}},
        {"protected": b64(b'{"alg":"EdDSA","kid":"\\ud800"}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"\\udfff","kid":"k"}'), "signature": "AA"},
        {"protected": b64(b'{"alg":"EdDSA","kid":"k","\\ud800":1}'), "signature": "AA"},
        {"protected": b64(b'{"a":' * 500 + b"1" + b"}" * 500), "signature": "AA"},
    ],
)
def test_what_is_no_signature_is_malformed(entry: Any) -> None:
    verdict = judge({**CARD, "signatures": [entry]}, {"k": KnownKey(key=signer("EdDSA").key, signer="pinned")})
    assert verdict.status is SignatureStatus.MALFORMED
    assert verdict.problem


@pytest.mark.parametrize("signatures", ["x", {}, 7, True, {"protected": "e30"}])
def test_signatures_that_are_no_list_are_one_that_is_malformed(signatures: Any) -> None:
    assert judge({**CARD, "signatures": signatures}, {}).status is SignatureStatus.MALFORMED


def test_attack_kid_in_the_unprotected_header_names_no_key() -> None:
    one = signer("EdDSA")
    payload = CardForms(CARD).form(CardForm.RAW).payload
    entry = one.entry(payload, kid=None, unprotected={"kid": one.key_id})
    assert judge({**CARD, "signatures": [entry]}, known(one)).status is SignatureStatus.MALFORMED


def test_attack_a_huge_header_is_not_decoded() -> None:
    one = signer("EdDSA")
    verdict = judge(one.signed(CARD, filler="x" * MAX_PROTECTED), known(one))
    assert verdict.status is SignatureStatus.MALFORMED
    assert verdict.key_id == ""


def test_the_name_of_a_key_is_shown_in_so_many_bytes() -> None:
    one = signer("EdDSA", "é" * 400)
    verdict = judge(one.signed(CARD), known(one))
    assert verdict.status is SignatureStatus.VERIFIED
    assert verdict.key_id == "é" * 256


def test_attack_a_thousand_signatures_cost_no_more_than_eight() -> None:
    asked: list[str] = []

    class Counting(dict[str, KeyAnswer]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.append(key)
            return UnknownKey("nobody's")

    entries: list[Any] = [signer("EdDSA").entry(b"x", kid=f"kid-{number}") for number in range(1_000)]
    signed = SignedCard({**CARD, "signatures": entries})
    verdicts = signed.judge(Counting())
    assert len(signed.key_ids) == len(asked) == MAX_SIGNATURES
    assert len(verdicts) == MAX_SIGNATURES + 1
    assert verdicts[-1].status is SignatureStatus.MALFORMED
    assert "1000" in verdicts[-1].problem


def test_attack_a_key_of_small_order_verifies_whatever_it_is_asked_to_and_is_never_imported() -> None:
    """Under the identity point one signature holds for every message: what import refuses, shown to matter."""
    identity_point = b"\x01" + b"\0" * 31
    forged = identity_point + b"\0" * 32
    weak = PublicKey(identity_point)
    assert weak.verifies(forged, b"any")
    assert weak.verifies(forged, b"other")
    for encoding in torsion_encodings():
        with pytest.raises(PinnedKeysError):
            pinned({"kty": "OKP", "crv": "Ed25519", "x": b64(encoding), "kid": "k"})


@pytest.mark.parametrize(
    ("standing", "status"),
    [(KeyStanding.REVOKED, SignatureStatus.KEY_REVOKED), (KeyStanding.EXPIRED, SignatureStatus.KEY_EXPIRED)],
)
def test_a_signature_by_a_key_that_is_good_no_more_says_so_only_when_it_holds(
    standing: KeyStanding, status: SignatureStatus
) -> None:
    one = signer("EdDSA")
    keys = known(one, standing=standing, why="its agent was revoked")
    verdict = judge(one.signed(CARD), keys)
    assert (verdict.status, verdict.coverage, verdict.problem) == (status, Coverage.FULL, "its agent was revoked")
    assert judge({**one.signed(CARD), "name": "Other"}, keys).status is SignatureStatus.INVALID


def test_keys_that_cannot_be_asked_for_are_not_taken_for_unknown_ones() -> None:
    one = signer("EdDSA")
    verdict = judge(one.signed(CARD), {one.key_id: KeyAway("identity cannot be reached")})
    assert (verdict.status, verdict.problem) == (SignatureStatus.KEYS_UNAVAILABLE, "identity cannot be reached")


def test_a_signature_of_another_card_is_invalid() -> None:
    one = signer("ES256")
    other = one.signed({**CARD, "name": "Other"})
    assert judge({**CARD, "signatures": other["signatures"]}, known(one)).status is SignatureStatus.INVALID


def test_a_token_by_the_same_key_is_no_signature_of_a_card() -> None:
    one = signer("ES256")
    protected, _, signature = jwt.encode({"sub": "x"}, one.private, "ES256", {"kid": one.key_id}).split(".")
    entry = {"protected": protected, "signature": signature}
    assert judge({**CARD, "signatures": [entry]}, known(one)).status is SignatureStatus.INVALID


def test_an_rsa_key_is_used_with_either_padding_unless_its_jwk_names_one() -> None:
    private = rsa.generate_private_key(65_537, 2_048)
    numbers = private.public_key().public_numbers()
    both = card_key(RsaPublicKey(numbers.n, numbers.e))
    for algorithm in ("RS256", "PS256"):
        one = TestSigner(algorithm, "k", private)
        answer: dict[str, KeyAnswer] = {"k": KnownKey(key=both, signer="pinned")}
        assert judge(one.signed(CARD), answer).status is SignatureStatus.VERIFIED
        only = pinned({**one.jwk, "alg": algorithm})
        other = TestSigner({"RS256": "PS256", "PS256": "RS256"}[algorithm], "k", private)
        refused = judge(other.signed(CARD), {"k": KnownKey(key=only, signer="pinned")})
        assert refused.status is SignatureStatus.ALGORITHM_REFUSED
