"""The keys of the audit log: the one that signs its heads, and the salt under which people stand in it.

The rules:

- heads are signed with the newest key; older ones verify what they signed, and are for whoever pinned them;
- the salt is the oldest there is: a digest of somebody must be the same for as long as the log is kept.
"""

import hmac

from ringfence.proofs.merkle import Frontier
from ringfence.proofs.signed_note import Checkpoint, NoteSigner
from ringfence_kit.clock import Instant
from ringfence_kit.sealed_keys import KeyStore

from ringfence_telemetry.store import StoredCheckpoint

SIGNING_KEYS = "audit-checkpoints"
SALTS = "audit-people"

_NO_PERSON = ("did:", "spiffe://", "dns:", "dev:")
"""How principals begin that are agents, workloads, or the tokens of development mode."""


class AuditKeys:
    """The keys of the log named `origin`, once they are opened."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._opened: tuple[NoteSigner, bytes] | None = None

    def open(self, keys: KeyStore, *, at: Instant) -> None:
        """Take the keys out of `keys`; those that are missing are made."""
        signer = NoteSigner(self._origin, keys.ensure_signers(SIGNING_KEYS, at=at)[-1])
        self._opened = signer, keys.ensure_mac_keys(SALTS, at=at)[0].secret

    @property
    def verifier_key(self) -> str:
        """The key that verifies our heads, in the form operators pin."""
        return str(self._keys()[0].verifier)

    def head(self, frontier: Frontier, at: Instant) -> StoredCheckpoint:
        """Return the signed head of a log with this frontier."""
        text = Checkpoint(self._origin, frontier.size, frontier.root()).text()
        return StoredCheckpoint(frontier=frontier, note=self._keys()[0].sign(text), at=at)

    def in_the_log(self, principal: str) -> str:
        """Return how a principal stands in the log: people as digests that nobody else can make."""
        if principal.startswith(_NO_PERSON):
            return principal
        return f"person:{hmac.digest(self._keys()[1], principal.encode(), 'sha256').hex()[:32]}"

    def _keys(self) -> tuple[NoteSigner, bytes]:
        if self._opened is None:
            raise RuntimeError("the audit log is used before its keys are opened")
        return self._opened
