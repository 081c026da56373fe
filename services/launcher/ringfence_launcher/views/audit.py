"""How the audit log is shown: heads, proven entries, judgements, and who stands behind what."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message
from rich.console import RenderableType
from rich.text import Text
from ringfence.proofs.log_export_report import Backing, Report
from ringfence.proofs.signed_note import Checkpoint, parse_note

from ringfence_launcher.audit.log_reader import Proven, Verified
from ringfence_launcher.audit.served_logs import ServedEntry
from ringfence_launcher.audit.witnesses import Standing
from ringfence_launcher.output import as_json, fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.words import counted, time_text


def checkpoint_json(found: Verified) -> dict[str, Any]:
    """Return a checkpoint, and how it was verified, for programs."""
    return {
        "origin": found.checkpoint.origin,
        "treeSize": found.checkpoint.size,
        "rootHash": found.checkpoint.root.hex(),
        "signedNote": found.note,
        "verifierKey": str(found.key),
        "verified": {"key": found.key_source, "extends": found.extends},
    }


def proven_json(proven: Proven) -> dict[str, Any]:
    """Return a proven entry for programs."""
    return {
        "entry": entry_json(proven.entry),
        "path": [digest.hex() for digest in proven.path],
        "checkpoint": checkpoint_json(proven.under),
    }


def entry_json(entry: ServedEntry) -> dict[str, Any]:
    """Return an entry in the proto's own JSON, whichever log it is of."""
    if not isinstance(entry, Message):
        raise TypeError("an entry is a protobuf message")
    return as_json(entry)


def proven_view(proven: Proven) -> RenderableType:
    """Return a proven entry for people."""
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
        body_view(proven.entry.body),
    )


def body_view(body: bytes) -> RenderableType:
    """Return what an entry says, member by member where it has any."""
    try:
        members = json.loads(body)
        return fields((name, value if isinstance(value, str) else json.dumps(value)) for name, value in members.items())
    except (ValueError, AttributeError, RecursionError):
        return Text(repr(body))


def report_json(report: Report) -> dict[str, Any]:
    """Return a judgement for programs."""
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
        "witnesses": [
            {
                "name": backing.witness.name,
                "verifierKey": str(backing.witness),
                "entries": backing.size,
                "cosignedAt": backing.seconds or None,
            }
            for backing in report.witnesses
        ],
    }


def report_view(report: Report) -> RenderableType:
    """Return a judgement for people."""
    witnesses = _backings(report) if report.witnesses else None
    if report.ok:
        return stacked(
            Text.assemble(
                ("HOLDS", "bold green"),
                f"  {report.proven:,} entries of {plain(report.origin)}, root {report.root.hex()}",
            ),
            witnesses,
        )
    more = f", and {report.more_findings:,} more" if report.more_findings else ""
    return stacked(
        Text.assemble((_verdict(report), "bold red"), f"  {counted(len(report.findings), 'finding')}{more}"),
        table(
            ["WHAT", "HOW WE KNOW"],
            ((Text(found.problem.value, style="red"), found.detail) for found in report.findings),
            empty="",
        ),
        witnesses,
    )


def _verdict(report: Report) -> str:
    """An export says first of which log it is; nobody has to tamper with a file that never was one."""
    return "TAMPERED" if report.origin else "NO EXPORT OF A LOG"


def _backings(report: Report) -> RenderableType:
    return table(
        ["WITNESS", "STANDS BEHIND"],
        ((plain(backing.witness.name), _stands_behind(backing, report.proven)) for backing in report.witnesses),
        empty="",
    )


def _stands_behind(backing: Backing, proven: int) -> Text:
    if backing.size is None:
        return Text("nothing in this file", style="yellow")
    since = seconds_text(backing.seconds)
    if backing.size == proven:
        return Text(f"all {proven:,} entries, since {since}", style="green")
    return Text(f"the first {backing.size:,} entries, since {since}")


def seconds_text(seconds: int) -> str:
    """Return a POSIX time as people read it; one that is none of this calendar, as the number it is."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"second {seconds}"


def witnesses_json(standings: Sequence[Standing]) -> list[dict[str, Any]]:
    """Return how far the witnesses have come for programs."""
    return [
        {
            "name": each.key.name,
            "verifierKey": str(each.key),
            "known": each.known,
            "entries": each.size,
            "cosignedAt": each.seconds or None,
            "problem": each.problem,
        }
        for each in standings
    ]


def witnesses_view(standings: Sequence[Standing], head: Checkpoint) -> RenderableType:
    """Return how far the witnesses have come for people."""
    return table(
        ["WITNESS", "STANDS BEHIND", "ITS KEY"],
        ((plain(each.key.name), _standing(each, head), _whose(each)) for each in standings),
        empty="telemetry knows no witnesses: see telemetry.witnesses",
    )


def _standing(standing: Standing, head: Checkpoint) -> Text:
    if standing.problem:
        return Text(plain(standing.problem), style="red")
    if standing.size is None:
        return Text("nothing yet", style="yellow")
    since = seconds_text(standing.seconds)
    if standing.size == head.size:
        return Text(f"all {head.size:,} entries, since {since}", style="green")
    return Text(f"the first {standing.size:,} of {head.size:,} entries, since {since}")


def _whose(standing: Standing) -> Text:
    return Text("known here") if standing.known else Text("as telemetry says", style="yellow")


def head_line(note: str, checkpoint: Checkpoint, *, extends: int | None) -> str:
    """Return a checkpoint as one line of a watch."""
    others = len(parse_note(note).signatures) - 1
    behind = f", {others} witnesses" if others else ""
    step = "first seen" if extends is None else f"extends {extends:,}"
    return f"{checkpoint.size:>10,} entries  {checkpoint.root.hex()[:16]}  {step}{behind}"
