"""How usage looks in a terminal: exact numbers, and a bar for each row to compare them by."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.telemetry.v1 import budget_pb2
from ringfence.telemetry.v1 import telemetry_pb2 as pb

from ringfence_launcher.output import stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.words import counted, time_text, unpriced, who

BAR_WIDTH = 16
_EIGHTHS = " ▏▎▍▌▋▊▉█"

_SPARKS = "▁▂▃▄▅▆▇█"

_GROUPS = {
    pb.USAGE_GROUP_AGENT: ("AGENT", "agent"),
    pb.USAGE_GROUP_SESSION: ("SESSION", "session"),
    pb.USAGE_GROUP_MODEL: ("MODEL", "model"),
    pb.USAGE_GROUP_OPERATION: ("OPERATION", "operation"),
    pb.USAGE_GROUP_TOOL: ("TOOL", "tool"),
    pb.USAGE_GROUP_TEAM: ("TEAM", "team"),
    pb.USAGE_GROUP_OUTCOME: ("OUTCOME", "outcome"),
    pb.USAGE_GROUP_TIME: ("TIME", "start_time"),
}

_NANOS = 10**9


def usage(
    response: pb.GetUsageResponse, groups: Sequence[pb.UsageGroup.ValueType], *, percentiles: bool = False
) -> RenderableType:
    """Show a row for each group, most tokens first, as the service orders them; by time from early to late."""
    rows = list(response.rows)
    by_time = list(groups) == [pb.USAGE_GROUP_TIME]
    if by_time:
        rows.sort(key=lambda row: row.start_time.seconds)
    most = max((_tokens(row) for row in rows), default=0)
    costs = any(row.currency or row.unknown_cost_calls for row in rows)
    listed = table(
        [
            *(_GROUPS[group][0] for group in groups),
            *(">SPANS", ">ERRORS", ">IN", ">CACHED", ">OUT", ">TOOLS", ">TIME"),
            *([">P50", ">P95", ">P99"] if percentiles else []),
            *([">COST"] if costs else []),
            *(">TOKENS", ""),
        ],
        (
            (
                *(_label(row, group) for group in groups),
                *(f"{count:,}" for count in (row.span_count, row.error_count, row.input_tokens)),
                *(f"{count:,}" for count in (row.cache_read_tokens, row.output_tokens, row.tool_call_count)),
                _duration(row.duration_micros),
                *(_percentiles(row) if percentiles else ()),
                *([_cost(row)] if costs else []),
                f"{_tokens(row):,}",
                bar(_tokens(row), most, untrusted=row.untrusted),
            )
            for row in rows
        ),
        empty="nothing was used",
    )
    return stacked(listed, *(Text(f"\n{note}", style="dim") for note in _notes(response, rows, by_time=by_time)))


def prices(found: Sequence[budget_pb2.Price]) -> RenderableType:
    """Show what models cost, for a million tokens."""
    rows = (
        (
            plain(price.model),
            plain(price.provider) or "any",
            time_text(price.effective_time) or "ever",
            *(_money(amount) for amount in _per_million(price)),
            price.currency,
            plain(price.source),
        )
        for price in found
    )
    headers = ["MODEL", "PROVIDER", "SINCE", ">IN", ">CACHE READ", ">CACHE WRITE", ">OUT", "", "SOURCE"]
    return table(headers, rows, empty="No prices are known. Put some: ringfence usage prices put FILE")


def prices_put(response: budget_pb2.PutPricesResponse) -> RenderableType:
    """Show what became of prices."""
    return Text(f"{response.added:,} prices are new; what is counted from now on is charged by them")


def sparkline(amounts: Sequence[int]) -> str:
    """Return a character for each amount, as high as it is large."""
    most = max(amounts, default=0)
    return "".join(_SPARKS[amount * (len(_SPARKS) - 1) // most if most else 0] for amount in amounts)


def bar(amount: int, most: int, *, untrusted: bool = False) -> Text:
    """Return a bar of `amount` where `most` would fill it, to an eighth of a character."""
    eighths = amount * BAR_WIDTH * 8 // most if most else 0
    full, rest = divmod(eighths, 8)
    drawn = "█" * full + (_EIGHTHS[rest] if rest else "")
    if amount and not drawn:
        drawn = _EIGHTHS[1]
    return Text(drawn + ("*" if untrusted else ""), style="yellow" if untrusted else "green")


def _notes(response: pb.GetUsageResponse, rows: Sequence[pb.UsageRow], *, by_time: bool) -> Iterator[str]:
    if by_time and len(rows) > 1:
        yield f"tokens {sparkline([_tokens(row) for row in rows])}"
    if any(row.untrusted for row in rows):
        yield "* reported by somebody not bound to the agent"
    unknown = sum(row.unknown_cost_calls for row in rows)
    if unknown:
        yield unpriced(unknown)
    if response.pending_spans:
        yield f"still on the way: {counted(response.pending_spans, 'span')}"


def _label(row: pb.UsageRow, group: pb.UsageGroup.ValueType) -> str:
    if group == pb.USAGE_GROUP_TIME:
        return time_text(row.start_time)
    label: str = getattr(row, _GROUPS[group][1])
    return who(label) or "-"


def _percentiles(row: pb.UsageRow) -> Iterator[str]:
    for micros in (row.duration_p50_micros, row.duration_p95_micros, row.duration_p99_micros):
        yield f"{micros / 1_000_000:,.2f} s"


def _cost(row: pb.UsageRow) -> str:
    """Return what a row cost; with `?` when that is not all of it."""
    known = f"{_money(row.cost_nanos)} {row.currency}" if row.currency else ""
    return f"{known} ?".strip() if row.unknown_cost_calls else known or "-"


def _money(nanos: int) -> str:
    """Return an amount to the cent, and as exactly as it is known when it is less than one."""
    units, rest = divmod(nanos, _NANOS)
    fraction = f"{rest:09}".rstrip("0").ljust(2, "0")
    return f"{units:,}.{fraction[:2] if units else fraction[:6]}"


def _per_million(price: budget_pb2.Price) -> Iterator[int]:
    input_ = price.input_nanos_per_million
    yield input_
    for field in ("cache_read_nanos_per_million", "cache_write_nanos_per_million"):
        yield getattr(price, field) if price.HasField(field) else input_
    yield price.output_nanos_per_million


def _tokens(row: pb.UsageRow) -> int:
    return row.input_tokens + row.output_tokens


def _duration(micros: int) -> str:
    seconds = micros / 1_000_000
    return f"{seconds:,.1f} s" if seconds < 600 else f"{seconds / 60:,.1f} min"
