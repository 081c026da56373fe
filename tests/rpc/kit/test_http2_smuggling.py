"""Requests that say two things, or what HTTP/2 forbids, to the fast port: none of them is a call, and others go on.

Who reads such a request one way while a gateway in front read it another lets pass what was never decided (RFC 9113,
8.2, 8.3 and 10.3). Whatever is not refused by the letter has one meaning: that of its last header, or none.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from google.protobuf.wrappers_pb2 import StringValue
from ringfence_kit.callers import Caller, Role
from support.echo import Echo, echo_service
from support.http2_attacks import CONTINUATION, path
from support.raw_http2 import (
    DATA,
    EMPTY_MESSAGE,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    Header,
    answer_headers,
    exchange,
    frame,
    header_block,
    request_headers,
)
from support.serving import Mesh, server_config, serving
from support.wire import text_method

SAY = path("Say")
ADA = Caller(principal="ada", roles=frozenset({Role.PLATFORM_ADMIN}))
USUAL: Sequence[Header] = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", SAY),
    (b":authority", b"x"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    async with serving(echo_service(Echo(), port={"fast": True}), config=server_config(tmp_path)) as running:
        yield running


def sent(headers: Sequence[Header], body: bytes = EMPTY_MESSAGE, trailers: Sequence[Header] | None = None) -> bytes:
    """Return a connection's first bytes with such a call on it."""
    begins = PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, END_HEADERS, 1, header_block(headers))
    if trailers is None:
        return begins + frame(DATA, END_STREAM, 1, body)
    return begins + frame(DATA, 0, 1, body) + frame(HEADERS, END_HEADERS | END_STREAM, 1, header_block(trailers))


def instead(name: bytes, *values: bytes) -> list[Header]:
    """Return the usual headers with others in place of one."""
    at = next(place for place, header in enumerate(USUAL) if header[0] == name)
    return [*USUAL[:at], *((name, value) for value in values), *USUAL[at + 1 :]]


async def was_called(mesh: Mesh, request: bytes) -> bool:
    """Say whether a request was answered as a call that went well; whatever became of it, others are answered."""
    answer = answer_headers(await exchange(mesh.address(), request))
    said = await text_method(mesh.channel(), "Say")(StringValue(value="still here"))
    assert said.value == "still here"
    return answer.get(b"grpc-status") == b"0"


async def test_the_usual_request_is_a_call(mesh: Mesh) -> None:
    assert await was_called(mesh, sent(USUAL))
    assert await was_called(mesh, sent([*USUAL, (b"content-length", b"5")], trailers=[(b"x", b"y")]))


FORBIDDEN = {
    "two methods": instead(b":method", b"POST", b"POST"),
    "another method first": instead(b":method", b"GET", b"POST"),
    "two paths": instead(b":path", SAY, path("Fail")),
    "two authorities": instead(b":authority", b"x", b"y"),
    "two schemes": instead(b":scheme", b"http", b"https"),
    "no path": instead(b":path"),
    "an empty path": instead(b":path", b""),
    "no method": instead(b":method"),
    "a path with a query": instead(b":path", SAY + b"?x=1"),
    "a path with a fragment": instead(b":path", SAY + b"#x"),
    "a path in another case": instead(b":path", SAY.swapcase()),
    "a path encoded": instead(b":path", SAY.replace(b"Say", b"%53ay")),
    "a path with a slash more": instead(b":path", b"/" + SAY),
    "a whole URL as path": instead(b":path", b"http://x" + SAY),
    "a path with a line break": instead(b":path", SAY + b"\r\nhost: y"),
    "a pseudo header behind others": [*USUAL[1:], USUAL[0]],
    "a pseudo header nobody knows": [(b":protocol2", b"x"), *USUAL],
    "a pseudo header of an answer": [(b":status", b"200"), *USUAL],
    "an extended connect": [(b":protocol", b"websocket"), *instead(b":method", b"CONNECT")],
    "a name in capitals": [*USUAL, (b"Authorization", b"Bearer x")],
    "a name with a colon": [*USUAL, (b"x:y", b"z")],
    "a name with a space": [*USUAL, (b"content-length ", b"0")],
    "a name that is empty": [*USUAL, (b"", b"z")],
    "a value with NUL": [*USUAL, (b"x", b"a\0b")],
    "a value with a line break": [*USUAL, (b"x", b"a\r\nauthorization: Bearer y")],
    "a value with a line feed": [*USUAL, (b"x", b"a\nb")],
    "connection": [*USUAL, (b"connection", b"close")],
    "keep-alive": [*USUAL, (b"keep-alive", b"timeout=5")],
    "proxy-connection": [*USUAL, (b"proxy-connection", b"keep-alive")],
    "transfer-encoding": [*USUAL, (b"transfer-encoding", b"chunked")],
    "upgrade": [*USUAL, (b"upgrade", b"h2c")],
    "te of something else": instead(b"te", b"gzip"),
    "te of more than trailers": instead(b"te", b"trailers, deflate"),
    "a content-length too small": [*USUAL, (b"content-length", b"4")],
    "a content-length too large": [*USUAL, (b"content-length", b"6")],
    "a content-length of nothing": [*USUAL, (b"content-length", b"0")],
    "two content-lengths": [*USUAL, (b"content-length", b"5"), (b"content-length", b"5")],
    "a content-length with a sign": [*USUAL, (b"content-length", b"+5")],
    "a content-length that overflows": [*USUAL, (b"content-length", b"18446744073709551621")],
    "a host beside the authority that is another": [*USUAL, (b"host", b"y")],
    "two types": [*USUAL, (b"content-type", b"text/plain")],
    "a time limit of another world": [*USUAL, (b"grpc-timeout", b"-1S")],
    "a time limit without a unit": [*USUAL, (b"grpc-timeout", b"10")],
    "a time limit of digits elsewhere": [*USUAL, (b"grpc-timeout", "\u0661S".encode())],
    "a time limit too long to write": [*USUAL, (b"grpc-timeout", b"999999999H")],
    "two time limits, one wrong": [*USUAL, (b"grpc-timeout", b"1x"), (b"grpc-timeout", b"10S")],
    "a time limit of no time": [*USUAL, (b"grpc-timeout", b"0n")],
    "binary metadata that is none": [*USUAL, (b"x-bin", b"***")],
}


