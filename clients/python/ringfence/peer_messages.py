"""The three messages of a meeting, for whatever carries them: an invitation, an answer, a confirmation.

    verifier → peer   invitation     who I am, where we are to meet, what I want, my nonce, a challenge, my statement
    peer → verifier   answer         the transcript with your part and mine, signed by me; my statement
    verifier → peer   confirmation   my signature over the same transcript

Each is JSON with exactly its members (services/identity/README.md, "Verifying a peer"). Nothing in a message is
believed: who somebody is, its key proves; what it may do, identity says. The peer builds the transcript itself, so it
signs nothing it cannot read, and only for itself, in its environment, where it is, and in time.
"""

import base64
import binascii
from collections.abc import Collection
from dataclasses import dataclass

from ringfence.agent_key import AgentKey
from ringfence.instants import SECOND, Instant, Millis
from ringfence.proofs.canonical_json import CanonicalFormError, Json, JsonObject, base64url, canonical, parse_object
from ringfence.proofs.peer_transcript import (
    MAX_TRANSCRIPT_BYTES,
    NO_CHALLENGE,
    Party,
    PeerRole,
    Requirements,
    Transcript,
    TranscriptError,
    hash_of_challenge,
    parse_transcript,
    signing_input,
)
from ringfence.proofs.public_keys import Thumbprint
from ringfence.proofs.trust_statement import MAX_STATEMENT_BYTES

MAX_MESSAGE_BYTES = 2 * MAX_TRANSCRIPT_BYTES + MAX_STATEMENT_BYTES
SKEW = Millis(5 * SECOND)
"""How far the clocks of two agents may be apart."""

NO_STATEMENT = ""


