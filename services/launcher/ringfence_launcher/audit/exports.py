"""Exports of the log: written from a live log, judged from a file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ringfence.proofs.cosignature import WitnessKey
from ringfence.proofs.log_export import LINE_MAX, Header, read_export, write_checkpoint, write_entry, write_header
from ringfence.proofs.log_export_check import verify_export
from ringfence.proofs.log_export_report import Report, TrustedKey

from ringfence_launcher.audit.log_reader import LogReader, Verified
from ringfence_launcher.files import replacing
from ringfence_launcher.input_files import unusable


def export_log(reader: LogReader, file: Path) -> Verified:
    """Write the whole log to `file`, all of it or nothing, and return the checkpoint it goes up to."""
    newest = reader.checkpoint()
    try:
        with replacing(file) as lines:
            lines.write(write_header(newest.checkpoint.origin))
            lines.writelines(write_entry(entry.index, entry.body) for entry in reader.entries(newest.checkpoint.size))
            lines.writelines(write_checkpoint(note) for note in reader.heads(newest))
    except OSError as error:
        raise unusable(file, error.strerror or str(error)) from error
    return newest


def origin_of(file: Path) -> str:
    """Return which log a file says it is an export of; empty when it says nothing."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            first = next(read_export(_bounded(lines)), None)
    except OSError as error:
        raise unusable(file, error.strerror or str(error)) from error
    return first.origin if isinstance(first, Header) else ""


def judge_export(
    file: Path,
    keys: Sequence[TrustedKey],
    seen: Sequence[str] = (),
    *,
    witnesses: Sequence[WitnessKey] = (),
    least_witnesses: int = 0,
) -> Report:
    """Judge a file by keys that are trusted and checkpoints seen before; so many witnesses have to stand behind it."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return verify_export(_bounded(lines), keys, seen, witnesses=witnesses, least_witnesses=least_witnesses)
    except OSError as error:
        raise unusable(file, error.strerror or str(error)) from error


def _bounded(lines: IO[str]) -> Iterator[str]:
    """Give the lines of a file, one that is longer than any of an export in pieces that are none."""
    while line := lines.readline(LINE_MAX + 1):
        yield line
