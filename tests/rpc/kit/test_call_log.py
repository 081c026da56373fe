"""One line for each call, whatever became of it."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from google.protobuf.wrappers_pb2 import StringValue
from ringfence_kit import logs
from ringfence_kit.server_config import CallLog, LogConfig
from structlog.testing import LogCapture
from support.echo import NAME, Echo, echo_service
from support.serving import SERVICE, server_config, serving
from support.wire import messages, raw_method, refusal, text_method

pytestmark = pytest.mark.usefixtures("either_port")

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def captured() -> Iterator[LogCapture]:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    yield capture
    structlog.reset_defaults()


def calls(captured: LogCapture) -> list[dict[str, Any]]:
    return [dict(line) for line in captured.entries if line["event"] == "call"]


async def test_who_what_how_and_how_long(captured: LogCapture, tmp_path: Path) -> None:
    config = server_config(tmp_path, log=LogConfig())
    async with serving(echo_service(Echo()), config=config) as mesh:
        metadata = (("x-request-id", "abc"), ("traceparent", f"00-{TRACE}-b7ad6b7169203331-00"))
        await text_method(mesh.channel(), "Say")(StringValue(value="s3cret"), metadata=metadata)
    (line,) = calls(captured)
    assert line.pop("milliseconds") > 0
    assert line.pop("peer").startswith("ipv4:127.0.0.1:")
    assert line == {
        "event": "call",
        "log_level": "info",
        "service": "echo",
        "method": f"{NAME}/Say",
        "principal": "dev:operator",
        "request_id": "abc",
        "trace_id": TRACE,
        "code": "OK",
    }


async def test_in_json_too(tmp_path: Path) -> None:
    config = server_config(tmp_path, log=LogConfig())
    out, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure(config.log, out)
    try:
        async with serving(echo_service(Echo()), config=config) as mesh:
            metadata = (("x-request-id", "abc"), ("traceparent", f"00-{TRACE}-b7ad6b7169203331-00"))
            await text_method(mesh.channel(), "Say")(StringValue(value="s3cret"), metadata=metadata)
            await refusal(text_method(mesh.channel(SERVICE), "Write")(StringValue()))
        structlog.get_logger("ringfence.test").warning("the end")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    said, refused = (line for line in map(json.loads, out.getvalue().splitlines()) if line["event"] == "call")
    called = ["service", "code", "milliseconds", "method", "principal", "request_id", "peer"]
    assert list(said) == [*called, "trace_id", "event", "level", "timestamp"]
    assert list(refused) == [*called, "reason", "event", "level", "timestamp"]
    assert (said["code"], said["request_id"], said["trace_id"]) == ("OK", "abc", TRACE)
    assert (refused["code"], refused["reason"]) == ("PERMISSION_DENIED", "NOT_PERMITTED")


async def test_what_was_refused_has_its_reason(captured: LogCapture, tmp_path: Path) -> None:
    config = server_config(tmp_path, log=LogConfig())
    async with serving(echo_service(Echo()), config=config) as mesh:
        await refusal(text_method(mesh.channel(SERVICE), "Write")(StringValue()))
        await refusal(raw_method(mesh.channel(), "/x.Y/Z")(messages()))
        await refusal(raw_method(mesh.channel(), "Say")(messages([b"\xff"])))
    found = [(line["method"], line["code"], line["reason"], line["principal"]) for line in calls(captured)]
    assert found == [
        (f"{NAME}/Write", "PERMISSION_DENIED", "NOT_PERMITTED", "dev:service"),
        ("unknown", "UNIMPLEMENTED", "METHOD_UNKNOWN", "dev:operator"),
        (f"{NAME}/Say", "INVALID_ARGUMENT", "MALFORMED_MESSAGE", "dev:operator"),
    ]


async def test_a_defect_is_told_once_with_everything(captured: LogCapture, tmp_path: Path) -> None:
    config = server_config(tmp_path, log=LogConfig())
    async with serving(echo_service(Echo()), config=config) as mesh:
        refused = await refusal(text_method(mesh.channel(), "Fail")(StringValue()))
    (error,) = [line for line in captured.entries if line["log_level"] == "error"]
    assert error["reference"] == refused.metadata["reference"]
    assert isinstance(error["exc_info"], RuntimeError)
    assert (error["method"], error["principal"]) == (f"{NAME}/Fail", "dev:operator")
    assert [line["reason"] for line in calls(captured)] == ["INTERNAL"]


async def test_a_caller_that_leaves(captured: LogCapture, tmp_path: Path) -> None:
    echo = Echo()
    config = server_config(tmp_path, log=LogConfig())
    async with serving(echo_service(echo), config=config) as mesh:
        call = text_method(mesh.channel(), "Hang")(StringValue())
        await echo.hanging.wait()
        call.cancel()
        await echo.cancelled.wait()
    assert [line["code"] for line in calls(captured)] == ["CANCELLED"]


async def test_a_caller_whose_deadline_passes(captured: LogCapture, tmp_path: Path) -> None:
    echo = Echo()
    config = server_config(tmp_path, log=LogConfig())
    async with serving(echo_service(echo), config=config) as mesh:
        refused = await refusal(text_method(mesh.channel(), "Hang")(StringValue(), timeout=0.2))
        assert refused.code == "DEADLINE_EXCEEDED"
        await echo.cancelled.wait()
    # Its own clock runs out a moment before ours, and that it has left may be heard before that.
    assert [line["code"] for line in calls(captured)] in (["DEADLINE_EXCEEDED"], ["CANCELLED"])


@pytest.mark.parametrize(("which", "codes"), [(CallLog.FAILED, ["INTERNAL"]), (CallLog.NONE, [])])
async def test_fewer_lines(captured: LogCapture, tmp_path: Path, which: CallLog, codes: list[str]) -> None:
    config = server_config(tmp_path, log=LogConfig(calls=which))
    async with serving(echo_service(Echo()), config=config) as mesh:
        await text_method(mesh.channel(), "Say")(StringValue())
        await refusal(text_method(mesh.channel(), "Fail")(StringValue()))
    assert [line["code"] for line in calls(captured)] == codes
