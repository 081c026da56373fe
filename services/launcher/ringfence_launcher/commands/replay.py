"""`ringfence replay`: logged decisions, decided again from the log alone."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text
from ringfence.proofs.log_export import ExportedEntry, read_export
from ringfence.telemetry.v1 import audit_pb2
from ringfence.telemetry.v1.audit_pb2_grpc import AuditServiceStub
from ringfence_pdp import bundle
from ringfence_pdp.compile import compile_files
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.evidence import entry_id
from ringfence_pdp.replay import (
    Evidence,
    Outcome,
    Replayed,
    addresses,
    flips,
    is_decision,
    is_fact,
    read,
    replay,
    what_if,
)

from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import unusable
from ringfence_launcher.options import speaks_to
from ringfence_launcher.output import Output, fields, stacked, table
from ringfence_launcher.policy_files import policy_files
from ringfence_launcher.problems import Detail, Problem

PAGE = 1_000
SHOWN = 50

app = typer.Typer()


@app.command(
    epilog="Examples: ringfence replay --last 1000\n\nringfence replay --decision 0191b2c4-…\n\n"
    "ringfence replay --last 1000 --bundle policies/\n\nringfence replay --export decisions.jsonl"
)
@speaks_to("telemetry")
def run(
    mesh: Mesh,
    out: Output,
    *,
    decision: Annotated[str, typer.Option("--decision", metavar="ID", help="This one.")] = "",
    last: Annotated[int, typer.Option("--last", metavar="N", min=0, max=1_000_000, help="The last N.")] = 0,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="All of a file that `audit export` wrote; no server."),
    ] = None,
    policies: Annotated[
        list[Path] | None,
        typer.Option("--bundle", metavar="FOLDER", help="Say what these policies would have decided instead."),
    ] = None,
) -> None:
    """Decide logged decisions again, on facts and policies as they were, and compare every byte.

    Exit code 0: all the same. 1: some came out otherwise, or could not be decided again.
    """
    if (bool(decision), bool(last), export is not None).count(True) != 1:
        raise typer.BadParameter("give one of --decision, --last and --export")
    other = None if policies is None else _compiled(policies)
    evidence = Evidence()
    if export is not None:
        bodies = _from_export(export, evidence)
    else:
        bodies = _from_log(AuditServiceStub(mesh.channel("telemetry")), evidence, decision, last)
    done = [what_if(body, evidence, other) if other is not None else replay(body, evidence) for body in bodies]
    out.value(_as_json(done), lambda: _view(done, with_other=other is not None))
    if any(one.outcome in (Outcome.OTHER, Outcome.CHANGED, Outcome.IMPOSSIBLE) for one in done):
        raise typer.Exit(int(ExitCode.NEGATIVE))


def _compiled(policies: list[Path]) -> CompiledBundle:
    files = [bundle.PolicyFile(path=file.path, content=file.content) for file in policy_files(policies)]
    try:
        return compile_files(files)
    except BundleInvalid as invalid:
        details = tuple(Detail(where=found.field, what=found.problem) for found in invalid.violations)
        raise Problem(
            "the policies to try do not compile",
            code=ExitCode.CONFIGURATION,
            mend="correct them; `ringfence policy lint` checks them alone",
            details=details,
        ) from None


def _from_export(file: Path, evidence: Evidence) -> list[bytes]:
    """Return the decisions of an export; its facts become evidence. Whether it is whole is for `audit verify`."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return _sorted_out((line.body for line in read_export(lines) if isinstance(line, ExportedEntry)), evidence)
    except OSError as error:
        raise unusable(file, error.strerror or str(error)) from error


def _from_log(stub: AuditServiceStub, evidence: Evidence, decision: str, last: int) -> list[bytes]:
    """Return decisions of the running log, with the facts they name."""
    if decision:
        bodies = [stub.GetEntry(audit_pb2.GetEntryRequest(decision_id=decision)).entry.body]
    else:
        bodies = _newest(stub, evidence, last)
    missing = {address for body in bodies for address in addresses(read(body) or {}) if not evidence.has(address)}
    for address in sorted(missing):
        _fetch(stub, evidence, address)
    return bodies


