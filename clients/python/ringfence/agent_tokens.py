"""Access tokens of an agent: asked for with its key when they are needed, and before the last one runs out.

    tokens = AioAgentTokens(CredentialServiceStub(channel), credential)
    pdp = open_aio_channel(address, ChannelOptions(tls=tls, token=tokens))

`AgentTokens` is the same for threads. The rules:

- a token is renewed in the last third of its life, by one caller while the others use the old one; when that fails, the
  old one serves until it ends, and only then does the caller see the error;
- its life is what it says of itself (exp - iat), counted on a steady clock from the moment it was asked for: a wall
  clock that is wrong here neither floods the issuer nor sends dead tokens;
- the channel to the issuer carries no token of its own: the assertion is the authentication.
"""

import asyncio
import base64
import binascii
import json
import threading
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ringfence.agent_key import AgentKey
from ringfence.errors import RingfenceError, typed_errors
from ringfence.identity.v1.identity_pb2 import IssueTokenRequest, IssueTokenResponse

_RENEW_IN_THE_LAST = 3
"""Divides the life of a token; in the last part it is renewed."""
_RETRY_RENEWAL_AFTER = 1.0
"""Seconds after which a renewal that failed is tried again, while the old token still serves."""

_REPLAYED = "ASSERTION_REPLAYED"
"""A retry of the channel sent an assertion twice, and the first one had arrived: a fresh one is asked with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCredential:
    """Who asks for tokens, and for what. `key.did` must be known."""

    key: AgentKey
    issuer: str
    """Of the agent's environment, e.g. `https://prod.id.ringfence.internal`; GetJwks says it."""
    audience: str
    """Who will accept the tokens: one."""
    scopes: tuple[str, ...] = ()
    """Empty asks for all that the birth certificate permits."""
    wall_clock: Callable[[], float] = time.time
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())

    def __post_init__(self) -> None:
        if not self.key.did:
            raise ValueError("an agent without a DID gets no tokens; enrol it first, and keep the DID with the key")

    def request(self) -> IssueTokenRequest:
        """Return a request with a fresh assertion; each is good once."""
        now = int(self.wall_clock())
        assertion = self.key.assertion(did=self.key.did, issuer=self.issuer, now=now, jti=self.new_id())
        return IssueTokenRequest(assertion=assertion, audience=self.audience, scopes=self.scopes)


@dataclass(frozen=True, slots=True)
class HeldToken:
    """A token and when it is to be renewed and ends, by the steady clock."""

    text: str
    renew_at: float
    ends_at: float

    def put_off(self, now: float) -> "HeldToken":
        """Return it to be renewed a little later."""
        return HeldToken(self.text, now + _RETRY_RENEWAL_AFTER, self.ends_at)


def held(response: IssueTokenResponse, *, asked_at: float, wall_now: float) -> HeldToken:
    """Return the token of a response to a request made at `asked_at`."""
    life = _life_of(response.access_token)
    if life is None:
        life = response.expire_time.ToMicroseconds() / 1e6 - wall_now
    return HeldToken(response.access_token, asked_at + life - life / _RENEW_IN_THE_LAST, asked_at + life)


class AioIssuer(Protocol):
    """What is used of a CredentialServiceStub made on an asyncio channel."""

    @property
    def IssueToken(self) -> Callable[[IssueTokenRequest], Awaitable[IssueTokenResponse]]:  # noqa: N802 - the proto's
        """Ask for a token."""
        ...


class Issuer(Protocol):
    """What is used of a CredentialServiceStub made on a channel for threads."""

    @property
    def IssueToken(self) -> Callable[[IssueTokenRequest], IssueTokenResponse]:  # noqa: N802 - the proto's
        """Ask for a token."""
        ...


class AioAgentTokens:
    """A token source for asyncio channels."""

    def __init__(
        self, issuer: AioIssuer, credential: AgentCredential, *, steady_clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._credential = credential
        self._now = steady_clock
        self._held: HeldToken | None = None
        self._renewing = asyncio.Lock()

    async def __call__(self) -> str:
        """Return a token that is good now. Raises RingfenceError."""
        token, now = self._held, self._now()
        if token is not None and (now < token.renew_at or (now < token.ends_at and self._renewing.locked())):
            return token.text
        async with self._renewing:
            token, now = self._held, self._now()
            if token is None or now >= token.renew_at:
                token = self._held = await self._renewed(token)
            return token.text

    async def _renewed(self, old: HeldToken | None) -> HeldToken:
        asked_at = self._now()
        try:
            with typed_errors():
                response = await self._ask()
        except RingfenceError:
            if old is None or self._now() >= old.ends_at:
                raise
            return old.put_off(self._now())
        return held(response, asked_at=asked_at, wall_now=self._credential.wall_clock())

    async def _ask(self) -> IssueTokenResponse:
        try:
            return await self._issuer.IssueToken(self._credential.request())
        except RingfenceError as error:
            if error.reason != _REPLAYED:
                raise
        return await self._issuer.IssueToken(self._credential.request())


class AgentTokens:
    """A token source for channels used by threads."""

    def __init__(
        self, issuer: Issuer, credential: AgentCredential, *, steady_clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._credential = credential
        self._now = steady_clock
        self._held: HeldToken | None = None
        self._renewing = threading.Lock()

    def __call__(self) -> str:
        """Return a token that is good now. Raises RingfenceError."""
        token, now = self._held, self._now()
        if token is not None and (now < token.renew_at or (now < token.ends_at and self._renewing.locked())):
            return token.text
        with self._renewing:
            token, now = self._held, self._now()
            if token is None or now >= token.renew_at:
                token = self._held = self._renewed(token)
            return token.text

    def _renewed(self, old: HeldToken | None) -> HeldToken:
        asked_at = self._now()
        try:
            with typed_errors():
                response = self._ask()
        except RingfenceError:
            if old is None or self._now() >= old.ends_at:
                raise
            return old.put_off(self._now())
        return held(response, asked_at=asked_at, wall_now=self._credential.wall_clock())

    def _ask(self) -> IssueTokenResponse:
        try:
            return self._issuer.IssueToken(self._credential.request())
        except RingfenceError as error:
            if error.reason != _REPLAYED:
                raise
        return self._issuer.IssueToken(self._credential.request())


def _life_of(token: str) -> float | None:
    """Return exp - iat in seconds, unverified: whoever issued the token may decide how long we use it."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return max(0.0, float(claims["exp"]) - float(claims["iat"]))
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error, RecursionError, OverflowError):
        return None
