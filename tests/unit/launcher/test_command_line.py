"""What the command line itself promises: help for everything, documented exit codes, no traceback, nothing slow."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ringfence_launcher
import typer
from ringfence_launcher import cli
from ringfence_launcher.cli import COMMANDS, main
from ringfence_launcher.exit_codes import MEANINGS, ExitCode
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

README = Path(__file__).parents[3] / "services" / "launcher" / "README.md"


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with its path."""
    root: Any = typer.main.get_command(cli.app) if command is None else command
    names = list(COMMANDS) if command is None else list(getattr(root, "commands", {}))
    for name in names:
        context = typer.Context(root)
        _, found, _ = root.resolve_command(context, [name])
        if getattr(found, "commands", None):
            yield from commands(found, (*path, name))
        else:
            yield (*path, name), found


def test_there_is_a_module_for_every_command_and_no_other() -> None:
    folder = Path(ringfence_launcher.__file__).parent / "commands"
    assert {file.stem for file in folder.glob("*.py")} - {"__init__"} == set(COMMANDS)


def test_every_command_explains_itself_with_an_example() -> None:
    for path, command in commands():
        assert command.help, path
        epilog = command.epilog or ""
        assert f"ringfence {' '.join(path)}" in epilog or f"ringfence {path[0]}" in epilog, path


def test_every_option_of_every_command_is_explained() -> None:
    for path, command in commands():
        for parameter in command.params:
            assert getattr(parameter, "help", None), (path, parameter.name)


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_help_can_be_printed(ringfence: CommandLine, path: tuple[str, ...]) -> None:
    ended = ringfence(*path, "--help")
    assert ended.code == 0
    assert "Usage: ringfence" in ended.out


def test_the_exit_codes_are_in_the_help(ringfence: CommandLine) -> None:
    shown = " ".join(ringfence("--help").out.split())
    for code, meaning in MEANINGS.items():
        assert f"{int(code)} {meaning}" in shown


def test_the_exit_codes_are_in_the_readme() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", README.read_text(), flags=re.MULTILINE))
    assert rows == {str(int(code)): meaning for code, meaning in MEANINGS.items()}


def test_every_command_is_in_the_readme() -> None:
    text = README.read_text()
    for path, _ in commands():
        assert f"`{' '.join(path)}`" in text, path


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["agent"], ["agent", "nonsense"], ["agent", "get"], ["agent", "get", "--nonsense", "a/b"]],
)
def test_a_wrong_command_line_ends_with_two(ringfence: CommandLine, arguments: list[str]) -> None:
    assert ringfence(*arguments).code == ExitCode.USAGE


def test_a_mistyped_command_is_guessed(ringfence: CommandLine) -> None:
    assert "Did you mean 'agent'" in ringfence("agnet").err


@pytest.mark.parametrize(
    ("arguments", "said", "help_of"),
    [
        (["agent", "list", "-o", "yaml"], "'yaml' is not one of 'table', 'json'", "agent list"),
        (["agent", "get", "analyst"], "'analyst' is not an agent's name; write NAMESPACE/AGENT", "agent get"),
        (["serve"], "missing argument 'SERVICE'", "serve"),
        (["agent", "list", "--lmit", "3"], "--lmit", "agent list"),
    ],
)
def test_a_wrong_command_line_is_told_as_every_other_problem_is(
    ringfence: CommandLine, arguments: list[str], said: str, help_of: str
) -> None:
    first, last = ringfence(*arguments).err.splitlines()
    assert first.startswith("error: ")
    assert said in first
    assert "Value error" not in first
    assert last == f"what to do: `ringfence {help_of} --help` says what can be given"


@pytest.mark.parametrize("chosen", [["-o", "json"], ["-ojson"], ["--output", "json"], ["--output=json"]])
def test_a_program_is_told_of_a_wrong_command_line_in_json(ringfence: CommandLine, chosen: list[str]) -> None:
    ended = ringfence("agent", "get", "analyst", *chosen)
    assert ended.out == ""
    assert json.loads(ended.err)["exitCode"] == ended.code == ExitCode.USAGE


def test_a_program_that_chose_json_by_the_environment_is_told_in_json(
    ringfence: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGFENCE_CLI_OUTPUT", "json")
    assert json.loads(ringfence("agnt").err)["error"].startswith("no such command 'agnt'")
    assert ringfence("agnt", "-o", "table").err.startswith("error: ")


def test_the_options_of_the_whole_are_not_told_again_of_each_command(ringfence: CommandLine) -> None:
    assert "--install-completion" in ringfence("--help").out
    assert "--install-completion" not in ringfence("agent", "--help").out


def test_the_version(ringfence: CommandLine) -> None:
    assert re.fullmatch(r"ringfence \d+\.\d+\.\d+\n", ringfence("--version").out)


def test_a_defect_is_a_sentence_and_not_a_traceback(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.identity.documents["did:web:x"] = b"a document that is no JSON, which no service of ours sends"
    ended = ringfence("did", "resolve", "did:web:x")
    assert ended.code == ExitCode.DEFECT
    assert "a defect in ringfence" in ended.err
    assert "Traceback" not in ended.err


def test_output_can_be_chosen_by_the_environment(ringfence: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGFENCE_CLI_OUTPUT", "json")
    assert ringfence("agent", "list").json == []
    assert ringfence("agent", "list", "-o", "table").out == "no agents\n"


def test_a_command_imports_only_what_it_needs() -> None:
    """`ringfence --help` and the clients must not wait for what only the services need."""
    program = (
        "import sys; from ringfence_launcher.cli import main; main(['agent', 'list', '--timeout', '0.01']);"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "ringfence_launcher" in loaded
    assert not loaded & {"sqlalchemy", "alembic", "uvicorn", "starlette", "ringfence_registry", "ringfence_pdp"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "ringfence_launcher", "--show-completion", shell],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0
    assert "ringfence" in run.stdout


def test_completion_completes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("_RINGFENCE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "ringfence agent re")
    monkeypatch.setenv("COMP_CWORD", "2")
    main([])
    offered = {"register", "reject", "renew", "resume", "readiness", "retire", "revisions"}
    assert set(capsys.readouterr().out.split()) == offered
