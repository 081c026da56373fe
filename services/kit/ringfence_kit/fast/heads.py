"""How a gRPC call begins and ends in HTTP/2: request headers, response headers, trailers (gRPC over HTTP/2).

The rules:

- what is no gRPC is answered as HTTP: 405 for another method than POST, 415 for another content type, without a word of
  gRPC; its sender would not understand it;
- a path that is not one of ours is not looked at any further: it is bytes, and need not be text;
- values of `-bin` keys are base64, with padding or without, several joined by commas; what is not, makes the call
  malformed. Other values are what they are: ASCII, or bytes that are read one to one;
- what is reserved (`grpc-…`, pseudo headers, those of the connection) is not metadata.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from ngh2 import NeverIndexedHeader

from ringfence_kit.fast.messages import ENCODINGS, IDENTITY

Header: TypeAlias = tuple[bytes, bytes]


class Metadatum(NamedTuple):
    """One key of metadata, and its value."""

    key: str
    value: str | bytes


Metadata: TypeAlias = tuple[tuple[str, str | bytes], ...]

_MICROS = {b"H": 3_600_000_000, b"M": 60_000_000, b"S": 1_000_000, b"m": 1_000, b"u": 1}
_TIMEOUT_DIGITS = 8
_RESERVED = frozenset({b"te", b"content-type", b"content-length", b"host"})
_HOSTS = frozenset({b":authority", b"host"})
_BINARY = b"-bin"
_VARYING = frozenset({b"grpc-timeout", b"traceparent", b"tracestate", b"x-request-id"})
"""What is another with nearly every call, where the rest is what it was."""
_KEPT = 256
_OVERHEAD = 32
"""Bytes each header counts beside its name and value (RFC 9113, 6.5.2)."""

RESPONSE: Sequence[Header] = (
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-accept-encoding", b"identity,gzip"),
)
"""What every answer begins with."""
_ALL_IS_WELL: Header = (b"grpc-status", b"0")


class NotGrpc(Exception):  # noqa: N818 - named for what it is
    """The request is none of gRPC's; `status` is HTTP's answer to it."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Head(NamedTuple):
    """The beginning of a call."""

    path: bytes
    metadata: Metadata = ()
    timeout: float | None = None
    """Seconds the caller waits from now on; None for ever."""
    encoding: str = IDENTITY
    """What its compressed messages are compressed with."""
    size: int = 0
    """What its headers take, as HTTP/2 counts."""
    problem: str = ""
    """What is wrong with it, in words; empty when nothing is."""
    unknown_encoding: str = ""
    """A compression it uses that we do not know; empty when it does not."""


def read_head(headers: Iterable[Header]) -> Head:
    """Read the headers of a request. Raises `NotGrpc`."""
    path = method = content_type = b""
    timeout: float | None = None
    encoding, problem, size = b"identity", "", 0
    metadata: list[Metadatum] = []
    hosts = set[bytes]()
    for name, value in headers:
        size += len(name) + len(value) + _OVERHEAD
        if name == b":path":
            path = value
        elif name == b":method":
            method = value
        elif name == b"content-type":
            content_type = value
        elif name in _HOSTS:
            hosts.add(value.lower())
        elif name == b"grpc-timeout":
            timeout = _seconds(value)
            problem = problem if timeout is not None else "its grpc-timeout is not up to 8 digits and a unit of HMSmun"
        elif name == b"grpc-encoding":
            encoding = value
        elif name[:1] != b":" and name[:5] != b"grpc-" and name not in _RESERVED:
            try:
                metadata.extend(_metadata(name, value))
            except ValueError:
                problem = problem or f"its metadata {name.decode('latin-1')} is not base64"
    if method != b"POST":
        raise NotGrpc(405)
    if not is_grpc(content_type):
        raise NotGrpc(415)
    problem = problem or ("its host is another than its authority" if len(hosts) > 1 else "")  # RFC 9113, 8.3.1
    named = encoding.decode("latin-1")
    known = named in ENCODINGS
    return Head(
        path=path,
        metadata=tuple(metadata),
        timeout=timeout,
        encoding=named if known else IDENTITY,
        size=size,
        problem=problem,
        unknown_encoding="" if known else named,
    )


