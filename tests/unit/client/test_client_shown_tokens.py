"""Tokens that others show: good by the issuer's keys, which are fetched no more often than is of use."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest
from ringfence.errors import RingfenceError, UnavailableError
from ringfence.identity.v1.identity_pb2 import GetJwksRequest, GetJwksResponse
from ringfence.proofs.access_token import TokenRefused, TokenRule
from ringfence.proofs.jwk_set import key_of_jwk, published_jwk
from ringfence.shown_tokens import FRESH, KEPT, LOOK_AGAIN_EVERY, AioShownTokens, ShownTokens, Standing
from ringfence_identity.tokens import sign_token
from ringfence_kit.sealed_keys import JwsSigner
from support.identity.issuer_tokens import AUDIENCE, ED25519, ISSUER, NOW, P256, TOKEN
from support.identity.keys import seeded_key

GOOD = sign_token(TOKEN, ED25519)
NEXT = seeded_key(31)


@dataclass
class Identity:
    """Publishes `keys`, or is away; its time is what the test says."""

    keys: list[JwsSigner] = field(default_factory=lambda: [ED25519, P256])
    away: bool = False
    asked: int = 0
    steady: float = 100.0

    def standing(self) -> Standing:
        return Standing(
            environment="prod",
            audience=AUDIENCE,
            wall_clock=lambda: NOW / 1_000,
            steady_clock=lambda: self.steady,
        )

    async def GetJwks(self, request: GetJwksRequest) -> GetJwksResponse:
        await asyncio.sleep(0)
        return self.answer(request)

    def answer(self, request: GetJwksRequest) -> GetJwksResponse:
        self.asked += 1
        if self.away or request.environment != "prod":
            raise UnavailableError("away")
        jwks = {"keys": [published_jwk(key_of_jwk(key.jwk)) for key in self.keys]}
        return GetJwksResponse(jwks=json.dumps(jwks).encode(), issuer=ISSUER)


@pytest.fixture
def identity() -> Identity:
    return Identity()


@pytest.fixture
def shown(identity: Identity) -> AioShownTokens:
    return AioShownTokens(identity, identity.standing())


async def rule_of(shown: AioShownTokens, text: str) -> TokenRule:
    with pytest.raises(TokenRefused) as refused:
        await shown.check(text)
    return refused.value.rule


async def test_good_tokens_are_checked_with_one_fetch(identity: Identity, shown: AioShownTokens) -> None:
    assert await shown.check(GOOD) == TOKEN
    assert await shown.check(sign_token(TOKEN, P256)) == TOKEN
    assert identity.asked == 1


async def test_many_at_once_share_a_fetch(identity: Identity, shown: AioShownTokens) -> None:
    assert set(await asyncio.gather(*(shown.check(GOOD) for _ in range(20)))) == {TOKEN}
    assert identity.asked == 1


async def test_what_breaks_a_rule_is_refused_with_it(shown: AioShownTokens) -> None:
    elsewhere = sign_token(replace(TOKEN, audience="https://billing.example.com"), ED25519)
    assert await rule_of(shown, elsewhere) is TokenRule.AUDIENCE
    assert await rule_of(shown, sign_token(replace(TOKEN, environment="dev"), ED25519)) is TokenRule.ENVIRONMENT
    assert await rule_of(shown, sign_token(replace(TOKEN, issuer="https://x.example"), ED25519)) is TokenRule.ISSUER
    assert await rule_of(shown, "x") is TokenRule.FORM


async def test_a_key_that_began_to_sign_is_looked_for(identity: Identity, shown: AioShownTokens) -> None:
    await shown.check(GOOD)
    identity.keys.append(NEXT)
    identity.steady += LOOK_AGAIN_EVERY
    assert await shown.check(sign_token(TOKEN, NEXT)) == TOKEN
    assert identity.asked == 2


async def test_nothing_that_is_shown_makes_us_ask_more_often_than_every_ten_seconds(
    identity: Identity, shown: AioShownTokens
) -> None:
    for number in range(50):
        assert await rule_of(shown, sign_token(TOKEN, seeded_key(100 + number))) is TokenRule.KEY
    assert identity.asked == 1
    identity.steady += LOOK_AGAIN_EVERY
    for number in range(50):
        assert await rule_of(shown, sign_token(TOKEN, seeded_key(100 + number))) is TokenRule.KEY
    assert identity.asked == 2


async def test_a_key_that_was_taken_back_is_forgotten_within_a_minute(
    identity: Identity, shown: AioShownTokens
) -> None:
    await shown.check(GOOD)
    identity.keys.remove(ED25519)
    identity.steady += FRESH
    assert await rule_of(shown, GOOD) is TokenRule.KEY


async def test_a_revoked_key_is_dropped_at_once_and_for_good(identity: Identity, shown: AioShownTokens) -> None:
    await shown.check(GOOD)
    shown.drop_key(ED25519.key_id)
    assert await rule_of(shown, GOOD) is TokenRule.KEY
    identity.steady += FRESH
    assert await rule_of(shown, GOOD) is TokenRule.KEY
    assert await shown.check(sign_token(TOKEN, P256)) == TOKEN


async def test_old_keys_serve_for_an_hour_while_identity_is_away(identity: Identity, shown: AioShownTokens) -> None:
    await shown.check(GOOD)
    identity.away = True
    identity.steady += KEPT - 1
    assert await shown.check(GOOD) == TOKEN
    identity.steady += 1
    asked = identity.asked
    for _ in range(3):
        with pytest.raises(RingfenceError, match="away"):
            await shown.check(GOOD)
    assert identity.asked == asked
    identity.away = False
    identity.steady += LOOK_AGAIN_EVERY
    assert await shown.check(GOOD) == TOKEN


async def test_without_keys_nothing_is_good(identity: Identity, shown: AioShownTokens) -> None:
    identity.away = True
    for _ in range(3):
        with pytest.raises(RingfenceError, match="away"):
            await shown.check(GOOD)
    assert identity.asked == 1
    identity.away = False
    identity.steady += LOOK_AGAIN_EVERY
    assert await shown.check(GOOD) == TOKEN


class ForThreads:
    """The same identity for callers that block."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def GetJwks(self, request: GetJwksRequest) -> GetJwksResponse:
        return self._identity.answer(request)


def test_threads_get_the_same_answers(identity: Identity) -> None:
    shown = ShownTokens(ForThreads(identity), identity.standing())
    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(shown.check, [GOOD] * 8)) == {TOKEN}
    assert identity.asked == 1
    with pytest.raises(TokenRefused) as refused:
        shown.check(sign_token(TOKEN, NEXT))
    assert refused.value.rule is TokenRule.KEY
    identity.keys.append(NEXT)
    identity.steady += LOOK_AGAIN_EVERY
    assert shown.check(sign_token(TOKEN, NEXT)) == TOKEN
    shown.drop_key(NEXT.key_id)
    with pytest.raises(TokenRefused):
        shown.check(sign_token(TOKEN, NEXT))
    identity.away = True
    identity.steady += KEPT
    with pytest.raises(RingfenceError, match="away"):
        shown.check(GOOD)
