"""An agent's own trust statement, kept fresh while identity is there, to be shown while it is away.

    statements = AioAgentStatements(mesh.trust, key.did)
    tasks.create_task(statements.keep_fresh())

`AgentStatements` is the same for threads. The rules:

- a statement lives 60 s and is renewed every 20 s, so at least 40 s are left when identity goes away;
- a statement that has ended is never shown; who has none shows none, and is refused by whoever needs one.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from ringfence.errors import RingfenceError, typed_errors
from ringfence.identity.v1.peer_pb2 import IssueTrustStatementRequest, IssueTrustStatementResponse
from ringfence.pace import Pace
from ringfence.peer_messages import NO_STATEMENT

RENEW_EVERY = 20.0
LONGEST_LIFE = 60.0
"""Seconds."""


class Stating(Protocol):
    """What is used of a TrustServiceStub made on a channel for threads."""

    @property
    def IssueTrustStatement(  # noqa: N802 - the proto's
        self,
    ) -> Callable[[IssueTrustStatementRequest], IssueTrustStatementResponse]:
        """Have a statement signed."""
        ...


class AioStating(Protocol):
    """What is used of a TrustServiceStub made on an asyncio channel."""

    @property
    def IssueTrustStatement(  # noqa: N802 - the proto's
        self,
    ) -> Callable[[IssueTrustStatementRequest], Awaitable[IssueTrustStatementResponse]]:
        """Have a statement signed."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    text: str
    renew_at: float
    ends_at: float


class AioAgentStatements:
    """A source of statements for `AioPeerVerifier`."""

    def __init__(
        self, trust: AioStating, did: str, *, pace: Pace | None = None, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._trust = trust
        self._request = IssueTrustStatementRequest(did=did)
        self._pace = pace or Pace()
        self._wall_clock = wall_clock
        self._held: _Held | None = None
        self._renewing = asyncio.Lock()

    async def __call__(self) -> str:
        """Return a statement that is good now, or "" when none can be had."""
        async with self._renewing:
            if _is_due(self._held, self._pace.now()):
                await self._renew()
        return _shown(self._held, self._pace.now())

    async def keep_fresh(self) -> None:
        """Renew the statement until cancelled; what fails is tried again with the next."""
        while True:
            await self()
            await self._pace.sleep_async(RENEW_EVERY)

    async def _renew(self) -> None:
        asked_at = self._pace.now()
        try:
            with typed_errors():
                issued = await self._trust.IssueTrustStatement(self._request)
        except RingfenceError:
            return  # the one at hand serves until it ends
        self._held = _held(issued, asked_at, self._wall_clock())


class AgentStatements:
    """A source of statements for `PeerVerifier`."""

    def __init__(
        self, trust: Stating, did: str, *, pace: Pace | None = None, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._trust = trust
        self._request = IssueTrustStatementRequest(did=did)
        self._pace = pace or Pace()
        self._wall_clock = wall_clock
        self._held: _Held | None = None
        self._renewing = threading.Lock()

    def __call__(self) -> str:
        """Return a statement that is good now, or "" when none can be had."""
        with self._renewing:
            if _is_due(self._held, self._pace.now()):
                self._renew()
        return _shown(self._held, self._pace.now())

    def keep_fresh(self, stopped: threading.Event) -> None:
        """Renew the statement until `stopped` is set; what fails is tried again with the next."""
        while not stopped.is_set():
            self()
            stopped.wait(RENEW_EVERY)

    def _renew(self) -> None:
        asked_at = self._pace.now()
        try:
            with typed_errors():
                issued = self._trust.IssueTrustStatement(self._request)
        except RingfenceError:
            return  # the one at hand serves until it ends
        self._held = _held(issued, asked_at, self._wall_clock())


def _held(issued: IssueTrustStatementResponse, asked_at: float, wall_now: float) -> _Held:
    # A clock here that is wrong shortens its use and never lengthens it beyond what a statement can live.
    life = min(issued.expire_time.ToMicroseconds() / 1e6 - wall_now, LONGEST_LIFE)
    return _Held(issued.statement, asked_at + RENEW_EVERY, asked_at + life)


def _is_due(held: _Held | None, now: float) -> bool:
    return held is None or now >= held.renew_at


def _shown(held: _Held | None, now: float) -> str:
    return held.text if held is not None and now < held.ends_at else NO_STATEMENT
