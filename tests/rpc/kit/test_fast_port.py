"""What only the fast port has to do itself, over real sockets: nothing of a call or a connection is left behind."""

import asyncio
import gc
import ssl
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import grpc
import grpc.aio
import ngh2
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from ringfence_kit.addresses import Address
from ringfence_kit.fast.connection import LOOKS_TO_THE_END, Connection
from ringfence_kit.fast.server import FastServer, wire_limits
from ringfence_kit.listening import open_http_port
from ringfence_kit.methods import Handler
from ringfence_kit.server_config import LimitsConfig
from support.certificates import Authority
from support.echo import NAME, Echo, echo_service
from support.http2_attacks import (
    ACCEPTED,
    GREETING,
    INITIAL_WINDOW_SIZE,
    LARGE,
    begun,
    called,
    in_frames,
    setting,
    streams,
    window,
)
from support.raw_http2 import SETTINGS, frame
from support.serving import Mesh, server_config, serving
from support.wire import TEXT, refusal, text_method

HEADERS = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", f"/{NAME}/Say".encode()),
    (b":authority", b"x"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
]


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def mesh(echo: Echo, tmp_path: Path) -> AsyncIterator[Mesh]:
    async with serving(echo_service(echo, port={"fast": True}), config=server_config(tmp_path)) as running:
        yield running


