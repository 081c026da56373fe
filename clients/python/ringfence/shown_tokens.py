"""Access tokens that others show us: checked here, with their issuer's keys, without a call for each.

    standing = Standing(environment="prod", audience="https://me.example.com")
    shown = AioShownTokens(CredentialServiceStub(channel), standing)
    token = await shown.check(text)        # raises TokenRefused, with the rule

`ShownTokens` is the same for threads. The rules:

- a token is good for `audience`, which is us, and of `environment`, by every rule of `ringfence.proofs.access_token`;
- the key set is fetched when there is none, when it is a minute old, and when a token names a key that is not in it;
  but never more often than every ten seconds, whatever is shown;
- while identity cannot be reached an old set serves for an hour, as long as the next key is published before it signs;
  then nothing is good any more;
- a key whose name came down the stream of revocations is dropped for good: `drop_key`.

What a token was good for may have been revoked since; whoever must know within a second follows the stream as well.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ringfence.errors import RingfenceError, UnavailableError, typed_errors
from ringfence.identity.v1.identity_pb2 import GetJwksRequest, GetJwksResponse
from ringfence.instants import Instant
from ringfence.proofs.access_token import AccessToken, TokenRefused, TokenRule, check_access_token
from ringfence.proofs.canonical_json import parse_object
from ringfence.proofs.jwk_set import JwkSet, read_jwk_set

FRESH = 60.0
"""Seconds after which the key set is fetched again."""
LOOK_AGAIN_EVERY = 10.0
"""Seconds between two fetches, at least."""
KEPT = 3_600.0
"""Seconds for which an old key set serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whose tokens are shown, to whom, and by which clocks."""

    environment: str
    audience: str
    """Us: the one audience of good tokens."""
    wall_clock: Callable[[], float] = time.time
    steady_clock: Callable[[], float] = time.monotonic


class KnownKeys:
    """The key set as it was last fetched, and when to fetch it; it fetches nothing itself."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._keys: JwkSet = {}
        self._issuer = ""
        self._dropped: set[str] = set()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._trouble: RingfenceError | None = None

    @property
    def request(self) -> GetJwksRequest:
        """What to ask identity for."""
        return GetJwksRequest(environment=self._standing.environment)

    def due(self, *, age: float) -> bool:
        """Say whether to fetch, because the set is older than `age`. Whoever is told so is to do it."""
        now = self._standing.steady_clock()
        fresh = self._fetched_at is not None and now - self._fetched_at < age
        if fresh or (self._tried_at is not None and now - self._tried_at < LOOK_AGAIN_EVERY):
            return False
        self._tried_at = now
        return True

    def learn(self, answer: GetJwksResponse) -> None:
        """Take the set that was fetched."""
        self._keys = read_jwk_set(parse_object(answer.jwks))
        self._issuer, self._fetched_at = answer.issuer, self._tried_at

    def fail(self, error: RingfenceError) -> None:
        """Remember why there is no newer set."""
        self._trouble = error

    def drop(self, key_id: str) -> None:
        """Believe no signature of that key any more."""
        self._dropped.add(key_id)

    def check(self, text: str) -> AccessToken:
        """Return what a good token says. Raises TokenRefused; RingfenceError when the set is too old, or none."""
        if self._fetched_at is None or self._standing.steady_clock() - self._fetched_at >= KEPT:
            raise self._trouble or UnavailableError("the keys of the issuer have not been had yet")
        return check_access_token(
            text,
            keys={key_id: key for key_id, key in self._keys.items() if key_id not in self._dropped},
            issuer=self._issuer,
            environment=self._standing.environment,
            audience=self._standing.audience,
            now=Instant(int(self._standing.wall_clock() * 1_000)),
        ).token


class AioKeySource(Protocol):
    """What is used of a CredentialServiceStub made on an asyncio channel."""

    @property
    def GetJwks(self) -> Callable[[GetJwksRequest], Awaitable[GetJwksResponse]]:  # noqa: N802 - the proto's
        """Ask for the keys of an environment."""
        ...


class KeySource(Protocol):
    """What is used of a CredentialServiceStub made on a channel for threads."""

    @property
    def GetJwks(self) -> Callable[[GetJwksRequest], GetJwksResponse]:  # noqa: N802 - the proto's
        """Ask for the keys of an environment."""
        ...


class AioShownTokens:
    """Checks the tokens of one environment for one audience."""

    def __init__(self, source: AioKeySource, standing: Standing) -> None:
        self._source = source
        self._keys = KnownKeys(standing)
        self._fetching = asyncio.Lock()

    async def check(self, text: str) -> AccessToken:
        """Return what a good token says. Raises TokenRefused; RingfenceError while there are no keys to check with."""
        await self._fetch_if_older(FRESH)
        try:
            return self._keys.check(text)
        except TokenRefused as refused:
            if refused.rule is not TokenRule.KEY:
                raise
        await self._fetch_if_older(LOOK_AGAIN_EVERY)
        return self._keys.check(text)

    def drop_key(self, key_id: str) -> None:
        """Believe nothing any more that the key called `key_id` has signed: it was revoked."""
        self._keys.drop(key_id)

    async def _fetch_if_older(self, age: float) -> None:
        async with self._fetching:
            if not self._keys.due(age=age):
                return
            try:
                with typed_errors():
                    self._keys.learn(await self._source.GetJwks(self._keys.request))
            except RingfenceError as error:
                self._keys.fail(error)


class ShownTokens:
    """Checks the tokens of one environment for one audience, for threads."""

    def __init__(self, source: KeySource, standing: Standing) -> None:
        self._source = source
        self._keys = KnownKeys(standing)
        self._fetching = threading.Lock()

    def check(self, text: str) -> AccessToken:
        """Return what a good token says. Raises TokenRefused; RingfenceError while there are no keys to check with."""
        self._fetch_if_older(FRESH)
        try:
            return self._keys.check(text)
        except TokenRefused as refused:
            if refused.rule is not TokenRule.KEY:
                raise
        self._fetch_if_older(LOOK_AGAIN_EVERY)
        return self._keys.check(text)

    def drop_key(self, key_id: str) -> None:
        """Believe nothing any more that the key called `key_id` has signed: it was revoked."""
        self._keys.drop(key_id)

    def _fetch_if_older(self, age: float) -> None:
        with self._fetching:
            if not self._keys.due(age=age):
                return
            try:
                with typed_errors():
                    self._keys.learn(self._source.GetJwks(self._keys.request))
            except RingfenceError as error:
                self._keys.fail(error)