class HeadReader:
    """Reads the heads of one connection: what is the same in all of them, once."""

    def __init__(self) -> None:
        self._known: dict[object, Head] = {}

    def read(self, headers: tuple[Header, ...]) -> Head:
        """Return what `read_head` does, but for the order of metadata. Raises `NotGrpc`."""
        head = self._known.get(headers)
        if head is None:
            head = self._joined(headers)
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[headers] = head
        return head

    def _joined(self, headers: tuple[Header, ...]) -> Head:
        lasting: list[Header] = []
        varying: list[Header] = []
        for header in headers:
            (varying if header[0] in _VARYING else lasting).append(header)
        if not varying or not lasting:
            return read_head(headers)
        common = self.read(tuple(lasting))
        timeout, metadata, size = common.timeout, common.metadata, common.size
        for name, value in varying:
            size += len(name) + len(value) + _OVERHEAD
            if name == b"grpc-timeout":
                timeout = _seconds(value)
            else:
                metadata = (*metadata, Metadatum(name.decode("latin-1"), value.decode("latin-1")))
            if common.problem or (timeout is None and name == b"grpc-timeout"):
                # Which of several problems is told is a matter of their order.
                return read_head(headers)
        return Head(common.path, metadata, timeout, common.encoding, size, common.problem, common.unknown_encoding)


def is_grpc(content_type: bytes) -> bool:
    """Say whether a content type is gRPC's: `application/grpc`, alone or with `+proto`, `;charset=…` behind it."""
    kind, rest = content_type[:16].lower(), content_type[16:17]
    return kind == b"application/grpc" and rest in (b"", b"+", b";")


def trailers(code: int, message: str, metadata: Iterable[tuple[str, str | bytes]]) -> list[Header]:
    """Return what an answer ends with."""
    ending = [(b"grpc-status", b"%d" % code)] if code else [_ALL_IS_WELL]
    if message:
        ending.append((b"grpc-message", percent_encoded(message)))
    for key, value in metadata:
        # Another with nearly every call: in the table of what was sent before it would only drive out the rest.
        ending.append(NeverIndexedHeader(key.encode("latin-1"), _on_the_wire(key, value)))
    return ending


def percent_encoded(message: str) -> bytes:
    """Return a message as `grpc-message` has it: UTF-8, and whatever is not printable ASCII, or is %, as %XX."""
    if message.isascii() and message.isprintable() and "%" not in message:
        return message.encode("ascii")
    raw = message.encode("utf-8", "replace")
    return b"".join(b"%c" % byte if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte for byte in raw)


def _on_the_wire(key: str, value: str | bytes) -> bytes:
    if key[-4:] == "-bin":
        raw = value if isinstance(value, bytes) else value.encode()
        return base64.b64encode(raw).rstrip(b"=")
    return value if isinstance(value, bytes) else value.encode("latin-1", "replace")


def _seconds(value: bytes) -> float | None:
    digits, unit = value[:-1], value[-1:]
    if not digits.isdigit() or len(digits) > _TIMEOUT_DIGITS:
        return None
    if unit == b"n":
        return int(digits) / 1e9
    micros = _MICROS.get(unit)
    return None if micros is None else int(digits) * micros / 1e6


def _metadata(name: bytes, value: bytes) -> Iterable[Metadatum]:
    key = name.decode("latin-1")
    if not name.endswith(_BINARY):
        return (Metadatum(key, value.decode("latin-1")),)
    return tuple(Metadatum(key, _unpadded(each.strip())) for each in value.split(b","))


def _unpadded(text: bytes) -> bytes:
    bare = text.rstrip(b"=")
    try:
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
