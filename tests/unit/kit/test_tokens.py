"""Every rule a bearer token can break, each with its own words; and keys that come, go and never were."""

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import OKPKey, RSAKey
from ringfence_kit.clock import Instant, ManualClock
from ringfence_kit.errors import Unauthenticated, Unavailable
from ringfence_kit.issuers import OPERATOR_TOKEN_TYPES, TrustedIssuer
from ringfence_kit.jwks import LocalKeys
from ringfence_kit.server_config import ALGORITHMS
from ringfence_kit.tokens import CACHE_SIZE, TokenVerifier
from support.tokens import AUDIENCE, claims, ed25519, jwks, p256, rsa, signed
from support.vectors import vectors

NOW = ManualClock().now()
KEY = ed25519("k1")
UNBOUND = OKPKey.import_key({name: value for name, value in KEY.as_dict(private=True).items() if name != "alg"})
OTHER = ed25519("k1")
RSA = rsa("r1")
EC = p256("e1")


class Keys:
    """A key source steered by its attributes."""

    def __init__(self, *keys: Any) -> None:
        self.set: Mapping[str, Any] = jwks(*keys)
        self.next: Mapping[str, Any] | None = None
        self.looked_again = 0
        self.away = False

    async def jwks(self) -> Mapping[str, Any]:
        if self.away:
            raise Unavailable(problem="the token issuer's keys cannot be fetched")
        return self.set

    async def look_again(self) -> None:
        self.looked_again += 1
        if self.next is not None:
            self.set = self.next

    async def keep_fresh(self) -> None:
        """Nothing to fetch."""


def issuer_of(keys: Any, **changes: Any) -> TrustedIssuer:
    usual = TrustedIssuer(
        name="corp",
        issuer="https://operators.example",
        audience=AUDIENCE,
        keys=keys,
        token_types=OPERATOR_TOKEN_TYPES,
    )
    return replace(usual, **changes)


def verifier(*keys: Any, **changes: Any) -> TokenVerifier:
    return TokenVerifier([issuer_of(Keys(*(keys or (KEY, RSA, EC))), **changes)])


async def problem_of(token: str, verifying: TokenVerifier | None = None, now: Instant = NOW) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await (verifying or verifier()).verify(token, now)
    return refused.value.metadata["problem"]


async def test_a_good_token() -> None:
    token = await verifier().verify(signed(KEY, claims(NOW, team="red")), NOW)
    assert (token.issuer.name, token.subject, token.claims["team"]) == ("corp", "ana", "red")
    assert token.expires_at == NOW // 1_000 * 1_000 + 300_000


@pytest.mark.parametrize(
    ("key", "algorithm"), [(KEY, "EdDSA"), (UNBOUND, "Ed25519"), (EC, "ES256"), (RSA, "RS256"), (RSA, "PS256")]
)
async def test_every_algorithm_we_accept(key: Any, algorithm: str) -> None:
    assert (await verifier().verify(signed(key, claims(NOW), algorithm), NOW)).subject == "ana"


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


