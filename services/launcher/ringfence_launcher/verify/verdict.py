"""What a check found: that the thing holds and what it then says, or the first rule it breaks.

Exit code 0 means that it holds, 1 that it does not. A file that is not there is neither: that is a Problem.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import typer
from rich.console import RenderableType
from rich.text import Text

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.output import Output, fields, stacked
from ringfence_launcher.plain_text import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found about one thing."""

    what: str
    """What was checked: `token`, `certificate` …"""
    rule: str = ""
    """The first rule that is broken; empty when it holds."""
    problem: str = ""
    says: Mapping[str, Any] = field(default_factory=dict)
    """What it says, once it holds."""

    @property
    def holds(self) -> bool:
        """Whether no rule is broken."""
        return not self.rule


def broken(what: str, rule: str, problem: Exception | str) -> Verdict:
    """Return the verdict on what breaks a rule."""
    return Verdict(what=what, rule=rule, problem=str(problem))


def pronounce(out: Output, verdict: Verdict) -> None:
    """Print the verdict, and end the command with its exit code."""
    document = {
        "what": verdict.what,
        "holds": verdict.holds,
        "rule": verdict.rule,
        "problem": verdict.problem,
        "says": dict(verdict.says),
    }
    out.value(document, lambda: _view(verdict))
    if not verdict.holds:
        raise typer.Exit(int(ExitCode.NEGATIVE))


def _view(verdict: Verdict) -> RenderableType:
    if not verdict.holds:
        head = Text.assemble(("REFUSED", "bold red"), f"  {verdict.what}: rule {verdict.rule}")
        return stacked(head, Text(plain(verdict.problem)))
    said = [(name, _text(value)) for name, value in verdict.says.items()]
    return stacked(Text.assemble(("HOLDS", "bold green"), f"  {verdict.what}"), fields(said))


def _text(value: Any) -> str:
    match value:
        case list() | tuple():
            return "\n".join(str(item) for item in value)
        case dict():
            return "\n".join(f"{name}: {item}" for name, item in value.items())
        case _:
            return "" if value is None else str(value)
