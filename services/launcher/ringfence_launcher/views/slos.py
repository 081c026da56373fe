"""How objectives and breakers look in a terminal: what is left of a budget, and how fast it burns."""

from collections.abc import Sequence
from fractions import Fraction

from rich.console import RenderableType
from rich.text import Text
from ringfence.telemetry.v1 import health_pb2
from ringfence.telemetry.v1 import slo_pb2 as pb

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.words import duration_text, seconds_text, short, time_text, who, word

WIDTH = 30
"""Characters of a bar."""
POINTS = 40
"""Columns of a chart."""
EXHAUSTED = health_pb2.SLO_STATE_BREACHED

_BLOCKS = " ▁▂▃▄▅▆▇█"
_STYLES = {
    health_pb2.SLO_STATE_MET: "green",
    health_pb2.SLO_STATE_AT_RISK: "yellow",
    health_pb2.SLO_STATE_BURNING: "red",
    health_pb2.SLO_STATE_BREACHED: "bold red",
}
_CIRCUITS = {
    health_pb2.CIRCUIT_STATE_CLOSED: "green",
    health_pb2.CIRCUIT_STATE_HALF_OPEN: "yellow",
    health_pb2.CIRCUIT_STATE_OPEN: "red",
}


def objectives(answers: Sequence[pb.GetSloResponse]) -> RenderableType:
    """Show many, one a line."""
    rows = (
        (
            short(each.slo.name),
            who(each.slo.agent),
            _percent(each.slo.target),
            duration_text(each.slo.window),
            _state(each.status),
            budget(each.status, 12),
            _left(each.status),
        )
        for each in answers
    )
    headers = ["SLO", "AGENT", ">TARGET", ">WINDOW", "STATE", "BUDGET", ">LEFT"]
    return table(headers, rows, empty="No objectives. Define one: ringfence slo create ID AGENT --target 0.99")


def shown(answer: pb.GetSloResponse) -> RenderableType:
    """Show one and how it stands."""
    return stacked(objective(answer.slo), Text(), status(answer.status))


def objective(slo: pb.Slo) -> RenderableType:
    """Show what is promised."""
    needs = [_dependency(each) for each in slo.dependencies]
    return fields(
        [
            ("name", slo.name),
            ("display name", slo.display_name),
            ("agent", slo.agent),
            ("operation", slo.operation),
            ("target", f"{_percent(slo.target)} over {duration_text(slo.window)}"),
            ("latency", f"at most {duration_text(slo.latency)}" if slo.HasField("latency") else ""),
            ("evaluation", slo.evaluation),
            ("needs", "\n".join(needs)),
            ("possible", _percent(slo.feasible_target) if slo.feasible_target else ""),
            ("etag", slo.etag),
        ]
    )


def status(found: pb.SloStatus) -> RenderableType:
    """Show how one stands: numbers, bars of its burn rates, and who is to blame."""
    numbers = fields(
        [
            ("state", _state(found)),
            ("as of", time_text(found.as_of_time)),
            ("good", f"{found.good:,} of {found.total:,}" + (f", {_percent(found.sli)}" if found.sli else "")),
            ("budget left", Text.assemble(budget(found, WIDTH), " ", _left(found)) if found.budget_used else ""),
            ("used up", time_text(found.exhaust_time)),
            ("order", word(pb.DegradeOrder, found.order)),
        ]
    )
    rates = table(
        ["WINDOWS", ">LONG", ">SHORT", ">FIRES OVER", f"{'BURN':<{WIDTH}}", ""],
        (_rate(rate) for rate in found.burn_rates),
        empty="",
    )
    parts: list[RenderableType] = [numbers, Text(), rates]
    if found.blame:
        parts += [Text(), table(["TO BLAME", ">BAD", ">ERRORS", "TRACES"], map(_blame, found.blame), empty="")]
    return stacked(*parts)


