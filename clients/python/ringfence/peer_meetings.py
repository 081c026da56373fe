"""What is said and judged when two agents meet, without a wire: `peers` adds the calls, for asyncio and for threads.

The rules:

- an answer counts for the invitation it was made for, compared field by field, and once;
- with identity, its verdict counts, for as long as identity says, measured from the moment identity was asked: clocks
  that differ lengthen nothing;
- without identity, the statement that the other side shows is checked under the registrar's key, and the verdict ends
  with the statement;
- whatever comes from identity is compared with what was required once more before it is relied on.
"""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from ringfence.agent_key import AgentKey
from ringfence.identity.v1.peer_pb2 import (
    CreateChallengeRequest,
    CreateChallengeResponse,
    PeerRequirements,
    VerifyPeerRequest,
    VerifyPeerResponse,
)
from ringfence.identity.v1.peer_pb2 import (
    PeerRefusal as WireRefusal,
)
from ringfence.instants import SECOND, Instant
from ringfence.peer_cache import Moment, PeerCache, PeerRefusedError, VerifiedPeer
from ringfence.peer_messages import (
    NO_STATEMENT,
    Answer,
    Invitation,
    PeerMessageError,
    answer_invitation,
    confirmation_of,
    party_of,
    read_answer,
    read_confirmation,
    read_invitation,
    sign_as,
)
from ringfence.proofs.peer_transcript import LIFETIME, PeerRole, Requirements
from ringfence.proofs.peer_verdict import PeerRefusal, Standing, doubts, proves, unmet
from ringfence.proofs.trust_statement import TrustStatement, TrustStatementError, check_statement
from ringfence.registrar import TrustedRegistrar

_REFUSALS = {WireRefusal.Value(f"PEER_REFUSAL_{reason.name}"): reason for reason in PeerRefusal}


