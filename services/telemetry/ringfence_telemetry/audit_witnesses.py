"""The witnesses of the audit log: whose signatures are kept beneath its heads.

The rules:

- a witness is one whose key the operator configured; in development, one that left its key in the data directory;
- a signature is kept when it verifies beneath a head this log signed, and was not made in the future; anything else is
  refused with what is wrong with it. The same again changes nothing;
- what is kept is given out with the head, and says nothing by itself: who reads a head decides whom to believe.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ringfence.proofs.cosignature import WitnessKey, verify_signature
from ringfence.proofs.signed_note import NoteInvalid, Signature, parse_note, parse_signature
from ringfence_kit.clock import MINUTE, SECOND, Instant, Millis
from ringfence_kit.log_keys import StoredCheckpoint
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.errors import CheckpointNotFound, CosignatureInvalid
from ringfence_telemetry.store import TelemetryTx
from ringfence_telemetry.store.audit import AuditLogStore, StoredCosignature

CLOCK_TOLERANCE = Millis(10 * MINUTE)
"""How far a witness' clock may be ahead of ours."""

LINE_MAX = 1_024
"""Characters of a signature line: a name, and 76 bytes in base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessStanding:
    """How far a witness has come."""

    key: WitnessKey
    size: int | None
    """Of the newest head it stands behind; None when there is none."""
    at: Instant | None
    """When it said so, by its own clock."""


class AuditWitnesses:
    """Takes what witnesses sign, and knows who stands behind what."""

    def __init__(
        self,
        writer: Writer[TelemetryTx],
        store: AuditLogStore,
        *,
        known: Callable[[], Iterable[WitnessKey]],
        on_added: Callable[[], None],
    ) -> None:
        """`known` returns the witnesses there are now; `on_added` is called when a head got another signature."""
        self._writer = writer
        self._store = store
        self._known = known
        self._on_added = on_added

    async def add(self, size: int, line: str, *, mutation: Mutation) -> StoredCheckpoint:
        """Keep a signature and return the head with all it has. Raises CosignatureInvalid."""
        head = await self._store.checkpoint_up_to(size)
        if head is None or head.frontier.size != size:
            raise CosignatureInvalid(tree_size=size, problem="this log signed no checkpoint of that many entries")
        try:
            witness = self._verify(line, head, now=mutation.at)
        except NoteInvalid as error:
            raise CosignatureInvalid(tree_size=size, problem=str(error)) from None
        cosignature = StoredCosignature(size=size, witness=str(witness), line=line, at=mutation.at)
        await self._writer.write(lambda tx: tx.keep_cosignature(cosignature), mutation=mutation, result=type(None))
        self._on_added()
        return await self._store.checkpoint_up_to(size) or head

    async def cosigned(self, least: int) -> StoredCheckpoint:
        """Return the newest head that so many known witnesses stand behind. Raises CheckpointNotFound."""
        known = {str(key) for key in self._known()}
        size = await self._store.cosigned_size(witnesses=known, least=least)
        head = None if size is None else await self._store.checkpoint_up_to(size)
        if head is None:
            raise CheckpointNotFound(asked=f"{least} of {len(known)} known witnesses")
        return head

    async def standings(self) -> Sequence[WitnessStanding]:
        """Return how far each known witness has come, by name."""
        last = {each.witness: each for each in await self._store.last_cosignatures()}
        keys = sorted(self._known(), key=lambda key: (key.name, key.key_id))
        return [_standing(key, last.get(str(key))) for key in keys]

    def _verify(self, line: str, head: StoredCheckpoint, *, now: Instant) -> WitnessKey:
        signature = parse_signature(line)
        witness = self._witness(signature)
        signed_at = verify_signature(parse_note(head.note).text, signature, witness) * SECOND
        if signed_at > now + CLOCK_TOLERANCE:
            raise NoteInvalid(f"it is dated {(signed_at - now) // SECOND} s in the future")
        return witness

    def _witness(self, signature: Signature) -> WitnessKey:
        for key in self._known():
            if (key.name, key.key_id) == (signature.name, signature.key_id):
                return key
        raise NoteInvalid(f"{signature.name}+{signature.key_id.hex()} is no known witness")


def _standing(key: WitnessKey, last: StoredCosignature | None) -> WitnessStanding:
    if last is None:
        return WitnessStanding(key=key, size=None, at=None)
    seconds = int.from_bytes(parse_signature(last.line).value[:8])
    return WitnessStanding(key=key, size=last.size, at=Instant(seconds * SECOND))
