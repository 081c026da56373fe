"""What is remembered about logs between two commands: the key that signs each, and the last checkpoint seen of it.

A log that shows one history to one reader and another to the next is found out only by those who remember. So the
first key seen is kept and every later checkpoint must be signed by it (trust on first use, as ssh does), and the last
checkpoint is kept and every later one must extend it. `--verifier-key` beats what is remembered.

A log is known by where it was read: by the address, or as the data directory's own when a mesh runs on it, whose ports
may differ from start to start.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ringfence.proofs.signed_note import NoteInvalid, VerifierKey

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.files import replacing
from ringfence_launcher.input_files import read_bytes
from ringfence_launcher.problems import Problem

_FILE_NAME = "known-logs.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLog:
    """What is remembered of one log."""

    verifier_key: str
    checkpoint: str
    """The newest signed note that was verified."""


def recall(data: Path) -> Mapping[str, KnownLog]:
    """Return every log remembered under `data`, by where it was read."""
    file = data / _FILE_NAME
    try:
        document: Any = json.loads(file.read_text(encoding="utf-8"))
        return {
            str(where): KnownLog(verifier_key=str(known["verifier_key"]), checkpoint=str(known["checkpoint"]))
            for where, known in document["logs"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Problem(
            f"{file} cannot be used: {error}",
            code=ExitCode.CONFIGURATION,
            mend=f"compare the log's key with another reader's, then remove {file}",
        ) from error


def remember(data: Path, where: str, known: KnownLog) -> None:
    """Keep what is known of the log read at `where`. No directory is made just for this."""
    if not data.is_dir():
        return
    logs = {place: asdict(log) for place, log in {**recall(data), where: known}.items()}
    with replacing(data / _FILE_NAME) as file:
        json.dump({"logs": logs}, file, indent=2)
        file.write("\n")


def parse_key(text: str, *, source: str) -> VerifierKey:
    """Return a verifier key, or raise a Problem that names where the text came from."""
    try:
        return VerifierKey.parse(text)
    except NoteInvalid as error:
        raise Problem(
            f"{source}: {error}", code=ExitCode.CONFIGURATION, mend="`ringfence audit checkpoint` prints a log's key"
        ) from error


def key_text(given: str) -> str:
    """Return a key given as itself or as a file that holds it."""
    if not given or "+" in given:
        return given
    return read_bytes(Path(given)).decode("utf-8", "replace").strip()