def moments(last: int, seconds: int) -> list[int]:
    """Return the moments of a chart that ends before `last`, in whole minutes."""
    step = max(60, seconds // POINTS // 60 * 60)
    return list(range(last - seconds, last, step))


def history(found: Sequence[pb.SloStatus]) -> RenderableType:
    """Show how the longest and the shortest window burned over time, and the last of it."""
    last, lines = found[-1], list[RenderableType]()
    for index, rate in enumerate(last.burn_rates):
        rates = [_number(each.burn_rates[index].long_rate) for each in found]
        threshold = Fraction(rate.threshold)
        label = f"{duration_text(rate.rule.long_window):>4} "
        lines.append(Text.assemble(label, spark(rates, threshold), f"  {_short(max(rates))} at most"))
    axis = f"{seconds_text(found[0].as_of_time.seconds)} to {seconds_text(last.as_of_time.seconds)}"
    return stacked(Text(axis, style="dim"), *lines, Text(), status(last))


def spark(rates: Sequence[Fraction], threshold: Fraction) -> Text:
    """Return a line of blocks, full at twice the threshold; what is over it is red."""
    made = Text()
    for rate in rates:
        height = min(len(_BLOCKS) - 1, int(rate / (2 * threshold) * (len(_BLOCKS) - 1) + Fraction(1, 2)))
        if rate > 0:
            height = max(1, height)
        made.append(_BLOCKS[height], style="red" if rate > threshold else "green")
    return made


def budget(found: pb.SloStatus, width: int) -> Text:
    """Return a bar of what is left of the budget."""
    if not found.budget_used:
        return Text("·" * width, style="dim")
    left = max(Fraction(0), 1 - Fraction(found.budget_used))
    full = min(width, int(left * width + Fraction(1, 2)))
    return Text("━" * full + "·" * (width - full), style=_STYLES.get(found.state, "dim"))


def feasible(answer: pb.CheckFeasibilityResponse, target: str) -> RenderableType:
    """Show what is possible."""
    said = f"{_percent(answer.feasible_target)} is possible"
    if not target:
        return Text(said)
    verdict = "reachable" if answer.feasible else "out of reach"
    return Text(f"{said}; {_percent(target)} is {verdict}", style="green" if answer.feasible else "red")


def imported(answer: pb.ImportOpenSloResponse) -> RenderableType:
    """Show what was read."""
    rows = (
        (short(each.name), who(each.agent), _percent(each.target), duration_text(each.window)) for each in answer.slos
    )
    return table(["SLO", "AGENT", ">TARGET", ">WINDOW"], rows, empty="")


def deleted(name: str) -> RenderableType:
    """Say that it is gone."""
    return Text(f"{name} is deleted")


def breakers(found: Sequence[pb.Breaker]) -> RenderableType:
    """Show breakers, one a line."""
    rows = (
        (
            who(each.agent),
            each.skill,
            Text(word(health_pb2.CircuitState, each.state), style=_CIRCUITS.get(each.state, "dim")),
            "" if each.override == pb.BREAKER_OVERRIDE_NONE else word(pb.BreakerOverride, each.override),
            time_text(each.retry_time),
            str(each.opened_in_a_row or ""),
            each.reason,
        )
        for each in found
    )
    headers = ["AGENT", "SKILL", "CIRCUIT", "BY HAND", "RETRY", ">OPENED", "WHY"]
    return table(headers, rows, empty="No breakers: nobody was called lately, or none is open.")


def _rate(rate: pb.BurnRate) -> Sequence[str | Text]:
    rule, long = rate.rule, _number(rate.long_rate)
    threshold = Fraction(rate.threshold)
    filled = min(WIDTH, int(long / (2 * threshold) * WIDTH + Fraction(1, 2)))
    # The middle of the bar is the rate over which it fires.
    bar = "".join("━" if at < filled else "┊" if at == WIDTH // 2 else "·" for at in range(WIDTH))
    name = f"{duration_text(rule.long_window)} and {duration_text(rule.short_window)}"
    style = "red" if rate.firing else "yellow" if long > threshold else "green"
    fires = ("page" if rule.page else "ticket") if rate.firing else ""
    return name, _rate_text(rate.long_rate), _rate_text(rate.short_rate), _short(threshold), Text(bar, style), fires


def _blame(each: pb.Blame) -> Sequence[str]:
    return who(each.agent), f"{each.bad:,}", f"{each.errors:,}", " ".join(each.trace_ids[:2])


def _dependency(each: pb.Dependency) -> str:
    calls = f", {each.calls} calls" if each.calls > 1 else ""
    retries = f", {each.retries} retries" if each.retries else ""
    soft = ", soft" if each.kind == pb.DEPENDENCY_KIND_SOFT else ""
    fallbacks = "".join(f", or {one.agent} {_percent(one.target)}" for one in each.fallbacks)
    return f"{each.agent} {_percent(each.target)}{calls}{retries}{soft}{fallbacks}"


def _state(found: pb.SloStatus) -> Text:
    return Text(word(health_pb2.SloState, found.state), style=_STYLES.get(found.state, "dim"))


def _left(found: pb.SloStatus) -> str:
    return "" if not found.budget_used else f"{_short(100 * (1 - Fraction(found.budget_used)))} %"


def _percent(share: str) -> str:
    return f"{_short(100 * Fraction(share))} %" if share else ""


def _rate_text(rate: str) -> str:
    return _short(Fraction(rate)) if rate else "-"


def _number(rate: str) -> Fraction:
    return Fraction(rate) if rate else Fraction(0)


def _short(value: Fraction) -> str:
    """Return a number to four places, cut so that what is not reached is not shown as reached."""
    sign, whole = ("-" if value < 0 else ""), abs(value.numerator) * 10_000 // value.denominator
    return f"{sign}{whole // 10_000:,}.{whole % 10_000:04d}".rstrip("0").rstrip(".")
