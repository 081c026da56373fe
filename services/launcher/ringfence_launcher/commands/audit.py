"""`ringfence audit`: prove decisions, export the log, verify it without a server."""

import enum
import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from ringfence.proofs.log_export_report import TrustedKey

from ringfence_launcher.audit.exports import export_log, judge_export, origin_of
from ringfence_launcher.audit.known_logs import KnownLog, key_text, parse_key, recall
from ringfence_launcher.audit.log_reader import LogReader, Proven, Verified
from ringfence_launcher.audit.served_logs import DecisionLog, MutationLog
from ringfence_launcher.audit.watching import watch_heads
from ringfence_launcher.audit.witnesses import known_witnesses, standings
from ringfence_launcher.connection import Mesh
from ringfence_launcher.endpoints import data_directory
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_bytes
from ringfence_launcher.options import DataOption, prints, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.problems import Detail, Problem
from ringfence_launcher.views import audit as audit_view
from ringfence_launcher.watching import CountOption


class Log(enum.StrEnum):
    """Which log, as typed."""

    DECISIONS = "decisions"
    IDENTITY = "identity"


_LOGS: Mapping[Log, type[DecisionLog | MutationLog]] = {Log.DECISIONS: DecisionLog, Log.IDENTITY: MutationLog}

_APART = {Log.DECISIONS: "", Log.IDENTITY: ", identity"}
"""What tells the two apart where they are remembered, also when one address leads to both."""

_SIZE_DIGITS_MAX = 19
"""No log is longer."""

OWN_MESH = "this data directory"
"""What the logs of a mesh that runs on the data directory are remembered under."""

app = typer.Typer(no_args_is_help=True, help="Prove a decision, export the log, verify it offline.")

LogOption = Annotated[Log, typer.Option("--log", help="decisions: what pdp decided. identity: what identity did.")]
KeyOption = Annotated[
    str,
    typer.Option(
        metavar="KEY|FILE",
        envvar="RINGFENCE_CLI_VERIFIER_KEY",
        help="The log's key, `name+id+base64`, which you got from somebody you trust. Default: the one seen first.",
    ),
]


WitnessOption = Annotated[
    list[str] | None,
    typer.Option(
        "--witness",
        metavar="KEY|FILE",
        help="A witness' key, from somebody you trust; repeat. Default: those under witnesses/ in the data directory.",
    ),
]


@app.command(
    epilog="Examples: ringfence audit checkpoint > checkpoint.txt\n\nringfence audit checkpoint --log identity"
)
@speaks_to("telemetry")
def checkpoint(mesh: Mesh, out: Output, *, log: LogOption = Log.DECISIONS, verifier_key: KeyOption = "") -> None:
    """Get the newest signed checkpoint and verify that it extends the last one seen. Keep it: it is evidence."""
    found = _reader(mesh, log, verifier_key).checkpoint()
    out.value(audit_view.checkpoint_json(found), lambda: found.note.rstrip("\n"))
    out.hint(_how_verified(found))
    out.hint(f"its key: {found.key}")


@app.command(epilog="Example: ringfence audit prove 0191b2c4-…")
@speaks_to("telemetry")
def prove(
    mesh: Mesh,
    out: Output,
    entry: Annotated[str, typer.Argument(metavar="DECISION-ID|INDEX", help="A decision's id, or an entry's place.")],
    *,
    log: LogOption = Log.DECISIONS,
    verifier_key: KeyOption = "",
) -> None:
    """Fetch an entry with its proof and verify here that it is in the log. The server is not believed."""
    proven = _reader(mesh, log, verifier_key).prove(entry)
    _require_decision(proven, "" if entry.isdecimal() else entry)
    out.value(audit_view.proven_json(proven), lambda: audit_view.proven_view(proven))
    out.hint(_how_verified(proven.under))


