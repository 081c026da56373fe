"""What the command line of a service prints, and the exit code it ends with, before anything is served."""

import logging
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from ringfence_kit.entry import serve
from support.echo_process import EchoConfig, build


def run(*arguments: str) -> int:
    return serve("echo", EchoConfig, build, arguments=arguments)


@pytest.fixture(autouse=True)
def a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No settings from outside, and the logging it sets up is taken down again."""
    monkeypatch.delenv("RINGFENCE_CONFIG", raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_print_config_is_loadable_and_says_where_values_come_from(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ringfence.toml"
    file.write_text('[server]\ndrain = "5s"\n[registry]\nnot_ours = true\n')
    monkeypatch.setenv("RINGFENCE_ECHO_GREETING", "hi")
    assert (
        run("--config", str(file), "--dev", "--data", "/srv", "--set", "server.limits.max_calls=7", "--print-config")
        == 0
    )
    printed = capsys.readouterr().out
    settings = tomllib.loads(printed)
    assert settings["echo"]["greeting"] == "hi"
    assert settings["server"]["limits"]["max_calls"] == 7
    for line in (
        f'drain = "5s"  # {file}',
        'greeting = "hi"  # RINGFENCE_ECHO_GREETING',
        "dev = true  # flag",
        'data = "/srv"  # flag',
        "reuse_port = false  # default",
    ):
        assert line in printed


def test_the_file_may_be_named_by_a_variable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ringfence.toml"
    file.write_text('[echo]\ngreeting = "hi"\n')
    monkeypatch.setenv("RINGFENCE_CONFIG", str(file))
    assert run("--print-config") == 0
    assert f'greeting = "hi"  # {file}' in capsys.readouterr().out


def test_a_wrong_configuration_is_exit_code_2_with_every_problem(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--set", "echo.greting=x", "--set", "server.drain=5") == 2
    errors = capsys.readouterr().err
    assert "the configuration has 2 problems" in errors
    assert "did you mean echo.greeting?" in errors
    assert "server.drain (flag): must be a duration" in errors
    assert "Traceback" not in errors


def test_wrong_usage_is_exit_code_2() -> None:
    with pytest.raises(SystemExit) as ended:
        run("--set", "nothing")
    assert ended.value.code == 2


def test_refused_data_is_exit_code_3_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--set", "echo.locked=/srv/echo.db") == 3
    errors = capsys.readouterr().err
    assert errors == "ringfence: /srv/echo.db is in use by another process; stop it, or choose another --data\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("ringfence 0.")
