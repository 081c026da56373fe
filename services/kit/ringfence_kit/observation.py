"""What is left behind by a call: one log line, its metrics, and what its span says about the outcome.

The rules:

- one line a call, whatever became of it, with who, what, how it ended and how long it took; never the request;
- a refusal is the caller's business and logged as info; only a defect of ours is an error.
"""

from typing import NamedTuple

import grpc
from opentelemetry import trace

from ringfence_kit.call_lines import CallLines
from ringfence_kit.calls import Call
from ringfence_kit.errors import Failure
from ringfence_kit.server_config import CallLog
from ringfence_kit.status import code_of

_SERVER_FAULTS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
"""Codes that OpenTelemetry's conventions for gRPC servers count as errors of the server."""


class Outcome(NamedTuple):
    """How a call ended."""

    code: str
    reason: str = ""


OK = Outcome("OK")


def outcome_of(error: BaseException, code: object) -> Outcome:
    """Return how a call ended that raised `error`; `code` is what was set on its context, for a bare abort."""
    if isinstance(error, Failure):
        return Outcome(code_of(error).name, error.reason)
    if isinstance(error, grpc.aio.AbortError):
        return Outcome(_code_name(code))
    return Outcome("INTERNAL", "INTERNAL")


class Observer:
    """Observes the calls of one service."""

    def __init__(self, service: str, calls: CallLog) -> None:
        self._lines = CallLines(service)
        self._logs_well = calls is CallLog.ALL
        self._logs_failed = calls is not CallLog.NONE

    def ended(self, call: Call, outcome: Outcome) -> None:
        """Note how a call ended that its meter has begun."""
        seconds = call.seconds
        call.method.meter.end(outcome.code, outcome.reason, seconds)
        if outcome is not OK:
            self._mark_span(outcome)
        if self._logs_well if outcome is OK else self._logs_failed:
            self._lines.write(call, outcome.code, outcome.reason, seconds)

    def _mark_span(self, outcome: Outcome) -> None:
        """Say in the current span how it ended: the failure passes through it as an exception, without a code."""
        span = trace.get_current_span()
        if not span.is_recording():
            return
        span.set_attribute("rpc.grpc.status_code", grpc.StatusCode[outcome.code].value[0])
        if outcome.reason:
            span.set_attribute("error.type", outcome.reason)
        if outcome.code in _SERVER_FAULTS:
            span.set_status(trace.StatusCode.ERROR, outcome.reason)


def _code_name(code: object) -> str:
    """Name a code that gRPC gives as an enum member or as a bare number."""
    for known in grpc.StatusCode:
        if code in (known, known.value[0]):
            return known.name
    return "UNKNOWN"
