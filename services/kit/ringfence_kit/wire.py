"""What every service's conversions need from protobuf: instants, and what stands for a request.

For `convert.py` and `api.py` only. A request is compared with itself (idempotency, page tokens) by its deterministic
bytes, unknown fields included: a client that sends more than we know has sent another request.
"""

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ringfence_kit.clock import Instant
from ringfence_kit.store import Mutation, fingerprint_of


def to_timestamp(instant: Instant) -> Timestamp:
    """Return `instant` as a google.protobuf.Timestamp."""
    seconds, millis = divmod(instant, 1_000)
    return Timestamp(seconds=seconds, nanos=millis * 1_000_000)


def to_instant(timestamp: Timestamp) -> Instant:
    """Return a timestamp we made ourselves as an instant. What a caller sent goes through `Violations.timestamp`."""
    return Instant(timestamp.seconds * 1_000 + timestamp.nanos // 1_000_000)


def bytes_without(request: Message, *fields: str) -> bytes:
    """Return the deterministic bytes of `request` with `fields` cleared."""
    rest = type(request)()
    rest.CopyFrom(request)
    for field in fields:
        rest.ClearField(field)
    return rest.SerializeToString(deterministic=True)


def mutation_of(request: Message, *, request_id: str, principal: str, now: Instant) -> Mutation:
    """Return who asks for the change in `request`, when, and how a repetition of it is recognised.

    `request_id` is the checked one. The message's type stands for the method: each method has its own.
    """
    return Mutation(
        principal=principal,
        at=now,
        request_id=request_id,
        method=request.DESCRIPTOR.full_name,
        fingerprint=fingerprint_of(bytes_without(request, "request_id")) if request_id else b"",
    )


def page_arguments(request: Message) -> bytes:
    """Return what a page token is bound to: the kind of List request, and it without token and page size (AIP-158)."""
    return request.DESCRIPTOR.full_name.encode() + b"\0" + bytes_without(request, "page_token", "page_size")
