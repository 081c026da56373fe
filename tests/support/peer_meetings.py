"""Meetings of two agents as plain values, for tests that need no service."""

from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st
from ringfence.instants import SECOND, Instant
from ringfence.proofs.peer_transcript import Party, PeerRole, Requirements, Transcript, signing_input
from ringfence.proofs.peer_verdict import Standing
from ringfence.proofs.public_keys import PublicKey

NOW = Instant(1_767_225_600_000)
SCID = "QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE"


@dataclass(frozen=True, slots=True)
class PlainKey:
    """A private key, the same for the same number."""

    number: int
    private: Ed25519PrivateKey = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "private", Ed25519PrivateKey.from_private_bytes(self.number.to_bytes(32, "big")))

    @property
    def public_key(self) -> bytes:
        return self.private.public_key().public_bytes_raw()

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.public_key)

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message)


VERIFIER_KEY, PEER_KEY, OTHER_KEY = PlainKey(1), PlainKey(2), PlainKey(3)


def did_of(name: str, *, environment: str = "prod") -> str:
    """Return a DID that looks as one does; nothing here resolves it."""
    scid = SCID[: -len(name)] + name
    return f"did:webvh:{scid}:{environment}.id.example.com:agents:{scid}"


def party(name: str, key: PlainKey, *, nonce: int, environment: str = "prod") -> Party:
    return Party(
        did=did_of(name, environment=environment),
        key=key.public.thumbprint,
        version=f"1-{SCID}",
        nonce=nonce.to_bytes(32, "big"),
    )


TRANSCRIPT = Transcript(
    environment="prod",
    audience="https://orders.example.com/a2a",
    verifier=party("V", VERIFIER_KEY, nonce=1),
    peer=party("P", PEER_KEY, nonce=2),
    require=Requirements(score=600, ring=2, scopes=("orders:read",)),
    challenge_hash="LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE",
    issued_at=NOW,
    expires_at=Instant(NOW + 30 * SECOND),
)

STANDING = Standing(
    did=TRANSCRIPT.peer.did,
    environment="prod",
    active=True,
    key=PEER_KEY.public,
    did_version_id=TRANSCRIPT.peer.version,
    revocation_epoch=1,
    score=650,
    ring=2,
    scopes=("orders:*", "ledger:read"),
)
VERIFIER_STANDING = replace(
    STANDING, did=TRANSCRIPT.verifier.did, key=VERIFIER_KEY.public, score=300, ring=3, scopes=()
)


def signed_by(key: PlainKey, role: PeerRole, transcript: Transcript) -> bytes:
    """Return the signature of one side."""
    return key.sign(signing_input(role, transcript.encode()))


def standing(**changes: Any) -> Standing:
    """Return the peer's standing, changed."""
    return replace(STANDING, **changes)


names = st.text("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789", min_size=1, max_size=8)
environments = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
audiences = st.from_regex(r"https://[a-z0-9./?=&%_~!$'()*+,;:@\[\]{}|^`-]{1,100}", fullmatch=True)
scopes = st.from_regex(r"[a-z0-9_-]{1,8}(:[a-z0-9._-]{1,8}[a-z0-9]){0,2}(:\*)?", fullmatch=True).filter(
    lambda scope: ".." not in scope and ":." not in scope and ".:" not in scope
)
requirements = st.builds(
    Requirements,
    score=st.integers(0, 1_000),
    ring=st.integers(0, 3),
    scopes=st.lists(scopes, max_size=5, unique=True).map(tuple),
)
digests = st.binary(min_size=32, max_size=32)
keys = st.integers(1, 50).map(PlainKey)
parties = st.builds(
    Party,
    did=names.map(did_of),
    key=keys.map(lambda key: key.public.thumbprint),
    version=st.integers(1, 10**9).map(lambda number: f"{number}-{SCID}") | st.just(""),
    nonce=digests,
)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    issued_at = Instant(draw(st.integers(0, 10**11)) * SECOND)
    verifier = draw(parties)
    peer = draw(parties.filter(lambda other: other.did != verifier.did))
    return Transcript(
        environment=draw(environments),
        audience=draw(audiences),
        verifier=verifier,
        peer=peer,
        require=draw(requirements),
        challenge_hash=draw(st.just("") | st.just(TRANSCRIPT.challenge_hash)),
        issued_at=issued_at,
        expires_at=Instant(issued_at + draw(st.integers(1, 30)) * SECOND),
    )
