"""Verifying a peer: that it is who it says and trusted enough, by identity's word or, without it, by statements.

    verifier = AioPeerVerifier(key, trust=mesh.trust, registrar=registrar, statements=statements)
    invited = await verifier.invite(peer, audience="https://orders.example.com", require=Requirements(score=600))
    met = await verifier.verify(invited, await send(invited.message))     # raises PeerError
    await send(met.confirmation)                                          # so that the peer can verify us
    verifier.require(peer, Requirements(score=700, ring=2))               # at every later call: no call is made

    answered = await verifier.answer(message, audiences={"https://orders.example.com"})    # the other side
    verifier.confirm(answered, await send(answered.message), require=Requirements(score=500))

`PeerVerifier` is the same for threads. `follow` reads the revocations, which drop verdicts within a second. The rules
are those of `peer_meetings` and `peer_cache`; this module adds the calls, and what happens when they fail: identity
that does not answer in two seconds is away, any other failure is the caller's to see.
"""

import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Protocol, TypeVar

import grpc

from ringfence.agent_key import AgentKey
from ringfence.backoff import Backoff
from ringfence.errors import DeadlineExceededError, RingfenceError, UnavailableError, from_rpc_error, typed_errors
from ringfence.identity.v1.peer_pb2 import (
    CreateChallengeRequest,
    CreateChallengeResponse,
    VerifyPeerRequest,
    VerifyPeerResponse,
)
from ringfence.identity.v1.revocation_pb2 import (
    REVOCATION_EVENT_TYPE_BOOKMARK,
    REVOCATION_EVENT_TYPE_REVOKED,
    REVOCATION_KIND_AGENT,
    WatchRevocationsResponse,
)
from ringfence.pace import Pace
from ringfence.peer_cache import (
    Moment,
    PeerError,
    PeerNotVerifiedError,
    PeerRefusedError,
    RevocationsSilentError,
    VerifiedPeer,
)
from ringfence.peer_meetings import Answered, Invited, Meetings, Met
from ringfence.peer_messages import NO_STATEMENT, PeerMessageError
from ringfence.proofs.peer_transcript import NONCE_BYTES, Requirements
from ringfence.proofs.peer_verdict import PeerRefusal
from ringfence.registrar import TrustedRegistrar
from ringfence.watch import AioStream, SyncStream

__all__ = [
    "AioPeerVerifier",
    "Answered",
    "Invited",
    "Met",
    "PeerError",
    "PeerMessageError",
    "PeerNotVerifiedError",
    "PeerRefusal",
    "PeerRefusedError",
    "PeerVerifier",
    "Requirements",
    "RevocationsSilentError",
    "VerifiedPeer",
]

PATIENCE = 2.0
"""Seconds identity has to answer before it is taken to be away."""

ANYBODY = Requirements()
"""Whoever is in good standing."""

_AWAY = (UnavailableError, DeadlineExceededError)

_FOR_GOOD = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


def _now() -> Moment:
    return Moment(steady=time.monotonic(), wall=time.time())


def _new_nonce() -> bytes:
    return secrets.token_bytes(NONCE_BYTES)