@app.command(epilog="Example: ringfence audit entry 42 | jq .effect")
@speaks_to("telemetry")
def entry(
    mesh: Mesh,
    out: Output,
    entry: Annotated[str, typer.Argument(metavar="DECISION-ID|INDEX", help="A decision's id, or an entry's place.")],
    *,
    log: LogOption = Log.DECISIONS,
    verifier_key: KeyOption = "",
) -> None:
    """Print what an entry says, byte for byte as it was hashed, once it is proven; `prove` shows the proof as well."""
    proven = _reader(mesh, log, verifier_key).prove(entry)
    _require_decision(proven, "" if entry.isdecimal() else entry)
    out.value(audit_view.proven_json(proven), lambda: proven.entry.body.decode("utf-8", "replace"))
    out.hint(f"entry {proven.entry.index}; {_how_verified(proven.under)}")


@app.command(epilog="Example: ringfence audit export decisions.jsonl")
@speaks_to("telemetry")
def export(
    mesh: Mesh,
    out: Output,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; replaced whole or not at all.")],
    *,
    log: LogOption = Log.DECISIONS,
    verifier_key: KeyOption = "",
) -> None:
    """Write the whole log into a file that can prove itself: entries, hashes, checkpoints with all who signed them."""
    newest = export_log(_reader(mesh, log, verifier_key), file)
    _require_whole(file, newest)
    count = newest.checkpoint.size
    out.value({"file": str(file), "entries": count}, lambda: f"{count:,} entries in {file}")
    out.hint(f"check it anywhere, without a server: ringfence audit verify {file} --verifier-key '{newest.key}'")


@app.command(epilog="Example: ringfence audit verify decisions.jsonl --verifier-key log.key --checkpoint old.txt")
@prints
def verify(
    out: Output,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `audit export` wrote.")],
    *,
    verifier_key: KeyOption = "",
    retired_keys: Annotated[
        list[str] | None,
        typer.Option("--retired-key", metavar="KEY@SIZE", help="A key that signed the log up to SIZE entries; repeat."),
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", metavar="FILE", help="A checkpoint kept from before; repeat."),
    ] = None,
    witnesses: WitnessOption = None,
    least_witnesses: Annotated[
        int, typer.Option(min=0, help="How many witnesses have to stand behind all of it; 0 only says how many do.")
    ] = 0,
    data: DataOption = None,
) -> None:
    """Check an exported log offline, name what was tampered with, and say which witnesses stand behind the rest.

    Exit code 0 means nothing was.
    """
    seen = [_note_text(path) for path in checkpoints or ()]
    if verifier_key:
        key = parse_key(key_text(verifier_key), source="--verifier-key")
    else:
        remembered = _known_log(data_directory(data), origin=origin_of(file))
        key = parse_key(remembered.verifier_key, source="the key remembered")
        seen.append(remembered.checkpoint)
    keys = [TrustedKey(key), *(_retired_key(text) for text in retired_keys or ())]
    known = known_witnesses(witnesses or (), data_directory(data))
    report = judge_export(file, keys, seen, witnesses=known, least_witnesses=least_witnesses)
    out.value(audit_view.report_json(report), lambda: audit_view.report_view(report))
    if not report.ok:
        raise typer.Exit(int(ExitCode.NEGATIVE))


@app.command(epilog="Example: ringfence audit witnesses --witness registry.key")
@speaks_to("telemetry")
def witnesses(mesh: Mesh, out: Output, *, witnesses: WitnessOption = None, verifier_key: KeyOption = "") -> None:
    """Show who watches over the log of decisions, and how far each stands behind it. Their signatures are verified."""
    reader = _reader(mesh, Log.DECISIONS, verifier_key)
    head = reader.checkpoint()
    served = DecisionLog(mesh.channel("telemetry"))
    known = known_witnesses(witnesses or (), mesh.endpoints.data)
    found = standings(served, key=head.key, known=known)
    out.value(audit_view.witnesses_json(found), lambda: audit_view.witnesses_view(found, head.checkpoint))
    if any(each.problem for each in found):
        raise typer.Exit(int(ExitCode.NEGATIVE))


