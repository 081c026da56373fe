"""A log that shows its heads to witnesses: the truth, or what a test has it show."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from ringfence.audited_log import ShownHead
from ringfence.errors import RingfenceError, UnavailableError
from ringfence.proofs.merkle import (
    Digest,
    Frontier,
    Subtree,
    consistency_proof,
    leaf_hash,
)
from ringfence.proofs.signed_note import Checkpoint, NoteSigner

from support.telemetry.heads import note_signer

ORIGIN = "log.example/audit"


@dataclass(slots=True)
class History:
    """Entries, and what they hash to."""

    entries: list[bytes] = field(default_factory=list)

    @staticmethod
    def numbered(size: int, *, mark: bytes = b"") -> "History":
        """Return a history of so many entries; another `mark` is another history."""
        return History([mark + str(number).encode() for number in range(size)])

    def root(self, size: int) -> Digest:
        """Return the root of the first entries."""
        return Frontier().grow(leaf_hash(each) for each in self.entries[:size])[0].root()

    def proof(self, first: int, second: int) -> list[Digest]:
        """Return the consistency proof."""
        _, completed = Frontier().grow(leaf_hash(each) for each in self.entries)
        known = {(each.level, each.index): each.digest for each in completed}
        return consistency_proof(first, second, lambda level, index: known[level, index])

    def subtrees(self) -> list[Subtree]:
        """Return every perfect subtree."""
        return Frontier().grow(leaf_hash(each) for each in self.entries)[1]


class SteeredLog:
    """A `WitnessedLog` whose heads a test shows one by one."""

    def __init__(self, history: History | None = None, *, signer: NoteSigner | None = None) -> None:
        self.history = history or History()
        self.signer = signer or note_signer(ORIGIN, 1)
        self.away = False
        """Whether nothing is answered."""
        self.refuses: RingfenceError | None = None
        """What cosigning is answered with."""
        self.no_proof: RingfenceError | None = None
        """What asking for a proof is answered with."""
        self.opened = 0
        self.proofs_asked: list[tuple[int, int]] = []
        self.cosigned: list[tuple[int, str]] = []
        self._shown: asyncio.Queue[ShownHead | None] = asyncio.Queue()

    def note(self, size: int | None = None) -> str:
        """Return the signed head of the first entries, or of all."""
        size = len(self.history.entries) if size is None else size
        return self.signer.sign(Checkpoint(ORIGIN, size, self.history.root(size)).text())

    def show(self, note: str = "", *, key: str = "") -> None:
        """Show a head: the newest, unless a note is given."""
        self._shown.put_nowait(ShownHead(note or self.note(), key or str(self.signer.verifier)))

    def cut(self) -> None:
        """End the stream."""
        self._shown.put_nowait(None)

    async def heads(self) -> AsyncIterator[ShownHead]:
        """See `WitnessedLog`."""
        self.opened += 1
        if self.away:
            raise UnavailableError("nobody is there")
        while (head := await self._shown.get()) is not None:
            yield head
        raise UnavailableError("the stream was cut")

    async def consistency(self, first: int, second: int) -> Sequence[Digest]:
        """See `WitnessedLog`."""
        await asyncio.sleep(0)
        self.proofs_asked.append((first, second))
        if self.no_proof is not None:
            raise self.no_proof
        return self.history.proof(first, second)

    async def cosign(self, size: int, line: str) -> None:
        """See `WitnessedLog`."""
        await asyncio.sleep(0)
        if self.refuses is not None:
            raise self.refuses
        self.cosigned.append((size, line))
