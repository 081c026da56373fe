"""What is known about one call while it is answered, filled in step by step."""

import ipaddress
import itertools
import re
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from ringfence_kit.callers import ANONYMOUS, Caller
from ringfence_kit.ids import NewId
from ringfence_kit.methods import Method
from ringfence_kit.tracing import is_sampled, read_traceparent

REQUEST_ID_KEY = "x-request-id"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def numbered_ids(new_id: NewId) -> NewId:
    """Return a source of request ids: what `new_id` gives once, and a number. Made for each call, so made cheaply."""
    prefix, numbers = new_id()[:18], itertools.count(1)
    return lambda: f"{prefix}-{next(numbers):x}"


class Call:
    """One call. `request_id` is the caller's where it sent a usable one, and empty until then."""

    __slots__ = ("authorization", "caller", "method", "peer", "request_id", "started", "traceparent")

    def __init__(self, method: Method, metadata: Iterable[tuple[str, str | bytes]], peer: str) -> None:
        self.method = method
        self.peer = peer
        self.started = time.perf_counter()
        self.caller: Caller = ANONYMOUS
        self.authorization: list[str | bytes] = []
        self.request_id = ""
        self.traceparent = ""
        for key, value in metadata:
            if key == "authorization":
                self.authorization.append(value)
            elif key == REQUEST_ID_KEY and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
                self.request_id = value
            elif key == "traceparent" and isinstance(value, str):
                # Said again it is one value joined with a comma (RFC 9110 5.3), and so none that names a trace.
                self.traceparent = f"{self.traceparent},{value}" if self.traceparent else value

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.perf_counter() - self.started

    @property
    def is_sampled(self) -> bool:
        """Whether its caller records a trace that it belongs to."""
        return is_sampled(self.traceparent)

    @property
    def quota_key(self) -> str:
        """Whose quota it counts against; callers nobody knows are told apart by where they come from."""
        return self.caller.principal if self.caller is not ANONYMOUS else f"anonymous at {network_of(self.peer)}"

    def fields(self) -> dict[str, Any]:
        """Return what a log line says about it."""
        known: dict[str, Any] = {
            "method": self.method.name,
            "principal": self.caller.principal,
            "request_id": self.request_id,
            "peer": self.peer,
        }
        trace = read_traceparent(self.traceparent)
        if trace.trace_id:
            known["trace_id"] = trace.trace_id
        return known


@lru_cache(maxsize=4_096)
def network_of(peer: str) -> str:
    """Return the address behind `ipv4:10.0.0.1:1234` or `ipv6:%5B::1%5D:1234`; of IPv6 the /64, which one host may have
    to itself whole."""
    kind, _, rest = peer.partition(":")
    host = unquote(rest).rpartition(":")[0].strip("[]").partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return kind
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        # All of IPv4 would share one bucket otherwise, where a socket serves both.
        return str(address.ipv4_mapped)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)