class PeerMessageError(ValueError):
    """A message that is not to be answered, or no message; the sentence is for our own log, not for the sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What a verifier says to the one it wants to meet."""

    environment: str
    audience: str
    verifier: Party
    peer: str
    """A DID."""
    require: Requirements
    issued_at: Instant
    expires_at: Instant
    challenge: bytes = b""
    """Of CreateChallenge; empty when the verifier could not ask for one."""
    statement: str = NO_STATEMENT
    """What the registrar states of the verifier."""

    def transcript(self, peer: Party) -> Transcript:
        """Return the transcript of the meeting with `peer`."""
        return Transcript(
            environment=self.environment,
            audience=self.audience,
            verifier=self.verifier,
            peer=peer,
            require=self.require,
            challenge_hash=hash_of_challenge(self.challenge) if self.challenge else NO_CHALLENGE,
            issued_at=self.issued_at,
            expires_at=self.expires_at,
        )

    def encode(self) -> bytes:
        """Return the message."""
        require = self.require
        scopes: list[Json] = list(require.scopes)
        verifier = self.verifier
        return canonical(
            {
                "audience": self.audience,
                "challenge": base64url(self.challenge),
                "environment": self.environment,
                "exp": self.expires_at // SECOND,
                "iat": self.issued_at // SECOND,
                "peer": self.peer,
                "require": {"ring": require.ring, "scopes": scopes, "score": require.score},
                "statement": self.statement,
                "verifier": {
                    "did": verifier.did,
                    "key": verifier.key,
                    "nonce": base64url(verifier.nonce),
                    "version": verifier.version,
                },
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the peer says to that."""

    signed: bytes
    """The transcript as it was signed."""
    transcript: Transcript
    signature: bytes
    statement: str = NO_STATEMENT
    """What the registrar states of the peer."""

    def encode(self) -> bytes:
        """Return the message."""
        return canonical(
            {
                "signature": base64url(self.signature),
                "statement": self.statement,
                "transcript": base64url(self.signed),
            }
        )


def party_of(key: AgentKey, *, nonce: bytes) -> Party:
    """Return the side of the agent that holds `key`."""
    return Party(did=key.did, key=Thumbprint(key.key_id), version=key.did_version_id, nonce=nonce)


def sign_as(role: PeerRole, key: AgentKey, signed: bytes) -> bytes:
    """Return the signature of one side over a transcript that was built or checked here."""
    return key.private_key.sign(signing_input(role, signed))


def read_invitation(message: bytes) -> Invitation:
    """Return what an invitation says, or raise `PeerMessageError`. Its values are judged when it is answered."""
    match _object(message):
        case {
            "audience": str(audience),
            "challenge": str(challenge),
            "environment": str(environment),
            "exp": int(exp),
            "iat": int(iat),
            "peer": str(peer),
            "require": {"ring": int(ring), "scopes": [*scopes], "score": int(score), **more_required},
            "statement": str(statement),
            "verifier": {"did": str(did), "key": str(key), "nonce": str(nonce), "version": str(version), **more_of_it},
            **more,
        } if not (more_required or more_of_it or more):
            wanted = tuple(scope for scope in scopes if isinstance(scope, str))
        case _:
            raise PeerMessageError("it is not an invitation")
    if len(wanted) != len(scopes):
        raise PeerMessageError("a scope is not a string")
    return Invitation(
        environment=environment,
        audience=audience,
        verifier=Party(did=did, key=Thumbprint(key), version=version, nonce=_bytes(nonce)),
        peer=peer,
        require=Requirements(score=score, ring=ring, scopes=wanted),
        issued_at=Instant(iat * SECOND),
        expires_at=Instant(exp * SECOND),
        challenge=_bytes(challenge),
        statement=statement,
    )


def answer_invitation(
    invitation: Invitation,
    *,
    key: AgentKey,
    audiences: Collection[str],
    now: Instant,
    nonce: bytes,
    statement: str = NO_STATEMENT,
) -> Answer:
    """Return the answer of the agent that holds `key` and is reached at `audiences`, or raise `PeerMessageError`.

    `nonce` is 32 random bytes, never used before.
    """
    _require_ours(invitation, key, audiences, now)
    try:
        signed = invitation.transcript(party_of(key, nonce=nonce)).encode()
        transcript = parse_transcript(signed)
    except (TranscriptError, CanonicalFormError) as refused:
        raise PeerMessageError(f"nobody can be met on such terms: {refused}") from refused
    signature = sign_as(PeerRole.PEER, key, signed)
    return Answer(signed=signed, transcript=transcript, signature=signature, statement=statement)


def read_answer(message: bytes) -> Answer:
    """Return what an answer says, or raise `PeerMessageError`."""
    match _object(message):
        case {"signature": str(signature), "statement": str(statement), "transcript": str(transcript), **more} if (
            not more
        ):
            signed = _bytes(transcript)
        case _:
            raise PeerMessageError("it is not an answer")
    try:
        said = parse_transcript(signed)
    except TranscriptError as refused:
        raise PeerMessageError(f"its transcript is {refused}") from refused
    return Answer(signed=signed, transcript=said, signature=_bytes(signature), statement=statement)


def confirmation_of(signature: bytes) -> bytes:
    """Return the message that carries the verifier's signature."""
    return canonical({"signature": base64url(signature)})


def read_confirmation(message: bytes) -> bytes:
    """Return the verifier's signature, or raise `PeerMessageError`."""
    match _object(message):
        case {"signature": str(signature), **more} if not more:
            return _bytes(signature)
        case _:
            raise PeerMessageError("it is not a confirmation")


def _require_ours(invitation: Invitation, key: AgentKey, audiences: Collection[str], now: Instant) -> None:
    if invitation.peer != key.did:
        raise PeerMessageError(f"it invites {invitation.peer}, not {key.did}")
    if invitation.environment != key.environment:
        raise PeerMessageError(f"it is of environment {invitation.environment}, not {key.environment}")
    if invitation.audience not in audiences:
        # Else whoever was invited to one place could have its invitation answered at another.
        raise PeerMessageError(f"it is for a meeting at {invitation.audience}, where we are not")
    if now >= invitation.expires_at + SKEW or now < invitation.issued_at - SKEW:
        raise PeerMessageError("it is not for now")


def _object(message: bytes) -> JsonObject:
    if len(message) > MAX_MESSAGE_BYTES:
        raise PeerMessageError(f"it is longer than {MAX_MESSAGE_BYTES} bytes")
    try:
        return parse_object(message)
    except (ValueError, RecursionError) as error:
        raise PeerMessageError("it is not a JSON object that names each member once") from error


def _bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise PeerMessageError("a member is not base64url") from error
    if base64url(data) != text:
        raise PeerMessageError("a member is not spelled as base64url spells it")
    return data
