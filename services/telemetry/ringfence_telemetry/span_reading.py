"""One OTLP span → what it says about usage, in one vocabulary whatever dialect the sender speaks.

Pure and bounded: every text is cut, every number checked, and nothing a sender writes can raise. The rules:

- a span with a malformed id, or one that ends before it starts, is no span (OTLP: rejected, the others are kept);
- a token count may be an integer, a decimal string or an integral float; a negative, absurd or unreadable one counts
  as absent and is reported as malformed, the span itself is kept;
- input tokens include cached ones and output tokens include reasoning; a dialect that reports cached tokens beside the
  input (they exceed it, or the total adds them to it) is brought to that form;
- an id that is made for each run of an agent says nothing of which agent it is: then its name does;
- a span belongs to the minute it ended in, unless its clock is more than ten minutes off ours: then to the minute we
  received it in, so a clock in 1970 cannot rewrite history.

Most of what a span says, thousands say: who, which operation, which model, which team. That is worked out once for each
combination (a `Pattern`) and looked up by the attributes themselves; only counts and sessions are read span by span.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from ringfence_kit.clock import MINUTE, Instant

from ringfence_telemetry.attribute_bytes import read_attribute, read_fields
from ringfence_telemetry.attribute_values import TIME_MAX_MICROS
from ringfence_telemetry.detail_reading import EVENTS_MAX, NOTHING_BESIDE, Beside, DetailReader, beside
from ringfence_telemetry.dialects import (
    EXECUTE_TOOL,
    INVOKE_AGENT,
    MCP_TOOL_CALL,
    MERGED_TOOLS,
    OPERATION_BY_SPAN_KIND,
    OTHER,
    RUN_ID,
    Field,
)
from ringfence_telemetry.evaluation.said import ATTRIBUTES, EVENT_NAME
from ringfence_telemetry.known_attributes import (
    MALFORMED,
    SAYS_NOTHING,
    Known,
    KnownAttributes,
    Sort,
    Values,
    values_of,
)
from ringfence_telemetry.otlp_shapes import LogEvent, OtlpSpan, SpanEvent
from ringfence_telemetry.spans import NO_TOKENS, REVISION_MAX, SKEW_MAX, SpanDetail, SpanFact, Tokens, ToolCall
from ringfence_telemetry.usage_details import usage_details_of

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

_big_endian = int.from_bytes
"""Big-endian unless told otherwise."""

_COUNTS = slice(int(Field.INPUT_TOKENS), int(Field.TOTAL_TOKENS) + 1)


class Pattern(NamedTuple):
    """What attributes of certain shapes make of a span, and where the others stand among them."""

    operation: str
    agent: str
    model: str
    tool_call: ToolCall
    detail: SpanDetail | None
    client_detail: SpanDetail | None
    """The same on the caller's side of a call of an agent."""
    input_at: int | None
    output_at: int | None
    session_at: int | None
    has_more: bool
    """Whether there are others besides: then all are looked at."""
    order: tuple[int, ...]
    """Where those that say something stand, the steady ones first."""


Patterns: TypeAlias = dict[tuple[Known | None, ...], Pattern]


class Defaults(NamedTuple):
    """What holds for every span of a resource, unless the span says otherwise."""

    agent: str
    session: str
    detail: SpanDetail | None
    patterns: Patterns
    """Those of spans of such a resource."""


class Memory:
    """What readers remember of attributes, patterns and details. What it remembers follows from what was said alone."""

    def __init__(self, details: DetailReader) -> None:
        self.attributes = KnownAttributes()
        self.details = details
        self._patterns: dict[SpanDetail | None, Patterns] = {}

    def patterns(self, detail: SpanDetail | None) -> Patterns:
        """Return the patterns of spans whose resource says `detail`."""
        if len(self._patterns) >= _RESOURCES_MAX:
            self._patterns.clear()
        return self._patterns.setdefault(detail, {})


ATTRIBUTES_MAX = 10_000
"""Attributes of a span or a resource that are looked at. SDKs keep 128 unless told otherwise."""

_RESOURCES_MAX = 100
_PATTERNS_MAX = 2_000
_PATTERN_SIZE_MAX = 256
"""Attributes of a span whose pattern is remembered: those with more hardly ever come again."""