GOOD = signed(KEY, claims(NOW))
HEAD, BODY, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        ("", "not a signed JWT"),
        ("a.b", "not a signed JWT"),
        ("a.b.c.d", "not a signed JWT"),
        ("a.b.c.d.e", "not a signed JWT"),
        (f"{HEAD}.{BODY}.{SIGNATURE}=", "not a signed JWT"),
        (f" {GOOD}", "not a signed JWT"),
        (f"{HEAD}.{BODY}.{'A' * 9_000}", "not a signed JWT"),
        (f"{part(b'nonsense')}.{BODY}.{SIGNATURE}", "header is not a JSON object"),
        (f"{part([])}.{BODY}.{SIGNATURE}", "header is not a JSON object"),
        (f"{part(b'[' * 3_000)}.{BODY}.{SIGNATURE}", "header is not a JSON object"),
        (f"{part(bytes([255]))}.{BODY}.{SIGNATURE}", "header is not a JSON object"),
        (f"A.{BODY}.{SIGNATURE}", "header is not a JSON object"),
        (f"{HEAD}.{part('text')}.{SIGNATURE}", "payload is not a JSON object"),
        (f"{HEAD}.{BODY}.", "signature does not verify"),
        (f"{HEAD}.{BODY}.{'A' * 86}", "signature does not verify"),
        (f"{HEAD}.{part(claims(NOW, sub='eve'))}.{SIGNATURE}", "signature does not verify"),
        (signed(OTHER, claims(NOW)), "signature does not verify"),
    ],
)
async def test_a_token_of_the_wrong_shape_or_signature(token: str, problem: str) -> None:
    assert problem in await problem_of(token)


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ({"alg": "none"}, "alg is not one of EdDSA"),
        ({"alg": "HS256"}, "alg is not one of EdDSA"),
        ({"alg": "ES384"}, "alg is not one of EdDSA"),
        ({"alg": ["EdDSA"]}, "alg is not one of EdDSA"),
        ({"alg": None}, "alg is not one of EdDSA"),
        ({"crit": ["exp"]}, "crit header"),
        ({"crit": []}, "crit header"),
        ({"b64": False}, "crit header"),
        ({"typ": "dpop+jwt"}, "typ is not accepted"),
        ({"typ": 1}, "typ is not accepted"),
        ({"kid": "unknown"}, "no key of the token's kid"),
        ({"kid": 1}, "no key of the token's kid"),
        ({"kid": None}, "no key of the token's kid"),
        ({"alg": "ES256"}, "no key of the token's kid for ES256"),
        ({"alg": "RS256", "kid": "e1"}, "no key of the token's kid for RS256"),
    ],
)
async def test_a_header_that_is_refused(header: dict[str, Any], problem: str) -> None:
    fields = {"alg": "EdDSA", "kid": "k1", "typ": "at+jwt", **header}
    kept = {name: value for name, value in fields.items() if value is not None}
    token = f"{part(kept)}.{BODY}.{SIGNATURE}"
    assert problem in await problem_of(token)


async def test_a_public_key_is_not_an_hmac_secret() -> None:
    signed_part = f"{part({'alg': 'HS256', 'kid': 'r1', 'typ': 'JWT'})}.{BODY}"
    mac = hmac.digest(RSA.as_pem(private=False), signed_part.encode(), "sha256")
    assert "alg is not one of" in await problem_of(f"{signed_part}.{part(mac)}")


async def test_a_key_in_the_token_is_not_used() -> None:
    stranger = ed25519("k1")
    token = signed(stranger, claims(NOW), jwk=stranger.as_dict(private=False))
    assert "signature does not verify" in await problem_of(token)


