"""Writes the log line of a call as structlog would, without most of what that takes: every call has one.

The rules:

- what stands in a line, and in which order, is said here alone;
- where lines are JSON, this writes them, with the encoder of `logs.py` and so with the same bytes. Everywhere else, on
  a terminal and where a test listens, a line is logged as any other is;
- no field of a call is one that secrets are blanked in (`logs.redact`): nothing is, here;
- what the process says in all its lines is bound to the context before its service is opened; calls bind nothing.
"""

import time
from datetime import UTC, datetime
from typing import cast

import msgspec
import structlog

from ringfence_kit.calls import Call
from ringfence_kit.line_output import LineOutput
from ringfence_kit.logs import INFO, encode, render_json
from ringfence_kit.tracing import read_traceparent

EVENT = "call"
_MICROS = 1_000_000


class _Line(msgspec.Struct, gc=False):
    """What is another in each line, in order."""

    service: str
    code: str
    milliseconds: float
    method: str
    principal: str
    request_id: str
    peer: str
    trace_id: str | msgspec.UnsetType
    reason: str | msgspec.UnsetType


class Stamps:
    """Instants as structlog writes them: ISO 8601, in UTC, to the microsecond. The date is written once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def text(self, micros: int) -> str:
        """Return the instant `micros` microseconds after 1970."""
        second, fraction = divmod(micros, _MICROS)
        if second != self._second:
            self._second, self._text = second, datetime.fromtimestamp(second, UTC).isoformat()[: -len("+00:00")]
        return f"{self._text}.{fraction:06}Z" if fraction else f"{self._text}Z"


class CallLines:
    """The lines of one service's calls."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._log = structlog.get_logger("ringfence.calls").bind(service=service)
        self._is_wanted = bool(self._log.is_enabled_for(INFO))
        # Looked at with each line: whoever captures lines replaces what is in it.
        self._processors = structlog.get_config()["processors"]
        self._out = cast("LineOutput", structlog.get_config()["logger_factory"]())
        self._stamps = Stamps()
        self._tail = _tail()

    def write(self, call: Call, code: str, reason: str, seconds: float) -> None:
        """Write the line of a call that ended so, after so long."""
        if not self._is_wanted:
            return
        if self._processors[-1] is not render_json:
            self.log(call, code, reason, seconds)
            return
        trace_id = read_traceparent(call.traceparent).trace_id if call.traceparent else ""
        line = _Line(
            self._service,
            code,
            round(seconds * 1_000, 3),
            call.method.name,
            call.caller.principal,
            call.request_id,
            call.peer,
            trace_id or msgspec.UNSET,
            reason or msgspec.UNSET,
        )
        stamp = self._stamps.text(time.time_ns() // 1_000)
        self._out.msg(f'{encode(line)[:-1].decode()}{self._tail}{stamp}"}}')

    def log(self, call: Call, code: str, reason: str, seconds: float) -> None:
        """Log it as any other line: what `write` does where lines are not JSON, and is held to where they are."""
        fields = call.fields()
        if reason:
            fields["reason"] = reason
        self._log.info(EVENT, code=code, milliseconds=round(seconds * 1_000, 3), **fields)


def _tail() -> str:
    """Return what is the same in each line: all that stands behind what a call says, but for the instant."""
    said = {"event": EVENT}
    for key, value in structlog.contextvars.get_contextvars().items():
        if key not in _Line.__struct_fields__:
            said.setdefault(key, value)
    return f',{encode({**said, "level": "info"})[1:-1].decode()},"timestamp":"'
