"""Peer verification: a challenge for whom one wants to meet, and the verdict on the answer.

- whoever asks must be the verifier, or speak for it; that is checked first;
- an answer that the peer really signed uses the challenge up, whatever else is wrong with it. One that it did not sign
  does not: else whoever stands between the two could spend the challenges of others;
- key, standing, score and ring are read in the transaction that uses the challenge up: nothing is older than that;
- a refusal is an answer, with every reason.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from ringfence.proofs.peer_transcript import LIFETIME, PeerRole, Requirements, Transcript, hash_of_challenge
from ringfence.proofs.peer_verdict import PeerRefusal, Standing, proves, refusals
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import MINUTE, Instant, Millis
from ringfence_kit.errors import InvalidRequest, NotPermitted, Violation
from ringfence_kit.store import Mutation, Writer

from ringfence_identity.access import reachable
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.errors import EnvironmentUnknown
from ringfence_identity.model import AgentIdentity
from ringfence_identity.peers.challenges import (
    PeerChallenge,
    PeerSubject,
    open_peer_challenge,
    seal_peer_challenge,
)
from ringfence_identity.peers.standing import standing_of
from ringfence_identity.registrars import Registrars
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.store import IdentityTx, Purpose
from ringfence_identity.token_issue import FORGET_EVERY, FORGOTTEN_AT_ONCE
from ringfence_identity.tokens import expiry

VERDICT_LIFETIME = Millis(5 * MINUTE)
"""How long a verdict may be relied on at most; a minute for rings 0 and 1, as with tokens."""

SPENT_REMEMBERED = Millis(MINUTE)
"""How long after its end a used challenge is still known, for clocks of other replicas that are behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateChallenge:
    """Who wants to meet whom, where, and wants what."""

    verifier: str
    """A DID, as `peer`."""
    peer: str
    audience: str
    require: Requirements


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenged:
    """A challenge, and when it is void."""

    challenge: bytes
    expires_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPeer:
    """The answer to a challenge."""

    challenge: bytes
    signed: bytes
    """The transcript as it was signed."""
    transcript: Transcript
    """What `signed` says."""
    peer_signature: bytes
    verifier_signature: bytes | None = None
    """Of the verifier, when the verification shall be mutual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerVerdict:
    """What became of a verification."""

    refusals: tuple[PeerRefusal, ...]
    """Why not, in the order of the enum; empty when the peer is verified."""
    peer: Standing | None
    """The peer as it stands; None when it was refused."""
    expires_at: Instant
    """When a good verdict may be relied on no more."""
    mutual: bool


class PeerVerification:
    """Verifies agents for agents of the same environment."""

    def __init__(
        self,
        *,
        environments: Environments,
        registrars: Registrars,
        snapshot: IdentitySnapshot,
        writer: Writer[IdentityTx],
        new_nonce: Callable[[], bytes],
    ) -> None:
        self._environments = environments
        self._registrars = registrars
        self._snapshot = snapshot
        self._writer = writer
        self._new_nonce = new_nonce
        self._verifications = itertools.count(1)

    def challenge(self, wanted: CreateChallenge, *, caller: Caller, now: Instant) -> Challenged:
        """Return a challenge for the peer. Nothing is stored."""
        action = f"verify {wanted.peer}"
        _require_speaker(caller, wanted.verifier, self._snapshot.identity(wanted.verifier), action=action)
        environment = self._environments.get(self._reachable(wanted.verifier, caller, action).environment)
        if self._reachable(wanted.peer, caller, action).environment != environment.name:
            raise InvalidRequest(Violation("peer", "is of another environment than the verifier"))
        challenge = PeerChallenge(nonce=self._new_nonce(), expires_at=Instant(now + LIFETIME))
        subject = PeerSubject(
            environment=environment.name,
            verifier=wanted.verifier,
            peer=wanted.peer,
            audience=wanted.audience,
            require=wanted.require,
        )
        key = self._registrars.of(environment).keys.challenge[-1]
        return Challenged(challenge=seal_peer_challenge(challenge, subject, key), expires_at=challenge.expires_at)

    async def verify(self, answer: VerifyPeer, *, caller: Caller, now: Instant) -> PeerVerdict:
        """Return the verdict on one answer."""
        transcript = answer.transcript
        verifier = self._snapshot.identity(transcript.verifier.did)
        _require_speaker(caller, transcript.verifier.did, verifier, action=f"verify {transcript.peer.did}")
        challenge = self._challenge_of(answer, now)
        found = set() if challenge is not None else {PeerRefusal.CHALLENGE_INVALID}
        if not self._is_signed(answer, now):
            found.add(PeerRefusal.PROOF_INVALID)
        if challenge is None or found:
            return _verdict(answer, found, self._snapshot.identity, now)
        return await self._spend(answer, challenge, now)

    def _reachable(self, did: str, caller: Caller, action: str) -> AgentIdentity:
        return reachable(self._environments, did, self._snapshot.identity(did), caller=caller, action=action)

    def _challenge_of(self, answer: VerifyPeer, now: Instant) -> PeerChallenge | None:
        """Return the challenge when it is ours, fresh, and what the transcript answers; else None."""
        transcript = answer.transcript
        environment = self._hosted(transcript.environment)
        if environment is None or transcript.challenge_hash != hash_of_challenge(answer.challenge):
            return None
        keys = self._registrars.of(environment).keys.challenge
        challenge = open_peer_challenge(answer.challenge, PeerSubject.of(transcript), keys)
        if challenge is None or not challenge.is_fresh(now):
            return None
        # A transcript may end before its challenge, never after.
        return challenge if now < transcript.expires_at <= challenge.expires_at else None

    def _hosted(self, name: str) -> Environment | None:
        try:
            return self._environments.get(name)
        except EnvironmentUnknown:
            return None

    def _is_signed(self, answer: VerifyPeer, now: Instant) -> bool:
        transcript = answer.transcript
        signatures = [(PeerRole.PEER, transcript.peer, answer.peer_signature)]
        if answer.verifier_signature is not None:
            signatures.append((PeerRole.VERIFIER, transcript.verifier, answer.verifier_signature))
        return all(
            proves(role, transcript, _standing(self._snapshot.identity(party.did), now), signature, answer.signed)
            for role, party, signature in signatures
        )

    async def _spend(self, answer: VerifyPeer, challenge: PeerChallenge, now: Instant) -> PeerVerdict:
        """Use up the challenge for good, and judge by what the same transaction reads."""
        housekeeping = next(self._verifications) % FORGET_EVERY == 0
        until = Instant(challenge.expires_at + SPENT_REMEMBERED)

        def work(tx: IdentityTx) -> PeerVerdict:
            unused = tx.spend(Purpose.PEER_CHALLENGE, challenge.nonce.hex(), until=until)
            if housekeeping:
                tx.forget_spent(before=now, limit=FORGOTTEN_AT_ONCE)
            return _verdict(answer, set() if unused else {PeerRefusal.REPLAYED}, tx.identity, now)

        mutation = Mutation(principal=answer.transcript.verifier.did, at=now)
        return await self._writer.write(work, mutation=mutation, result=PeerVerdict)


def _verdict(
    answer: VerifyPeer, found: set[PeerRefusal], identity: Callable[[str], AgentIdentity | None], now: Instant
) -> PeerVerdict:
    transcript = answer.transcript
    known = identity(transcript.peer.did)
    peer = _standing(known, now)
    found = found | refusals(transcript, verifier=_standing(identity(transcript.verifier.did), now), peer=peer)
    if known is None or peer is None or found:
        reasons = tuple(reason for reason in PeerRefusal if reason in found)
        return PeerVerdict(refusals=reasons, peer=None, expires_at=now, mutual=False)
    expires_at = expiry(ring=peer.ring, longest=VERDICT_LIFETIME, now=now)
    return PeerVerdict(
        refusals=(),
        peer=peer,
        expires_at=expires_at if known.expires_at is None else min(expires_at, known.expires_at),
        mutual=answer.verifier_signature is not None,
    )


def _standing(identity: AgentIdentity | None, now: Instant) -> Standing | None:
    return None if identity is None else standing_of(identity, now=now)


def _require_speaker(caller: Caller, did: str, identity: AgentIdentity | None, *, action: str) -> None:
    """Raise unless `caller` is the agent with this DID, its gateway, or one of the mesh's own services."""
    names = (did,) if identity is None else (did, identity.agent)
    if not caller.has(Role.SERVICE) and not any(caller.speaks_for(name) for name in names):
        raise NotPermitted(principal=caller.principal, action=action, needed=f"to be {did}, or to speak for it")
