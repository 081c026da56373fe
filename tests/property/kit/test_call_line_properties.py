"""Invariant: the line of a call is the same to the byte, written by hand or logged as any other."""

import io
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st
from ringfence_kit import logs
from ringfence_kit.call_lines import CallLines, Stamps
from ringfence_kit.callers import Caller
from ringfence_kit.calls import Call
from ringfence_kit.metrics import Metrics
from ringfence_kit.ports import unknown_method
from ringfence_kit.server_config import LogConfig, LogFormat, LogLevel
from structlog.testing import capture_logs

METHOD = unknown_method("echo", Metrics())
STAMP = re.compile(r'"timestamp":"([^"]+Z)"')
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

words = st.text(max_size=40)
traces = st.one_of(st.sampled_from(["", TRACE, TRACE + "-x", "ff" + TRACE[2:]]), words)
seconds = st.floats(min_value=0, allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1e-9, 1.234e-4, 1e22])
of_processes = st.dictionaries(st.sampled_from(["worker", "zone", "peer", "event"]), words | st.integers(0, 9))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def a_call(principal: str = "dev:ada", request_id: str = "1", peer: str = "ipv4:127.0.0.1:1", trace: str = "") -> Call:
    call = Call(METHOD, (), peer)
    call.caller, call.request_id, call.traceparent = Caller(principal=principal), request_id, trace
    return call


@given(words, words, words, words, words, traces, words, seconds, of_processes)
@example("echo", "OK", "", '"\\\x00\x7f\u2028\U0001f600', "a/b", TRACE, "ipv6:%5B::1%5D:1", 0.25, {"worker": 1})
@example("echo", "OK", "", "dev:ada", "1", "", "", 0.25, {"peer": "another", "event": "another"})
def test_by_hand_as_by_structlog(
    service: str,
    code: str,
    reason: str,
    principal: str,
    request_id: str,
    trace: str,
    peer: str,
    took: float,
    of_process: dict[str, str | int],
) -> None:
    out = io.StringIO()
    logs.configure(LogConfig(), out)
    with structlog.contextvars.bound_contextvars(**of_process):
        lines = CallLines(service)
        call = a_call(principal, request_id, peer, trace)
        lines.write(call, code, reason, took)
        lines.log(call, code, reason, took)
    by_hand, as_any = out.getvalue()[:-1].split("\n")
    assert STAMP.sub("", by_hand) == STAMP.sub("", as_any)
    assert len(STAMP.findall(by_hand)) == 1


@given(st.lists(st.integers(min_value=0, max_value=10**17), min_size=1, max_size=5))
@example([0, 1, 999_999, 1_000_000])
def test_an_instant_as_python_writes_it(instants: list[int]) -> None:
    stamps = Stamps()
    for micros in instants:
        expected = (EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")
        assert stamps.text(micros) == expected


def test_whoever_listens_hears_it() -> None:
    logs.configure(LogConfig(), io.StringIO())
    lines = CallLines("echo")
    with capture_logs() as heard:
        lines.write(a_call(), "OK", "", 0.001)
    assert [(line["event"], line["code"], line["milliseconds"]) for line in heard] == [("call", "OK", 1.0)]


def test_on_a_console_it_is_a_line_like_others() -> None:
    out = io.StringIO()
    logs.configure(LogConfig(format=LogFormat.CONSOLE), out)
    CallLines("echo").write(a_call(), "OK", "", 0.001)
    assert "code=OK" in out.getvalue()


def test_below_the_level_there_is_none() -> None:
    out = io.StringIO()
    logs.configure(LogConfig(level=LogLevel.WARNING), out)
    CallLines("echo").write(a_call(), "OK", "", 0.001)
    assert out.getvalue() == ""
