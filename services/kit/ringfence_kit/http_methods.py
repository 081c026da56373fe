"""A path of the HTTP port that needs a caller, and what its behaviour is given."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from ringfence_kit.callers import Caller
from ringfence_kit.grants import Grant


class HttpCall(NamedTuple):
    """What the behaviour of a method gets: who asks, and what."""

    caller: Caller
    body: bytes
    content_type: str
    path: Mapping[str, Any]
    """The parts of the path that are named in it."""


class HttpMethod(NamedTuple):
    """One path of the HTTP port that needs a caller; POST."""

    path: str
    """As Starlette writes paths: `/access/v1/evaluation`, `/{environment}/…`."""
    name: str
    """What logs and metrics call it."""
    grant: Grant
    answer: Callable[[HttpCall], Awaitable[Response]]
    max_body_bytes: int
