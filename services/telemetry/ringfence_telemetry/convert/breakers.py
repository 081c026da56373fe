"""`ringfence.telemetry.v1.BreakerService` messages to values and back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ringfence.telemetry.v1 import health_pb2
from ringfence.telemetry.v1 import slo_pb2 as pb
from ringfence_kit.clock import Instant
from ringfence_kit.validation import Violations
from ringfence_kit.wire import to_timestamp

from ringfence_telemetry.breakers.book import BreakerKey
from ringfence_telemetry.breakers.machine import Breaker, Circuit, Override
from ringfence_telemetry.slo.checks import LABEL_BYTES_MAX

REASON_BYTES_MAX = 500

_STATES: Mapping[Circuit, health_pb2.CircuitState.ValueType] = {
    Circuit.CLOSED: health_pb2.CIRCUIT_STATE_CLOSED,
    Circuit.OPEN: health_pb2.CIRCUIT_STATE_OPEN,
    Circuit.HALF_OPEN: health_pb2.CIRCUIT_STATE_HALF_OPEN,
}
_OVERRIDES: Mapping[int, Override] = {
    pb.BREAKER_OVERRIDE_NONE: Override.NONE,
    pb.BREAKER_OVERRIDE_FORCED_OPEN: Override.FORCED_OPEN,
    pb.BREAKER_OVERRIDE_DISABLED: Override.DISABLED,
}
_OVERRIDES_BACK = {override: pb.BreakerOverride.ValueType(number) for number, override in _OVERRIDES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListBreakers:
    """A checked ListBreakersRequest; the token is opened by the face."""

    agent: str
    not_closed: bool
    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideBreaker:
    """A checked OverrideBreakerRequest."""

    key: BreakerKey
    override: Override
    reason: str
    request_id: str


def list_breakers(request: pb.ListBreakersRequest) -> ListBreakers:
    """Return what is to be listed, or raise InvalidRequest."""
    found = Violations()
    agent = found.text(request.agent, "agent", max_bytes=LABEL_BYTES_MAX, required=False)
    page_size = found.page_size(request.page_size)
    found.raise_if_any()
    return ListBreakers(agent=agent, not_closed=request.not_closed, page_size=page_size, page_token=request.page_token)


def override_breaker(request: pb.OverrideBreakerRequest) -> OverrideBreaker:
    """Return what is said, or raise InvalidRequest."""
    found = Violations()
    agent = found.text(request.agent, "agent", max_bytes=LABEL_BYTES_MAX)
    skill = found.text(request.skill, "skill", max_bytes=LABEL_BYTES_MAX, required=False)
    override = found.enum(request.override, "override", _OVERRIDES)
    reason = found.text(request.reason, "reason", max_bytes=REASON_BYTES_MAX)
    request_id = found.request_id(request.request_id)
    said = found.ok(override)
    return OverrideBreaker(key=BreakerKey(agent, skill), override=said, reason=reason, request_id=request_id)


def breaker_message(breaker: Breaker, *, until: Instant) -> pb.Breaker:
    """Return a breaker, to be relied on until an instant."""
    message = pb.Breaker(
        agent=breaker.agent,
        skill=breaker.skill,
        state=_STATES[breaker.shown],
        override=_OVERRIDES_BACK[breaker.override],
        version=breaker.version,
        expire_time=to_timestamp(until),
        opened_in_a_row=breaker.opened,
        reason=breaker.reason,
    )
    if breaker.version:
        message.change_time.CopyFrom(to_timestamp(breaker.changed_at))
    if breaker.retry_at is not None and breaker.override is Override.NONE:
        message.retry_time.CopyFrom(to_timestamp(breaker.retry_at))
    return message


def breaker_cursor(key: BreakerKey) -> bytes:
    """Return what a page token holds."""
    return json.dumps(key).encode()


def breaker_key_of(cursor: bytes) -> BreakerKey:
    """Return where a page starts; of the first page nothing is the cursor."""
    return BreakerKey(*json.loads(cursor)) if cursor else BreakerKey("", "")
