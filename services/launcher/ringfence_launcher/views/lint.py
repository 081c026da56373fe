"""How a check of policy files looks in a terminal."""

from rich.console import RenderableType
from rich.text import Text

from ringfence_launcher.output import table
from ringfence_launcher.policy_lint import LintReport
from ringfence_launcher.words import counted


def lint_report(report: LintReport) -> RenderableType:
    """Show what a check of policy files found."""
    if not report.problems and not report.remarks:
        return Text.assemble(("fine", "bold green"), f"  {_counts(report)}")
    found = [*((place, "WRONG", what) for place, what in report.problems)]
    found += [(place, "remark", what) for place, what in report.remarks]
    styles = {"WRONG": "bold red", "remark": "yellow"}
    return table(["WHERE", "", "WHAT"], ((at, Text(kind, styles[kind]), what) for at, kind, what in found), empty="")


def _counts(report: LintReport) -> str:
    return f"{counted(report.policies, 'policy', 'policies')}, {counted(report.rules, 'rule')}"
