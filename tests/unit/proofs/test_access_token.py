"""Checking access tokens offline: what is good, and every attack on the form of one, with the rule it breaks."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import joserfc.jwk
import joserfc.jwt
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ringfence.instants import MINUTE, SECOND, Instant, Millis
from ringfence.proofs.access_token import (
    MAX_TOKEN_CHARACTERS,
    AccessToken,
    CheckedToken,
    TokenDelegation,
    TokenRefused,
    TokenRule,
    check_access_token,
)
from ringfence.proofs.canonical_json import base64url
from ringfence.proofs.jwk_set import JwkSet, published_jwk
from ringfence_identity.tokens import sign_token
from ringfence_kit.clock import EPOCH
from ringfence_kit.sealed_keys import Ed25519Signer, JwsSigner, P256Signer
from support.identity.issuer_tokens import (
    AUDIENCE,
    ED25519,
    ISSUER,
    NOW,
    P256,
    TOKEN,
    keys_of,
    signed,
    sound_claims,
)
from support.identity.keys import seeded_key

KEYS = keys_of(ED25519, P256)
BOTH = pytest.mark.parametrize("key", [ED25519, P256], ids=["EdDSA", "ES256"])


def check(text: str, *, keys: JwkSet = KEYS, now: Instant = NOW, **expected: Any) -> CheckedToken:
    return check_access_token(text, keys=keys, now=now, **{"issuer": ISSUER, "audience": AUDIENCE, **expected})


def broken_rule(text: str, **expected: Any) -> TokenRule:
    with pytest.raises(TokenRefused) as refused:
        check(text, **expected)
    return refused.value.rule


class TestGood:
    @BOTH
    def test_what_was_signed_is_what_is_read(self, key: Ed25519Signer | P256Signer) -> None:
        assert check(sign_token(TOKEN, key)) == CheckedToken(token=TOKEN, key_id=KEYS[key.key_id].thumbprint)

    def test_a_delegated_one_says_by_whose_leave(self) -> None:
        delegation = TokenDelegation(
            chain="c",
            path=("did:a", "did:b"),
            grants=("delegations/1",),
            depth=1,
            tools={"t": "h"},
            budget={"calls": 7},
        )
        delegated = replace(TOKEN, delegation=delegation)
        assert check(sign_token(delegated, ED25519)).token.delegation == delegation

    def test_the_newer_name_of_the_algorithm_is_taken_too(self) -> None:
        assert check(signed(header={"alg": "Ed25519"})).token == TOKEN

    @pytest.mark.parametrize("kind", ["AT+JWT", "application/at+jwt"])
    def test_the_media_type_is_compared_as_media_types_are(self, kind: str) -> None:
        assert check(signed(header={"typ": kind})).token == TOKEN

    def test_one_without_scopes(self) -> None:
        assert check(sign_token(replace(TOKEN, scopes=()), ED25519)).token.scopes == ()

    def test_a_claim_of_a_later_release_says_nothing(self) -> None:
        assert check(signed(sound_claims(later={"x": 1.5}))).token == TOKEN

    def test_a_key_set_of_one_issuer_may_stand_for_its_name(self) -> None:
        assert check(sign_token(TOKEN, ED25519), issuer=None).token.issuer == ISSUER

    @BOTH
    def test_other_libraries_make_the_same_tokens(self, key: Ed25519Signer | P256Signer) -> None:
        header = {"alg": key.algorithm, "kid": key.key_id, "typ": "at+jwt"}
        assert check(jwt.encode(sound_claims(), key._private, key.algorithm, headers=header)).token == TOKEN
        imported: joserfc.jwk.Key
        if isinstance(key, P256Signer):
            imported = joserfc.jwk.ECKey.import_key(key._private)
        else:
            imported = joserfc.jwk.OKPKey.import_key(key._private)
        theirs = joserfc.jwt.encode(header, sound_claims(), imported, algorithms=[key.algorithm])
        assert check(theirs).token == TOKEN


class TestAlgorithmDowngrade:
    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 1, ["EdDSA"], "eddsa", "ES384", "RS256"])
    def test_no_algorithm_but_two(self, algorithm: object) -> None:
        assert broken_rule(signed(header={"alg": algorithm})) is TokenRule.ALGORITHM

    @BOTH
    def test_alg_none_without_a_signature(self, key: JwsSigner) -> None:
        header, payload, _ = signed(header={"alg": "none", "kid": key.key_id}).split(".")
        assert broken_rule(f"{header}.{payload}.") is TokenRule.ALGORITHM

    @pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
    def test_the_public_key_used_as_a_secret(self, algorithm: str) -> None:
        """CVE-2015-9235: whoever lets the header choose verifies an HMAC under what everybody knows."""
        for secret in (
            ED25519.public_key,
            P256._private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            json.dumps(published_jwk(KEYS[ED25519.key_id])).encode(),
        ):
            header = base64url(json.dumps({"alg": algorithm, "kid": ED25519.key_id, "typ": "at+jwt"}).encode())
            signing_input = f"{header}.{base64url(json.dumps(sound_claims()).encode())}"
            name = algorithm.replace("HS", "sha")
            mac = hmac.digest(secret, signing_input.encode(), name)
            assert broken_rule(f"{signing_input}.{base64url(mac)}") is TokenRule.ALGORITHM

    def test_a_key_is_never_used_with_the_other_algorithm(self) -> None:
        assert broken_rule(signed(key=ED25519, header={"alg": "ES256"})) is TokenRule.ALGORITHM
        assert broken_rule(signed(key=P256, header={"alg": "EdDSA"})) is TokenRule.ALGORITHM
        assert broken_rule(signed(key=P256, header={"kid": ED25519.key_id})) is TokenRule.ALGORITHM

    def test_a_psychic_signature(self) -> None:
        """CVE-2022-21449: r = s = 0 verifies everything where nobody looks at the range."""
        header, payload, _ = signed(key=P256).split(".")
        assert broken_rule(f"{header}.{payload}.{base64url(bytes(64))}") is TokenRule.SIGNATURE

    def test_a_signature_in_der(self) -> None:
        header, payload, _ = signed(key=P256).split(".")
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        der = P256._private.sign(f"{header}.{payload}".encode(), ec.ECDSA(SHA256()))
        assert broken_rule(f"{header}.{payload}.{base64url(der)}") is TokenRule.SIGNATURE


class TestTypeDowngrade:
    @pytest.mark.parametrize("kind", ["JWT", "jwt", "dlg+jwt", "vc+jwt", "client-authentication+jwt", "", None, 1])
    def test_what_the_same_key_might_sign_elsewhere_is_no_access_token(self, kind: object) -> None:
        assert broken_rule(signed(header={"typ": kind})) is TokenRule.TYPE


class TestKeyDowngrade:
    def test_a_key_that_nobody_published(self) -> None:
        assert broken_rule(signed(key=seeded_key(23))) is TokenRule.KEY

    @pytest.mark.parametrize("kid", [None, "", 1, "../../etc/passwd", "' OR 1=1 --", ["x"], {"x": 1}])
    def test_no_kid_or_a_strange_one(self, kid: object) -> None:
        assert broken_rule(signed(header={"kid": kid})) is TokenRule.KEY

    def test_a_published_kid_over_another_key(self) -> None:
        assert broken_rule(signed(key=seeded_key(23), header={"kid": ED25519.key_id})) is TokenRule.SIGNATURE

    @pytest.mark.parametrize(
        "member",
        [
            {"jwk": published_jwk(KEYS[ED25519.key_id])},
            {"jku": "https://evil.example.com/jwks.json"},
            {"x5u": "https://evil.example.com/cert.pem"},
            {"x5c": ["MIIB"]},
            {"x5t": "AAAA"},
            {"crit": ["exp"]},
            {"crit": []},
            {"b64": False, "crit": ["b64"]},
            {"zip": "DEF"},
            {"cty": "JWT"},
            {"enc": "A256GCM"},
        ],
    )
    def test_a_header_that_brings_anything_else(self, member: dict[str, object]) -> None:
        assert broken_rule(signed(header=member)) is TokenRule.HEADER

    @pytest.mark.parametrize("bring", ["jwk", "jku", "x5u"])
    def test_a_key_of_the_senders_own_is_not_even_looked_at(self, bring: str) -> None:
        thief = seeded_key(23)
        assert broken_rule(signed(key=thief, header={bring: thief.jwk})) is TokenRule.HEADER


class TestOneSpelling:
    @pytest.mark.parametrize("part", [0, 1], ids=["header", "payload"])
    def test_a_member_named_twice(self, part: int) -> None:
        texts = [
            json.dumps({"alg": "EdDSA", "kid": ED25519.key_id, "typ": "at+jwt"}),
            json.dumps(sound_claims()),
        ]
        texts[part] = texts[part][:-1] + (', "alg": "EdDSA"}' if part == 0 else ', "sub": "did:web:victim.example"}')
        assert broken_rule(_signed_texts(*texts)) is TokenRule.FORM

    @pytest.mark.parametrize(
        "payload", ["[]", "null", '"x"', "", "{", '{"a":NaN}', '{"a":1}{}', "{'a':1}", "[" * 5_000, "\ufeff{}"]
    )
    def test_a_payload_that_is_no_object(self, payload: str) -> None:
        header = json.dumps({"alg": "EdDSA", "kid": ED25519.key_id, "typ": "at+jwt"})
        assert broken_rule(_signed_texts(header, payload)) is TokenRule.FORM

    def test_bytes_that_are_no_text(self) -> None:
        header, _, signature = signed().split(".")
        assert broken_rule(f"{header}.{base64url(b'{' + bytes([0xFF]) + b'}')}.{signature}") is TokenRule.FORM

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda token: token + "=",
            lambda token: token + "\n",
            lambda token: " " + token,
            lambda token: token.replace(".", "..", 1),
            lambda token: token + ".",
            lambda token: token.rsplit(".", 1)[0],
            lambda token: token.replace("-", "+").replace("_", "/") + "+",
            lambda token: token[:0],
            lambda token: token.replace("e", "é"),
            lambda token: token.replace(".", ".\u200b", 1),
        ],
    )
    def test_another_spelling_of_the_same(self, spoil: Any) -> None:
        assert broken_rule(spoil(signed())) is TokenRule.FORM

    def test_bits_that_carry_nothing(self) -> None:
        """64 bytes leave four unused bits in the last character: sixteen spellings of one signature."""
        token = signed()
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = alphabet.index(token[-1])
        assert last % 16 == 0
        respelled = token[:-1] + alphabet[last + 1]
        padded = respelled.rsplit(".", 1)[1] + "=="
        assert base64.urlsafe_b64decode(padded) == base64.urlsafe_b64decode(token.rsplit(".", 1)[1] + "==")
        assert broken_rule(respelled) is TokenRule.FORM

    def test_one_that_is_too_long(self) -> None:
        assert broken_rule(signed(sound_claims(pad="x" * MAX_TOKEN_CHARACTERS))) is TokenRule.FORM


class TestClaims:
    @pytest.mark.parametrize(
        "claim", ["iss", "sub", "client_id", "iat", "nbf", "exp", "jti", "env", "ring", "scope", "cnf", "bc", "rev"]
    )
    def test_each_must_be_there(self, claim: str) -> None:
        assert broken_rule(signed(sound_claims(**{claim: None}))) is TokenRule.CLAIMS

    @pytest.mark.parametrize(
        ("claim", "value"),
        [
            ("sub", ["did:a"]),
            ("client_id", "did:web:somebody.else.example"),
            ("iat", "1767225600"),
            ("exp", True),
            ("exp", 1e300),
            ("exp", 1_767_225_900.5),
            ("exp", -1),
            ("nbf", 2**41),
            ("ring", -1),
            ("ring", 4),
            ("ring", "0"),
            ("ring", 2.0),
            ("ring", False),
            ("scope", ["a", "b"]),
            ("scope", "a  b"),
            ("scope", " a"),
            ("cnf", "x"),
            ("cnf", {}),
            ("cnf", {"jkt": "short"}),
            ("cnf", {"jwk": {}}),
            ("rev", "1"),
            ("delegation", "x"),
            ("delegation", {}),
            ("delegation", {"chain": "c", "path": [], "grants": ["g"], "depth": 1}),
            ("delegation", {"chain": "c", "path": ["a"], "grants": [7], "depth": 1}),
            ("delegation", {"chain": "c", "path": ["a"], "grants": ["g"], "depth": "1"}),
            ("delegation", {"chain": "c", "path": ["a"], "grants": ["g"], "depth": 1, "budget": {"calls": -1}}),
            ("delegation", {"chain": "c", "path": ["a"], "grants": ["g"], "depth": 1, "budget": []}),
            ("delegation", {"chain": "c", "path": ["a"], "grants": ["g"], "depth": 1, "tools": ["t"]}),
            ("delegation", {"chain": "c", "path": ["a"], "grants": ["g"], "depth": 1, "tools": {"t": 1}}),
        ],
    )
    def test_each_must_be_of_its_shape(self, claim: str, value: object) -> None:
        assert broken_rule(signed(sound_claims(**{claim: value}))) is TokenRule.CLAIMS

    def test_an_empty_delegation_is_not_none(self) -> None:
        assert broken_rule(signed({**sound_claims(), "delegation": None})) is TokenRule.CLAIMS


class TestConfusedDeputy:
    @pytest.mark.parametrize(
        "audience",
        [
            "https://billing.example.com",
            AUDIENCE + "/",
            AUDIENCE.upper(),
            [AUDIENCE],
            [AUDIENCE, "https://billing.example.com"],
            [],
            None,
            {"aud": AUDIENCE},
        ],
    )
    def test_for_one_audience_and_no_other(self, audience: object) -> None:
        assert broken_rule(signed(sound_claims(aud=audience))) is TokenRule.AUDIENCE

    def test_of_another_issuer_with_the_same_key(self) -> None:
        assert broken_rule(signed(sound_claims(iss="https://dev.id.ringfence.internal"))) is TokenRule.ISSUER

    def test_of_another_environment_with_the_same_key(self) -> None:
        assert broken_rule(signed(sound_claims(env="dev")), environment="prod") is TokenRule.ENVIRONMENT


class TestTime:
    def test_expired(self) -> None:
        end = TOKEN.expires_at
        assert check(sign_token(TOKEN, ED25519), now=Instant(end + 5 * SECOND - 1)).token == TOKEN
        assert broken_rule(sign_token(TOKEN, ED25519), now=Instant(end + 5 * SECOND)) is TokenRule.TIME
        assert broken_rule(sign_token(TOKEN, ED25519), now=end, skew=Millis(0)) is TokenRule.TIME

    def test_not_good_yet(self) -> None:
        assert check(sign_token(TOKEN, ED25519), now=Instant(TOKEN.issued_at - 5 * SECOND)).token == TOKEN
        early = Instant(TOKEN.issued_at - 5 * SECOND - 1)
        assert broken_rule(sign_token(TOKEN, ED25519), now=early) is TokenRule.TIME
        later = TOKEN.issued_at // SECOND + 60
        assert broken_rule(signed(sound_claims(nbf=later))) is TokenRule.TIME

    @pytest.mark.parametrize(("ring", "seconds"), [(0, 60), (1, 60), (2, 300), (3, 300)])
    def test_the_more_trusted_the_shorter_lived(self, ring: int, seconds: int) -> None:
        def living(length: int) -> AccessToken:
            return replace(TOKEN, ring=ring, expires_at=Instant(TOKEN.issued_at + length * SECOND))

        assert check(sign_token(living(seconds), ED25519)).token.ring == ring
        assert broken_rule(sign_token(living(seconds + 1), ED25519)) is TokenRule.LIFETIME

    def test_a_token_that_ends_before_it_begins(self) -> None:
        over = replace(TOKEN, expires_at=Instant(TOKEN.issued_at - MINUTE))
        assert broken_rule(sign_token(over, ED25519), now=Instant(TOKEN.issued_at - 2 * MINUTE)) is TokenRule.TIME
        never = replace(TOKEN, expires_at=TOKEN.issued_at)
        assert broken_rule(sign_token(never, ED25519)) is TokenRule.LIFETIME


def test_a_key_that_was_taken_back_verifies_nothing() -> None:
    assert broken_rule(sign_token(TOKEN, ED25519), keys=keys_of(P256)) is TokenRule.KEY
    assert broken_rule(sign_token(TOKEN, ED25519), keys={}) is TokenRule.KEY


def test_a_refusal_says_the_rule_and_what_to_do() -> None:
    with pytest.raises(TokenRefused, match=f"^audience: aud must be {AUDIENCE}$"):
        check(signed(sound_claims(aud="https://x.example")))


def test_a_token_of_a_small_order_key_cannot_be_published() -> None:
    """One signature under such a key verifies every message in common libraries."""
    from ringfence.proofs.jwk_set import read_jwk_set

    weak = bytes([1]) + bytes(31)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url(weak), "alg": "EdDSA", "use": "sig"}
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{base64url(weak)}"}}'
    kid = base64url(hashlib.sha256(canonical.encode()).digest())
    assert read_jwk_set({"keys": [{**jwk, "kid": kid}]}) == {}


def _signed_texts(header: str, payload: str) -> str:
    signing_input = f"{base64url(header.encode())}.{base64url(payload.encode())}"
    return f"{signing_input}.{base64url(ED25519.sign(signing_input.encode()))}"


def test_another_p256_key_of_the_same_seed_length_is_another_key() -> None:
    assert P256Signer((23).to_bytes(32), EPOCH).key_id != P256.key_id
