"""Who watches over telemetry's audit log, as somebody sees it who believes nothing but keys."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ringfence.proofs.cosignature import CosignatureAbsent, WitnessKey, verify_cosignature
from ringfence.proofs.signed_note import NoteInvalid, VerifierKey, parse_checkpoint, parse_note, verify_note
from ringfence_kit.witness_keys import published_witness_keys

from ringfence_launcher.audit.known_logs import key_text
from ringfence_launcher.audit.served_logs import DecisionLog
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a witness stands behind the log."""

    key: WitnessKey
    known: bool
    """Whether its key was given or lies here; else it is what telemetry says."""
    size: int | None = None
    """Of the newest head it signed, once that was verified."""
    seconds: int = 0
    problem: str = ""
    """What does not verify."""


def known_witnesses(given: Sequence[str], data: Path) -> Sequence[WitnessKey]:
    """Return the keys that were given, as themselves or as files; without any, those in the data directory."""
    return [_parse(text) for text in given] if given else published_witness_keys(data)


def standings(log: DecisionLog, *, key: VerifierKey, known: Iterable[WitnessKey]) -> list[Standing]:
    """Return how far each witness stands behind the log that `key` signs, their signatures verified here."""
    here = set(known)
    return [_standing(log, served.verifier_key, served.tree_size, key, here) for served in log.witnesses()]


def _standing(log: DecisionLog, text: str, size: int | None, key: VerifierKey, known: set[WitnessKey]) -> Standing:
    witness = _parse(text)
    if size is None:
        return Standing(key=witness, known=witness in known)
    try:
        note = parse_note(log.checkpoint(at_most=size).note)
        verify_note(note, key)
        seconds = verify_cosignature(note, witness)
        signed = parse_checkpoint(note.text).size
    except CosignatureAbsent:
        return Standing(key=witness, known=witness in known, problem=f"did not sign what it is said to, at {size}")
    except NoteInvalid as error:
        return Standing(key=witness, known=witness in known, problem=str(error))
    return Standing(key=witness, known=witness in known, size=signed, seconds=seconds)


def _parse(text: str) -> WitnessKey:
    try:
        return WitnessKey.parse(key_text(text))
    except NoteInvalid as error:
        raise Problem(
            f"--witness: {error}",
            code=ExitCode.CONFIGURATION,
            mend="each witness leaves its key in its data directory, under witnesses/",
        ) from error
