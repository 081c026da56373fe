"""Challenges for peers: made for one verifier, peer, place and requirement, and never stored.

A challenge is a nonce, an expiry and an HMAC over both and over everything the meeting is about. What it is about is
not in it: it comes back in the transcript, and any other transcript makes the HMAC fail. So a challenge is 57 bytes
whatever is required, and a thousand outstanding ones cost nothing.
"""

import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ringfence.proofs.peer_transcript import LIFETIME, Requirements, Transcript
from ringfence_kit.clock import Instant
from ringfence_kit.sealed_keys import MacKey

NONCE_BYTES = 16

# Apart from the prefix of registration challenges, which the same key authenticates: neither is good as the other.
_MAC_PREFIX = b"ringfence.dev/identity/v1/peer-challenge\0"
_VERSION = 1
_HEAD = struct.Struct(f">B{NONCE_BYTES}sQ")
_MAC_BYTES = 32
CHALLENGE_BYTES = _HEAD.size + _MAC_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSubject:
    """What one meeting is about."""

    environment: str
    verifier: str
    """A DID, as `peer`."""
    peer: str
    audience: str
    require: Requirements

    @staticmethod
    def of(transcript: Transcript) -> "PeerSubject":
        """Return what the meeting of `transcript` is about."""
        return PeerSubject(
            environment=transcript.environment,
            verifier=transcript.verifier.did,
            peer=transcript.peer.did,
            audience=transcript.audience,
            require=transcript.require,
        )

    def encode(self) -> bytes:
        """Return bytes that no other subject has: none of its texts can hold a zero byte."""
        require = self.require
        texts = (self.environment, self.verifier, self.peer, self.audience, str(require.score), str(require.ring))
        return "\0".join((*texts, *require.scopes)).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerChallenge:
    """A challenge of ours, fresh or not."""

    nonce: bytes
    expires_at: Instant

    def is_fresh(self, now: Instant) -> bool:
        """Say whether it may be answered at `now`; a clock set back does not lengthen its life."""
        return now < self.expires_at <= now + LIFETIME


def seal_peer_challenge(challenge: PeerChallenge, subject: PeerSubject, key: MacKey) -> bytes:
    """Return the bytes of `challenge` for `subject`, authenticated with `key`."""
    head = _HEAD.pack(_VERSION, challenge.nonce, challenge.expires_at)
    return head + _mac(key, head, subject)


def open_peer_challenge(sealed: bytes, subject: PeerSubject, keys: Sequence[MacKey]) -> PeerChallenge | None:
    """Return the challenge in `sealed` when one of `keys` made it for `subject`; None when none of them did."""
    head, mac = sealed[: _HEAD.size], sealed[_HEAD.size :]
    if len(sealed) != CHALLENGE_BYTES or not any(hmac.compare_digest(_mac(key, head, subject), mac) for key in keys):
        return None
    version, nonce, expires_at = _HEAD.unpack(head)
    return PeerChallenge(nonce=nonce, expires_at=Instant(expires_at)) if version == _VERSION else None


def _mac(key: MacKey, head: bytes, subject: PeerSubject) -> bytes:
    return hmac.digest(key.secret, _MAC_PREFIX + head + subject.encode(), sha256)
