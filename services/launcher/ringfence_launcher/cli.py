"""The `ringfence` command: its table of commands, its help, and its exit codes.

`main` lives here rather than in `__main__.py` so that tests run the same entry point in their own process.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape
from typer.exceptions import TyperException

from ringfence_launcher.exit_codes import MEANINGS, ExitCode
from ringfence_launcher.lazy_commands import LazyCommand, lazy_group
from ringfence_launcher.output import console
from ringfence_launcher.problems import Problem, print_problem
from ringfence_launcher.usage_errors import refused, wants_json

DEBUG_VARIABLE = "RINGFENCE_CLI_DEBUG"
"""Set, a defect ends with its traceback."""

_RUN, _AGENTS, _POLICIES, _EVIDENCE = "Run the services", "Agents", "Policies", "Evidence"

COMMANDS = {
    name: LazyCommand(module=f"ringfence_launcher.commands.{name}", help=line, panel=panel)
    for name, panel, line in (
        ("up", _RUN, "Start all four services on this machine, on loopback."),
        ("serve", _RUN, "Start one service."),
        ("config", _RUN, "Print the effective configuration and where each value comes from."),
        ("doctor", _RUN, "Find out what is wrong with this set-up, and how to mend it."),
        ("demo", _RUN, "Show the closed loop in a mesh of its own, step by step."),
        ("agent", _AGENTS, "Register agents, find them, change them, see them through their life."),
        ("catalog", _AGENTS, "Find agents by words, likeness and number; pick one to call; export all."),
        ("tool", _AGENTS, "Register tools and their schemas, see them, switch them off and on."),
        ("boundary", _AGENTS, "Group agents and systems that are governed together; trust systems."),
        ("sponsor", _AGENTS, "Register the people who answer for agents; see them off."),
        ("did", _AGENTS, "Enrol agents, resolve their DIDs, rotate, suspend and revoke them."),
        ("certificate", _AGENTS, "Show an agent's birth certificate, or issue a new one."),
        ("token", _AGENTS, "Get an access token, look into one, keep the keys that sign them."),
        ("delegate", _AGENTS, "Hand authority from agent to agent, and take it back."),
        ("trust", _AGENTS, "See how far an agent is trusted now, and why."),
        ("policy", _POLICIES, "Check, test, push and show policies; ask for a decision, or why it came out so."),
        ("filter", _POLICIES, "Look through content for what is dangerous; see the rules."),
        ("approval", _POLICIES, "See what waits for people, and approve or deny it."),
        ("kill", _POLICIES, "Stop an agent, a tool, a delegation, a namespace or everything; let go."),
        ("replay", _EVIDENCE, "Decide logged decisions again from the log, or try other policies on them."),
        ("usage", _EVIDENCE, "See what agents used and what it cost; keep prices."),
        ("trace", _EVIDENCE, "Follow a piece of work across agents: time, cost, blame, decisions."),
        ("slo", _EVIDENCE, "Set what agents have to keep, see how they keep it; breakers."),
        ("budget", _EVIDENCE, "Set what agents may spend, see what is left of it."),
        ("alert", _EVIDENCE, "See what somebody should look at, say that you do, keep it quiet."),
        ("eval", _EVIDENCE, "Judge agents' work, set what it has to reach, see whether it changes."),
        ("audit", _EVIDENCE, "Prove a decision, export the log, verify it offline."),
        ("verify", _EVIDENCE, "Check offline what the mesh has signed."),
    )
}


def _exit_code_table() -> str:
    return "\n".join(f"{int(code):>3}  {escape(meaning)}" for code, meaning in MEANINGS.items())


app = typer.Typer(
    name="ringfence",
    cls=lazy_group(COMMANDS),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"[bold]Exit codes[/bold]\n{_exit_code_table()}\n\nExample: ringfence up",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - one command in a thousand needs it

        sys.stdout.write(f"ringfence {version('ringfence')}\n")
        raise typer.Exit


@app.callback()
def ringfence(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The control plane for agent meshes: who is this agent, may it, and what did it do?"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command line and return its exit code. Nothing leaves it as a traceback but a defect of ours."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        _refuse_undecodable(given)
        return app(given, prog_name="ringfence", standalone_mode=False) or int(ExitCode.OK)
    except TyperException as wrong:
        return _explain(refused(wrong), given)
    except Problem as problem:
        return _explain(problem, given)
    except (KeyboardInterrupt, typer.Abort):
        return int(ExitCode.INTERRUPTED)
    except SystemExit as ended:
        return _code_of(ended)
    except Exception as error:
        if DEBUG_VARIABLE in os.environ:
            raise
        return _explain(_defect(error), given)


def _explain(problem: Problem, given: Sequence[str]) -> int:
    print_problem(problem, console(stderr=True), as_json=wants_json(given, os.environ))
    return int(problem.code)


def _defect(error: Exception) -> Problem:
    return Problem(
        f"a defect in ringfence: {type(error).__name__}: {error}",
        code=ExitCode.DEFECT,
        mend=f"please report it, with what {DEBUG_VARIABLE}=1 prints",
    )


def _refuse_undecodable(arguments: list[str]) -> None:
    """Refuse bytes that are no UTF-8: they could be sent to no service and stand in no file of ours."""
    for argument in arguments:
        if any("\ud800" <= character <= "\udfff" for character in argument):
            raise Problem("an argument is not UTF-8", code=ExitCode.USAGE, mend="check the terminal's encoding")


def _code_of(ended: SystemExit) -> int:
    if ended.code is None:
        return int(ExitCode.OK)
    return ended.code if isinstance(ended.code, int) else int(ExitCode.DEFECT)
