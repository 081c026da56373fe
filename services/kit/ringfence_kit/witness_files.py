"""What a witness keeps in its service's data directory: the last head it believed, and evidence of a split view.

The rules:

- a head is on disk before anybody hears that it is believed: temp file, fsync, rename, fsync of the directory;
- a file that is there and cannot be read is a reason not to go on: to forget what was seen is what a forger hopes for;
- evidence is written once and stays until somebody who has looked at it takes it away; while it is there, the alarm is.
"""

import os
from pathlib import Path

import msgspec
from ringfence.proofs.log_witness import Believed, HeadDoubted
from ringfence.proofs.signed_note import NoteInvalid

from ringfence_kit.refusals import StartRefused


class WitnessFileUnusable(StartRefused):
    """The file of what was believed cannot be read."""


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    note: str
    key: str


class WitnessFiles:
    """The files of one service's witness."""

    def __init__(self, data: Path, service: str) -> None:
        self.believed_file = data / "witnesses" / f"{service}.believed.json"
        self.evidence_file = data / "witnesses" / f"{service}.split-view.txt"

    def read(self) -> Believed | None:
        """Return what was believed last; None when nothing ever was. Raises WitnessFileUnusable."""
        try:
            content = self.believed_file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        try:
            kept = msgspec.json.decode(content, type=_Kept)
            believed = Believed(note=kept.note, key=kept.key)
            _ = believed.checkpoint
        except (msgspec.DecodeError, NoteInvalid, UnicodeDecodeError) as error:
            raise self._unusable(str(error)) from error
        return believed

    def keep(self, believed: Believed) -> None:
        """Have the disk hold `believed` in the place of what was believed before. Raises OSError."""
        _replace(self.believed_file, msgspec.json.encode(_Kept(note=believed.note, key=believed.key)))

    @property
    def has_evidence(self) -> bool:
        """Whether a split view was seen and nobody took the evidence away."""
        return self.evidence_file.exists()

    def keep_evidence(self, doubted: HeadDoubted) -> None:
        """Write down what shows that the log has two histories; the first evidence stays. Raises OSError."""
        if not self.has_evidence:
            text = (
                f"{doubted.doubt.value}: {doubted.problem}\n\n--- believed before ---\n{doubted.believed}"
                f"\n--- shown now ---\n{doubted.shown}"
            )
            _replace(self.evidence_file, text.encode())

    def _unusable(self, problem: str) -> WitnessFileUnusable:
        return WitnessFileUnusable(
            f"{self.believed_file} cannot be read ({problem}), and says what the audit log was when it was last seen: "
            "restore it; if it is lost, compare the log with another witness' before you delete it"
        )


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
