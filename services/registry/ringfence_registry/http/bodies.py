"""Bodies of requests: read no further than the limit, for no longer than a while, and as strict JSON."""

import asyncio

from ringfence_kit.errors import InvalidRequest, Violation
from starlette.requests import ClientDisconnect, Request

from ringfence_registry.cards.strict_json import JsonLimits, JsonValue, StrictJsonError, read_strict_json

LIMITS = JsonLimits(size=16_384, depth=16)
LONGEST_S = 10.0
"""How long a body may take to come: who sends a byte a minute holds no connection."""


class BodyTooLarge(Exception):  # noqa: N818 - named for what happened
    """More is coming than is read."""


class BodyTooSlow(Exception):  # noqa: N818 - named for what happened
    """It did not come in time, or not at all."""


async def read_object(request: Request) -> dict[str, JsonValue]:
    """Return the JSON object in the body. Raises `BodyTooLarge`, `BodyTooSlow` and `InvalidRequest`."""
    try:
        async with asyncio.timeout(LONGEST_S):
            body = await _read(request)
    except (TimeoutError, ClientDisconnect):
        raise BodyTooSlow from None
    try:
        value = read_strict_json(body, LIMITS)
    except StrictJsonError as error:
        raise InvalidRequest(*(Violation(fault.pointer or "/", fault.problem) for fault in error.faults)) from None
    if not isinstance(value, dict):
        raise InvalidRequest(Violation("/", "must be a JSON object"))
    return value


async def _read(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LIMITS.size:
            raise BodyTooLarge
        parts.append(part)
    return b"".join(parts)
