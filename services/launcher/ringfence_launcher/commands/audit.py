"""`ringfence audit`: prove decisions, export the log, verify it without a server."""

import enum
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.message import Message
from rich.console import RenderableType
from rich.text import Text
from ringfence.proofs.log_export_report import Report, TrustedKey

from ringfence_launcher.audit.exports import export_log, judge_export, origin_of
from ringfence_launcher.audit.known_logs import KnownLog, key_text, parse_key, recall
from ringfence_launcher.audit.log_reader import LogReader, Proven, Verified
from ringfence_launcher.audit.served_logs import DecisionLog, MutationLog, ServedEntry
from ringfence_launcher.connection import Mesh
from ringfence_launcher.endpoints import data_directory
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_bytes
from ringfence_launcher.options import DataOption, prints, speaks_to
from ringfence_launcher.output import Output, as_json, fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.problems import Detail, Problem
from ringfence_launcher.words import time_text


class Log(enum.StrEnum):
    """Which log, as typed."""

    DECISIONS = "decisions"
    IDENTITY = "identity"


_LOGS: Mapping[Log, type[DecisionLog | MutationLog]] = {Log.DECISIONS: DecisionLog, Log.IDENTITY: MutationLog}

_APART = {Log.DECISIONS: "", Log.IDENTITY: ", identity"}
"""What tells the two apart where they are remembered, also when one address leads to both."""

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


@app.command(
    epilog="Examples: ringfence audit checkpoint > checkpoint.txt\n\nringfence audit checkpoint --log identity"
)
@speaks_to("telemetry")
def checkpoint(mesh: Mesh, out: Output, *, log: LogOption = Log.DECISIONS, verifier_key: KeyOption = "") -> None:
    """Get the newest signed checkpoint and verify that it extends the last one seen. Keep it: it is evidence."""
    found = _reader(mesh, log, verifier_key).checkpoint()
    out.value(_checkpoint_json(found), lambda: found.note.rstrip("\n"))
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
    out.value(_proven_json(proven), lambda: _proven_view(proven))
    out.hint(_how_verified(proven.under))


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
    """Write the whole log into a file that can prove itself: entries, hashes, signed checkpoint."""
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
    data: DataOption = None,
) -> None:
    """Check an exported log offline, and name what was tampered with. Exit code 0 means nothing was."""
    seen = [_note_text(path) for path in checkpoints or ()]
    if verifier_key:
        key = parse_key(key_text(verifier_key), source="--verifier-key")
    else:
        known = _known_log(data_directory(data), origin=origin_of(file))
        key = parse_key(known.verifier_key, source="the key remembered")
        seen.append(known.checkpoint)
    keys = [TrustedKey(key), *(_retired_key(text) for text in retired_keys or ())]
    report = judge_export(file, keys, seen)
    out.value(_report_json(report), lambda: _report_view(report))
    if not report.ok:
        raise typer.Exit(int(ExitCode.NEGATIVE))


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
    if not separator or not size.isascii() or not size.isdecimal():
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


def _checkpoint_json(found: Verified) -> dict[str, Any]:
    return {
        "origin": found.checkpoint.origin,
        "treeSize": found.checkpoint.size,
        "rootHash": found.checkpoint.root.hex(),
        "signedNote": found.note,
        "verifierKey": str(found.key),
        "verified": {"key": found.key_source, "extends": found.extends},
    }


def _proven_json(proven: Proven) -> dict[str, Any]:
    return {
        "entry": _entry_json(proven.entry),
        "path": [digest.hex() for digest in proven.path],
        "checkpoint": _checkpoint_json(proven.under),
    }


def _entry_json(entry: ServedEntry) -> dict[str, Any]:
    """Return an entry in the proto's own JSON, whichever log it is of."""
    if not isinstance(entry, Message):
        raise TypeError("an entry is a protobuf message")
    return as_json(entry)


def _proven_view(proven: Proven) -> RenderableType:
    under = proven.under.checkpoint
    return stacked(
        Text.assemble(("PROVEN", "bold green"), f"  entry {proven.entry.index} of {under.size} in {under.origin}"),
        fields(
            [
                ("logged", time_text(proven.entry.append_time)),
                ("leaf", proven.entry.leaf_hash.hex()),
                ("path", f"{len(proven.path)} hashes"),
                ("root", under.root.hex()),
            ]
        ),
        Text(),
        _body_view(proven.entry.body),
    )


def _body_view(body: bytes) -> RenderableType:
    try:
        members = json.loads(body)
        return fields((name, value if isinstance(value, str) else json.dumps(value)) for name, value in members.items())
    except (ValueError, AttributeError, RecursionError):
        return Text(repr(body))


def _report_json(report: Report) -> dict[str, Any]:
    return {
        "holds": report.ok,
        "origin": report.origin,
        "entries": report.entries,
        "proven": report.proven,
        "rootHash": report.root.hex(),
        "heads": report.heads,
        "findings": [
            {
                "problem": found.problem.value,
                "detail": found.detail,
                "firstIndex": found.first_index,
                "endIndex": found.end_index,
            }
            for found in report.findings
        ],
        "moreFindings": report.more_findings,
    }


def _report_view(report: Report) -> RenderableType:
    if report.ok:
        return Text.assemble(
            ("HOLDS", "bold green"),
            f"  {report.proven:,} entries of {plain(report.origin)}, root {report.root.hex()}",
        )
    more = f", and {report.more_findings:,} more" if report.more_findings else ""
    return stacked(
        Text.assemble(("TAMPERED", "bold red"), f"  {len(report.findings)} findings{more}"),
        table(
            ["WHAT", "HOW WE KNOW"],
            ((Text(found.problem.value, style="red"), found.detail) for found in report.findings),
            empty="",
        ),
    )
