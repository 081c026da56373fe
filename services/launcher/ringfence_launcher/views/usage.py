"""How usage looks in a terminal: exact numbers, and a bar for each row to compare them by."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.telemetry.v1 import telemetry_pb2 as pb

from ringfence_launcher.output import stacked, table

BAR_WIDTH = 16
_EIGHTHS = " ▏▎▍▌▋▊▉█"

_GROUPS = {
    pb.USAGE_GROUP_AGENT: ("AGENT", "agent"),
    pb.USAGE_GROUP_SESSION: ("SESSION", "session"),
    pb.USAGE_GROUP_MODEL: ("MODEL", "model"),
    pb.USAGE_GROUP_OPERATION: ("OPERATION", "operation"),
}


def usage(response: pb.GetUsageResponse, groups: Sequence[pb.UsageGroup.ValueType]) -> RenderableType:
    """Show a row for each group, most tokens first, as the service orders them."""
    most = max((_tokens(row) for row in response.rows), default=0)
    names = [_GROUPS[group] for group in groups]
    listed = table(
        [
            *(title for title, _ in names),
            *(">SPANS", ">ERRORS", ">IN", ">CACHED", ">OUT", ">TOOLS", ">TIME", ">TOKENS", ""),
        ],
        (
            (
                *(getattr(row, field) or "-" for _, field in names),
                *(f"{count:,}" for count in (row.span_count, row.error_count, row.input_tokens)),
                *(f"{count:,}" for count in (row.cache_read_tokens, row.output_tokens, row.tool_call_count)),
                _duration(row.duration_micros),
                f"{_tokens(row):,}",
                bar(_tokens(row), most, untrusted=row.untrusted),
            )
            for row in response.rows
        ),
        empty="nothing was used",
    )
    pending = f"\n{response.pending_spans:,} more spans are on their way" if response.pending_spans else None
    untrusted = "\n* reported by somebody not bound to the agent" if any(r.untrusted for r in response.rows) else None
    return stacked(listed, untrusted and Text(untrusted, style="dim"), pending and Text(pending, style="dim"))


def bar(amount: int, most: int, *, untrusted: bool = False) -> Text:
    """Return a bar of `amount` where `most` would fill it, to an eighth of a character."""
    eighths = amount * BAR_WIDTH * 8 // most if most else 0
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (_EIGHTHS[rest] if rest else "")
    if amount and not drawn:
        drawn = _EIGHTHS[1]
    return Text(drawn + ("*" if untrusted else ""), style="yellow" if untrusted else "green")


def _tokens(row: pb.UsageRow) -> int:
    return row.input_tokens + row.output_tokens


def _duration(micros: int) -> str:
    seconds = micros / 1_000_000
    return f"{seconds:,.1f} s" if seconds < 600 else f"{seconds / 60:,.1f} min"
