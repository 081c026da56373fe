"""Decisions on their way to telemetry's audit log, as they are written and sent: `decision_batches.Wire`.

An entry is a field of AppendDecisionsRequest, so entries behind each other are a request, and a request that waits on
disk is sent as it lies there.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import grpc.aio
from ringfence.telemetry.v1 import audit_pb2

APPEND = "/ringfence.telemetry.v1.AuditService/AppendDecisions"
UPLOAD = "/ringfence.pdp.v1.SnapshotService/UploadDecisions"
"""Takes the same bytes."""

_LENGTH_DELIMITED = 2
_SHORT = 0x80


def _tag(message: type[audit_pb2.AppendDecisionsRequest | audit_pb2.DecisionEntry], field: str) -> bytes:
    return bytes([message.DESCRIPTOR.fields_by_name[field].number << 3 | _LENGTH_DELIMITED])


_ENTRY = _tag(audit_pb2.AppendDecisionsRequest, "entries")
_ID = _tag(audit_pb2.DecisionEntry, "decision_id")
_BODY = _tag(audit_pb2.DecisionEntry, "body")


class AuditWire:
    """Writes entries, and sends them over a channel, which is asked for with the first that is sent."""

    def __init__(self, channel: Callable[[], grpc.aio.Channel], method: str = APPEND) -> None:
        self._channel = channel
        self._method = method
        self._append: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] | None = None

    def entry(self, decision_id: str, body: bytes) -> bytes:
        """See `Wire`."""
        return entry_bytes(decision_id, body)

    def entries(self, call: bytes) -> Sequence[tuple[str, bytes]]:
        """See `Wire`."""
        request = audit_pb2.AppendDecisionsRequest.FromString(call)
        return [(each.decision_id, entry_bytes(each.decision_id, each.body)) for each in request.entries]

    async def append(self, call: bytes) -> None:
        """See `Wire`."""
        if self._append is None:
            # Without serialisers bytes go out as they are, and what comes back is not looked at.
            self._append = self._channel().unary_unary(self._method)
        await self._append(call)


def entry_bytes(decision_id: str, body: bytes) -> bytes:
    """Return one entry as a field of AppendDecisionsRequest."""
    name = decision_id.encode()
    before, between = _around(len(name), len(body))
    return b"".join((before, name, between, body))


@lru_cache(maxsize=4_096)
def _around(name: int, body: int) -> tuple[bytes, bytes]:
    """Return what stands before an id and between it and a body of such lengths, of which there are few."""
    head, between = _ID + _varint(name), _BODY + _varint(body)
    return _ENTRY + _varint(len(head) + name + len(between) + body) + head, between


def _varint(number: int) -> bytes:
    if number < _SHORT:
        return bytes((number,))
    low = bytearray()
    while number >= _SHORT:
        low.append(number & 0x7F | _SHORT)
        number >>= 7
    low.append(number)
    return bytes(low)
