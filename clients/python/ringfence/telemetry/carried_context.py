"""Trace context and baggage over hops that no HTTP header crosses: A2A metadata and MCP `params._meta`.

The rules:

- the keys are the bare ones of W3C: `traceparent`, `tracestate`, `baggage` (MCP: SEP-414; A2A has no rule of its own);
- of what others sent only text of a sane length is read, and the rest is as if it were not there: a bad header never
  fails the work that came with it;
- what is in a carrier otherwise is left alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, attach, detach
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

KEYS = ("traceparent", "tracestate", "baggage")
LONGEST = 8_192
"""Characters of a value that is read (W3C Baggage asks for as many)."""

_W3C = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])


class Carrier(Protocol):
    """What context is put into: a dictionary, or the Struct of a protobuf message."""

    def update(self, values: dict[str, Any], /) -> None:
        """Set members."""
        ...


class Came(Protocol):
    """What context came in: a dictionary, or the Struct of a protobuf message."""

    def __contains__(self, key: str, /) -> bool:
        """Say whether a member is there."""
        ...

    def __getitem__(self, key: str, /) -> Any:
        """Return a member that is."""
        ...


def outgoing(context: Context | None = None) -> dict[str, str]:
    """Return what has to travel with a call made now; empty outside of any span."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, context)
    return carrier


def inject(carrier: Carrier, context: Context | None = None) -> None:
    """Put it into the metadata of an A2A message, or into the `_meta` of an MCP request."""
    carrier.update(outgoing(context))


def extract(carrier: Came | None) -> Context:
    """Return the context that came with a call; an empty one when none came."""
    if carrier is None:
        return Context()
    found = {key: _text(carrier, key) for key in KEYS}
    return _W3C.extract({key: value for key, value in found.items() if value}, Context())


@contextmanager
def received(carrier: Came | None) -> Iterator[Context]:
    """Work in the context that came with a call, until the end of the block; sync or async code alike."""
    context = extract(carrier)
    token = attach(context)
    try:
        yield context
    finally:
        detach(token)


def _text(carrier: Came, key: str) -> str:
    if key not in carrier:  # a Struct raises on what it has not
        return ""
    value = carrier[key]
    return value if isinstance(value, str) and len(value) <= LONGEST else ""
