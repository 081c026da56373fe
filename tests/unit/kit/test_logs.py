"""What a log line looks like, and what must never be in one."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from ringfence_kit import logs
from ringfence_kit.server_config import LogConfig, LogFormat, LogLevel

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_json_outside_a_terminal(out: io.StringIO) -> None:
    logs.configure(LogConfig(), out)
    structlog.get_logger("a").info("served", count=3, path=io)
    (line,) = lines(out)
    assert (line["event"], line["level"], line["count"]) == ("served", "info", 3)
    assert line["timestamp"].endswith("Z")
    assert "module 'io'" in line["path"]


def test_a_console_for_people(out: io.StringIO) -> None:
    logs.configure(LogConfig(format=LogFormat.CONSOLE), out)
    structlog.get_logger("a").info("served", count=3)
    assert "served" in out.getvalue()
    assert "count=3" in out.getvalue()


def test_the_level(out: io.StringIO) -> None:
    logs.configure(LogConfig(level=LogLevel.WARNING), out)
    logger = structlog.get_logger("a")
    logger.info("quiet")
    logger.warning("loud")
    assert [line["event"] for line in lines(out)] == ["loud"]


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_secrets_are_blanked(out: io.StringIO, form: LogFormat) -> None:
    logs.configure(LogConfig(format=form), out)
    logger = structlog.get_logger("a")
    logger.info("x", token="t0ken", authorization=f"Bearer {TOKEN}", card={"name": "c4rd"}, password="p4ss")
    message = f"the header was Bearer {TOKEN}"
    logger.warning(message, problem=f"bad rfdev_{'A' * 43}", error=PEM)
    text = out.getvalue()
    for secret in ("t0ken", "c4rd", "p4ss", "eyJzdWIi", "rfdev_A", "MIGHAgEA"):
        assert secret not in text


@pytest.mark.parametrize("form", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_traceback_without_local_variables(out: io.StringIO, form: LogFormat) -> None:
    logs.configure(LogConfig(format=form), out)

    def fail(held: str) -> None:
        raise RuntimeError(f"no {TOKEN}")

    try:
        fail(f"l{0}cal")
    except RuntimeError:
        structlog.get_logger("a").exception("failed")
    text = out.getvalue()
    assert "RuntimeError" in text
    assert "raise RuntimeError" in text
    for secret in ("l0cal", "eyJzdWIi"):
        assert secret not in text


def test_libraries_come_out_the_same_way_from_warning_up(out: io.StringIO) -> None:
    logs.configure(LogConfig(level=LogLevel.DEBUG), out)
    logging.getLogger("library").info("chatter")
    logging.getLogger("library").warning("trouble with %s", TOKEN)
    (line,) = lines(out)
    assert (line["event"], line["level"]) == ("trouble with <redacted>", "warning")


def test_a_second_call_replaces_the_first(out: io.StringIO) -> None:
    logs.configure(LogConfig(), io.StringIO())
    logs.configure(LogConfig(), out)
    logging.getLogger("library").warning("once")
    assert len(lines(out)) == 1