def _newest(stub: AuditServiceStub, evidence: Evidence, last: int) -> list[bytes]:
    """Return the last decisions, the oldest first: the log is read backwards, a page at a time."""
    end = stub.GetCheckpoint(audit_pb2.GetCheckpointRequest()).checkpoint.tree_size
    found: list[bytes] = []
    while end > 0 and len(found) < last:
        start = max(0, end - PAGE)
        found = [*_sorted_out(_between(stub, start, end), evidence), *found]
        end = start
    return found[-last:]


def _between(stub: AuditServiceStub, start: int, end: int) -> Iterator[bytes]:
    """Give the entries from `start` to before `end`."""
    request = audit_pb2.ListEntriesRequest(start_index=start, page_size=min(PAGE, end - start))
    while True:
        page = stub.ListEntries(request)
        for entry in page.entries:
            if entry.index >= end:
                return
            yield entry.body
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def _sorted_out(bodies: Iterable[bytes], evidence: Evidence) -> list[bytes]:
    decisions = []
    for body in bodies:
        entry = read(body)
        if entry is not None and is_fact(entry):
            evidence.take(entry)
        elif entry is not None and is_decision(entry):
            decisions.append(body)
    return decisions


def _fetch(stub: AuditServiceStub, evidence: Evidence, address: str) -> None:
    """Fetch a fact, part by part; one that is not there is told by the replay."""
    part, parts = 0, 1
    while part < parts:
        request = audit_pb2.GetEntryRequest(decision_id=entry_id(address, part))
        try:
            entry = read(stub.GetEntry(request).entry.body)
        except Problem as problem:
            if problem.code is ExitCode.NOT_FOUND:
                return
            raise
        if entry is None or not is_fact(entry):
            return
        evidence.take(entry)
        part, parts = part + 1, entry["parts"]


def _as_json(done: Sequence[Replayed]) -> Mapping[str, Any]:
    return {
        "decisions": len(done),
        **{outcome.value: sum(one.outcome is outcome for one in done) for outcome in Outcome},
        "replays": [
            {
                "decisionId": one.decision_id,
                "outcome": one.outcome.value,
                "before": one.before,
                "after": one.after,
                "rule": one.rule,
                "why": one.why,
            }
            for one in done
        ],
    }


_WORDS = {
    Outcome.SAME: "the same bytes",
    Outcome.INEXACT: "the same answer; not all of the question is in the log",
    Outcome.OTHER: "other bytes",
    Outcome.CHANGED: "another answer",
    Outcome.IMPOSSIBLE: "not possible",
}


def _view(done: Sequence[Replayed], *, with_other: bool) -> RenderableType:
    words = {**_WORDS, Outcome.SAME: "the same answer"} if with_other else _WORDS
    counts = [(words[outcome], sum(one.outcome is outcome for one in done)) for outcome in Outcome]
    head = fields([("decisions", f"{len(done):,}"), *((what, f"{count:,}") for what, count in counts if count)])
    changed = flips(done)
    odd = [one for one in done if one.outcome in (Outcome.OTHER, Outcome.IMPOSSIBLE)]
    return stacked(
        head,
        _changes(changed) if changed else None,
        table(
            ["DECISION", "", "THEN", "NOW", "WHY"],
            ((one.decision_id, words[one.outcome], one.before, one.after, one.why) for one in odd[:SHOWN]),
            empty="",
        )
        if odd
        else None,
        Text(f"… and {len(odd) - SHOWN:,} more; -o json has them all") if len(odd) > SHOWN else None,
    )


def _changes(changed: Mapping[tuple[str, str, str], Sequence[Replayed]]) -> RenderableType:
    return table(
        ["THEN", "NOW", "BY RULE", ">TIMES", "FOR EXAMPLE"],
        (
            (before, after, rule or "none matches", f"{len(those):,}", those[0].decision_id)
            for (before, after, rule), those in changed.items()
        ),
        empty="",
    )
