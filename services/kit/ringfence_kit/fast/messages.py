"""Messages as gRPC writes them into a stream of bytes: a flag, a length, and the message (gRPC over HTTP/2, Requests).

The rules:

- a message that is longer than it may be is refused by its length, before it is here;
- a message in many pieces is put together once: what it costs to read grows with its length, not with its pieces;
- a compressed message may not be longer than that once it is unpacked, and is unpacked no further than that;
- bytes that stop in the middle of a message are no message.
"""

import struct
import zlib

from ringfence_kit.errors import Failure, MalformedMessage, MessageTooLarge

PREFIX_SIZE = 5
IDENTITY, GZIP = "identity", "gzip"
ENCODINGS = (IDENTITY, GZIP)
"""What requests may be compressed with. Responses are not: they are small, and what they say is secret to others."""

_GZIP_WINDOW = 31
_PREFIX = struct.Struct(">BI")


def framed(message: bytes) -> bytes:
    """Return a message as it is sent."""
    return _PREFIX.pack(0, len(message)) + message


def only_message(data: bytes, max_bytes: int) -> bytes | None:
    """Return the message that `data` is, if it is a single whole one as it is to be read: most calls send just that."""
    if len(data) < PREFIX_SIZE:
        return None
    flag, size = _PREFIX.unpack_from(data)
    return None if flag or size > max_bytes or PREFIX_SIZE + size != len(data) else data[PREFIX_SIZE:]


class MessageReader:
    """Reads the messages of one call."""

    __slots__ = ("_buffer", "_encoding", "_max_bytes", "_method", "_wanted")

    def __init__(self, *, method: str, encoding: str, max_bytes: int) -> None:
        self._method = method
        self._encoding = encoding
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._wanted = 0
        """How long what is in the buffer has to be before there is anything in it to read."""

    @property
    def unfinished(self) -> int:
        """How many bytes are here of a message that is not."""
        return len(self._buffer)

    def read(self, data: bytes) -> list[bytes]:
        """Return the messages that are whole with `data`. Raises `Failure`, after which nothing more may be read."""
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._wanted:
                return []
            data, self._buffer = bytes(self._buffer), bytearray()
        found: list[bytes] = []
        at, end, wanted = 0, len(data), PREFIX_SIZE
        while end - at >= PREFIX_SIZE:
            size = int.from_bytes(data[at + 1 : at + PREFIX_SIZE], "big")
            if size > self._max_bytes:
                raise MessageTooLarge(size_bytes=size, limit_bytes=self._max_bytes)
            behind = at + PREFIX_SIZE + size
            if behind > end:
                wanted = PREFIX_SIZE + size
                break
            found.append(self._message(data[at], data[at + PREFIX_SIZE : behind]))
            at = behind
        if at < end:
            self._buffer, self._wanted = bytearray(data[at:]), wanted
        return found

    def end(self) -> None:
        """Take the end of the stream. Raises `Failure` when it is in the middle of a message."""
        if self._buffer:
            raise self._malformed("the call ended in the middle of a message")

    def _message(self, flag: int, body: bytes) -> bytes:
        if flag == 0:
            return body
        if flag != 1:
            raise self._malformed(f"its compressed-flag is {flag}; it must be 0 or 1")
        if self._encoding != GZIP:
            raise self._malformed("it is marked as compressed, and no grpc-encoding says how")
        return self._unpacked(body)

    def _unpacked(self, body: bytes) -> bytes:
        unpacking = zlib.decompressobj(_GZIP_WINDOW)
        try:
            message = unpacking.decompress(body, self._max_bytes + 1)
        except zlib.error:
            raise self._malformed("it is not the gzip it is marked as") from None
        if len(message) > self._max_bytes:
            raise MessageTooLarge(size_bytes=len(message), limit_bytes=self._max_bytes)
        if not unpacking.eof or unpacking.unused_data:
            raise self._malformed("its gzip ends too early, or something follows it")
        return message

    def _malformed(self, problem: str) -> Failure:
        return MalformedMessage(method=self._method, problem=problem)
