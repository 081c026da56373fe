"""`ringfence policy lint`, `test`, `schema` and `presets`: what needs no server."""

import json
from pathlib import Path
from typing import Annotated

import typer
from ringfence_pdp.policy_schema import policy_schema
from ringfence_pdp.presets.catalog import PRESETS

from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import unusable
from ringfence_launcher.options import prints
from ringfence_launcher.output import Output
from ringfence_launcher.policy_files import PolicyFilesArgument, policy_files
from ringfence_launcher.policy_lint import lint_files
from ringfence_launcher.policy_review import run_policy_tests
from ringfence_launcher.problems import Problem
from ringfence_launcher.views import policy_review as view
from ringfence_launcher.views.lint import lint_report


def add_to(app: typer.Typer) -> None:
    """Add the commands to `ringfence policy`."""
    app.command(epilog="Example: ringfence policy lint policies/")(lint)
    app.command("test", epilog="Example: ringfence policy test policies/ --coverage --junit report.xml")(run_tests)
    app.command(epilog="Example: ringfence policy schema > policy.schema.json")(schema)
    app.command(epilog="Examples: ringfence policy presets\n\nringfence policy presets 'rate_limit(100, 1m)'")(presets)


@prints
def lint(
    out: Output,
    files: PolicyFilesArgument,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Remarks fail it too.")] = False,
) -> None:
    """Check and compile policies here, with the pdp's own compiler and without a server. For CI."""
    report = lint_files(policy_files(files))
    out.value(report.as_json(), lambda: lint_report(report))
    if report.problems or (strict and report.remarks):
        raise typer.Exit(int(ExitCode.NEGATIVE))


@prints
def run_tests(
    out: Output,
    files: PolicyFilesArgument,
    *,
    name: Annotated[str, typer.Option("--name", "-k", metavar="TEXT", help="Only tests whose name has this.")] = "",
    coverage: Annotated[bool, typer.Option("--coverage", help="List the rules that no test would miss.")] = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the results as JUnit XML.")] = None,
) -> None:
    """Run the tests of policies (*_test.yaml) here, with the pdp's own decision and without a server. For CI."""
    tested = run_policy_tests(policy_files(files), name_contains=name, coverage=coverage)
    if junit is not None:
        try:
            junit.write_text(tested.as_junit(), encoding="utf-8")
        except OSError as error:
            raise unusable(junit, error.strerror or str(error)) from error
    if not tested.report.results:
        raise Problem("there is no test", code=ExitCode.CONFIGURATION, mend="write one: house_test.yaml")
    out.value(tested.as_json(), lambda: view.tested(tested))
    if tested.report.failed:
        raise typer.Exit(int(ExitCode.NEGATIVE))


def schema() -> None:
    """Print the JSON Schema of policies, for editors."""
    typer.echo(json.dumps(policy_schema(), indent=2))


@prints
def presets(
    out: Output,
    call: Annotated[str, typer.Argument(metavar="[NAME|CALL]", help="E.g. read_only, or 'rate_limit(100, 1m)'.")] = "",
) -> None:
    """List presets, or show the rules one stands for."""
    if not call:
        known = list(PRESETS.values())
        listed = [{"name": one.name, "call": one.signature, "what": one.what} for one in known]
        out.value(listed, lambda: view.presets(known))
        return
    name = call.split("(")[0].strip()
    if name not in PRESETS:
        raise typer.BadParameter(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    try:
        text = view.preset(PRESETS[name], PRESETS[name].example if call == name else call)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    out.value({"name": name, "expansion": text}, lambda: text)
