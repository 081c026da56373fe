"""Judges an export of a Merkle log without a server: is it whole, unchanged, one history, signed by a key in force?

Pure: lines, keys and remembered checkpoints in, findings out. What is trusted is only what the caller brings: the keys
it pinned, each with the last log size it may sign, and the checkpoints it (or another service) saw before. The rules:

- every entry's leaf hash is computed from its body; one that differs from what the log stated names the entry, and two
  that fit each other's place name a swap;
- every signed head in the file must be the root of the entries before it; the first one that is not says between which
  two heads the change lies, even when somebody computed the leaf hashes anew;
- two heads by one key that no single log can have are a fork, whoever shows them;
- a key signs no head larger than the size at which it was retired;
- a witness stands behind the entries of the largest head it signed that the entries give; what somebody else signed
  under its name is a finding, what unknown witnesses signed is none, and counts for nothing;
- everything wrong is reported, not only the first; an export without a head that verifies proves nothing and says so.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ringfence.proofs.cosignature import CosignatureAbsent, WitnessKey, verify_cosignature
from ringfence.proofs.log_export import ExportedCheckpoint, ExportedEntry, Header, Line, Unreadable, read_export
from ringfence.proofs.log_export_report import Backing, Finding, Problem, Report, TrustedKey
from ringfence.proofs.merkle import EMPTY_ROOT, Digest, Frontier, leaf_hash
from ringfence.proofs.signed_note import (
    Checkpoint,
    Note,
    NoteInvalid,
    NoteUnsigned,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    verify_note,
)

SWAP_SEARCH_MAX = 48
"""Among how many entries a swap is looked for by trying, when the leaf hashes were computed anew."""

FINDINGS_MAX = 1_000
"""A file that is wrong in more places is wrong; the rest are only counted."""


def verify_export(
    lines: Iterable[str],
    keys: Sequence[TrustedKey],
    seen: Sequence[str] = (),
    *,
    witnesses: Sequence[WitnessKey] = (),
    least_witnesses: int = 0,
) -> Report:
    """Judge an export by the keys that are trusted and the signed checkpoints that were seen before.

    With `least_witnesses`, so many of `witnesses` have to stand behind all of it.
    """
    verifier = _Verifier(keys, witnesses, least_witnesses)
    for line in read_export(lines):
        verifier.take(line)
    return verifier.judge(seen)


@dataclass(frozen=True, slots=True)
class _Leaf:
    stated: Digest
    computed: Digest


@dataclass(frozen=True, slots=True)
class _Head:
    """A head that is signed by a key in force, and who else signed it, and when."""

    checkpoint: Checkpoint
    cosigned: Mapping[WitnessKey, int]


class _Verifier:
    def __init__(self, keys: Sequence[TrustedKey], witnesses: Sequence[WitnessKey], least_witnesses: int) -> None:
        self._keys = keys
        self._witnesses = witnesses
        self._least_witnesses = least_witnesses
        self._origin = ""
        self._leaves: dict[int, _Leaf] = {}
        self._highest = -1
        self._notes: list[str] = []
        self._lines = 0
        self._findings: list[Finding] = []
        self._more_findings = 0

    def take(self, line: Line) -> None:
        self._lines += 1
        match line:
            case Header(origin) if self._lines == 1:
                self._origin = origin
            case Header():
                self._find(Problem.UNREADABLE, "a second header stands inside the file: two exports were joined")
            case ExportedEntry():
                self._take_entry(line)
            case ExportedCheckpoint(note):
                self._notes.append(note)
            case Unreadable(number, problem):
                self._find(Problem.UNREADABLE, f"line {number} {problem}")

    def judge(self, seen: Sequence[str]) -> Report:
        if not self._origin:
            self._find(Problem.UNREADABLE, "the file does not begin with the header of an export")
        whole = self._judge_entries()
        signed = self._verified(self._notes, "the file")
        heads = [head.checkpoint for head in signed]
        remembered = [head.checkpoint for head in self._verified(seen, "an earlier look at the log")]
        roots = self._roots(whole, {head.size for head in (*heads, *remembered)})
        proven = self._judge_heads(heads, roots, whole)
        self._judge_remembered(remembered, heads, roots, proven, whole)
        if proven < whole:
            self._find(Problem.UNSIGNED, f"no signed head vouches for entries from {proven} on", proven, whole)
        elif not heads:
            self._find(Problem.UNSIGNED, "the file holds no signed head that verifies, so it proves nothing")
        backings = tuple(self._backing(witness, signed, roots, proven) for witness in self._witnesses)
        self._judge_backings(backings, proven)
        return Report(
            origin=self._origin,
            entries=len(self._leaves),
            proven=proven,
            root=roots[proven],
            heads=len(heads),
            findings=tuple(self._findings),
            more_findings=self._more_findings,
            witnesses=backings,
        )

    def _find(self, problem: Problem, detail: str, first: int | None = None, end: int | None = None) -> None:
        if len(self._findings) < FINDINGS_MAX:
            self._findings.append(Finding(problem, detail, first, end))
        else:
            self._more_findings += 1

    def _take_entry(self, entry: ExportedEntry) -> None:
        index = entry.index
        if index in self._leaves:
            self._find(Problem.REPEATED, f"entry {index} is there twice", index, index + 1)
            return
        if index < self._highest:
            self._find(Problem.SWAPPED, f"entry {index} stands after entry {self._highest}", index, index + 1)
        self._highest = max(self._highest, index)
        self._leaves[index] = _Leaf(entry.leaf_hash, leaf_hash(entry.body))

    def _judge_entries(self) -> int:
        """Name what is missing and what is not what the log hashed; return how many entries there are before a gap."""
        whole, expected = None, 0
        for index in sorted(self._leaves):
            if index > expected:
                gone = f"entry {expected} is" if index == expected + 1 else f"entries {expected} to {index - 1} are"
                self._find(Problem.MISSING, f"{gone} missing: dropped from the file", expected, index)
                whole = expected if whole is None else whole
            expected = index + 1
        self._name_altered({index: leaf for index, leaf in self._leaves.items() if leaf.stated != leaf.computed})
        return expected if whole is None else whole

    def _name_altered(self, altered: dict[int, _Leaf]) -> None:
        belongs_at = {leaf.stated: index for index, leaf in altered.items()}
        for index, leaf in altered.items():
            other = belongs_at.get(leaf.computed)
            if other is None or altered[other].computed != leaf.stated:
                self._find(Problem.ALTERED, f"entry {index} is not what the log hashed", index, index + 1)
            elif index < other:
                self._find(
                    Problem.SWAPPED, f"entries {index} and {other} stand in each other's place", index, other + 1
                )

    def _verified(self, notes: Iterable[str], source: str) -> list[_Head]:
        """Return the heads that are signed by a key in force, smallest first; report the others."""
        heads = []
        for text in notes:
            try:
                head = self._verify(text, source)
            except NoteInvalid as error:
                self._find(Problem.BAD_SIGNATURE, f"a head from {source} cannot be believed: {error}")
            else:
                heads += [head] if head is not None else []
        return sorted(heads, key=lambda head: head.checkpoint.size)

    def _verify(self, text: str, source: str) -> _Head | None:
        note = parse_note(text)
        head = parse_checkpoint(note.text)
        if head.origin != self._origin:
            raise NoteInvalid(f"it is of the log {head.origin}, not of {self._origin}")
        signers = [trusted for trusted in self._keys if _is_signed(note, trusted.key)]
        if not signers:
            names = ", ".join(f"{s.name}+{s.key_id.hex()}" for s in note.signatures)
            self._find(Problem.UNKNOWN_KEY, f"a head of {head.size} entries from {source} is signed by {names} only")
            return None
        if all(trusted.last_size is not None and head.size > trusted.last_size for trusted in signers):
            old = signers[0]
            self._find(
                Problem.RETIRED_KEY,
                f"a head of {head.size} entries from {source} is signed by {old.key.name}+{old.key.key_id.hex()}, "
                f"a key retired at {old.last_size} entries",
            )
            return None
        return _Head(head, self._cosigned(note, head.size, source))

    def _cosigned(self, note: Note, size: int, source: str) -> Mapping[WitnessKey, int]:
        """Return the known witnesses that signed a head, and when; report what only says it is theirs."""
        found = {}
        for witness in self._witnesses:
            try:
                found[witness] = verify_cosignature(note, witness)
            except CosignatureAbsent:
                continue
            except NoteInvalid as error:
                self._find(Problem.BAD_SIGNATURE, f"beneath a head of {size} entries from {source}: {error}")
        return found

    def _backing(
        self, witness: WitnessKey, heads: Sequence[_Head], roots: Mapping[int, Digest], proven: int
    ) -> Backing:
        for head in reversed(heads):
            size = head.checkpoint.size
            if witness in head.cosigned and size <= proven and roots[size] == head.checkpoint.root:
                return Backing(witness, size, head.cosigned[witness])
        return Backing(witness, None)

    def _judge_backings(self, backings: Sequence[Backing], proven: int) -> None:
        behind = sum(backing.size == proven for backing in backings)
        if behind < self._least_witnesses:
            self._find(
                Problem.UNWITNESSED,
                f"{behind} of {len(backings)} witnesses stand behind all {proven} entries, "
                f"and {self._least_witnesses} were asked for",
                0,
                proven,
            )

    def _roots(self, whole: int, sizes: set[int]) -> dict[int, Digest]:
        """Return the roots the entries give at `sizes`, as far as they go."""
        frontier, roots = Frontier(), {0: EMPTY_ROOT}
        for size in sorted(size for size in sizes if size <= whole):
            frontier, _ = frontier.grow(self._leaves[index].computed for index in range(frontier.size, size))
            roots[size] = frontier.root()
        return roots

    def _judge_heads(self, heads: Sequence[Checkpoint], roots: dict[int, Digest], whole: int) -> int:
        """Report the first head the entries do not give, and return the size of the last one before that they do."""
        proven, longest = 0, max((head.size for head in heads), default=0)
        if longest > whole:
            self._find(
                Problem.TRUNCATED,
                f"a signed head covers {longest} entries, the file holds {whole} from the beginning",
                whole,
                longest,
            )
        by_size: dict[int, Checkpoint] = {}
        for head in heads:
            if by_size.setdefault(head.size, head).root != head.root:
                self._find(Problem.FORKED, f"two heads of {head.size} entries have different roots", 0, head.size)
        for head in heads:
            if head.size > whole:
                break
            if roots[head.size] != head.root:
                self._find(Problem.REWRITTEN, self._explain(proven, head, whole), proven, head.size)
                break
            proven = head.size
        return proven

    def _explain(self, proven: int, head: Checkpoint, whole: int) -> str:
        """Say what happened between the last head that fits and the first that does not."""
        if head.size - proven <= SWAP_SEARCH_MAX:
            before, _ = Frontier().grow(self._leaves[index].computed for index in range(proven))
            leaves = [self._leaves[index].computed for index in range(proven, min(whole, head.size + 1))]
            places = range(head.size - proven)
            for one, other in itertools.combinations(places, 2):
                swapped = leaves[: len(places)]
                swapped[one], swapped[other] = leaves[other], leaves[one]
                if before.grow(swapped)[0].root() == head.root:
                    return f"entries {proven + one} and {proven + other} were swapped and their hashes computed anew"
            for one in places if len(leaves) > len(places) else ():
                if before.grow(leaves[:one] + leaves[one + 1 :])[0].root() == head.root:
                    return f"entry {proven + one} was inserted, and those after it were numbered anew"
        return (
            f"entries {proven} to {head.size - 1} are not those that were signed at {head.size} entries: "
            "some were altered, swapped, inserted or dropped, and their hashes computed anew"
        )

    def _judge_remembered(
        self,
        remembered: Sequence[Checkpoint],
        heads: Sequence[Checkpoint],
        roots: dict[int, Digest],
        proven: int,
        whole: int,
    ) -> None:
        agreed = 0
        for head in remembered:
            shown = {other.root for other in heads if other.size == head.size}
            if head.size <= proven and roots[head.size] == head.root:
                agreed = head.size
            elif (shown and head.root not in shown) or head.size <= proven:
                # Both histories are signed: the log has shown two faces, and these two heads prove it.
                self._find(
                    Problem.FORKED,
                    f"the log signed another history before: they part between entries {agreed} and {head.size - 1}",
                    agreed,
                    head.size,
                )
                return
            elif head.size > whole:
                self._find(
                    Problem.TRUNCATED,
                    f"the log held {head.size} entries when it was looked at before, the file holds {whole}",
                    whole,
                    head.size,
                )
                return


def _is_signed(note: Note, key: VerifierKey) -> bool:
    try:
        verify_note(note, key)
    except NoteUnsigned:
        return False
    return True
