"""A decision log in memory, signed with a real key."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ringfence.proofs.merkle import Digest, Frontier, leaf_hash
from ringfence.proofs.signed_note import Checkpoint, NoteSigner

ORIGIN = "log.test.example"


class SeededKey:
    """A key that is the same in every run."""

    def __init__(self, seed: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def signer(seed: int = 1, name: str = ORIGIN) -> NoteSigner:
    return NoteSigner(name, SeededKey(seed))


class AuditLog:
    """Entries and the key that signs them."""

    def __init__(self, bodies: Sequence[bytes], *, key: NoteSigner | None = None) -> None:
        self.bodies = list(bodies)
        self.key = key or signer()

    @property
    def verifier_key(self) -> str:
        return str(self.key.verifier)

    def checkpoint(self) -> str:
        return self.key.sign(Checkpoint(ORIGIN, len(self.bodies), _root(self.bodies)).text())

    def subtree(self, level: int, index: int) -> Digest:
        """The reader proofs are made with."""
        width = 1 << level
        return _root(self.bodies[index * width : (index + 1) * width])


def numbered_log(size: int, *, key: NoteSigner | None = None) -> AuditLog:
    return AuditLog([f'{{"decision_id":"{n}","effect":"DENY"}}'.encode() for n in range(size)], key=key)


def _root(bodies: Sequence[bytes]) -> Digest:
    return Frontier().grow(leaf_hash(body) for body in bodies)[0].root()
