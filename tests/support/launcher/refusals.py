"""How a fake refuses: a status with the details a Ringfence service sends."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

Saw: TypeAlias = Callable[[Any, grpc.ServicerContext], None]
"""What a fake calls first with every request: it is recorded, and refused when the token is wrong."""


def refuse(
    context: grpc.ServicerContext,
    code: grpc.StatusCode,
    reason: str,
    message: str,
    *,
    violations: Sequence[tuple[str, str]] = (),
    retry_after: float = 0,
) -> NoReturn:
    """End the call as a Ringfence service does."""
    status = Status(code=code.value[0], message=message)
    details: list[Any] = [ErrorInfo(reason=reason, domain="ringfence.dev")]
    if violations:
        listed = [BadRequest.FieldViolation(field=where, description=what) for where, what in violations]
        details.append(BadRequest(field_violations=listed))
    if retry_after:
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(int(retry_after * 1_000))
        details.append(retry)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(code, message)


def until_cancelled(context: grpc.ServicerContext) -> None:
    """Keep a stream open until its reader leaves."""
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait()
