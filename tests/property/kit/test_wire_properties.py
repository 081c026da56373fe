"""Whatever bytes and headers reach a real server, the answer is a reason a caller can act on, never a bare failure."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import Int64Value, StringValue
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.echo import NAME, Echo, echo_service
from support.serving import server_config, serving
from support.wire import Refusal, read_refusal

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

METHODS: dict[str, Any] = {
    "Say": StringValue,
    "Decide": StringValue,
    "Write": StringValue,
    "Collect": StringValue,
    "Count": Int64Value,
    "Chat": StringValue,
}


class Running:
    """A server on a loop of its own, and calls to it from this thread.

    The client is the synchronous one: the asyncio client says INTERNAL by itself when a refusal overtakes what it is
    still writing.
    """

    def __init__(self, runner: asyncio.Runner, address: str) -> None:
        self._runner = runner
        self._channel = grpc.insecure_channel(address)

    def call(
        self, path: str, requests: list[bytes], metadata: list[tuple[str, str]] | None = None
    ) -> list[bytes] | Refusal:
        """Make one call and return its responses, or how it was refused."""
        return self._runner.run(asyncio.to_thread(self._call, path, requests, metadata or []))

    def _call(self, path: str, requests: list[bytes], metadata: list[tuple[str, str]]) -> list[bytes] | Refusal:
        method: Any = self._channel.stream_stream(path)
        try:
            return list(method(iter(requests), metadata=metadata, timeout=20))
        except grpc.RpcError as error:
            return read_refusal(error)  # type: ignore[arg-type] # a call of either kind has what is read

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data: Path = tmp_path_factory.mktemp("data")
    with asyncio.Runner() as runner:
        context = serving(echo_service(Echo()), config=server_config(data))
        mesh = runner.run(context.__aenter__())
        running = Running(runner, mesh.address())
        yield running
        running.close()
        runner.run(context.__aexit__(None, None, None))


def fits(method: str, raw: bytes) -> bool:
    try:
        METHODS[method].FromString(raw)
    except DecodeError:
        return False
    return True


@FEW
@given(method=st.sampled_from(sorted(METHODS)), requests=st.lists(st.binary(max_size=60), max_size=3))
@example(method="Say", requests=[b"\x0a\x01\xff"])
@example(method="Say", requests=[b"\x0a" * 50])
@example(method="Say", requests=[b"\x0b" * 5_000])
@example(method="Chat", requests=[b"", b"\xff"])
def test_any_bytes(running: Running, method: str, requests: list[bytes]) -> None:
    answer = running.call(f"/{NAME}/{method}", requests)
    streaming = method in ("Collect", "Chat")
    read = requests if streaming else requests[:1]
    if isinstance(answer, Refusal):
        assert answer.code not in ("INTERNAL", "UNKNOWN")
        if method != "Write":
            assert answer.reason == "MALFORMED_MESSAGE"
            assert not all(fits(method, raw) for raw in read) or (not streaming and not requests)
        else:
            assert answer.reason == "UNAUTHENTICATED"
    else:
        assert all(fits(method, raw) for raw in read)


header_texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=80)


@FEW
@given(
    metadata=st.lists(
        st.tuples(
            st.sampled_from(["authorization", "x-request-id", "traceparent", "tracestate", "grpc-x", "cookie"]),
            header_texts | header_texts.map(lambda text: f"Bearer {text}"),
        ),
        max_size=4,
    )
)
def test_any_headers(running: Running, metadata: list[tuple[str, str]]) -> None:
    answer = running.call(f"/{NAME}/Say", [b""], metadata)
    if any(key == "authorization" for key, _ in metadata):
        assert isinstance(answer, Refusal)
        assert answer.reason == "UNAUTHENTICATED"
    else:
        assert answer == [b""]


@FEW
@given(path=st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), min_size=1, max_size=60))
def test_any_method(running: Running, path: str) -> None:
    answer = running.call(f"/{path}", [b""])
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.reason) == ("UNIMPLEMENTED", "METHOD_UNKNOWN")
