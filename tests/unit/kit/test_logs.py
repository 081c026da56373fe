"""What a log line looks like, and what must never be in one."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from ringfence_kit import logs
from ringfence_kit.line_output import MOST_LINES, LineOutput
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


class TestBatches:
    async def test_lines_go_out_together_soon(self) -> None:
        loop = asyncio.get_running_loop()
        written: asyncio.Future[int] = loop.create_future()
        output = Watched(written.set_result)
        lines_of = LineOutput(output)
        for n in range(3):
            lines_of.info(f"line {n}")
        assert output.getvalue() == ""
        assert await written == 3
        assert output.getvalue() == "line 0\nline 1\nline 2\n"

    async def test_what_is_wrong_goes_out_at_once_and_in_order(self) -> None:
        output = io.StringIO()
        lines_of = LineOutput(output)
        lines_of.info("first")
        lines_of.error("second")
        assert output.getvalue() == "first\nsecond\n"

    async def test_many_lines_do_not_wait(self) -> None:
        output = io.StringIO()
        lines_of = LineOutput(output)
        for n in range(MOST_LINES):
            lines_of.info(str(n))
        assert output.getvalue().count("\n") == MOST_LINES

    def test_without_a_loop_nothing_waits(self) -> None:
        output = io.StringIO()
        LineOutput(output).info("line")
        assert output.getvalue() == "line\n"

    async def test_a_thread_does_not_wait_for_the_loop_of_another(self) -> None:
        output = io.StringIO()
        lines_of = LineOutput(output)
        lines_of.info("from the loop")
        await asyncio.to_thread(lines_of.info, "from a thread")
        assert output.getvalue() == "from the loop\nfrom a thread\n"

    def test_a_loop_that_has_ended_is_not_waited_for(self) -> None:
        output = io.StringIO()
        lines_of = LineOutput(output)

        async def log() -> None:
            lines_of.info("from the loop")

        asyncio.run(log())
        lines_of.info("after it")
        assert output.getvalue() == "from the loop\nafter it\n"

    def test_a_stream_that_was_closed_is_left_alone(self) -> None:
        output = io.StringIO()
        lines_of = LineOutput(output)
        output.close()
        lines_of.info("nowhere")


class Watched(io.StringIO):
    """Says how many lines each write had."""

    def __init__(self, told: Callable[[int], None]) -> None:
        super().__init__()
        self._told = told

    def write(self, text: str) -> int:
        self._told(text.count("\n"))
        return super().write(text)
