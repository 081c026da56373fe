"""One OTLP span → what it says about usage, in one vocabulary whatever dialect the sender speaks.

Pure and bounded: every text is cut, every number checked, and nothing a sender writes can raise. The rules:

- a span with a malformed id, or one that ends before it starts, is no span (OTLP: rejected, the others are kept);
- a token count may be an integer, a decimal string or an integral float; a negative, absurd or unreadable one counts
  as absent and is reported as malformed, the span itself is kept;
- input tokens include cached ones and output tokens include reasoning; a dialect that reports cached tokens beside the
  input (they exceed it) is brought to that form;
- a span belongs to the minute it ended in, unless its clock is more than ten minutes off ours: then to the minute we
  received it in, so a clock in 1970 cannot rewrite history;
- what few spans say is read by `detail_reading`, and only for them.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ringfence_kit.clock import MINUTE, Instant

from ringfence_telemetry.attribute_bytes import read_attribute, read_fields
from ringfence_telemetry.attribute_values import TIME_MAX_MICROS
from ringfence_telemetry.detail_reading import DetailReader, is_cancelled_status
from ringfence_telemetry.dialects import (
    EXECUTE_TOOL,
    INVOKE_AGENT,
    MCP_TOOL_CALL,
    MERGED_TOOLS,
    OPERATION_BY_SPAN_KIND,
    OTHER,
    Field,
)
from ringfence_telemetry.evaluation.said import ATTRIBUTES, EVENT_NAME
from ringfence_telemetry.known_attributes import (
    DETAIL,
    FEW_TOKENS,
    MALFORMED,
    MORE_TOKENS,
    KnownAttributes,
    Values,
    value_of,
)
from ringfence_telemetry.otlp_shapes import LogEvent, OtlpSpan, SpanEvent
from ringfence_telemetry.spans import NO_TOKENS, REVISION_MAX, SKEW_MAX, SpanDetail, SpanFact, Tokens, ToolCall

_TRACE_ID_SIZE = 16
_SPAN_ID_SIZE = 8
_NO_TRACE = bytes(_TRACE_ID_SIZE)
_NO_SPAN = bytes(_SPAN_ID_SIZE)
_STATUS_CODE, _STATUS_ERROR = 3, 2
_OK, _ERROR = b"\x18\x01", b"\x18\x02"
"""How a Status without a message is encoded."""
_KIND_CLIENT = 3
_MILLISECOND = 1_000_000
"""In nanoseconds."""
_MINUTE = MINUTE * _MILLISECOND

# Plain integers: looking a member up on the enumeration costs more than what it is looked up for.
_OPERATION, _SPAN_KIND, _MCP_METHOD = int(Field.OPERATION), int(Field.SPAN_KIND), int(Field.MCP_METHOD)
_AGENT_ID, _AGENT_NAME, _SESSION = int(Field.AGENT_ID), int(Field.AGENT_NAME), int(Field.SESSION)
_MODEL, _TOOL, _ENTITY_NAME = int(Field.MODEL), int(Field.TOOL), int(Field.ENTITY_NAME)
_AGENT_REVISION, _CALL_STATUS = int(Field.AGENT_REVISION), int(Field.CALL_STATUS)
_INPUT, _OUTPUT = int(Field.INPUT_TOKENS), int(Field.OUTPUT_TOKENS)
_COUNTS = slice(_INPUT, int(Field.TOTAL_TOKENS) + 1)
_TOKENS = FEW_TOKENS | MORE_TOKENS


class Defaults(NamedTuple):
    """What holds for every span of a resource, unless the span says otherwise."""

    agent: str = ""
    session: str = ""
    detail: SpanDetail | None = None


NO_DEFAULTS = Defaults()


class TracedFact(NamedTuple):
    """A fact and the trace it belongs to."""

    trace: bytes
    fact: SpanFact


class SpanReader:
    """Reads spans of one request; counts what was malformed in them."""

    def __init__(
        self,
        *,
        received_at: Instant,
        exclusive_scopes: frozenset[str] = frozenset(),
        attributes: KnownAttributes | None = None,
        details: DetailReader | None = None,
    ) -> None:
        self._received_minute = received_at // MINUTE
        self._believed_from = (received_at - SKEW_MAX) * _MILLISECOND
        self._believed_before = (received_at + SKEW_MAX + 1) * _MILLISECOND
        self._exclusive_scopes = exclusive_scopes
        self._attributes = attributes or KnownAttributes()
        self._details = details or DetailReader()
        self.malformed_values = 0
        self.revisions: dict[int, str] = {}
        """Span id → the agent's revision that was called, of the few spans that say so."""
        self.events: list[LogEvent] = []
        """What evaluators said of the spans, in them."""

    def defaults(self, resource_attributes: Iterable[bytes]) -> Defaults:
        """Read what a resource says for all its spans."""
        values, sorts = self._attributes.values(resource_attributes)
        detail = self._details.of_resource(values) if sorts & DETAIL else None
        return Defaults(_agent(values), _label(values, _SESSION), detail)

    def read(self, span: OtlpSpan, scope: str = "", defaults: Defaults = NO_DEFAULTS) -> TracedFact | None:
        """Read one item; None when it is no span."""
        trace_id, span_bytes, parent_bytes = span.trace_id, span.span_id, span.parent_span_id
        started, ended = span.start_time_unix_nano, span.end_time_unix_nano
        if (
            len(trace_id) != _TRACE_ID_SIZE
            or len(span_bytes) != _SPAN_ID_SIZE
            or (parent_bytes and len(parent_bytes) != _SPAN_ID_SIZE)
            or ended < started
            or trace_id == _NO_TRACE
            or span_bytes == _NO_SPAN
        ):
            return None
        span_id, parent = int.from_bytes(span_bytes, "big"), int.from_bytes(parent_bytes, "big")
        values, sorts = self._attributes.values(span.attributes)
        operation = _operation(values)
        known = values[_MODEL]
        model: str = known[2] if known else ""  # type: ignore[assignment] # labels are text: see Known
        known = values[_SESSION]
        session: str = (known and known[2]) or defaults.session  # type: ignore[assignment] # as above
        agent, detail = _agent(values) or defaults.agent, defaults.detail
        tokens = self._tokens(values, sorts) if sorts & _TOKENS else NO_TOKENS
        tool_call, detailed = ToolCall.NONE, sorts & DETAIL
        if operation == EXECUTE_TOOL:
            tool_call, detailed = _tool_call(values), DETAIL
        if values[_AGENT_REVISION] is not None:
            self.revisions[span_id] = _label(values, _AGENT_REVISION)[:REVISION_MAX]
        if values[_CALL_STATUS] is not None and is_cancelled_status(value_of(values, _CALL_STATUS)):
            detailed = DETAIL
        status = span.status
        is_error = bool(status) and _says_error(status)
        client = operation == INVOKE_AGENT and span.kind == _KIND_CLIENT
        if detailed or is_error or client or span.trace_state or span.events:
            detail = self._details.read(values, span, defaults=detail, is_error=is_error, client=client)
            self.malformed_values += self._details.take_malformed()
            if span.events:
                self.events += [_evaluation(event, span) for event in span.events if event.name == EVENT_NAME]
        believed = self._believed_from <= ended < self._believed_before
        return TracedFact(
            trace_id,
            SpanFact(  # by position: this is made for every span, and keywords cost as much as the object
                span_id,
                0 if parent == span_id else parent,
                started,
                ended // _MINUTE if believed else self._received_minute,
                min((ended - started) // 1_000, TIME_MAX_MICROS),
                operation,
                agent,
                session,
                model,
                tokens,
                is_error,
                tool_call,
                scope in self._exclusive_scopes,
                detail,
            ),
        )

    def _tokens(self, values: Values, sorts: int) -> Tokens:
        stated: list[int] = [known[2] if known else 0 for known in values[_COUNTS]]  # type: ignore[misc] # see Known
        if MALFORMED in stated:
            self.malformed_values += stated.count(MALFORMED)
            stated = [max(count, 0) for count in stated]
        input_, output, cache_read, cache_write, reasoning, total = stated
        if sorts & MORE_TOKENS:
            if not input_ and not output:
                input_ = total  # how the total divides is not said; input is cheaper, so nothing is overstated
            if cache_read + cache_write > input_:
                input_ += cache_read + cache_write
        return (input_, output, cache_read, cache_write, reasoning)


def _says_error(status: bytes) -> bool:
    if status in (_OK, _ERROR):
        return status == _ERROR
    return read_fields(status).get(_STATUS_CODE) == _STATUS_ERROR


def _evaluation(event: SpanEvent, span: OtlpSpan) -> LogEvent:
    said: dict[str, str | float | bool] = {}
    for attribute in event.attributes:
        name, value = read_attribute(attribute)
        if name in ATTRIBUTES and isinstance(value, str | int | float):
            said[name] = value
    return LogEvent(said, span.trace_id, span.span_id, event.time_unix_nano)


def _label(values: Values, field: int) -> str:
    value = value_of(values, field)
    return value if isinstance(value, str) else ""


def _agent(values: Values) -> str:
    if values[_AGENT_ID] is None and values[_AGENT_NAME] is None and values[_ENTITY_NAME] is None:
        return ""
    named = _label(values, _AGENT_ID) or _label(values, _AGENT_NAME)
    if not named and _label(values, _SPAN_KIND) == "agent":
        return _label(values, _ENTITY_NAME)
    return named


def _operation(values: Values) -> str:
    known = values[_OPERATION]
    if known and known[2]:
        return known[2]  # type: ignore[return-value] # labels are text: see Known
    kind = _label(values, _SPAN_KIND)
    if kind:
        return OPERATION_BY_SPAN_KIND.get(kind, OTHER)
    return EXECUTE_TOOL if _label(values, _MCP_METHOD) == MCP_TOOL_CALL else ""


def _tool_call(values: Values) -> ToolCall:
    if _label(values, _TOOL) == MERGED_TOOLS:
        return ToolCall.NONE
    return ToolCall.TOOL if values[_MCP_METHOD] is None else ToolCall.MCP
