"""A decision log in memory, signed with a real key: what exports are made from in tests."""

from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ringfence_launcher.audit.export_file import ExportedEntry, write_export
from ringfence_launcher.audit.verification import root_of
from ringfence_telemetry.merkle import Digest, leaf_hash
from ringfence_telemetry.signed_note import Checkpoint, NoteSigner

ORIGIN = "log.test.example"


def signer(seed: int = 1, name: str = ORIGIN) -> NoteSigner:
    return NoteSigner(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


class AuditLog:
    """Entries and the key that signs them."""

    def __init__(self, bodies: Sequence[bytes], *, key: NoteSigner | None = None) -> None:
        self.bodies = list(bodies)
        self.key = key or signer()

    @property
    def verifier_key(self) -> str:
        return str(self.key.verifier)

    def checkpoint(self, size: int | None = None) -> str:
        bodies = self.bodies[: len(self.bodies) if size is None else size]
        root = root_of([leaf_hash(body) for body in bodies])
        return self.key.sign(Checkpoint(ORIGIN, len(bodies), root).text())

    def subtree(self, level: int, index: int) -> Digest:
        """The reader proofs are made with."""
        width = 1 << level
        return root_of([leaf_hash(body) for body in self.bodies[index * width : (index + 1) * width]])

    def export(self, file: Path) -> Path:
        entries = [
            ExportedEntry(index=i, body=body, append_time="2026-01-01T00:00:00Z") for i, body in enumerate(self.bodies)
        ]
        write_export(file, verifier_key=self.verifier_key, entries=entries, checkpoint=self.checkpoint())
        return file


def numbered_log(size: int, *, key: NoteSigner | None = None) -> AuditLog:
    return AuditLog([f'{{"decision_id":"{n}","effect":"DENY"}}'.encode() for n in range(size)], key=key)
