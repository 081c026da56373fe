"""A run as people read it: a table for a terminal, one for a page, and the conditions both stand under."""

from collections.abc import Collection, Sequence

from results import Conditions, Finding, Results

HEAD = ("#", "what", "floor", "goal", "measured", "unit", "rounds", "verdict")


def number(value: float | None) -> str:
    """Write a number with three digits that count."""
    if value is None:
        return "-"
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def cells(finding: Finding) -> tuple[str, ...]:
    """Return a row of the table."""
    sign = "≤" if finding.at_most else "≥"
    floor = f"{sign} {number(finding.floor)}" if finding.floor is not None else "-"
    spread = f"{number(finding.least)} to {number(finding.most)}" if finding.measured is not None else "-"
    return (
        str(finding.row),
        finding.what,
        floor,
        f"{sign} {number(finding.goal)}",
        number(finding.measured),
        finding.unit,
        spread,
        finding.verdict.value,
    )


def rows_in_columns(rows: Sequence[Sequence[str]], *, left: Collection[int]) -> str:
    """Return rows under each other; the columns in `left` begin at the left, the others end at the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def table(found: Results) -> str:
    """Return the table for a terminal, with the conditions above it."""
    rows = rows_in_columns([HEAD, *map(cells, found.findings)], left={1, 5, 7})
    failed = [f"not measured: {name}: {why}" for name, why in found.failures.items()]
    return "\n".join([*said(found.conditions), "", rows, *failed])


def markdown(found: Results) -> str:
    """Return the table for a page."""
    lines = [HEAD, ("---",) * len(HEAD), *map(cells, found.findings)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def said(conditions: Conditions) -> list[str]:
    """Return the conditions as sentences."""
    noise = "" if conditions.noise is None else f"; an empty handler's cost spread by {conditions.noise:.0%}"
    named = ", ".join(f"{name} {version}" for name, version in conditions.versions.items())
    return [
        f"{conditions.begun}, {conditions.seconds:.0f} s, {conditions.rounds} rounds of {conditions.slice_s:g} s, "
        f"{conditions.cards:,} cards",
        f"{conditions.cores} cores of {conditions.cpu}, {conditions.system}, Python {conditions.python}; load "
        f"{conditions.load_before:g} before and {conditions.load_after:g} after{noise}",
        named,
    ]
