"""Where a witness leaves its verifier key for whoever is to believe it: a file a service beside its data.

The key is public. An operator carries it from the witness' data directory into the settings of the log; in development,
where all services share one directory, the log finds it there by itself.
"""

from collections.abc import Sequence
from pathlib import Path

from ringfence.proofs.cosignature import WitnessKey
from ringfence.proofs.signed_note import NoteInvalid

_SUFFIX = ".key"


def witness_key_file(data: Path, service: str) -> Path:
    """Return where the verifier key of a service's witness lies."""
    return data / "witnesses" / f"{service}{_SUFFIX}"


def publish_witness_key(data: Path, service: str, key: WitnessKey) -> None:
    """Leave the key in the data directory; a file that says it already is left as it is."""
    file, text = witness_key_file(data, service), f"{key}\n"
    if _read(file) == text:
        return
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def published_witness_keys(data: Path) -> Sequence[WitnessKey]:
    """Return the keys that lie in a data directory; a file that holds none is passed over."""
    found = []
    for file in sorted((data / "witnesses").glob(f"*{_SUFFIX}")):
        try:
            found.append(WitnessKey.parse(_read(file)))
        except NoteInvalid:
            continue
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