@pytest.mark.parametrize("headers", FORBIDDEN.values(), ids=FORBIDDEN.keys())
async def test_a_request_that_says_two_things_is_no_call(mesh: Mesh, headers: Sequence[Header]) -> None:
    assert not await was_called(mesh, sent(headers))


TRAILERS = {
    "a path": [(b":path", path("Fail"))],
    "a method": [(b":method", b"POST")],
    "a status": [(b":status", b"200")],
    "capitals": [(b"Authorization", b"Bearer x")],
    "a connection": [(b"connection", b"close")],
    "NUL": [(b"x", b"\0")],
}


@pytest.mark.parametrize("trailers", TRAILERS.values(), ids=TRAILERS.keys())
async def test_what_follows_a_request_cannot_be_a_head(mesh: Mesh, trailers: Sequence[Header]) -> None:
    assert not await was_called(mesh, sent(USUAL, trailers=trailers))


async def test_what_follows_a_request_says_nothing_of_it(mesh: Mesh) -> None:
    """Metadata is the head's alone: a caller is not another at the end of a call."""
    who = instead(b":path", path("WhoAmI"))
    answers = [
        await exchange(mesh.address(), sent(who, trailers=trailers))
        for trailers in ([(b"x", b"y")], [(b"authorization", b"Bearer x"), (b"grpc-timeout", b"0n")])
    ]
    assert answer_headers(answers[0])[b"grpc-status"] == answer_headers(answers[1])[b"grpc-status"]


async def test_a_head_in_many_pieces_is_one_head_or_none(mesh: Mesh) -> None:
    whole = request_headers(SAY)
    pieces = [whole[at : at + 1] for at in range(len(whole))]
    for count in (4, len(pieces)):
        cut = [*pieces[: count - 1], whole[count - 1 :]]
        begins = PREFACE + frame(SETTINGS, 0, 0, b"") + frame(HEADERS, 0, 1, cut[0])
        goes_on = b"".join(
            frame(CONTINUATION, END_HEADERS if at == len(cut) - 2 else 0, 1, piece) for at, piece in enumerate(cut[1:])
        )
        called = await was_called(mesh, begins + goes_on + frame(DATA, END_STREAM, 1, EMPTY_MESSAGE))
        assert called is (count == 4)


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b"gzip, identity", b"gzip\x01", b"br", b""])
async def test_a_compression_that_is_none_unpacks_nothing(mesh: Mesh, encoding: bytes) -> None:
    body = b"\x01" + (4).to_bytes(4, "big") + b"\x1f\x8b\x08\x00"
    assert not await was_called(mesh, sent([*USUAL, (b"grpc-encoding", encoding)], body))


async def test_who_calls_is_said_once_and_by_one_scheme(mesh: Mesh) -> None:
    token = dict(mesh.metadata(ADA))["authorization"].encode()
    assert await was_called(mesh, sent([*instead(b":path", path("WhoAmI")), (b"authorization", token)]))
    for values in (
        [token, token],
        [token, b"Bearer other"],
        [token + b", " + token],
        [b"Basic eA=="],
        [b"Bearer"],
        [b""],
    ):
        request = [*instead(b":path", path("WhoAmI")), *((b"authorization", value) for value in values)]
        assert not await was_called(mesh, sent(request))


async def test_two_connections_at_once_are_two(mesh: Mesh) -> None:
    """What one connection said of itself is not known of another."""
    one, other = await asyncio.gather(
        exchange(mesh.address(), sent([*USUAL, (b"x-request-id", b"a")])),
        exchange(mesh.address(), sent(instead(b"te", b"gzip"))),
    )
    assert answer_headers(one)[b"grpc-status"] == b"0"
    assert b"grpc-status" not in answer_headers(other)