class Served:
    """A fast port of one method, and its connections."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.begun = 0
        self.release = asyncio.Event()

    async def hang(self, _requests: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        self.begun += 1
        await self.release.wait()
        return await context.read()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + 10
    while not condition():
        assert loop.time() < ends
        await asyncio.sleep(0)


async def served(served: Served, **limits: int) -> tuple[FastServer, str]:
    config = LimitsConfig(**limits)  # type: ignore[arg-type] # a test names its fields
    address = Address("127.0.0.1", 0)
    bound = open_http_port(address, "test.listen", reuse_port=False)
    handler: Handler = grpc.stream_unary_rpc_method_handler(served.hang)
    server = FastServer(
        {f"/{NAME}/Say": handler},
        handler,
        bound=bound,
        limits=wire_limits(config, max_message_bytes=1 << 20),
        max_connections=config.max_connections,
        tls=None,
    )
    await server.start()
    return server, f"127.0.0.1:{bound.getsockname()[1]}"


async def test_a_call_given_up_in_the_packet_it_came_in_leaves_nothing() -> None:
    told = Served()
    server, address = await served(told)
    host, _, port = address.rpartition(":")
    _reader, writer = await asyncio.open_connection(host, int(port))
    client = ngh2.Connection(ngh2.Role.CLIENT)
    client.initiate_connection()
    packet = client.data_to_send()
    for _ in range(50):
        stream = client.send_request(HEADERS)
        packet += client.data_to_send()
        client.reset_stream(stream)
        packet += client.data_to_send()
    writer.write(packet)
    stream = client.send_request(HEADERS)
    client.send_data(stream, b"\0\0\0\0\0", end_stream=True)
    writer.write(client.data_to_send())
    await until(lambda: told.begun >= 1 and server.calls == 1)
    assert server.counts["abandoned"] == 50
    told.release.set()
    await until(lambda: server.calls == 0)
    writer.close()
    await until(lambda: server.connections == 0)
    await server.stop(0)


async def test_who_never_reads_is_cut_off_after_the_end() -> None:
    told = Served()
    told.release.set()
    server, address = await served(told)
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1)
    assert await reader.read(1)
    writer.write(
        GREETING + ACCEPTED + frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, (1 << 31) - 1)) + window(0, 1 << 30)
    )
    for stream in streams(30):
        writer.write(begun(stream, "Say") + in_frames(stream, LARGE))
    await until(lambda: any(connection._is_full for connection in server._connections))
    (connection,) = server._connections
    connection.end(0.0)
    for _ in range(LOOKS_TO_THE_END + 2):
        connection.look()
    await until(lambda: server.connections == 0)
    assert server.counts["never_read"] == 1
    writer.close()
    await server.stop(0)


async def test_a_connection_that_is_lost_is_gone_at_once() -> None:
    """It does not wait for the garbage to be looked through: a port may see many before that."""
    told = Served()
    told.release.set()
    server, address = await served(told)
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(GREETING + called(1))
    await until(lambda: told.begun == 1 and server.calls == 0)
    assert await reader.read(1)
    connections = [weakref.ref(connection) for connection in server._connections]
    gc.disable()
    try:
        writer.close()
        await until(lambda: [connection() for connection in connections] == [None])
    finally:
        gc.enable()
    await server.stop(0)


async def test_a_client_that_is_gone_cancels_its_calls(mesh: Mesh, echo: Echo) -> None:
    call = asyncio.ensure_future(text_method(mesh.channel(), "Hang")(StringValue(value="x")))
    await echo.hanging.wait()
    call.cancel()
    await asyncio.wait_for(echo.cancelled.wait(), 10)


async def test_tls_without_http2_agreed_on_is_ended(tmp_path: Path) -> None:
    ours = Authority("our authority")
    config = server_config(tmp_path, dev=False, tls=ours.issue(dns=["echo.example"]).write(tmp_path, "echo"))
    trusting = ssl.create_default_context(cadata=ours.certificate.decode())
    async with serving(echo_service(Echo(), port={"fast": True}), config=config) as mesh:
        host, _, port = mesh.address().rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=trusting, server_hostname="echo.example")
        writer.write(GREETING)
        with suppress(ConnectionError):
            assert not await reader.read(1)
        writer.close()
        assert (
            'ringfence_fast_port_sent_away_total{service="echo",why="no_alpn"} 1.0' in mesh.metrics.render()[0].decode()
        )


async def test_three_thousand_messages_both_ways_and_large_ones(mesh: Mesh) -> None:
    chat = mesh.channel().stream_stream(f"/{NAME}/Chat", **TEXT)()
    for number in range(3_000):
        await chat.write(StringValue(value=str(number)))
        assert await chat.read() == StringValue(value=str(number))
    large = StringValue(value="x" * 200_000)
    for _ in range(20):
        await chat.write(large)
        assert await chat.read() == large
    await chat.done_writing()
    assert await chat.read() is grpc.aio.EOF


async def test_who_does_not_read_holds_up_only_itself(mesh: Mesh) -> None:
    slow = mesh.channel().stream_stream(f"/{NAME}/Chat", **TEXT)()
    large = StringValue(value="x" * 500_000)

    async def send_for_ever() -> None:
        while True:
            await slow.write(large)

    sending = asyncio.ensure_future(send_for_ever())
    for _ in range(50):
        assert await text_method(mesh.channel(), "Say")(StringValue(value="quick"), timeout=10)
    sending.cancel()
    slow.cancel()


async def test_a_deadline_that_has_passed_ends_the_call(mesh: Mesh, echo: Echo) -> None:
    refused = await refusal(text_method(mesh.channel(), "Hang")(StringValue(value="x"), timeout=0.05))
    assert refused.code == "DEADLINE_EXCEEDED"
    await asyncio.wait_for(echo.cancelled.wait(), 10)


async def test_gzip_is_understood(mesh: Mesh) -> None:
    say = text_method(mesh.channel(compression=grpc.Compression.Gzip), "Say")
    text = StringValue(value="again and again " * 1_000)
    assert await say(text) == text


async def test_another_compression_is_not(mesh: Mesh) -> None:
    say = text_method(mesh.channel(compression=grpc.Compression.Deflate), "Say")
    refused = await refusal(say(StringValue(value="again and again " * 1_000)))
    assert refused.code == "UNIMPLEMENTED"
    assert "deflate is not understood" in refused.message


async def test_headers_too_large_are_refused_and_the_connection_goes_on(mesh: Mesh) -> None:
    channel = mesh.channel()
    say = text_method(channel, "Say")
    refused = await refusal(say(StringValue(value="x"), metadata=(("x-large", "y" * 20_000),)))
    assert refused.code == "RESOURCE_EXHAUSTED"
    assert await say(StringValue(value="x")) == StringValue(value="x")


async def test_a_scrape_says_who_was_sent_away(mesh: Mesh) -> None:
    refused = await refusal(text_method(mesh.channel(), "Say")(StringValue(value="x"), metadata=(("x", "y" * 20_000),)))
    assert refused.code == "RESOURCE_EXHAUSTED"
    scraped = mesh.metrics.render()[0].decode()
    assert 'ringfence_fast_port_sent_away_total{service="echo",why="metadata_too_large"} 1.0' in scraped
    assert 'ringfence_fast_port_connections{service="echo"} 1.0' in scraped