class SpanReader:
    """Reads spans of one request; counts what was malformed in them."""

    def __init__(self, memory: Memory, *, received_at: Instant, exclusive_scopes: frozenset[str] = frozenset()) -> None:
        self._received_minute = received_at // MINUTE
        self._believed_from = (received_at - SKEW_MAX) * _MILLISECOND
        self._believed_before = (received_at + SKEW_MAX + 1) * _MILLISECOND
        self._exclusive_scopes = exclusive_scopes
        self._memory = memory
        self._attributes = memory.attributes
        self._shape = memory.attributes.shape
        self._said = memory.attributes.said
        self._details = memory.details
        self.malformed_values = 0
        self.attributes_read = 0
        self.revisions: dict[int, str] = {}
        """Span id → the agent's revision that was called, of the few spans that say so."""
        self.events: list[LogEvent] = []
        """What evaluators said of the spans, in them."""

    def defaults(self, resource_attributes: Sequence[bytes] = ()) -> Defaults:
        """Read what a resource says for all its spans."""
        looked_at = resource_attributes[:ATTRIBUTES_MAX]
        self.attributes_read += len(looked_at)
        values = values_of(self._attributes.all(looked_at))
        detail = self._details.of_resource(values)
        return Defaults(_agent(values), _label(values, Field.SESSION), detail, self._memory.patterns(detail))

    def read(self, span: OtlpSpan, defaults: Defaults, scope: str = "") -> tuple[bytes, SpanFact] | None:
        """Read one item: its trace and what it says; None when it is no span."""
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
        span_id, parent = _big_endian(span_bytes), _big_endian(parent_bytes)
        attributes = span.attributes[:ATTRIBUTES_MAX]
        self.attributes_read += len(attributes)
        pattern = defaults.patterns.get(tuple(map(self._shape, attributes))) or self._pattern(attributes, defaults)
        operation, agent, model, tool_call, detail, client_detail, input_at, output_at, session_at, more, _ = pattern
        if operation == INVOKE_AGENT and span.kind == _KIND_CLIENT:
            detail = client_detail
        status = span.status
        is_error = bool(status) and _says_error(status)
        if more or is_error or span.trace_state or span.events:
            said = values_of(self._attributes.all([attributes[at] for at in pattern.order]))
            tokens, detail = self._tokens(said), self._detail(said, span, defaults, is_error, operation)
            named = _label(said, Field.SESSION)
            if said[Field.AGENT_REVISION] is not None:
                self.revisions[span_id] = _label(said, Field.AGENT_REVISION)[:REVISION_MAX]
        else:
            named = "" if session_at is None else self._session(attributes[session_at])
            tokens = NO_TOKENS
            if input_at is not None or output_at is not None:
                tokens = (self._count(attributes, input_at), self._count(attributes, output_at), 0, 0, 0)
        believed = self._believed_from <= ended < self._believed_before
        return trace_id, SpanFact(  # by position: this is made for every span, and keywords cost as much as the object
            span_id,
            0 if parent == span_id else parent,
            started,
            ended // _MINUTE if believed else self._received_minute,
            min((ended - started) // 1_000, TIME_MAX_MICROS),
            operation,
            agent or defaults.agent,
            named or defaults.session,
            model,
            tokens,
            is_error,
            tool_call,
            scope in self._exclusive_scopes,
            detail,
        )

    def _pattern(self, attributes: Sequence[bytes], defaults: Defaults) -> Pattern:
        """Return the pattern of such attributes, when some of them are new or the pattern is."""
        shapes = tuple(self._shape(attribute) or self._attributes.learn(attribute) for attribute in attributes)
        pattern = defaults.patterns.get(shapes)
        if pattern is None:
            pattern = self._make(shapes, defaults)
            if len(shapes) <= _PATTERN_SIZE_MAX:
                if len(defaults.patterns) >= _PATTERNS_MAX:
                    defaults.patterns.clear()
                defaults.patterns[shapes] = pattern
        return pattern

    def _make(self, shapes: Sequence[Known], defaults: Defaults) -> Pattern:
        saying = [at for at, shape in enumerate(shapes) if shape is not SAYS_NOTHING]
        by_sort = {sort: [at for at in saying if shapes[at].sort == sort] for sort in Sort}
        steady = by_sort[Sort.STEADY]
        first = [at[0] if at else None for at in (by_sort[Sort.INPUT], by_sort[Sort.OUTPUT], by_sort[Sort.SESSION])]
        more = [at for at in saying if at not in steady and at not in first]
        values = values_of(shapes[at] for at in steady)
        operation = _operation(values)
        plain = NOTHING_BESIDE._replace(defaults=defaults.detail)
        details = [self._details.read(values, each, operation) for each in (plain, plain._replace(client=True))]
        return Pattern(
            operation=operation,
            agent=_agent(values),
            model=_label(values, Field.MODEL),
            tool_call=_tool_call(values) if operation == EXECUTE_TOOL else ToolCall.NONE,
            detail=details[0],
            client_detail=details[1],
            input_at=first[0],
            output_at=first[1],
            session_at=first[2],
            has_more=bool(more),
            order=(*steady, *more, *[at for at in first if at is not None]),
        )

    def _detail(
        self, values: Values, span: OtlpSpan, defaults: Defaults, is_error: bool, operation: str
    ) -> SpanDetail | None:
        client = operation == INVOKE_AGENT and span.kind == _KIND_CLIENT
        around: Beside = beside(span, is_error=is_error, client=client, defaults=defaults.detail)
        detail = self._details.read(values, around, operation)
        self.malformed_values += self._details.take_malformed()
        if span.events:
            looked_at = span.events[:EVENTS_MAX]
            self.events += [_evaluation(event, span) for event in looked_at if event.name == EVENT_NAME]
        return detail

    def _session(self, attribute: bytes) -> str:
        known = self._said(attribute)
        return known.value if known else ""  # type: ignore[return-value] # a session is a label: see Known

    def _count(self, attributes: Sequence[bytes], at: int | None) -> int:
        known = None if at is None else self._said(attributes[at])
        count: int = known.value if known else 0  # type: ignore[assignment] # tokens are counts: see Known
        if count >= 0:
            return count
        self.malformed_values += 1
        return 0

    def _tokens(self, values: Values) -> Tokens:
        stated: list[int] = [0 if value is None else value for value in values[_COUNTS]]  # type: ignore[misc] # tokens are counts: see Known
        if values[_COUNTS] == _NO_COUNTS:
            if values[Field.USAGE_DETAILS] is None:
                return NO_TOKENS
            stated = list(usage_details_of(values[Field.USAGE_DETAILS]) or (MALFORMED, 0, 0, 0, 0, 0))
        self.malformed_values += stated.count(MALFORMED)
        input_, output, cache_read, cache_write, reasoning, total = [max(count, 0) for count in stated]
        if not input_ and not output:
            input_ = total  # how the total divides is not said; input is the cheaper kind, so nothing is overstated
        cached = cache_read + cache_write
        if cached > input_ or (cached and total == input_ + output + cached):
            input_ += cached
        return (input_, output, cache_read, cache_write, reasoning)


_NO_COUNTS = values_of(())[_COUNTS]


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


def _label(values: Values, field: Field) -> str:
    value = values[field]
    return value if isinstance(value, str) else ""


def _agent(values: Values) -> str:
    known_by, name = _label(values, Field.AGENT_ID), _label(values, Field.AGENT_NAME)
    if known_by and not (name and RUN_ID.fullmatch(known_by)):
        return known_by
    if not name and _label(values, Field.SPAN_KIND) == "agent":
        return _label(values, Field.ENTITY_NAME)
    return name


def _operation(values: Values) -> str:
    named, kind = _label(values, Field.OPERATION), _label(values, Field.SPAN_KIND)
    if named and named != OTHER:
        return named
    if named or kind:
        return OPERATION_BY_SPAN_KIND.get(kind, OTHER)
    return EXECUTE_TOOL if _label(values, Field.MCP_METHOD) == MCP_TOOL_CALL else ""


def _tool_call(values: Values) -> ToolCall:
    if _label(values, Field.TOOL) == MERGED_TOOLS:
        return ToolCall.NONE
    return ToolCall.TOOL if values[Field.MCP_METHOD] is None else ToolCall.MCP
