"""Decisions on their way to telemetry's audit log."""

from collections.abc import Sequence

import grpc.aio
from ringfence.telemetry.v1 import audit_pb2, audit_pb2_grpc

from ringfence_pdp.decision_log import AuditAppender


def audit_appender(channel: grpc.aio.Channel) -> AuditAppender:
    """Return telemetry's AppendDecisions as a function."""
    stub: audit_pb2_grpc.AuditServiceAsyncStub = audit_pb2_grpc.AuditServiceStub(channel)

    async def append(entries: Sequence[tuple[str, bytes]], /) -> None:
        request = audit_pb2.AppendDecisionsRequest()
        for decision_id, body in entries:  # in place: a message that is handed over is copied
            request.entries.add(decision_id=decision_id, body=body)
        await stub.AppendDecisions(request)

    return append
