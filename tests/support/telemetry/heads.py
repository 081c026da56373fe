"""Keys that sign checkpoints in tests: the same every run."""

from ringfence.proofs.signed_note import NoteSigner
from ringfence_kit.clock import Instant
from ringfence_kit.sealed_keys import Ed25519Signer


def note_signer(name: str, seed: bytes | int = 0) -> NoteSigner:
    """Return a signer under `name`; the seed is 32 bytes, or one byte repeated."""
    secret = seed if isinstance(seed, bytes) else bytes([seed]) * 32
    return NoteSigner(name, Ed25519Signer(secret, Instant(0)))