@app.command(epilog="Example: ringfence audit watch --count 10")
@speaks_to("telemetry")
def watch(mesh: Mesh, out: Output, *, verifier_key: KeyOption = "", count: CountOption = 0) -> None:
    """Follow the log of decisions as its checkpoints are signed, verifying here that each extends the one before.

    Ends with exit code 1 when one does not: the log has two histories, and the two checkpoints printed are the proof.
    """
    reader = _reader(mesh, Log.DECISIONS, verifier_key)
    begun = reader.checkpoint()
    out.hint(_how_verified(begun))
    for seen in islice(watch_heads(mesh, begun), count or None):
        line = audit_view.head_line(seen.note, seen.checkpoint, extends=seen.extends)
        out.line(audit_view.checkpoint_json(seen), line)


def _reader(mesh: Mesh, log: Log, verifier_key: str) -> LogReader:
    served = _LOGS[log]
    address = mesh.endpoints.address(served.service)
    own = mesh.endpoints.running is not None and address.value == mesh.endpoints.running.grpc[served.service]
    return LogReader(
        served(mesh.channel(served.service)),
        data=mesh.endpoints.data,
        where=f"{OWN_MESH if own else address.value}{_APART[log]}",
        pinned=key_text(verifier_key),
    )


def _require_whole(file: Path, newest: Verified) -> None:
    """Verify what was written, so that nobody finds out years later that the server left something out."""
    report = judge_export(file, [TrustedKey(newest.key)])
    if not report.ok:
        raise Problem(
            f"what the service sent does not verify; {file} is kept as evidence",
            code=ExitCode.NEGATIVE,
            mend=f"see `ringfence audit verify {file}`",
            details=tuple(Detail(where=found.problem.value, what=found.detail) for found in report.findings),
        )


def _known_log(data: Path, *, origin: str) -> KnownLog:
    """Return the one log of this name that is remembered. The file's own word is no reason to trust a key: it only says
    which of the keys trusted before it is held against."""
    every = list(recall(data).values())
    known = [log for log in every if log.verifier_key.startswith(f"{origin}+")] or every
    if len(known) == 1:
        return known[0]
    raise Problem(
        "by which key shall the log be judged?" + (f" {len(known)} are remembered" if known else ""),
        code=ExitCode.USAGE,
        mend="give --verifier-key, as `ringfence audit checkpoint` printed it to somebody you trust",
    )


def _retired_key(text: str) -> TrustedKey:
    key, separator, size = text.rpartition("@")
    if not separator or not size.isascii() or not size.isdecimal() or len(size) > _SIZE_DIGITS_MAX:
        raise typer.BadParameter(f"--retired-key {text!r}: write KEY@SIZE")
    return TrustedKey(parse_key(key_text(key), source="--retired-key"), last_size=int(size))


def _note_text(file: Path) -> str:
    """Return a signed note from a file; one whose last newline was lost on a terminal is given it back."""
    return read_bytes(file).decode("utf-8", "replace").rstrip("\n") + "\n"


def _require_decision(proven: Proven, decision_id: str) -> None:
    """Refuse another decision's entry: the proof says it is in the log, only its body says which it is."""
    if not decision_id:
        return
    try:
        logged = json.loads(proven.entry.body).get("decision_id")
    except (ValueError, AttributeError, RecursionError):
        logged = None
    if logged != decision_id:
        raise Problem(
            f"the service proved another entry ({logged}) instead of decision {decision_id}",
            code=ExitCode.NEGATIVE,
            mend="do not trust this log; compare its checkpoint with another reader's",
        )


def _how_verified(found: Verified) -> str:
    key = {
        "pinned": "signed by the key you gave",
        "remembered": "signed by the key seen first",
        "first use": "signed by a key seen for the first time: compare it with another reader's",
    }[found.key_source]
    extends = "" if found.extends is None else f", and extends the {found.extends} entries seen before"
    return f"verified here: {key}{extends}"
