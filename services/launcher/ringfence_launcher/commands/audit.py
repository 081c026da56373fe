"""`ringfence audit`: prove decisions, export the log, verify it without a server."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text
from ringfence.telemetry.v1 import audit_pb2 as pb

from ringfence_launcher.audit.export_file import read_export, write_export
from ringfence_launcher.audit.known_logs import parse_key
from ringfence_launcher.audit.log_reader import LogReader, Proven, Verified
from ringfence_launcher.audit.verification import Verdict, verify_export
from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_bytes, unusable
from ringfence_launcher.options import prints, speaks_to
from ringfence_launcher.output import Output, as_json, fields, stacked, table
from ringfence_launcher.problems import Detail, Problem
from ringfence_launcher.words import time_text

app = typer.Typer(no_args_is_help=True, help="Prove a decision, export the log, verify it offline.")

KeyOption = Annotated[
    str,
    typer.Option(
        metavar="KEY|FILE",
        envvar="RINGFENCE_CLI_VERIFIER_KEY",
        help="The log's key, `name+id+base64`, which you got from somebody you trust. Default: the one seen first.",
    ),
]


@app.command(epilog="Example: ringfence audit checkpoint > checkpoint.txt")
@speaks_to("telemetry")
def checkpoint(mesh: Mesh, out: Output, *, verifier_key: KeyOption = "") -> None:
    """Get the newest signed checkpoint and verify that it extends the last one seen. Keep it: it is evidence."""
    found = _reader(mesh, verifier_key).checkpoint()
    out.value(_checkpoint_json(found), lambda: Text(found.note.rstrip("\n")))
    out.hint(_how_verified(found))
    out.hint(f"its key: {found.key}")


@app.command(epilog="Example: ringfence audit prove 0191b2c4-…")
@speaks_to("telemetry")
def prove(
    mesh: Mesh,
    out: Output,
    decision_id: Annotated[str, typer.Argument(metavar="DECISION-ID|INDEX", help="A decision's id, or its place.")],
    *,
    verifier_key: KeyOption = "",
) -> None:
    """Fetch a decision with its proof and verify here that it is in the log. The server is not believed."""
    request = pb.GetInclusionProofRequest()
    if decision_id.isascii() and decision_id.isdecimal():
        request.index = int(decision_id)
    else:
        request.decision_id = decision_id
    proven = _reader(mesh, verifier_key).prove(request)
    _require_decision(proven, request.decision_id)
    out.value(_proven_json(proven), lambda: _proven_view(proven))
    out.hint(_how_verified(proven.under))


@app.command(epilog="Example: ringfence audit export decisions.jsonl")
@speaks_to("telemetry")
def export(
    mesh: Mesh,
    out: Output,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; replaced whole or not at all.")],
    *,
    verifier_key: KeyOption = "",
) -> None:
    """Write the whole log into a file that can prove itself: entries, hashes, signed checkpoint."""
    reader = _reader(mesh, verifier_key)
    newest = reader.checkpoint()
    try:
        count = write_export(
            file,
            verifier_key=str(newest.key),
            entries=reader.entries(newest.checkpoint.size),
            checkpoint=newest.note,
        )
    except OSError as error:
        raise unusable(file, error.strerror or str(error)) from error
    _require_whole(file, newest)
    out.value({"file": str(file), "entries": count}, lambda: f"{count:,} entries in {file}")
    out.hint(f"check it anywhere, without a server: ringfence audit verify {file} --verifier-key '{newest.key}'")


@app.command(epilog="Example: ringfence audit verify decisions.jsonl --verifier-key log.key --checkpoint old.txt")
@prints
def verify(
    out: Output,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `audit export` wrote.")],
    *,
    verifier_key: KeyOption = "",
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", metavar="FILE", help="A checkpoint kept from before; repeat."),
    ] = None,
) -> None:
    """Check an exported log offline, and name what was tampered with. Exit code 0 means nothing was."""
    try:
        exported = read_export(file)
    except OSError as error:
        raise unusable(file, error.strerror or str(error)) from error
    pinned = _key_text(verifier_key)
    if pinned:
        trusted = parse_key(pinned, source="--verifier-key")
    else:
        trusted = parse_key(exported.verifier_key, source=str(file), code=ExitCode.NEGATIVE)
    kept = [_note_text(path) for path in checkpoints or ()]
    verdict = verify_export(exported, trusted=trusted, kept=kept)
    out.value(_verdict_json(verdict, pinned=bool(pinned)), lambda: _verdict_view(verdict))
    if not pinned:
        out.hint(
            "checked against the key in the file itself: that proves the file whole, not whose it is. "
            f"If you know {trusted} to be the log's key, say so with --verifier-key."
        )
    if not verdict.holds:
        raise typer.Exit(int(ExitCode.NEGATIVE))


def _reader(mesh: Mesh, verifier_key: str) -> LogReader:
    return LogReader(mesh.channel("telemetry"), data=mesh.endpoints.data, pinned=_key_text(verifier_key))


def _require_whole(file: Path, newest: Verified) -> None:
    """Verify what was written, so that nobody finds out years later that the server left something out."""
    verdict = verify_export(read_export(file), trusted=newest.key)
    if not verdict.holds:
        raise Problem(
            f"what the service sent does not verify; {file} is kept as evidence",
            code=ExitCode.NEGATIVE,
            mend=f"see `ringfence audit verify {file}`",
            details=tuple(Detail(where=finding.where, what=finding.problem) for finding in verdict.findings),
        )


def _key_text(given: str) -> str:
    """Return a key given as itself or as a file that holds it."""
    if not given or "+" in given:
        return given
    return read_bytes(Path(given)).decode("utf-8", "replace").strip()


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
        "entry": as_json(proven.entry),
        "path": [digest.hex() for digest in proven.path],
        "checkpoint": _checkpoint_json(proven.under),
    }


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


def _verdict_json(verdict: Verdict, *, pinned: bool) -> dict[str, Any]:
    return {
        "holds": verdict.holds,
        "keyPinned": pinned,
        "entries": verdict.entries,
        "treeSize": verdict.checkpoint.size if verdict.checkpoint else None,
        "rootHash": verdict.checkpoint.root.hex() if verdict.checkpoint else None,
        "findings": [asdict(finding) for finding in verdict.findings],
    }


def _verdict_view(verdict: Verdict) -> RenderableType:
    if verdict.holds and verdict.checkpoint is not None:
        under = verdict.checkpoint
        return Text.assemble(
            ("HOLDS", "bold green"), f"  {verdict.entries:,} entries of {under.origin}, root {under.root.hex()}"
        )
    return stacked(
        Text.assemble(("TAMPERED", "bold red"), f"  {len(verdict.findings)} findings"),
        table(
            ["WHERE", "WHAT", "HOW WE KNOW"],
            ((finding.where, Text(finding.fault, style="red"), finding.problem) for finding in verdict.findings),
            empty="",
        ),
    )
