"""How the tests of policies, and presets, look in a terminal."""

from collections.abc import Iterable

from rich.console import RenderableType
from rich.text import Text
from ringfence_pdp.presets.catalog import Preset
from ringfence_pdp.presets.expanding import shown

from ringfence_launcher.output import stacked, table
from ringfence_launcher.policy_review import Tested


def tested(policies: Tested) -> RenderableType:
    """Show which tests failed, and what no test would miss."""
    report = policies.report
    run, failed = len(report.results), report.failed
    word = ("failed", "bold red") if failed else ("passed", "bold green")
    told = Text.assemble(word, f"  {failed or run} of {run} tests")
    rows = [
        (str(result.test.place), result.test.name, problem) for result in report.results for problem in result.problems
    ]
    return stacked(
        table(["WHERE", "TEST", "WHAT"], rows, empty="") if rows else None,
        _missed(report.unkilled, report.rule_count),
        told,
    )


def _missed(unkilled: Iterable[str] | None, rules: int) -> RenderableType | None:
    if unkilled is None:
        return None
    names = list(unkilled)
    if not names:
        return Text(f"a test would miss each of the {rules} rules")
    return Text("\n".join([f"no test would miss {len(names)} of {rules} rules:", *(f"  {name}" for name in names)]))


def presets(known: Iterable[Preset]) -> RenderableType:
    """List the presets."""
    return table(["PRESET", "WHAT IT DOES"], ((preset.example, preset.what) for preset in known), empty="")


def preset(one: Preset, call: str) -> str:
    """Return a preset, what it takes, and what `call` stands for: comments and YAML, to be pasted into a policy."""
    takes = [
        f"#   {each.name}{'' if each.default is None else f' = {each.default}' if each.default else ' (optional)'}: "
        f"{each.what}"
        for each in one.parameters
    ]
    return "\n".join([f"# {one.signature}: {one.what}", *takes, f"# {call} stands for:", shown(call)])
