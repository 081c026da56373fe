"""How budgets look in a terminal: how much of each is spent, and where that leads."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.telemetry.v1 import budget_pb2 as pb

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.words import duration_text, short, time_text, unpriced, word

WIDTH = 20
"""Characters of a bar."""

_STYLES = {
    pb.BUDGET_STATE_WITHIN: "green",
    pb.BUDGET_STATE_SOFT: "yellow",
    pb.BUDGET_STATE_EXHAUSTED: "bold red",
}


def listed(found: Sequence[pb.GetBudgetResponse]) -> RenderableType:
    """Show a line for each budget, with whoever is nearest to its end."""
    rows = (
        (
            _id(each.budget.name),
            f"{amount(each.budget, each.budget.amount)} {_every(each.budget)}",
            "hard" if each.budget.hard else "soft",
            *_standing(each.budget, each.statuses[0], 10),
        )
        for each in found
    )
    headers = ["BUDGET", ">AMOUNT", "", "NEAREST", ">SPENT", "", ">EXPECTED", "USED UP AT"]
    return table(headers, rows, empty="No budgets. Set one: ringfence budget create daily --tokens 2000000 --every 1d")


def shown(found: pb.GetBudgetResponse) -> RenderableType:
    """Show one and how it stands."""
    rows = (_standing(found.budget, status) for status in found.statuses)
    headers = [word(pb.BudgetScope, found.budget.scope).upper(), ">SPENT", "", ">EXPECTED", "USED UP AT"]
    unknown = sum(status.unknown_cost_calls for status in found.statuses)
    note = unpriced(unknown) if unknown else ""
    return stacked(
        budget(found.budget),
        Text(""),
        table(headers, rows, empty="nothing is spent of it in this period"),
        Text(note, style="yellow") if note else None,
    )


def budget(found: pb.Budget) -> RenderableType:
    """Show what may be spent."""
    warned = ", ".join(f"{level:.6g}" for level in found.soft_levels)
    return fields(
        [
            ("budget", _id(found.name)),
            ("name", plain(found.display_name)),
            ("per", word(pb.BudgetScope, found.scope)),
            ("only", plain(", ".join(found.subjects))),
            ("of agents", plain(", ".join(found.agents))),
            ("amount", amount(found, found.amount)),
            ("every", duration_text(found.period) or "once, for good"),
            ("warns at", warned),
            ("enforced", "by the pdp" if found.hard else "by nobody; it raises alerts"),
            ("etag", found.etag),
        ]
    )


def deleted(name: str) -> RenderableType:
    """Say that one is gone."""
    return Text(f"{name} is deleted")


def amount(found: pb.Budget, number: int) -> str:
    """Return an amount of a budget as people read it: `12.50 EUR`, `1,200 tokens`."""
    if found.unit != pb.BUDGET_UNIT_COST_NANOS:
        return f"{number:,} {word(pb.BudgetUnit, found.unit)}"
    whole, rest = divmod(number, 10**9)
    return f"{whole:,}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')} {found.currency}"


def bar(status: pb.BudgetStatus, width: int = WIDTH) -> Text:
    """Return a bar of what is spent."""
    full = min(width, -(-status.spent * width // status.amount)) if status.amount else 0
    return Text("━" * full + "·" * (width - full), style=_STYLES.get(status.state, "dim"))


def _every(found: pb.Budget) -> str:
    return f"/{duration_text(found.period)}" if found.HasField("period") else "once"


def _standing(found: pb.Budget, status: pb.BudgetStatus, width: int = WIDTH) -> tuple[str | Text, ...]:
    ends = status.HasField("period_end_time")
    return (
        plain(short(status.subject)) or "-",
        amount(found, status.spent),
        bar(status, width),
        amount(found, status.forecast) if ends else "-",
        time_text(status.exhaust_time) or ("now" if status.state == pb.BUDGET_STATE_EXHAUSTED else "-"),
    )


def _id(name: str) -> str:
    """Return what commands take: `daily` for `budgets/daily`."""
    return name.rpartition("/")[2]
