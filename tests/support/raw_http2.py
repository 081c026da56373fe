"""Speaks HTTP/2 byte by byte (RFC 9113, RFC 7541), to send what no gRPC client would."""

import asyncio
import struct
from collections.abc import Sequence

import ngh2

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4

Header = tuple[bytes, bytes]

EMPTY_MESSAGE = b"\0\0\0\0\0"


def request_headers(path: bytes, more: Sequence[Header] = ()) -> bytes:
    """Return the header block of a gRPC request."""
    usual = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
    usual += [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
    return header_block([*usual, *more])


def header_block(headers: Sequence[Header]) -> bytes:
    """Return the header block of anything."""
    return b"".join(_literal(name, value) for name, value in headers)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return one frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def call(headers: bytes, body: bytes = EMPTY_MESSAGE) -> bytes:
    """Return a connection's first bytes with one whole call on it."""
    return (
        PREFACE
        + frame(SETTINGS, 0, 0, b"")
        + frame(HEADERS, END_HEADERS, 1, headers)
        + frame(DATA, END_STREAM, 1, body)
    )


async def exchange(address: str, sent: bytes) -> bytes:
    """Send bytes on a new connection; return what comes back until the call has ended or the connection has."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    received = b""
    try:
        async with asyncio.timeout(10):
            while not _ended(received):
                chunk = await reader.read(65_536)
                if not chunk:
                    break
                received += chunk
    finally:
        writer.close()
    return received


def answer_headers(received: bytes) -> dict[bytes, bytes]:
    """Return the headers and trailers of the one call on a connection, from all that came back on it."""
    client = ngh2.Connection(ngh2.Role.CLIENT)
    client.initiate_connection()
    client.send_request([(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"x")])
    client.data_to_send()
    client.receive_data(received)
    said = [
        event.headers for event in client.events() if isinstance(event, ngh2.ResponseReceived | ngh2.TrailersReceived)
    ]
    return {name: value for headers in said for name, value in headers}


def frames(received: bytes) -> list[tuple[int, int, bytes]]:
    """Return the whole frames in `received`, as kind, flags and payload."""
    found, at = [], 0
    while at + 9 <= len(received):
        length = int.from_bytes(received[at : at + 3], "big")
        if at + 9 + length > len(received):
            break
        found.append((received[at + 3], received[at + 4], received[at + 9 : at + 9 + length]))
        at += 9 + length
    return found


def _ended(received: bytes) -> bool:
    return any(
        kind in (RST_STREAM, GOAWAY) or (kind in (DATA, HEADERS) and flags & END_STREAM)
        for kind, flags, _ in frames(received)
    )


def _literal(name: bytes, value: bytes) -> bytes:
    """Return a header field that is not indexed, without Huffman coding."""
    return b"\0" + _length(name) + name + _length(value) + value


def _length(text: bytes) -> bytes:
    """Return a string's length as an integer with a 7-bit prefix (RFC 7541 5.1)."""
    if len(text) < 127:
        return bytes([len(text)])
    rest, encoded = len(text) - 127, bytearray([127])
    while rest >= 128:
        encoded.append(rest % 128 + 128)
        rest //= 128
    return bytes(encoded) + bytes([rest])