@pytest.mark.parametrize("kind", ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", None])
async def test_types_an_operators_issuer_may_write(kind: str | None) -> None:
    assert (await verifier().verify(signed(KEY, claims(NOW), typ=kind), NOW)).subject == "ana"


async def test_an_issuer_of_agents_writes_one_type() -> None:
    verifying = verifier(agents_of="prod", token_types=("at+jwt",))
    assert "typ is not accepted from this issuer: at+jwt" in await problem_of(
        signed(KEY, claims(NOW), typ="JWT"), verifying
    )


async def test_an_issuer_may_be_held_to_fewer_algorithms() -> None:
    verifying = verifier(algorithms=("ES256",))
    assert "alg is not one of ES256" in await problem_of(GOOD, verifying)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"iss": None}, "issuer (iss) is not trusted"),
        ({"iss": "https://evil.example"}, "issuer (iss) is not trusted"),
        ({"iss": ["https://operators.example"]}, "issuer (iss) is not trusted"),
        ({"aud": None}, "audience (aud) is not"),
        ({"aud": "other"}, "audience (aud) is not"),
        ({"aud": [AUDIENCE, "other"]}, "audience (aud) is not"),
        ({"aud": []}, "audience (aud) is not"),
        ({"sub": None}, "subject (sub) is missing"),
        ({"sub": ""}, "subject (sub) is missing"),
        ({"sub": "a\nb"}, "subject (sub) is missing"),
        ({"sub": "x" * 513}, "subject (sub) is missing"),
        ({"sub": 5}, "subject (sub) is missing"),
        ({"exp": None}, "no exp"),
        ({"exp": "soon"}, "no exp"),
        ({"exp": True}, "no exp"),
        ({"exp": 1e300}, "no exp"),
        ({"iat": None}, "no iat"),
        ({"iat": []}, "no iat"),
        ({"nbf": "x"}, "no nbf"),
        ({"exp": NOW // 1_000 - 5}, "has expired"),
        ({"iat": NOW // 1_000 + 6, "exp": NOW // 1_000 + 60}, "not valid yet"),
        ({"nbf": NOW // 1_000 + 6}, "not valid yet"),
        ({"exp": NOW // 1_000 + 3_601}, "good for longer than 3600 s"),
        ({"iat": 0}, "good for longer than 3600 s"),
        ({"iat": NOW // 1_000 + 2, "exp": NOW // 1_000 + 1}, "good for longer than 3600 s, or never"),
    ],
)
async def test_claims_that_are_refused(changes: dict[str, Any], problem: str) -> None:
    token = signed(KEY, {name: value for name, value in {**claims(NOW), **changes}.items() if value is not None})
    assert problem in await problem_of(token)


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": NOW // 1_000 - 60, "exp": NOW // 1_000 - 4},
        {"iat": NOW // 1_000 + 5},
        {"nbf": NOW // 1_000 + 5},
        {"aud": [AUDIENCE]},
        {"iat": NOW / 1_000, "exp": NOW / 1_000 + 0.5},
        {"exp": NOW // 1_000 + 3_600},
    ],
)
async def test_claims_at_the_edge_that_pass(changes: dict[str, Any]) -> None:
    assert (await verifier().verify(signed(KEY, claims(NOW, **changes)), NOW)).subject == "ana"


class TestKeys:
    async def test_a_token_without_a_kid_while_there_is_one_key(self) -> None:
        token = signed(KEY, claims(NOW), kid=None)
        assert (await verifier(KEY).verify(token, NOW)).subject == "ana"
        assert "no key of the token's kid" in await problem_of(token, verifier(KEY, RSA))

    async def test_a_new_key_is_looked_for_once(self) -> None:
        keys = Keys(RSA)
        keys.next = jwks(RSA, KEY)
        verifying = TokenVerifier([issuer_of(keys)])
        assert (await verifying.verify(GOOD, NOW)).subject == "ana"
        assert keys.looked_again == 1

    async def test_a_key_whose_private_half_can_be_found_is_none(self) -> None:
        weak = vectors("wycheproof_roca")["jwk"]
        keys = Keys(KEY)
        keys.set = {"keys": [*jwks(KEY)["keys"], weak]}
        token = signed(RSA, claims(NOW), "RS256", kid=weak["kid"])
        assert "no key of the token's kid" in await problem_of(token, TokenVerifier([issuer_of(keys)]))

    async def test_a_key_that_is_taken_back_stops_working_at_once(self) -> None:
        keys = Keys(KEY, RSA)
        verifying = TokenVerifier([issuer_of(keys)])
        await verifying.verify(GOOD, NOW)
        keys.set = jwks(RSA)
        assert "no key of the token's kid" in await problem_of(GOOD, verifying)

    async def test_a_kid_that_is_given_to_another_key(self) -> None:
        keys = Keys(KEY)
        verifying = TokenVerifier([issuer_of(keys)])
        await verifying.verify(GOOD, NOW)
        keys.set = jwks(OTHER)
        assert "signature does not verify" in await problem_of(GOOD, verifying)

    async def test_keys_that_cannot_be_had_are_not_the_callers_fault(self) -> None:
        keys = Keys(KEY)
        keys.away = True
        with pytest.raises(Unavailable):
            await TokenVerifier([issuer_of(keys)]).verify(GOOD, NOW)

    @pytest.mark.parametrize(
        "entry",
        [
            "text",
            {},
            {"kty": "oct", "k": "AAAA", "kid": "k1"},
            {"kty": "OKP", "crv": "X25519", "x": "AAAA", "kid": "k1"},
            {"kty": "OKP", "crv": "Ed448", "x": "AAAA", "kid": "k1"},
            {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "k1"},
            {"kty": "OKP", "crv": "Ed25519", "kid": "k1"},
            {"kty": "OKP", "crv": "Ed25519", "x": 5, "kid": "k1"},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "k1"},
            {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "k1"},
            {**KEY.as_dict(private=False), "use": "enc"},
            {**KEY.as_dict(private=False), "kid": 5},
            {**KEY.as_dict(private=False), "kid": "k" * 300},
            {**KEY.as_dict(private=False), "key_ops": ["sign"]},
        ],
    )
    async def test_entries_that_cannot_be_used_are_skipped(self, entry: Any) -> None:
        keys = Keys(RSA)
        keys.set = {"keys": [entry, *jwks(RSA)["keys"]]}
        verifying = TokenVerifier([issuer_of(keys)])
        assert "no key of the token's kid" in await problem_of(GOOD, verifying)
        assert (await verifying.verify(signed(RSA, claims(NOW), "RS256"), NOW)).subject == "ana"

    async def test_a_short_rsa_key_is_not_used(self) -> None:
        short = rsa("short", 1_024)
        token = signed(short, claims(NOW), "RS256")
        assert "no key of the token's kid" in await problem_of(token, verifier(short, KEY))

    async def test_a_private_key_published_by_mistake_still_verifies(self) -> None:
        keys = Keys()
        keys.set = {"keys": [KEY.as_dict(private=True)]}
        assert (await TokenVerifier([issuer_of(keys)]).verify(GOOD, NOW)).subject == "ana"

    async def test_a_key_bound_to_one_algorithm_is_not_used_for_another(self) -> None:
        bound = RSAKey.import_key({**RSA.as_dict(private=True), "alg": "PS256"})
        token = signed(RSA, claims(NOW), "RS256")
        assert "no key of the token's kid for RS256" in await problem_of(token, verifier(bound, KEY))


class TestRemembering:
    async def test_a_remembered_token_expires_all_the_same(self) -> None:
        verifying = verifier()
        await verifying.verify(GOOD, NOW)
        assert "has expired" in await problem_of(GOOD, verifying, Instant(NOW + 306_000))

    async def test_memory_is_bounded(self) -> None:
        verifying = TokenVerifier([issuer_of(LocalKeys(lambda: jwks(KEY)))])
        first = await verifying.verify(GOOD, NOW)
        remembered = next(iter(verifying._remembered.values()))
        verifying._remembered.update({bytes([n % 256, n // 256]): remembered for n in range(CACHE_SIZE)})
        await verifying.verify(signed(KEY, claims(NOW, sub="ben")), NOW)
        assert len(verifying._remembered) == CACHE_SIZE + 1
        assert first.subject == "ana"


def test_no_algorithm_with_a_shared_secret_can_be_allowed() -> None:
    assert not [name for name in ALGORITHMS if name == "none" or name.startswith("HS")]


class TestStillGood:
    """What an issuer in this very process knows better than the token."""

    async def test_it_is_asked_at_every_call_about_tokens_that_break_no_rule(self) -> None:
        asked: list[str] = []
        good = [True]

        def still_good(text: str) -> bool:
            asked.append(text)
            return good[0]

        verifier = TokenVerifier([issuer_of(Keys(KEY), still_good=still_good)])
        token = signed(KEY, claims(NOW))
        assert (await verifier.verify(token, NOW)).subject == "ana"
        assert (await verifier.verify(token, NOW)).subject == "ana"
        good[0] = False
        with pytest.raises(Unauthenticated, match="not good any more"):
            await verifier.verify(token, NOW)
        assert asked == [token] * 3

    async def test_it_is_not_asked_about_others(self) -> None:
        def still_good(text: str) -> bool:
            raise AssertionError(text)

        verifier = TokenVerifier([issuer_of(Keys(KEY), still_good=still_good)])
        with pytest.raises(Unauthenticated, match="signature"):
            await verifier.verify(signed(OTHER, claims(NOW)), NOW)
