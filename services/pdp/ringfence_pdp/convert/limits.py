"""`ringfence.pdp.v1.LimitService` messages to values and back, and limits as answers tell of them."""

from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from ringfence.pdp.v1 import decision_pb2
from ringfence.pdp.v1 import limit_pb2 as pb
from ringfence_kit.clock import Millis
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_pdp.compiled import CompiledLimit
from ringfence_pdp.limits.counters import Status
from ringfence_pdp.limits.ring_limits import RING_LIMITS

LIMIT_BYTES_MAX = 160
KEY_BYTES_MAX = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLimits:
    """A checked ListLimitsRequest; the token is opened by the face, which knows the caller."""

    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetBudget:
    """A checked GetBudgetRequest."""

    limit: str
    key: str


def list_limits(request: pb.ListLimitsRequest) -> ListLimits:
    """Build the query, or raise InvalidRequest."""
    found = Violations()
    page_size = found.page_size(request.page_size)
    return found.ok(ListLimits(page_size=page_size, page_token=request.page_token))


def get_budget(request: pb.GetBudgetRequest) -> GetBudget:
    """Build the question, or raise InvalidRequest with every violation."""
    found = Violations()
    limit = found.text(request.limit, "limit", max_bytes=LIMIT_BYTES_MAX)
    key = found.text(request.key, "key", max_bytes=KEY_BYTES_MAX)
    return found.ok(GetBudget(limit=limit, key=key))


def limit_to_proto(compiled: CompiledLimit) -> pb.Limit:
    """Return the resource."""
    limit = compiled.limit
    return pb.Limit(
        name=compiled.id,
        budget=limit.budget,
        unit=pb.LimitUnit.ValueType(limit.unit),
        per=pb.LimitPer.ValueType(limit.per),
        maximum=limit.maximum,
        window=to_duration(limit.window),
        burst=limit.burst,
        alert_at=[alert.share for alert in limit.alerts],
    )


def budget_to_proto(status: Status) -> pb.GetBudgetResponse:
    """Return how a limit stands."""
    response = pb.GetBudgetResponse(status=status_to_proto(status))
    if status.started_at is not None:
        response.start_time.CopyFrom(to_timestamp(status.started_at))
    return response


def status_to_proto(status: Status) -> decision_pb2.LimitStatus:
    """Return how a limit stands, as answers tell it."""
    limit = status.meter.limit
    return decision_pb2.LimitStatus(
        limit=status.meter.id,
        key=status.meter.key,
        unit=limit.unit.word,
        maximum=limit.maximum if limit.budget else limit.burst,
        remaining=status.remaining,
        reset_time=to_timestamp(status.reset_at),
        alerts=status.alerts,
    )


def to_duration(length: Millis) -> Duration:
    """Return `length` as a google.protobuf.Duration."""
    seconds, millis = divmod(length, 1_000)
    return Duration(seconds=seconds, nanos=millis * 1_000_000)


RESOURCE_LIMITS = tuple(
    decision_pb2.ResourceLimits(
        ring=limits.ring,
        execution_time=to_duration(limits.execution_time),
        memory_bytes=limits.memory_bytes,
        cpu_millicores=limits.cpu_millicores,
        requests_per_second=limits.requests_per_second,
        request_burst=limits.request_burst,
        max_tools=limits.max_tools,
    )
    for limits in RING_LIMITS
)
"""By ring, made once: every answer that lets something through carries one."""
