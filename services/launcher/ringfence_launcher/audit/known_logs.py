"""What is remembered about a log between two commands: the key that signs it, and the last checkpoint seen.

A log that shows one history to one reader and another to the next is found out only by those who remember. So the
first key seen is kept and every later checkpoint must be signed by it (trust on first use, as ssh does), and the last
checkpoint is kept and every later one must extend it. `--verifier-key` beats what is remembered.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence_telemetry.signed_note import NoteInvalid, VerifierKey

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.files import replacing
from ringfence_launcher.problems import Problem

_FILE_NAME = "known-log.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLog:
    """What is remembered of one mesh's log."""

    verifier_key: str
    checkpoint: str
    """The newest signed note that was verified."""


def recall(data: Path) -> KnownLog | None:
    """Return what is remembered under `data`; None before the first time."""
    file = data / _FILE_NAME
    try:
        document: Any = json.loads(file.read_text(encoding="utf-8"))
        return KnownLog(verifier_key=str(document["verifier_key"]), checkpoint=str(document["checkpoint"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(
            f"{file} cannot be used: {error}",
            code=ExitCode.CONFIGURATION,
            mend=f"compare the log's key with another reader's, then remove {file}",
        ) from error


def remember(data: Path, known: KnownLog) -> bool:
    """Keep `known` under `data`, and say whether there was a place for it: no directory is made just for this."""
    if not data.is_dir():
        return False
    with replacing(data / _FILE_NAME) as file:
        json.dump({"verifier_key": known.verifier_key, "checkpoint": known.checkpoint}, file, indent=2)
        file.write("\n")
    return True


def parse_key(text: str, *, source: str) -> VerifierKey:
    """Return a verifier key, or raise a Problem that names where the text came from."""
    try:
        return VerifierKey.parse(text)
    except NoteInvalid as error:
        raise Problem(
            f"{source}: {error}", code=ExitCode.CONFIGURATION, mend="`ringfence audit checkpoint` prints a log's key"
        ) from error
