"""What a judgement of an exported log is made of: whom one trusts, what is wrong, and who stands behind the rest."""

import enum
from dataclasses import dataclass

from ringfence.proofs.cosignature import WitnessKey
from ringfence.proofs.merkle import Digest
from ringfence.proofs.signed_note import VerifierKey


class Problem(enum.Enum):
    """What can be wrong with an export. The values are the words the command prints."""

    UNREADABLE = "unreadable"
    """A line is no line of an export."""
    MISSING = "missing"
    """An entry is not there though later ones are."""
    REPEATED = "repeated"
    """An entry is there twice."""
    ALTERED = "altered"
    """An entry's body is not what the log hashed."""
    SWAPPED = "swapped"
    """Two entries stand in each other's place, or one stands after a later one."""
    TRUNCATED = "truncated"
    """A signed head covers more entries than the file holds."""
    UNSIGNED = "unsigned"
    """Entries follow the newest head, or no head verifies at all: nothing vouches for them."""
    REWRITTEN = "rewritten"
    """A signed head is not the root of the entries before it."""
    FORKED = "forked"
    """Two signed heads cannot both be of one log."""
    BAD_SIGNATURE = "bad-signature"
    """A head is malformed, of another log, or its signature does not verify."""
    UNKNOWN_KEY = "unknown-key"
    """A head is signed by none of the keys that are trusted."""
    RETIRED_KEY = "retired-key"
    """A head is signed by a key that was retired at a smaller size."""
    UNWITNESSED = "unwitnessed"
    """Fewer witnesses than were asked for stand behind all of the entries."""


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A pinned key, and up to which log size its signatures count."""

    key: VerifierKey
    last_size: int | None = None
    """None: it is in force."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in words and in numbers."""

    problem: Problem
    detail: str
    first_index: int | None = None
    """The entry, or the first of those among which the fault lies."""
    end_index: int | None = None
    """One past the last of them."""


@dataclass(frozen=True, slots=True)
class Backing:
    """How far a witness stands behind the entries."""

    witness: WitnessKey
    size: int | None
    """How many entries, from the first; None when it signed no head in the file that they give."""
    seconds: int = 0
    """When it said so, in POSIX seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an export proves."""

    origin: str
    entries: int
    """Entries in the file."""
    proven: int
    """How many of them, from the first, the newest head in force vouches for. Meaningful only without findings."""
    root: Digest
    heads: int
    """Signed heads that verify."""
    findings: tuple[Finding, ...]
    more_findings: int
    witnesses: tuple[Backing, ...] = ()
    """The witnesses that were asked about, in the order they were named."""

    @property
    def standing_behind(self) -> int:
        """How many of them stand behind everything the log's own signature covers."""
        return sum(backing.size == self.proven for backing in self.witnesses)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings
