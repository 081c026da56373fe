"""The two halves of an enrolment: a challenge that stores nothing, and a proof that the agent holds its key.

- a challenge carries its own data (agent, environment, sponsor, kind of DID, nonce, expiry) under an HMAC of the
  server's, so flooding BeginRegistration costs a hash and no memory;
- the agent signs the challenge together with the hash of the birth certificate's content: neither can be exchanged
  for another, and the verifier builds the message itself, never takes it from the caller;
- answering twice is prevented where the answer is stored, by the challenge's nonce.
"""

import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from ringfence.proofs.canonical_json import digest
from ringfence.proofs.public_keys import PublicKey, PublicKeyError, import_signer
from ringfence_kit.clock import SECOND, Instant, Millis
from ringfence_kit.names import AgentName
from ringfence_kit.sealed_keys import MacKey

from ringfence_identity.birth_certificate import BirthContent, content_json
from ringfence_identity.errors import ChallengeInvalid, ProofInvalid, WeakKeyRefused

CHALLENGE_LIFETIME = Millis(120 * SECOND)
"""How long an agent has to answer; identity accepts no challenge that claims a longer life."""

NONCE_BYTES = 16
MAX_CHALLENGE_BYTES = 512

SIGNING_PREFIX = b"ringfence.dev/identity/v1/registration\0"
"""What every signing input starts with, so that the signature is a proof of nothing else."""

_MAC_PREFIX = b"ringfence.dev/identity/v1/challenge\0"
_VERSION = 2
_MAC_BYTES = 32
_HEAD = struct.Struct(f">B{NONCE_BYTES}sQI4B")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """Who is asked to prove possession, for where, and until when."""

    agent: AgentName
    environment: str
    sponsor: str
    """`sponsors/{sponsor}`."""
    nonce: bytes
    expires_at: Instant
    lifetime: Millis | None = None
    """How long an identity named by its key shall last, in whole seconds; None for one with a did:webvh, for good."""


def seal_challenge(challenge: Challenge, key: MacKey) -> bytes:
    """Return the bytes of `challenge`, authenticated with `key`."""
    names = [text.encode() for text in _names(challenge)]
    seconds = 0 if challenge.lifetime is None else challenge.lifetime // SECOND
    head = _HEAD.pack(_VERSION, challenge.nonce, challenge.expires_at, seconds, *map(len, names))
    body = b"".join((head, *names))
    return body + _mac(key, body)


def read_challenge(sealed: bytes, keys: Sequence[MacKey]) -> Challenge | None:
    """Return the challenge in `sealed` when one of `keys` made it, fresh or not; None when none of them did."""
    body, mac = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
    # The MAC comes first: nothing of the body is looked at before it is known to be ours.
    if len(sealed) > MAX_CHALLENGE_BYTES or not any(hmac.compare_digest(_mac(key, body), mac) for key in keys):
        return None
    return _unpack(body)


def require_fresh(challenge: Challenge, *, now: Instant) -> None:
    """Raise `ChallengeInvalid` unless `challenge` may still be answered at `now`."""
    if now >= challenge.expires_at:
        raise ChallengeInvalid(problem="it has expired")
    if challenge.expires_at > now + CHALLENGE_LIFETIME:
        # Only a clock that was set back since can bring this about.
        raise ChallengeInvalid(problem="it is not valid yet")


def signing_input(sealed: bytes, content: BirthContent) -> bytes:
    """Return the exact bytes an agent signs: prefix, challenge, SHA-256 over the canonical content."""
    return SIGNING_PREFIX + sealed + digest(content_json(content))


def require_possession(raw: bytes, signature: bytes, sealed: bytes, content: BirthContent) -> PublicKey:
    """Return the key whose bytes are `raw` once `signature` is its over the signing input built here.

    Raises `WeakKeyRefused` or `ProofInvalid`.
    """
    try:
        key = import_signer(raw, signature, signing_input(sealed, content))
    except PublicKeyError as refused:
        raise WeakKeyRefused(problem=refused.problem) from refused
    if key is None:
        raise ProofInvalid
    return key


def _names(challenge: Challenge) -> tuple[str, str, str, str]:
    return challenge.agent.namespace, challenge.agent.agent, challenge.environment, challenge.sponsor


def _unpack(body: bytes) -> Challenge | None:
    version, nonce, expires_at, seconds, *lengths = _HEAD.unpack_from(body)
    if version != _VERSION:
        return None
    names: list[str] = []
    offset = _HEAD.size
    for length in lengths:
        names.append(body[offset : offset + length].decode())
        offset += length
    namespace, agent, environment, sponsor = names
    return Challenge(
        agent=AgentName(namespace, agent),
        environment=environment,
        sponsor=sponsor,
        nonce=nonce,
        expires_at=Instant(expires_at),
        lifetime=Millis(seconds * SECOND) if seconds else None,
    )


def _mac(key: MacKey, body: bytes) -> bytes:
    return hmac.digest(key.secret, _MAC_PREFIX + body, sha256)
