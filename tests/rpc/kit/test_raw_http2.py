"""What no gRPC client sends: the server answers or cuts the caller off, and goes on serving everybody else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from ringfence_kit.server_config import LimitsConfig
from support.echo import NAME, Echo, echo_service
from support.raw_http2 import (
    EMPTY_MESSAGE,
    END_HEADERS,
    HEADERS,
    PREFACE,
    SETTINGS,
    Header,
    answer_headers,
    call,
    exchange,
    frame,
    request_headers,
)
from support.serving import Mesh, server_config, serving
from support.wire import text_method

pytestmark = pytest.mark.usefixtures("either_port")

SAY = f"/{NAME}/Say".encode()


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with serving(echo_service(Echo()), config=server_config(tmp_path)) as running:
        yield running


async def still_serves(mesh: Mesh) -> bool:
    return bool(await text_method(mesh.channel(), "Say")(StringValue(value="x"), timeout=10) == StringValue(value="x"))


async def test_a_plain_call_made_by_hand(mesh: Mesh) -> None:
    answer = await exchange(mesh.address(), call(request_headers(SAY)))
    assert answer_headers(answer)[b"grpc-status"] == b"0"


@pytest.mark.parametrize(
    "path",
    [b"/\xff\xfe/x", b"\xff", b"/", b"", b"*", b"//", b"/a\0b/c", b"/" + b"\xc3" * 3_000, b"http://x/y", SAY + b"\xff"],
)
async def test_a_path_of_any_bytes(mesh: Mesh, path: bytes) -> None:
    await exchange(mesh.address(), call(request_headers(path)))
    assert await still_serves(mesh)


async def test_a_path_that_is_not_utf8_gets_the_reason_of_any_unknown_method(mesh: Mesh) -> None:
    answer = await exchange(mesh.address(), call(request_headers(b"/\xff\xfe/x")))
    said = answer_headers(answer)
    assert said[b"grpc-status"] == b"12"
    assert b"there is no such method here" in said[b"grpc-message"]


@pytest.mark.parametrize(
    "more",
    [
        [(b"authorization", b"Bearer \xff\xfe")],
        [(b"x-request-id", b"\xff")],
        [(b"traceparent", b"\xc3(")],
        [(b"x-\xff", b"1")],
        [(b"", b"1")],
        [(b"x-request-id", b"a\r\nb: c")],
        [(b"grpc-timeout", b"-1n")],
        [(b"grpc-timeout", b"99999999999999H")],
        [(b"grpc-encoding", b"weird")],
        [(b"content-type", b"text/html")],
        [(b"te", b"")],
        [(b"x-bin-bin", b"!!!")],
        [(b":path", SAY)],
        [(b"x", b"y")] * 500,
    ],
    ids=lambda more: repr(more[:1])[:60],
)
async def test_headers_of_any_bytes(mesh: Mesh, more: list[Header]) -> None:
    await exchange(mesh.address(), call(request_headers(SAY, more)))
    assert await still_serves(mesh)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"\0\0\0\0\x05ab",
        b"\x01\0\0\0\x03abc",
        b"\x07\0\0\0\0",
        b"\0\xff\xff\xff\xff",
        EMPTY_MESSAGE + b"\0\0",
        b"\xff" * 100,
    ],
)
async def test_a_body_that_is_not_a_message(mesh: Mesh, body: bytes) -> None:
    await exchange(mesh.address(), call(request_headers(SAY), body))
    assert await still_serves(mesh)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        PREFACE + frame(SETTINGS, 0, 0, b"\0"),
        PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, b"\xff" * 40),
        PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 2, request_headers(SAY)),
        PREFACE + frame(SETTINGS, 0, 0, b"") + frame(99, 255, 7, b"x"),
        bytes(1_000),
    ],
    ids=["http1", "tls", "short settings", "bad hpack", "even stream", "unknown frame", "zeros"],
)
async def test_what_is_not_a_call_at_all(mesh: Mesh, sent: bytes) -> None:
    host, _, port = mesh.address().rpartition(":")
    _reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    await writer.drain()
    assert await still_serves(mesh)
    writer.close()


async def test_many_bad_paths_at_once(mesh: Mesh) -> None:
    bad = call(request_headers(b"/\xff"))
    await asyncio.gather(*(exchange(mesh.address(), bad) for _ in range(50)), still_serves(mesh))


async def test_connections_are_counted(tmp_path: Path) -> None:
    config = server_config(tmp_path, limits=LimitsConfig(max_connections=2))
    async with serving(echo_service(Echo()), config=config) as mesh:
        host, _, port = mesh.address().rpartition(":")
        hello = PREFACE + frame(SETTINGS, 0, 0, b"")
        writers, greeted = [], []
        for _ in range(4):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(hello)
            greeted.append(bool(await reader.read(1)))
            writers.append(writer)
        assert greeted == [True, True, False, False]
        for writer in writers:
            writer.close()
