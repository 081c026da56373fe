"""The keys of a Merkle log: the one that signs its checkpoints, and the salt under which people stand in it.

The rules:

- checkpoints are signed with the newest key; older ones verify what they signed, and are for whoever pinned them;
- the salt is the oldest there is: a digest of somebody must be the same for as long as the log is kept;
- agents, workloads and services stand in the log by name; people as digests that nobody without the salt can make.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.proofs.merkle import Frontier
from ringfence.proofs.signed_note import (
    Checkpoint,
    Note,
    NoteInvalid,
    NoteSigner,
    NoteUnsigned,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_note,
)

from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import Instant
from ringfence_kit.sealed_keys import KeyStore

_NO_PERSON = ("did:", "spiffe://", "dns:", "dev:")
"""How principals begin that are agents, workloads, or the tokens of development mode."""

_RECORD = b"record\x00"
"""Before every record that is digested, so that no record's digest is a person's: no principal holds a NUL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCheckpoint:
    """A signed head of a log, and what it takes to append to the log it is of."""

    frontier: Frontier
    note: str
    at: Instant


@dataclass(frozen=True, slots=True)
class _Opened:
    signer: NoteSigner
    verifiers: Sequence[VerifierKey]
    salt: bytes


class LogKeys:
    """The keys of the log named `origin`, kept under the names `signing` and `salts`, once they are opened."""

    def __init__(self, origin: str, *, signing: str, salts: str, own: str = "") -> None:
        """`own` is the principal of the service itself."""
        self.origin = origin
        self._signing = signing
        self._salts = salts
        self._named = frozenset({ANONYMOUS.principal, own})
        self._opened: _Opened | None = None
        self._newest: StoredCheckpoint | None = None
        """The last head that was made here, which needs no proof."""

    def open(self, keys: KeyStore, *, at: Instant) -> None:
        """Take the keys out of `keys`; those that are missing are made."""
        signers = [NoteSigner(self.origin, key) for key in keys.ensure_signers(self._signing, at=at)]
        salt = keys.ensure_mac_keys(self._salts, at=at)[0].secret
        self._opened = _Opened(signers[-1], [signer.verifier for signer in signers], salt)

    @property
    def verifier_key(self) -> str:
        """The key that verifies our checkpoints, in the form operators pin."""
        return str(self._keys().signer.verifier)

    @property
    def verifiers(self) -> Sequence[VerifierKey]:
        """All keys that ever signed, oldest first."""
        return self._keys().verifiers

    def head(self, frontier: Frontier, at: Instant) -> StoredCheckpoint:
        """Return the signed checkpoint of a log with this frontier."""
        text = Checkpoint(self.origin, frontier.size, frontier.root()).text()
        self._newest = StoredCheckpoint(frontier=frontier, note=self._keys().signer.sign(text), at=at)
        return self._newest

    def why_not_ours(self, stored: StoredCheckpoint) -> str:
        """Return why a head that was stored is none that these keys signed; empty when it is one.

        Who appends to what is stored asks first: a database that was altered would have us sign the alteration.
        """
        if stored == self._newest:
            return ""
        try:
            note = parse_note(stored.note)
            said = parse_checkpoint(note.text)
            if not any(_signed(note, key) for key in self.verifiers):
                return "it was signed by a key that is not in the key file"
        except NoteInvalid as error:
            return f"it is damaged ({error})"
        if (said.origin, said.size, said.root) != (self.origin, stored.frontier.size, stored.frontier.root()):
            return f"it was signed as {said.origin} with {said.size} entries, and is stored as another"
        return ""

    def in_the_log(self, principal: str) -> str:
        """Return how a principal stands in the log."""
        if principal.startswith(_NO_PERSON) or principal in self._named:
            return principal
        return f"person:{hmac.digest(self._keys().salt, principal.encode(), 'sha256').hex()[:32]}"

    def salted_digest(self, record: bytes) -> str:
        """Return what stands in the log for a record that is not for every reader of it."""
        return f"hmac-sha256-{hmac.digest(self._keys().salt, _RECORD + record, 'sha256').hex()}"

    def _keys(self) -> _Opened:
        if self._opened is None:
            raise RuntimeError("the log is used before its keys are opened")
        return self._opened


def _signed(note: Note, key: VerifierKey) -> bool:
    try:
        verify_note(note, key)
    except NoteUnsigned:
        return False
    return True
