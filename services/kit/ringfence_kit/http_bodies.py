"""The body of a request over HTTP: read whole or not at all, and never more of it than is accepted.

The limit is on what a body unfolds to, and holds while it unfolds: a thousand times what was sent is never in memory.
"""

import asyncio
import zlib
from typing import Final

from starlette.requests import ClientDisconnect, Request

from ringfence_kit.errors import InvalidRequest, MalformedMessage, MessageTooLarge, Violation
from ringfence_kit.http_methods import HttpMethod

_GZIP_WINDOW: Final = 31
"""zlib's number for the gzip format."""

_TURN: Final = 1 << 20
"""Bytes unfolded before others get a turn: a few milliseconds."""

_SLICE: Final = 64 << 10
"""Bytes of what is packed that are looked at at once."""


async def read_body(request: Request, method: HttpMethod) -> bytes:
    """Return the body, unpacked. Raises MessageTooLarge, MalformedMessage, and InvalidRequest for another encoding."""
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if not method.takes_gzip or encoding in ("", "identity"):
        return await _read(request, method)
    if encoding != "gzip":
        problem = f"{encoding!r} is not understood; send gzip, or leave it out"
        raise InvalidRequest(Violation("content-encoding", problem))
    return await _unpacked(await _read(request, method), method)


async def _read(request: Request, method: HttpMethod) -> bytes:
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > method.max_body_bytes:
                raise MessageTooLarge(size_bytes=size, limit_bytes=method.max_body_bytes)
            parts.append(part)
    except ClientDisconnect:
        raise MalformedMessage(method=method.name, problem="the connection ended before its body did") from None
    return b"".join(parts)


async def _unpacked(packed: bytes, method: HttpMethod) -> bytes:
    parts: list[bytes] = []
    size = 0
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    for at in range(0, len(packed), _SLICE):
        # What is not used up is handed back as a copy, so it is given little at a time.
        left = packed[at : at + _SLICE]
        while left and not unpacking.eof:
            try:
                part = unpacking.decompress(left, _TURN)
            except zlib.error:
                raise MalformedMessage(method=method.name, problem="it is not the gzip it is marked as") from None
            left = unpacking.unconsumed_tail
            size += len(part)
            if size > method.max_body_bytes:
                raise MessageTooLarge(size_bytes=size, limit_bytes=method.max_body_bytes)
            parts.append(part)
            await asyncio.sleep(0)
        if unpacking.eof and (unpacking.unused_data or left or at + _SLICE < len(packed)):
            raise MalformedMessage(method=method.name, problem="something follows its gzip")
    if not unpacking.eof:
        raise MalformedMessage(method=method.name, problem="its gzip ends too early")
    return b"".join(parts)
