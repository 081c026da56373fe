"""Witnesses of tests: keys that are the same every run, and lines they sign."""

from ringfence.proofs.cosignature import Cosigner
from ringfence.proofs.signed_note import parse_note
from ringfence_kit.clock import Instant
from ringfence_kit.sealed_keys import Ed25519Signer

from support.telemetry.spans import NOW

SECONDS = NOW // 1_000


def cosigner(name: str = "witness.example/w1", seed: int = 101) -> Cosigner:
    """Return a witness; the seed is one byte, repeated."""
    return Cosigner(name, Ed25519Signer(bytes([seed]) * 32, Instant(0)))


def line_under(note: str, *, by: Cosigner | None = None, seconds: int = SECONDS) -> str:
    """Return what a witness puts beneath a checkpoint."""
    return (by or cosigner()).cosign(parse_note(note).text, seconds=seconds)
