"""Whether a peer is accepted: what the issuer says of an agent, held against what was signed and what is required.

One judgement for both ways to ask: identity makes the `Standing` from what it knows at this instant, an agent without
identity from a trust statement. The rules:

- score, ring, scopes and key come from the issuer alone; nothing of them is read from the peer;
- who has no standing is refused, and so is a standing of another environment, whatever its score;
- every reason is collected, for the verifier's log. The peer hears no more than that it was refused.
"""

import enum
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from ringfence.proofs.peer_transcript import Party, PeerRole, Requirements, Transcript, signing_input
from ringfence.proofs.public_keys import PublicKey
from ringfence.proofs.scopes import not_covered


class PeerRefusal(enum.Enum):
    """Why a peer was not accepted: the names of `ringfence.identity.v1.PeerRefusal`."""

    PROOF_INVALID = "proof_invalid"
    CHALLENGE_INVALID = "challenge_invalid"
    REPLAYED = "replayed"
    NOT_ACTIVE = "not_active"
    SCORE_TOO_LOW = "score_too_low"
    RING_INSUFFICIENT = "ring_insufficient"
    SCOPE_NOT_GRANTED = "scope_not_granted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the issuer says of one agent at one instant."""

    did: str
    environment: str
    active: bool
    """Neither revoked nor suspended nor expired."""
    key: PublicKey
    did_version_id: str
    revocation_epoch: int
    score: int
    ring: int
    scopes: tuple[str, ...]
    """What its birth certificate covers."""


def unmet(require: Requirements, *, score: int, ring: int, scopes: tuple[str, ...]) -> AbstractSet[PeerRefusal]:
    """Return what an agent with this score, this ring and these scopes lacks of what is required."""
    lacking = set()
    if score < require.score:
        lacking.add(PeerRefusal.SCORE_TOO_LOW)
    if ring > require.ring:
        lacking.add(PeerRefusal.RING_INSUFFICIENT)
    if not_covered(scopes, require.scopes):
        lacking.add(PeerRefusal.SCOPE_NOT_GRANTED)
    return lacking


def proves(role: PeerRole, transcript: Transcript, standing: Standing | None, signature: bytes, signed: bytes) -> bool:
    """Say whether `signature` over `signed`, the bytes of `transcript`, is by the key of now of the agent in `role`."""
    party = _party(role, transcript)
    return (
        standing is not None
        and _speaks_of(party, standing)
        and standing.key.verifies(signature, signing_input(role, signed))
    )


def doubts(role: PeerRole, transcript: Transcript, standing: Standing | None) -> AbstractSet[PeerRefusal]:
    """Return what speaks against the agent in `role`, whatever is required of it."""
    if standing is None or standing.environment != transcript.environment:
        return {PeerRefusal.NOT_ACTIVE}
    found = set()
    if not standing.active:
        found.add(PeerRefusal.NOT_ACTIVE)
    if not _speaks_of(_party(role, transcript), standing):
        # A key that was rotated away or reported as compromised, or a DID document that has changed since.
        found.add(PeerRefusal.PROOF_INVALID)
    return found


def refusals(transcript: Transcript, *, verifier: Standing | None, peer: Standing | None) -> AbstractSet[PeerRefusal]:
    """Return every reason but signatures why the peer is refused.

    The verifier must be in good standing as well: whoever was revoked has nobody verified for it.
    """
    found = doubts(PeerRole.VERIFIER, transcript, verifier) | doubts(PeerRole.PEER, transcript, peer)
    if peer is None:
        return found
    return found | unmet(transcript.require, score=peer.score, ring=peer.ring, scopes=peer.scopes)


def _party(role: PeerRole, transcript: Transcript) -> Party:
    return transcript.peer if role is PeerRole.PEER else transcript.verifier


def _speaks_of(party: Party, standing: Standing) -> bool:
    return (party.did, party.key, party.version) == (standing.did, standing.key.thumbprint, standing.did_version_id)
