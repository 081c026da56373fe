"""How a piece of work looks in a terminal: a tree of agents, with the time, the cost and the blame of each."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import RenderableType
from rich.text import Text
from ringfence.telemetry.v1 import workflow_pb2 as pb

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.words import time_text, who

LINE_WIDTH = 24
"""Characters of the line of time."""

_DONE = {True: "failed", False: "ok"}
_WHO = {"unattributed": "nobody in particular"}


class _Extent(NamedTuple):
    """What the line of time stands for, in microseconds."""

    first: int
    length: int


class _Row(NamedTuple):
    hop: pb.Hop
    lead: str
    """The branches before its name."""
    below: str
    """The branches before what is beneath it."""


def tree(response: pb.GetWorkflowResponse, *, steps: bool) -> RenderableType:
    """Show one piece of work."""
    rows = list(_rows(response.hops))
    extent = _extent([row.hop for row in rows])
    lines = [line for row in rows for line in _lines(row, extent, steps=steps)]
    shown = table(
        ["AGENT", "", ">TIME", ">OWN", ">IN", ">OUT", ">COST", ""], lines, empty="its spans are no longer kept"
    )
    hidden = response.hop_count - len(rows)
    notes = [
        f"{hidden:,} more hops are not shown" if hidden > 0 else "",
        "* told by somebody not bound to the agent: evidence of nothing" if any(r.hop.untrusted for r in rows) else "",
    ]
    return stacked(
        _head(response.workflow), Text(""), shown, *(Text(f"\n{note}", style="dim") for note in notes if note)
    )


def listed(workflows: Sequence[pb.Workflow]) -> RenderableType:
    """Show a line for each piece of work."""
    longest = max((each.duration_micros for each in workflows), default=0)
    return table(
        ["TRACE", "BEGAN", "AGENT", "SESSION", "", ">TIME", ">TOKENS", ">COST", "", "BLAMED"],
        (
            (
                each.trace_id.hex(),
                time_text(each.start_time),
                _agent(each.agent) + ("*" if each.untrusted else ""),
                each.session or "-",
                _span_bar(0, each.duration_micros, longest, style=_style(failed=each.failed)),
                duration(each.duration_micros),
                f"{each.usage.input_tokens + each.usage.output_tokens:,}",
                cost(each.usage),
                _state(each),
                _agent(each.blamed_agent) if each.blamed_agent else "-",
            )
            for each in workflows
        ),
        empty="no work was settled",
    )


def duration(micros: int) -> str:
    """Return a time as people read it."""
    if micros < 1_000_000:
        return f"{micros / 1_000:,.0f} ms"
    seconds = micros / 1_000_000
    return f"{seconds:,.1f} s" if seconds < 600 else f"{seconds / 60:,.1f} min"


def cost(used: pb.WorkflowUsage) -> str:
    """Return a cost; a `?` behind it says that some calls have no price."""
    unknown = "?" if used.unknown_cost_calls else ""
    if used.currency == "mixed":
        return f"mixed{unknown}"
    return f"{used.cost_nanos / 1e9:,.4f} {used.currency}{unknown}" if used.currency else unknown or "-"


def _head(workflow: pb.Workflow) -> RenderableType:
    usage = workflow.usage
    blamed = f"{_agent(workflow.blamed_agent)}: {workflow.blame_reason}" if workflow.blamed_agent else ""
    return fields(
        [
            ("trace", workflow.trace_id.hex()),
            ("session", workflow.session),
            ("on behalf of", workflow.principal),
            ("began", time_text(workflow.start_time)),
            ("took", duration(workflow.duration_micros)),
            ("state", _state(workflow)),
            ("blamed", Text(plain(blamed), style="red") if blamed else ""),
            ("tokens", f"{usage.input_tokens:,} in, {usage.output_tokens:,} out, {usage.tool_call_count:,} tool calls"),
            ("cost", cost(usage)),
        ]
    )


def _state(workflow: pb.Workflow) -> Text:
    words = [_DONE[workflow.failed]]
    words += [workflow.outcome] if workflow.outcome else []
    words += ["open"] if workflow.open else []
    words += ["not believed"] if workflow.untrusted else []
    return Text(plain(", ".join(words)), style=_style(failed=workflow.failed or workflow.outcome == "rejected"))


def _rows(hops: Sequence[pb.Hop]) -> Iterator[_Row]:
    """Give the hops of trees, callers before those they called, with the branches that lead to them."""
    waiting = [_Row(hop, "", "") for hop in reversed(hops)]
    while waiting:
        row = waiting.pop()
        yield row
        last = len(row.hop.children) - 1
        waiting += [
            _Row(child, f"{row.below}{'└─ ' if at == last else '├─ '}", f"{row.below}{'   ' if at == last else '│  '}")
            for at, child in reversed(list(enumerate(row.hop.children)))
        ]


def _lines(row: _Row, extent: _Extent, *, steps: bool) -> Iterator[Sequence[str | Text]]:
    hop = row.hop
    style = _style(failed=hop.failed, untrusted=hop.untrusted)
    first = _micros(hop.start_time) - extent.first
    yield (
        Text.assemble((row.lead, "dim"), (plain(_agent(hop.agent)) + ("*" if hop.untrusted else ""), style)),
        _span_bar(first, hop.duration_micros, extent.length, style=style),
        duration(hop.duration_micros),
        duration(hop.own_micros),
        f"{hop.exclusive.input_tokens:,}",
        f"{hop.exclusive.output_tokens:,}",
        cost(hop.exclusive),
        _notes(hop),
    )
    inner = row.below + ("│  " if hop.children else "   ")
    for decision in hop.decisions:
        said = f"{decision.effect} {decision.reason} {decision.action}".strip()
        about = "" if decision.did == hop.agent else f" about {decision.did}"
        yield _beneath(inner, f"{said}{about}", note=decision.decision_id, bad=decision.effect == "DENY")
    for step in hop.steps if steps else ():
        yield (
            Text.assemble((inner, "dim"), (plain(f"{step.operation} {step.what}".strip()), "dim")),
            _span_bar(
                _micros(step.start_time) - extent.first,
                step.duration_micros,
                extent.length,
                style=_style(failed=step.failed),
                ink="─",
            ),
            duration(step.duration_micros),
            "",
            f"{step.usage.input_tokens:,}",
            f"{step.usage.output_tokens:,}",
            cost(step.usage),
            "failed" if step.failed else "",
        )


def _beneath(inner: str, said: str, *, note: str, bad: bool) -> Sequence[str | Text]:
    line = Text.assemble((inner, "dim"), (plain(said), "red" if bad else "dim"))
    return (line, "", "", "", "", "", "", Text(plain(note), style="dim"))


def _notes(hop: pb.Hop) -> Text:
    words = [f"failed: {hop.error}" if hop.error else "failed"] if hop.failed else []
    words += [f"{hop.retries} repeated"] if hop.retries else []
    notes = Text(plain(", ".join(words)), style="red" if hop.failed else "yellow")
    return Text.assemble(("◀ blamed  ", "bold red"), notes) if hop.blamed else notes


def _agent(name: str) -> str:
    return _WHO.get(name) or who(name)


def _style(*, failed: bool, untrusted: bool = False) -> str:
    return "yellow" if untrusted else "red" if failed else "green"


def _extent(hops: Sequence[pb.Hop]) -> _Extent:
    """Return what the line of time covers; what is not believed does not stretch it."""
    believed = [hop for hop in hops if not hop.untrusted] or hops
    first = min((_micros(hop.start_time) for hop in believed), default=0)
    last = max((_micros(hop.start_time) + hop.duration_micros for hop in believed), default=0)
    return _Extent(first, last - first)


def _span_bar(first: int, length: int, whole: int, *, style: str, ink: str = "━") -> Text:
    """Return a line of time on which a piece of it is drawn: at least one character, and none outside of it."""
    if whole <= 0:
        return Text(ink, style=style)
    start = min(max(first * LINE_WIDTH // whole, 0), LINE_WIDTH - 1)
    end = min(max(-(-(first + length) * LINE_WIDTH // whole), start + 1), LINE_WIDTH)
    return Text.assemble((" " * start, ""), (ink * (end - start), style), (" " * (LINE_WIDTH - end), ""))


def _micros(moment: Timestamp) -> int:
    return moment.seconds * 1_000_000 + moment.nanos // 1_000
