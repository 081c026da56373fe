"""The transcript two agents sign when they meet: who met whom, where, wanting what, this once, within 30 s.

The rules:

- both sign the same bytes, each below a prefix that names its role: a signature is good for one role in one meeting and
  as a proof of nothing else, so it can be neither reflected nor relayed;
- the bytes are JSON in RFC 8785 form with exactly the members of `Transcript.encode`. No value that may stand there
  needs an escape, so the canonical spellings are a regular language and one pattern reads them: what does not match as
  a whole, another order or a blank included, is refused;
- a transcript proves nothing by itself. Whether key, score and ring are those of the agent is `peer_verdict`'s part.
"""

import base64
import enum
import hashlib
import re
from dataclasses import dataclass, field

from ringfence.instants import SECOND, Instant, Millis
from ringfence.proofs.canonical_json import Json, JsonObject, base64url, canonical
from ringfence.proofs.public_keys import Thumbprint
from ringfence.proofs.scopes import is_scope

LIFETIME = Millis(30 * SECOND)
"""The longest time between `iat` and `exp`."""

NONCE_BYTES = 32
MAX_TRANSCRIPT_BYTES = 24 * 1_024
MAX_SCOPES = 64
MAX_AUDIENCE_BYTES = 256

AUDIENCE = re.compile(r"[!#-\[\]-~]{1,256}")
"""Where two agents may meet: printable ASCII without spaces, quotes and backslashes, as every URL is."""

NO_CHALLENGE = ""
"""The `challengeHash` of a meeting without the service: the verifier's nonce alone is the challenge then."""

_PREFIX = "ringfence.dev/identity/v1/peer-transcript"

_DIGEST = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"  # base64url of 32 bytes, in the one spelling without stray bits
_TIME = "0|[1-9][0-9]{0,11}"
_SCOPE = '"[a-z0-9._:*-]{1,256}"'
_PARTY = (
    r'\{"did":"(did:[a-z0-9]{1,16}:[A-Za-z0-9._%:-]{1,1003})"'
    rf',"key":"({_DIGEST})","nonce":"({_DIGEST})","version":"([A-Za-z0-9._:-]{{0,128}})"\}}'
)
_FORM = re.compile(
    rf'\{{"audience":"({AUDIENCE.pattern})","challengeHash":"((?:{_DIGEST})?)"'
    rf',"environment":"([a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?)","exp":({_TIME}),"iat":({_TIME}),"peer":{_PARTY}'
    rf',"require":\{{"ring":([0-3]),"scopes":\[((?:{_SCOPE}(?:,{_SCOPE}){{0,{MAX_SCOPES - 1}}})?)\]'
    rf',"score":(0|[1-9][0-9]{{0,3}})\}},"verifier":{_PARTY}\}}'
)


class TranscriptError(ValueError):
    """Bytes that are not a transcript, with the problem in words."""


class PeerRole(enum.Enum):
    """On which side of a meeting a signature was made."""

    VERIFIER = "verifier"
    PEER = "peer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side: who it says it is, with which key, and what it adds so that no two meetings are alike."""

    did: str
    key: Thumbprint
    """Of the key it signs with."""
    version: str
    """The version of its DID document that has this key."""
    nonce: bytes
    """32 random bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What the verifier wants of the peer."""

    score: int = 0
    ring: int = 3
    """The least trusted ring that will do."""
    scopes: tuple[str, ...] = ()

    def problem(self) -> str | None:
        """Return what is wrong with these requirements, or None."""
        if not 0 <= self.score <= 1_000 or not 0 <= self.ring <= 3:
            return "the score goes from 0 to 1000, the ring from 0 to 3"
        if len(self.scopes) > MAX_SCOPES or len(set(self.scopes)) != len(self.scopes):
            return f"at most {MAX_SCOPES} scopes, each once"
        if not all(is_scope(scope) for scope in self.scopes):
            return "a scope does not have the form of one"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """Everything two agents agree on when they meet."""

    environment: str
    audience: str
    verifier: Party
    peer: Party
    require: Requirements = field(default_factory=Requirements)
    challenge_hash: str = NO_CHALLENGE
    issued_at: Instant
    """In whole seconds, as `expires_at`."""
    expires_at: Instant

    def encode(self) -> bytes:
        """Return the bytes that are signed."""
        require = self.require
        scopes: list[Json] = list(require.scopes)
        return canonical(
            {
                "audience": self.audience,
                "challengeHash": self.challenge_hash,
                "environment": self.environment,
                "exp": self.expires_at // SECOND,
                "iat": self.issued_at // SECOND,
                "peer": _party_json(self.peer),
                "require": {"ring": require.ring, "scopes": scopes, "score": require.score},
                "verifier": _party_json(self.verifier),
            }
        )

    def problem(self) -> str | None:
        """Return what is wrong with these values, or None."""
        if self.verifier.did == self.peer.did:
            return "nobody meets itself"
        if not 0 < self.expires_at - self.issued_at <= LIFETIME:
            return "exp is after iat, by 30 s at most"
        return self.require.problem()


def parse_transcript(signed: bytes) -> Transcript:
    """Return the transcript that `signed` spells, or raise `TranscriptError`."""
    if len(signed) > MAX_TRANSCRIPT_BYTES:
        raise TranscriptError(f"longer than {MAX_TRANSCRIPT_BYTES} bytes")
    match = _FORM.fullmatch(signed.decode("ascii", "replace"))
    if match is None:
        raise TranscriptError("not the RFC 8785 form of exactly the members of a transcript")
    audience, challenge_hash, environment, exp, iat, *rest = match.groups()
    ring, scopes, score = rest[4:7]
    transcript = Transcript(
        environment=environment,
        audience=audience,
        verifier=_party(*rest[7:]),
        peer=_party(*rest[:4]),
        require=Requirements(score=int(score), ring=int(ring), scopes=_scopes(scopes)),
        challenge_hash=challenge_hash,
        issued_at=Instant(int(iat) * SECOND),
        expires_at=Instant(int(exp) * SECOND),
    )
    problem = transcript.problem()
    if problem is not None:
        raise TranscriptError(problem)
    return transcript


def signing_input(role: PeerRole, signed: bytes) -> bytes:
    """Return what the side with `role` signs: its prefix, a zero byte, the transcript."""
    return f"{_PREFIX}/{role.value}\0".encode() + signed


def hash_of_challenge(challenge: bytes) -> str:
    """Return the `challengeHash` of a challenge."""
    return base64url(hashlib.sha256(challenge).digest())


def _party_json(party: Party) -> JsonObject:
    return {"did": party.did, "key": party.key, "nonce": base64url(party.nonce), "version": party.version}


def _party(did: str, key: str, nonce: str, version: str) -> Party:
    return Party(did=did, key=Thumbprint(key), version=version, nonce=base64.urlsafe_b64decode(nonce + "="))


def _scopes(listed: str) -> tuple[str, ...]:
    return tuple(listed[1:-1].split('","')) if listed else ()
