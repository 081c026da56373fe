"""What a leader and a worker say to each other besides calls: over a pair of sockets that nobody else has.

A message is a length and its bytes. The first is the worker's beginning, everything it needs to know; what follows is
MessagePack. Whoever dies closes its end, which is how the other one knows.
"""

import asyncio
import os
import pickle
import select
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Self, TypeAlias

import msgspec

_LENGTH = struct.Struct("!I")


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The worker can answer."""


class NotReady(msgspec.Struct, tag=True, frozen=True):
    """The worker cannot, for this reason."""

    why: str


class Scrape(msgspec.Struct, tag=True, frozen=True):
    """The leader wants the worker's metrics."""

    number: int


class Scraped(msgspec.Struct, tag=True, frozen=True):
    """The worker's metrics, as Prometheus' text."""

    number: int
    text: str


class Told(msgspec.Struct, tag=True, frozen=True):
    """The leader tells something that the service knows how to take."""

    what: str


class Given(msgspec.Struct, tag=True, frozen=True):
    """The worker gives its leader something that the service knows how to take."""

    name: str
    what: bytes


class Took(msgspec.Struct, tag=True, frozen=True):
    """The leader has what the worker gave it, the oldest of it, of these sizes."""

    sizes: list[int]


Message: TypeAlias = Ready | NotReady | Scrape | Scraped | Told | Given | Took

_decoder = msgspec.msgpack.Decoder(Message)


class Link:
    """One end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Self:
        """Return the link over this end of the pair."""
        return cls(*await asyncio.open_connection(sock=end))

    def say(self, message: Message) -> None:
        """Send a message. One that cannot arrive any more is no concern of whoever sends it: `heard` ends then."""
        self._send(msgspec.msgpack.encode(message))

    def begin(self, beginning: object) -> None:
        """Send a worker what it begins with."""
        self._send(pickle.dumps(beginning))

    async def heard(self) -> AsyncIterator[Message]:
        """Yield what the other end says, until it is gone."""
        while True:
            try:
                length = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))[0]
                message = await self._reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            yield _decoder.decode(message)

    async def close(self) -> None:
        """Let go of this end, once all that was said has left."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def _send(self, payload: bytes) -> None:
        self._writer.write(_LENGTH.pack(len(payload)) + payload)


def beginning(end: socket.socket) -> Any:
    """Return what the leader began this worker with. EOFError when there is no leader any more."""
    (length,) = _LENGTH.unpack(_exactly(end, _LENGTH.size))
    return pickle.loads(_exactly(end, length))  # noqa: S301 - from the process that started this one, over a pair of sockets only the two have


def when_gone(end: socket.socket, then: Callable[[], None], *, at_the_latest: float) -> None:
    """Call `then` in a thread once the other end is gone, and end the process so many seconds after that.

    A worker must not outlive its leader, whatever its event loop is doing.
    """

    def wait() -> None:
        poll = select.poll()
        poll.register(end, 0)  # nothing but the hang-up, which is always told
        poll.poll()
        then()
        threading.Event().wait(at_the_latest)
        os._exit(1)

    threading.Thread(target=wait, name="leader", daemon=True).start()


def _exactly(end: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        more = end.recv(count - len(received))
        if not more:
            raise EOFError("the leader is gone")
        received += more
    return received
