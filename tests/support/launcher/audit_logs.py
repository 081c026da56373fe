"""A decision log in memory, signed with a real key."""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ringfence.proofs.cosignature import Cosigner, with_signatures
from ringfence.proofs.merkle import Digest, Frontier, leaf_hash
from ringfence.proofs.signed_note import Checkpoint, NoteSigner

ORIGIN = "log.test.example"
COSIGNED_AT = 1_700_000_000


class SeededKey:
    """A key that is the same in every run."""

    def __init__(self, seed: int) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def signer(seed: int = 1, name: str = ORIGIN) -> NoteSigner:
    return NoteSigner(name, SeededKey(seed))


def witness(name: str, seed: int) -> Cosigner:
    return Cosigner(name, SeededKey(seed))


class AuditLog:
    """Entries and the key that signs them."""

    def __init__(self, bodies: Sequence[bytes], *, key: NoteSigner | None = None) -> None:
        self.bodies = list(bodies)
        self.key = key or signer()
        self.cosigned: dict[int, list[Cosigner]] = {}
        """By size, who put a signature beneath the head."""
        self.witnesses: list[Cosigner] = []
        """Who is said to watch over it."""

    @property
    def verifier_key(self) -> str:
        return str(self.key.verifier)

    def checkpoint(self, size: int | None = None) -> str:
        size = len(self.bodies) if size is None else size
        text = Checkpoint(ORIGIN, size, _root(self.bodies[:size])).text()
        lines = [each.cosign(text, seconds=COSIGNED_AT) for each in self.cosigned.get(size, [])]
        return with_signatures(self.key.sign(text), lines)

    def subtree(self, level: int, index: int) -> Digest:
        """The reader proofs are made with."""
        width = 1 << level
        return _root(self.bodies[index * width : (index + 1) * width])


def numbered_log(size: int, *, key: NoteSigner | None = None) -> AuditLog:
    return AuditLog([f'{{"decision_id":"{n}","effect":"DENY"}}'.encode() for n in range(size)], key=key)


def _root(bodies: Sequence[bytes]) -> Digest:
    return Frontier().grow(leaf_hash(body) for body in bodies)[0].root()