Q_contra = TypeVar("Q_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class AioMethod(Protocol[Q_contra, R_co]):
    """A method of a stub made on an asyncio channel."""

    def __call__(self, request: Q_contra, /, *, timeout: float | None = None) -> Awaitable[R_co]: ...


class Method(Protocol[Q_contra, R_co]):
    """A method of a stub made on a channel for threads."""

    def __call__(self, request: Q_contra, /, *, timeout: float | None = None) -> R_co: ...


class AioTrust(Protocol):
    """What is used of a TrustServiceStub made on an asyncio channel."""

    @property
    def CreateChallenge(self) -> AioMethod[CreateChallengeRequest, CreateChallengeResponse]:  # noqa: N802 - the proto's
        """Ask for a challenge."""
        ...

    @property
    def VerifyPeer(self) -> AioMethod[VerifyPeerRequest, VerifyPeerResponse]:  # noqa: N802 - the proto's
        """Ask for the verdict."""
        ...


class Trust(Protocol):
    """What is used of a TrustServiceStub made on a channel for threads."""

    @property
    def CreateChallenge(self) -> Method[CreateChallengeRequest, CreateChallengeResponse]:  # noqa: N802 - the proto's
        """Ask for a challenge."""
        ...

    @property
    def VerifyPeer(self) -> Method[VerifyPeerRequest, VerifyPeerResponse]:  # noqa: N802 - the proto's
        """Ask for the verdict."""
        ...


class _Peers:
    """What both verifiers do without a call."""

    def __init__(self, meetings: Meetings) -> None:
        self._meetings = meetings

    def require(self, peer: str, require: Requirements = ANYBODY) -> VerifiedPeer:
        """Return a peer that was verified before, if that still holds and is enough now. Raises PeerError."""
        return self._meetings.cache.find(peer, require, self._meetings.now())

    def confirm(self, answered: Answered, confirmation: bytes, *, require: Requirements = ANYBODY) -> VerifiedPeer:
        """Return the verifier that invited us, by its confirmation and its statement. Raises PeerError."""
        return self._meetings.confirmed(answered, confirmation, require)

    def use_key(self, key: AgentKey) -> None:
        """Go on with a rotated key."""
        self._meetings.key = key

    def hear(self, told: WatchRevocationsResponse) -> None:
        """Take one answer of WatchRevocations: for whoever reads that stream anyway, and begins each with
        `stream_began`."""
        cache, now = self._meetings.cache, self._meetings.now()
        about = told.revocation
        if told.type == REVOCATION_EVENT_TYPE_BOOKMARK:
            cache.bookmark(now)
        elif told.type == REVOCATION_EVENT_TYPE_REVOKED and about.kind == REVOCATION_KIND_AGENT:
            cache.revoked(about.subject, minimum_epoch=about.minimum_epoch, usable=about.usable, now=now)
        else:
            cache.other_news(now)

    def stream_began(self) -> None:
        """Note that a new stream of revocations is read from here on; it has to begin with the initial state."""
        self._meetings.cache.stream_began()


class AioPeerVerifier(_Peers):
    """Verifies the peers of one agent, and shows that agent to them, on the event loop.

    `trust` is identity's TrustService, None for an agent that never has it; `registrar` and `statements` are what it
    takes to do without, and `registrar` alone to check others.
    """

    def __init__(
        self,
        key: AgentKey,
        *,
        trust: AioTrust | None = None,
        registrar: TrustedRegistrar | None = None,
        statements: Callable[[], Awaitable[str]] | None = None,
        patience: float = PATIENCE,
        clock: Callable[[], Moment] = _now,
    ) -> None:
        super().__init__(Meetings(key, registrar=registrar, clock=clock, new_nonce=_new_nonce))
        self._trust = trust
        self._statements = statements
        self._patience = patience

    async def invite(self, peer: str, *, audience: str, require: Requirements = ANYBODY) -> Invited:
        """Begin a meeting with the agent of the DID `peer`, at `audience`. Raises RingfenceError."""
        asked_at = self._meetings.now()
        challenged = await self._challenge(self._meetings.challenge_request(peer, audience, require))
        statement = await self._statement()
        return self._meetings.invited(
            peer, audience, require, asked_at=asked_at, challenged=challenged, statement=statement
        )

    async def verify(self, invited: Invited, answer: bytes) -> Met:
        """Return the peer when its answer proves it and it is trusted enough. Raises PeerError, RingfenceError."""
        read = self._meetings.read_answer(invited, answer)
        if self._trust is not None and invited.invitation.challenge:
            try:
                with typed_errors():
                    verdict = await self._trust.VerifyPeer(
                        self._meetings.verify_request(invited, read), timeout=self._patience
                    )
            except _AWAY:
                if not self._meetings.can_do_without(read):
                    raise
            else:
                return self._meetings.judged_by_identity(invited, read, verdict)
        return self._meetings.judged_by_statement(invited, read)

    async def answer(self, invitation: bytes, *, audiences: Collection[str]) -> Answered:
        """Return the answer to an invitation to meet at one of our own `audiences`. Raises PeerMessageError."""
        return self._meetings.answered(invitation, audiences=audiences, statement=await self._statement())

    async def follow(
        self,
        open_stream: Callable[[], AioStream[WatchRevocationsResponse]],
        *,
        pace: Pace | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """Read revocations until cancelled, on a new stream after every break.

        `open_stream` calls WatchRevocations for our environment, with `send_initial_state`.
        """
        pace, backoff = pace or Pace(), backoff or Backoff()
        while True:
            self.stream_began()
            stream = open_stream()
            try:
                async for told in stream:
                    backoff.reset()
                    self.hear(told)
            except grpc.RpcError as raw:
                _require_mendable(from_rpc_error(raw))
            except RingfenceError as error:
                _require_mendable(error)
            finally:
                stream.cancel()
            await pace.sleep_async(backoff.next_wait())

    async def _challenge(self, request: CreateChallengeRequest) -> CreateChallengeResponse | None:
        if self._trust is None:
            return None
        try:
            with typed_errors():
                return await self._trust.CreateChallenge(request, timeout=self._patience)
        except _AWAY:
            if self._meetings.registrar is None:
                raise
            return None

    async def _statement(self) -> str:
        return NO_STATEMENT if self._statements is None else await self._statements()


class PeerVerifier(_Peers):
    """As `AioPeerVerifier`, for threads; one may be shared by several."""

    def __init__(
        self,
        key: AgentKey,
        *,
        trust: Trust | None = None,
        registrar: TrustedRegistrar | None = None,
        statements: Callable[[], str] | None = None,
        patience: float = PATIENCE,
        clock: Callable[[], Moment] = _now,
    ) -> None:
        super().__init__(Meetings(key, registrar=registrar, clock=clock, new_nonce=_new_nonce))
        self._trust = trust
        self._statements = statements
        self._patience = patience

    def invite(self, peer: str, *, audience: str, require: Requirements = ANYBODY) -> Invited:
        """Begin a meeting with the agent of the DID `peer`, at `audience`. Raises RingfenceError."""
        asked_at = self._meetings.now()
        challenged = self._challenge(self._meetings.challenge_request(peer, audience, require))
        return self._meetings.invited(
            peer, audience, require, asked_at=asked_at, challenged=challenged, statement=self._statement()
        )

    def verify(self, invited: Invited, answer: bytes) -> Met:
        """Return the peer when its answer proves it and it is trusted enough. Raises PeerError, RingfenceError."""
        read = self._meetings.read_answer(invited, answer)
        if self._trust is not None and invited.invitation.challenge:
            try:
                with typed_errors():
                    verdict = self._trust.VerifyPeer(
                        self._meetings.verify_request(invited, read), timeout=self._patience
                    )
            except _AWAY:
                if not self._meetings.can_do_without(read):
                    raise
            else:
                return self._meetings.judged_by_identity(invited, read, verdict)
        return self._meetings.judged_by_statement(invited, read)

    def answer(self, invitation: bytes, *, audiences: Collection[str]) -> Answered:
        """Return the answer to an invitation to meet at one of our own `audiences`. Raises PeerMessageError."""
        return self._meetings.answered(invitation, audiences=audiences, statement=self._statement())

    def follow(
        self,
        open_stream: Callable[[], SyncStream[WatchRevocationsResponse]],
        stopped: threading.Event,
        *,
        backoff: Backoff | None = None,
    ) -> None:
        """Read revocations until `stopped` is set and the stream says its next word, as `AioPeerVerifier.follow`."""
        backoff = backoff or Backoff()
        while not stopped.is_set():
            self.stream_began()
            stream = open_stream()
            try:
                for told in stream:
                    backoff.reset()
                    self.hear(told)
                    if stopped.is_set():
                        return
            except grpc.RpcError as raw:
                _require_mendable(from_rpc_error(raw))
            except RingfenceError as error:
                _require_mendable(error)
            finally:
                stream.cancel()
            stopped.wait(backoff.next_wait())

    def _challenge(self, request: CreateChallengeRequest) -> CreateChallengeResponse | None:
        if self._trust is None:
            return None
        try:
            with typed_errors():
                return self._trust.CreateChallenge(request, timeout=self._patience)
        except _AWAY:
            if self._meetings.registrar is None:
                raise
            return None

    def _statement(self) -> str:
        return NO_STATEMENT if self._statements is None else self._statements()


def _require_mendable(error: RingfenceError) -> None:
    """Raise `error` when no new stream would be better: the caller may not watch, or asked wrongly."""
    if error.code in _FOR_GOOD:
        raise error
