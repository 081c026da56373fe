"""How what content filters find looks in a terminal: the worst first, and why."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text
from ringfence.pdp.v1 import filter_pb2 as pb

from ringfence_launcher.output import fields, stacked, table
from ringfence_launcher.plain_text import plain
from ringfence_launcher.words import word

_STYLES = {
    pb.SEVERITY_LOW: "cyan",
    pb.SEVERITY_MEDIUM: "bold yellow",
    pb.SEVERITY_HIGH: "bold red",
}
_INDENT = "        "
RAREST = 1e-5
"""Of ordinary calls the model has seen thousands: what is said to be rarer than this is a guess."""
COMMON = 0.5
"""From here on nobody cares how common exactly."""


def scanned(answer: pb.ScanResponse) -> RenderableType:
    """Show what was found, or that nothing was and how near it was to a finding."""
    if not answer.findings:
        nothing = Text("nothing found", style="bold green")
        return nothing.append(f"; {_rarity(answer.p_value)}", style="dim") if answer.HasField("p_value") else nothing
    return stacked(*(finding(one) for one in answer.findings))


def finding(found: pb.Finding) -> Text:
    """Show one finding: what and where, what stands there, and what it was judged by."""
    head = Text(f"{word(pb.Severity, found.severity).upper():<8}", style=_STYLES.get(found.severity, ""))
    head.append(found.id, style="bold").append(f"  {plain(found.message)}")
    if found.action:
        head.append(f"  → {word(pb.FilterAction, found.action)}", style="dim")
    for line in _lines(found):
        head.append(f"\n{_INDENT}").append(plain(line))
    return head


def finding_line(found: pb.Finding) -> str:
    """Return a finding on a line."""
    action = f" → {word(pb.FilterAction, found.action)}" if found.action else ""
    where = f" at {found.argument}" if found.argument else ""
    return f"{word(pb.Severity, found.severity)} {found.id}{where}: {found.message}{action}"


def rules(listed: Sequence[pb.FilterRule]) -> RenderableType:
    """Show many rules, a line each."""
    return table(
        ["RULE", "CATEGORY", "SEVERITY", "TYPES", "MEANS"],
        (
            (
                one.id,
                one.category,
                Text(word(pb.Severity, one.severity), style=_STYLES.get(one.severity, "")),
                _types(one),
                one.message,
            )
            for one in listed
        ),
        empty="no rules",
    )


def rule(shown: pb.FilterRule) -> RenderableType:
    """Show one rule."""
    return fields(
        [
            ("rule", shown.id),
            ("pack", shown.pack),
            ("category", shown.category),
            ("severity", Text(word(pb.Severity, shown.severity), style=_STYLES.get(shown.severity, ""))),
            ("looks at", _types(shown)),
            ("means", shown.message),
            ("pattern", shown.pattern),
        ]
    )


def _types(shown: pb.FilterRule) -> str:
    return ", ".join(word(pb.ArgumentType, one) for one in shown.types) or "all"


def _lines(found: pb.Finding) -> Iterator[str]:
    where = [word(pb.FindingKind, found.kind), found.category]
    if found.argument:
        where.append(f"at {found.argument}")
    if found.argument_type:
        where.append(f"as {word(pb.ArgumentType, found.argument_type)}")
    if found.views:
        where.append(f"read through {', '.join(found.views)}")
    if found.origin:
        where.append(f"from {word(pb.Origin, found.origin)}")
    yield ", ".join(where)
    if found.snippet:
        yield f"characters {found.start} to {found.end}: {found.snippet}"
    if found.HasField("p_value"):
        yield _rarity(found.p_value)
    if found.ngrams:
        yield "weighed most: " + ", ".join(f"{one.text!r} {one.weight:+.2f}" for one in found.ngrams)
    if found.frame:
        yield "understood as: " + ", ".join(f"{slot} {found.frame[slot]}" for slot in sorted(found.frame))


def _rarity(p_value: float) -> str:
    if p_value < RAREST:
        return f"hardly one in {round(1 / RAREST):,} ordinary calls looks as dangerous"
    if p_value > COMMON:
        return "most ordinary calls look as dangerous"
    return f"one in {round(1 / p_value):,} ordinary calls looks as dangerous (p = {p_value:.2g})"
