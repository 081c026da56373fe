"""Failure → gRPC status, with the details every client of the mesh can read (google.rpc, AIP-193).

The rules:

- every status carries `ErrorInfo` with the reason, the domain and the metadata; `BadRequest` when fields are at fault;
  `RetryInfo` when waiting helps;
- the whole fits into what a client accepts: trailers over 8 KiB are refused by gRPC's own default, and the caller
  would see nothing but RESOURCE_EXHAUSTED. What is cut is cut visibly;
- this is the only place of the kit where a failure meets a status code.
"""

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from ringfence_kit.clock import Millis
from ringfence_kit.errors import Failure, Kind, Violation

DOMAIN = "ringfence.dev"
"""ErrorInfo.domain of every failure: reasons are unique in it."""

DETAILS_KEY = "grpc-status-details-bin"
RETRY_KEY = "google.rpc.retryinfo-bin"
"""RetryInfo once more, by itself: the OpenTelemetry SDK for Python reads it here and nowhere else."""

# Trailers are measured as they stand on the wire, where each byte of the message outside printable ASCII takes three.
MESSAGE_MAX = 1_200
VIOLATIONS_MAX = 2_800
METADATA_VALUE_MAX = 256
FIELD_MAX = 160
PROBLEM_MAX = 300

_CODES = {kind: next(code for code in grpc.StatusCode if code.value[0] == kind.value) for kind in Kind}


def code_of(failure: Failure) -> grpc.StatusCode:
    """Return the status code of a failure's kind."""
    return _CODES[failure.kind]


def status_of(failure: Failure) -> Status:
    """Return the status with all its details."""
    status = Status(code=Code.ValueType(failure.kind.value), message=_message(failure.message))
    metadata = {key: _cut(value, METADATA_VALUE_MAX) for key, value in failure.metadata.items()}
    _attach(status, ErrorInfo(reason=failure.reason, domain=DOMAIN, metadata=metadata))
    if failure.violations:
        _attach(status, _bad_request(failure.violations))
    if failure.retry_after is not None:
        _attach(status, _retry_info(failure.retry_after))
    return status


def trailers_of(failure: Failure) -> tuple[tuple[str, str | bytes], ...]:
    """Return what is sent along with the code and the message of a failure."""
    details = (DETAILS_KEY, status_of(failure).SerializeToString())
    if failure.retry_after is None:
        return (details,)
    return details, (RETRY_KEY, _retry_info(failure.retry_after).SerializeToString())


def _retry_info(after: Millis) -> RetryInfo:
    seconds, millis = divmod(after, 1_000)
    retry = RetryInfo()
    retry.retry_delay.seconds, retry.retry_delay.nanos = seconds, millis * 1_000_000
    return retry


def _attach(status: Status, detail: ErrorInfo | BadRequest | RetryInfo) -> None:
    packed = AnyMessage()
    packed.Pack(detail)
    status.details.append(packed)


def _bad_request(violations: tuple[Violation, ...]) -> BadRequest:
    """List violations until the room is used up, then say how many are not listed."""
    listed = BadRequest()
    room = VIOLATIONS_MAX
    for index, violation in enumerate(violations):
        field, problem = _cut(violation.field, FIELD_MAX), _cut(violation.problem, PROBLEM_MAX)
        room -= len(field.encode()) + len(problem.encode()) + 8
        if room < 0:
            listed.field_violations.add(description=f"{len(violations) - index} more violations are not listed")
            break
        listed.field_violations.add(field=field, description=problem)
    return listed


def _message(text: str) -> str:
    """Cut a message to what its percent-encoding may take (gRPC over HTTP/2, Status-Message)."""
    room = MESSAGE_MAX - 3
    for index, character in enumerate(text):
        room -= 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode("utf-8", "replace"))
        if room < 0:
            return _sound(text[:index]) + "..."
    return _sound(text)


def _cut(text: str, most: int) -> str:
    """Cut a text to `most` bytes of UTF-8, without splitting a character."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= most:
        return encoded.decode()
    return encoded[: most - 3].decode("utf-8", "ignore") + "..."


def _sound(text: str) -> str:
    """Replace what UTF-8 cannot hold: a lone surrogate from the file system or the environment."""
    return text.encode("utf-8", "replace").decode()
