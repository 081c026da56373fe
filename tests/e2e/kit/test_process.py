"""A service as a real process: signals, exit codes, and the second copy that must not start."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf.wrappers_pb2 import StringValue
from ringfence_kit.dev_tokens import token_path
from support.echo import NAME
from support.wire import TEXT, refusal, text_method

TESTS = Path(__file__).parents[2]


@asynccontextmanager
async def echo_process(data: Path, *arguments: str) -> AsyncIterator[Process]:
    """Start the echo service; kill it if the block leaves it running."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    command = (sys.executable, "-m", "support.echo_process", "--dev", "--data", str(data), *arguments)
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line_saying(process: Process, event: str) -> dict[str, Any]:
    """Return the next log line of that event."""
    assert process.stderr is not None
    async for raw in process.stderr:
        line: dict[str, Any] = json.loads(raw)
        if line["event"] == event:
            return line
    raise AssertionError(f"the process ended without saying {event!r}")


async def rest_of(process: Process) -> list[dict[str, Any]]:
    """Return every further log line."""
    assert process.stderr is not None
    return [json.loads(raw) async for raw in process.stderr]


async def test_sigterm_drains_and_ends_with_zero(tmp_path: Path) -> None:
    async with echo_process(tmp_path) as process:
        address = (await line_saying(process, "serving"))["echo_listen"]
        async with grpc.aio.insecure_channel(address) as channel:
            watch: Any = channel.unary_stream(f"/{NAME}/Watch", **TEXT)
            watching = watch(StringValue(value="x"))
            assert (await watching.read()).value == "x"
            process.send_signal(signal.SIGTERM)
            assert (await refusal(watching.read())).reason == "UNAVAILABLE"
        events = [line["event"] for line in await rest_of(process)]
        assert events == ["draining", "call", "stopped"]
        assert await process.wait() == 0


async def test_sigint_does_the_same(tmp_path: Path) -> None:
    async with echo_process(tmp_path) as process:
        await line_saying(process, "serving")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async with echo_process(tmp_path, "--set", "server.drain=1h") as process:
        address = (await line_saying(process, "serving"))["echo_listen"]
        async with grpc.aio.insecure_channel(address) as channel:
            hanging = text_method(channel, "Hang")(StringValue())
            await text_method(channel, "Say")(StringValue())
            process.send_signal(signal.SIGTERM)
            await line_saying(process, "draining")
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 130
            assert (await refusal(hanging)).code == "UNAVAILABLE"


async def test_a_second_copy_does_not_start_on_the_same_port(tmp_path: Path) -> None:
    async with echo_process(tmp_path) as first:
        address = (await line_saying(first, "serving"))["echo_listen"]
        async with echo_process(tmp_path, "--set", f"echo.listen={address}") as second:
            assert second.stderr is not None
            said = (await second.stderr.read()).decode()
            assert await second.wait() == 3
        assert said.startswith(f"ringfence: {address} is in use by another process")
        assert said.count("\n") == 1
        async with grpc.aio.insecure_channel(address) as channel:
            token = token_path(tmp_path, "operator").read_text().strip()
            metadata = (("authorization", f"Bearer {token}"),)
            answer = await text_method(channel, "WhoAmI")(StringValue(), metadata=metadata)
            assert answer.value == "dev:operator|platform-admin"