class _Once:
    """Something that may be done once, by one thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Say whether this is the first time."""
        return self._lock.acquire(blocking=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """A meeting this side began: send `message`, and verify what comes back with this."""

    message: bytes
    invitation: Invitation
    asked_at: Moment
    challenge_ends_at: Instant
    """By identity's clock."""
    answered: _Once = field(default_factory=_Once, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A meeting this side was invited to: send `message`, and confirm what comes back with this."""

    message: bytes
    invitation: Invitation
    answer: Answer
    confirmed: _Once = field(default_factory=_Once, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """A peer that was verified, and what to send it so that it can verify this side."""

    peer: VerifiedPeer
    confirmation: bytes


@dataclass(frozen=True, slots=True)
class _Shown:
    """What one side shows of itself when identity is not asked."""

    role: PeerRole
    answer: Answer
    signature: bytes
    statement: str

    @property
    def did(self) -> str:
        transcript = self.answer.transcript
        return transcript.peer.did if self.role is PeerRole.PEER else transcript.verifier.did


class Meetings:
    """The meetings of one agent. None is held here: an invitation nobody answers is gone when its maker drops it."""

    def __init__(
        self,
        key: AgentKey,
        *,
        registrar: TrustedRegistrar | None,
        clock: Callable[[], Moment],
        new_nonce: Callable[[], bytes],
    ) -> None:
        if not (key.did and key.environment):
            raise ValueError("an agent without a DID meets nobody; enrol it first, and keep the DID with the key")
        self.key = key
        self.registrar = registrar
        self.cache = PeerCache(key.environment)
        self.now = clock
        self._new_nonce = new_nonce

    def challenge_request(self, peer: str, audience: str, require: Requirements) -> CreateChallengeRequest:
        """Return what to ask identity before inviting `peer`."""
        requirements = PeerRequirements(score=require.score, ring=require.ring, scopes=require.scopes)
        return CreateChallengeRequest(verifier=self.key.did, peer=peer, audience=audience, requirements=requirements)

    def invited(
        self,
        peer: str,
        audience: str,
        require: Requirements,
        *,
        asked_at: Moment,
        challenged: CreateChallengeResponse | None,
        statement: str,
    ) -> Invited:
        """Return a meeting with `peer`; without a challenge of identity's, the two will have to do with statements."""
        if challenged is not None:
            ends_at = _instant(challenged.expire_time)
        else:
            ends_at = Instant(int(asked_at.wall) * SECOND + LIFETIME)
        expires_at = Instant(ends_at - ends_at % SECOND)
        invitation = Invitation(
            environment=self.key.environment,
            audience=audience,
            verifier=party_of(self.key, nonce=self._new_nonce()),
            peer=peer,
            require=require,
            issued_at=Instant(expires_at - LIFETIME),
            expires_at=expires_at,
            challenge=challenged.challenge if challenged is not None else b"",
            statement=statement,
        )
        return Invited(message=invitation.encode(), invitation=invitation, asked_at=asked_at, challenge_ends_at=ends_at)

    def read_answer(self, invited: Invited, message: bytes) -> Answer:
        """Return the answer when it is one to this invitation. Raises PeerRefusedError."""
        peer = invited.invitation.peer
        try:
            answer = read_answer(message)
        except PeerMessageError as refused:
            raise PeerRefusedError(peer, {PeerRefusal.PROOF_INVALID}, detail=str(refused)) from refused
        said = answer.transcript
        if said.peer.did != peer or said != invited.invitation.transcript(said.peer):
            detail = "it answers another invitation"
            raise PeerRefusedError(peer, {PeerRefusal.PROOF_INVALID}, detail=detail)
        return answer

    def verify_request(self, invited: Invited, answer: Answer) -> VerifyPeerRequest:
        """Return what to ask identity about an answer that was read."""
        return VerifyPeerRequest(
            challenge=invited.invitation.challenge,
            transcript=answer.signed,
            peer_signature=answer.signature,
            verifier_signature=sign_as(PeerRole.VERIFIER, self.key, answer.signed),
        )

    def judged_by_identity(self, invited: Invited, answer: Answer, verdict: VerifyPeerResponse) -> Met:
        """Return the peer by identity's verdict, and keep it. Raises PeerRefusedError."""
        invitation = invited.invitation
        if not verdict.verified:
            known = {_REFUSALS[reason] for reason in verdict.refusals if reason in _REFUSALS}
            raise PeerRefusedError(invitation.peer, known)
        if (verdict.peer, verdict.environment) != (invitation.peer, invitation.environment) or not verdict.mutual:
            detail = "the verdict is about another meeting"
            raise PeerRefusedError(invitation.peer, {PeerRefusal.PROOF_INVALID}, detail=detail)
        peer = VerifiedPeer(
            did=verdict.peer,
            environment=verdict.environment,
            did_version_id=verdict.did_version_id,
            revocation_epoch=verdict.revocation_epoch,
            score=verdict.score,
            ring=verdict.ring,
            scopes=invitation.require.scopes,
            mutual=True,
        )
        _require(invitation.require, peer)
        # Both times are identity's, so this is how long after the challenge was made the verdict ends.
        life = _instant(verdict.expire_time) - (invited.challenge_ends_at - LIFETIME)
        self.cache.keep(peer, asked_at=invited.asked_at, until=invited.asked_at.after(life / SECOND))
        return self._met(peer, answer)

    def can_do_without(self, answer: Answer) -> bool:
        """Say whether there is something to judge an answer by while identity is away."""
        return self.registrar is not None and answer.statement != NO_STATEMENT

    def judged_by_statement(self, invited: Invited, answer: Answer) -> Met:
        """Return the peer by what its registrar stated of it, and keep it. Raises PeerError."""
        shown = _Shown(PeerRole.PEER, answer, answer.signature, answer.statement)
        peer = self._stated(shown, invited.invitation.require, invited.answered)
        return self._met(peer, answer)

    def answered(self, message: bytes, *, audiences: Collection[str], statement: str) -> Answered:
        """Return the answer to an invitation. Raises PeerMessageError."""
        invitation = read_invitation(message)
        answer = answer_invitation(
            invitation,
            key=self.key,
            audiences=audiences,
            now=_wall(self.now()),
            nonce=self._new_nonce(),
            statement=statement,
        )
        return Answered(message=answer.encode(), invitation=invitation, answer=answer)

    def confirmed(self, answered: Answered, confirmation: bytes, require: Requirements) -> VerifiedPeer:
        """Return the verifier by its signature and what its registrar stated of it, and keep it. Raises PeerError."""
        answer, invitation = answered.answer, answered.invitation
        try:
            signature = read_confirmation(confirmation)
        except PeerMessageError as refused:
            did = invitation.verifier.did
            raise PeerRefusedError(did, {PeerRefusal.PROOF_INVALID}, detail=str(refused)) from refused
        shown = _Shown(PeerRole.VERIFIER, answer, signature, invitation.statement)
        return self._stated(shown, require, answered.confirmed)

    def _met(self, peer: VerifiedPeer, answer: Answer) -> Met:
        signature = sign_as(PeerRole.VERIFIER, self.key, answer.signed)
        return Met(peer=peer, confirmation=confirmation_of(signature))

    def _stated(self, shown: _Shown, require: Requirements, once: _Once) -> VerifiedPeer:
        did, now = shown.did, self.now()
        self.cache.require_news(did, require, now)
        stated = self._statement(did, shown.statement, now)
        standing = stated.standing
        answer = shown.answer
        found = set(doubts(shown.role, answer.transcript, standing)) | _unmet(require, standing)
        if not proves(shown.role, answer.transcript, standing, shown.signature, answer.signed):
            found.add(PeerRefusal.PROOF_INVALID)
        if _wall(now) >= answer.transcript.expires_at:
            found.add(PeerRefusal.CHALLENGE_INVALID)
        # A forged answer uses nothing up: else whoever stands between the two could end every meeting.
        if PeerRefusal.PROOF_INVALID not in found and not once.take():
            found.add(PeerRefusal.REPLAYED)
        if found:
            raise PeerRefusedError(did, found)
        peer = VerifiedPeer(
            did=standing.did,
            environment=standing.environment,
            did_version_id=standing.did_version_id,
            revocation_epoch=standing.revocation_epoch,
            score=standing.score,
            ring=standing.ring,
            scopes=standing.scopes,
            mutual=shown.role is PeerRole.VERIFIER,
        )
        left = (stated.expires_at - _wall(now)) / SECOND
        self.cache.keep(peer, asked_at=now, until=now.after(left))
        return peer

    def _statement(self, did: str, statement: str, now: Moment) -> TrustStatement:
        if self.registrar is None or statement == NO_STATEMENT:
            detail = "nothing is stated of it that could be checked"
            raise PeerRefusedError(did, {PeerRefusal.NOT_ACTIVE}, detail=detail)
        try:
            return check_statement(statement, issuer=self.registrar.did, keys=self.registrar.keys, now=_wall(now))
        except TrustStatementError as refused:
            detail = f"what is stated of it is refused: {refused}"
            raise PeerRefusedError(did, {PeerRefusal.NOT_ACTIVE}, detail=detail) from refused


def _require(require: Requirements, peer: VerifiedPeer) -> None:
    lacking = unmet(require, score=peer.score, ring=peer.ring, scopes=peer.scopes)
    if lacking:
        raise PeerRefusedError(peer.did, lacking)


def _unmet(require: Requirements, standing: Standing) -> set[PeerRefusal]:
    return set(unmet(require, score=standing.score, ring=standing.ring, scopes=standing.scopes))


def _instant(timestamp: Timestamp) -> Instant:
    return Instant(timestamp.seconds * SECOND + timestamp.nanos // 1_000_000)


def _wall(now: Moment) -> Instant:
    return Instant(int(now.wall * SECOND))
