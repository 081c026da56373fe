"""A connection of HTTP/2 that keeps to no rule, and the bytes that break them (RFC 9113)."""

import socket
import struct
from collections.abc import Iterator
from typing import Self

from google.protobuf.wrappers_pb2 import StringValue
from ringfence_kit.fast.messages import framed

from support.echo import NAME
from support.raw_http2 import (
    DATA,
    EMPTY_MESSAGE,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Header,
    frame,
    request_headers,
)

PRIORITY, PING, WINDOW_UPDATE, CONTINUATION = 2, 6, 8, 9
LONGEST_S = 60.0
"""How long a server may take for what it has to do at once."""
INITIAL_WINDOW_SIZE = 4
"""The setting that says how much of an answer may be sent before it is asked for."""
GREETING = PREFACE + frame(SETTINGS, 0, 0, b"")
ACCEPTED = frame(SETTINGS, 1, 0, b"")
"""What makes the settings of the server hold, once they came."""
LARGE = framed(StringValue(value="x" * 500_000).SerializeToString())
"""A message of gRPC that is answered with the same."""


def path(method: str) -> bytes:
    """Return the path of a method of the echo service."""
    return f"/{NAME}/{method}".encode()


def begun(stream: int, method: str = "Hang", *more: Header, flags: int = END_HEADERS) -> bytes:
    """Return what begins a call."""
    return frame(HEADERS, flags, stream, request_headers(path(method), more))


def called(stream: int, method: str = "Say", *more: Header) -> bytes:
    """Return a whole call with an empty message."""
    return begun(stream, method, *more) + frame(DATA, END_STREAM, stream, EMPTY_MESSAGE)


def reset(stream: int) -> bytes:
    """Return what gives a call up."""
    return frame(RST_STREAM, 0, stream, struct.pack(">I", 8))


def in_frames(stream: int, body: bytes) -> bytes:
    """Return a body in frames as large as they may be."""
    parts = [body[at : at + 16_384] for at in range(0, len(body), 16_384)]
    return b"".join(frame(DATA, 0, stream, part) for part in parts[:-1]) + frame(DATA, END_STREAM, stream, parts[-1])


def window(stream: int, more: int) -> bytes:
    """Return what lets the other side send more, on a call or, as 0, on all together."""
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", more))


def setting(number: int, value: int) -> bytes:
    """Return one setting."""
    return struct.pack(">HI", number, value)


def streams(count: int) -> Iterator[int]:
    """Give the numbers of so many streams of a client."""
    return iter(range(1, 2 * count, 2))


class Attacker:
    """A connection. What the server sends is kept, as far as it is read."""

    def __init__(self, address: str, *, receives: int | None = None) -> None:
        """`receives` is how many bytes the kernel takes in for it."""
        host, _, port = address.rpartition(":")
        self._socket = socket.socket()
        if receives is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
        self._socket.settimeout(LONGEST_S)
        self._socket.connect((host, int(port)))
        self.received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def greet(self, *settings: bytes) -> None:
        """Agree on settings, with these as its own."""
        self.send(PREFACE, frame(SETTINGS, 0, 0, b"".join(settings)))
        self.until(SETTINGS)
        self.send(ACCEPTED)

    def send(self, *parts: bytes) -> bool:
        """Send it all; False when the server has ended the connection."""
        try:
            self._socket.sendall(b"".join(parts))
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            return False
        return True

    def say_no_more(self) -> None:
        """End this direction."""
        self._socket.shutdown(socket.SHUT_WR)

    def vanish(self) -> None:
        """Go without a goodbye, as a process does that is killed with something to read."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def is_ended(self) -> bool:
        """Read until the server ends the connection; fail when it does not."""
        while self._read():
            pass
        return True

    def until(self, kind: int, stream: int = 0, flags: int = 0) -> bytes:
        """Read until a frame of that kind comes, on that stream, with those flags; return what is in it."""
        while True:
            for found, at, on, payload in self.frames():
                if (found, on) == (kind, stream) and at & flags == flags:
                    return payload
            assert self._read(), "the server ended the connection"

    def until_all_ended(self, calls: int) -> None:
        """Read until so many calls have their end."""
        while sum(kind == HEADERS and flags & END_STREAM for kind, flags, _, _ in self.frames()) < calls:
            assert self._read(), "the server ended the connection"

    def frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Give the whole frames that came: kind, flags, stream, payload."""
        at, there = 0, self.received
        while (behind := at + 9 + int.from_bytes(there[at : at + 3], "big")) <= len(there) and at + 9 <= len(there):
            yield there[at + 3], there[at + 4], int.from_bytes(there[at + 5 : at + 9], "big"), there[at + 9 : behind]
            at = behind

    def _read(self) -> bool:
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionResetError:
            return False
        self.received += data
        return bool(data)
