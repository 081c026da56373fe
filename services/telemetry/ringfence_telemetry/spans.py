"""One OTLP span → what it says about usage, in one vocabulary whatever dialect the sender speaks.

Pure and bounded: every text is cut, every number checked, and nothing a sender writes can raise. The rules:

- a token count may be an integer, a decimal string or an integral float; a negative, absurd or unreadable one counts
  as absent and is reported as malformed, the span itself is kept;
- input tokens include cached ones and output tokens include reasoning; a dialect that reports cached tokens beside the
  input (they exceed it) is brought to that form;
- a span belongs to the minute it ended in, unless its clock is more than ten minutes off ours: then to the minute we
  received it in, so a clock in 1970 cannot rewrite history;
- a span with a malformed id, or one that ends before it starts, is no span (OTLP: rejected, the others are kept).
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple, TypeAlias

import msgspec
from ringfence_kit.clock import MINUTE, Instant

from ringfence_telemetry.dialects import (
    ATTRIBUTES,
    EXECUTE_TOOL,
    MCP_TOOL_CALL,
    MERGED_TOOLS,
    OPERATION_BY_SPAN_KIND,
    OPERATIONS,
    OTHER,
    Field,
)
from ringfence_telemetry.otlp_shapes import AnyValue, KeyValue, OtlpSpan

LABEL_MAX = 256
"""Characters kept of an agent, a session, a model."""

REVISION_MAX = 64
"""Characters kept of an agent's revision."""

TOKENS_MAX = 1_000_000_000
"""A count above this is a fault of the sender, not usage; a minute of them stays far inside 64 bits."""

DURATION_MAX_MICROS = 24 * 3_600 * 1_000_000
"""A span of more than a day is counted as one of a day, for the same reason."""

SKEW_MAX = 10 * MINUTE

_TRACE_ID_SIZE = 16
_SPAN_ID_SIZE = 8
_NO_TRACE = bytes(_TRACE_ID_SIZE)
_NO_SPAN = bytes(_SPAN_ID_SIZE)
_STATUS_ERROR = 2
_DIGITS_MAX = 19

_FIELDS = len(Field)
_LAST_RANK = len(ATTRIBUTES)
# Plain integers: looking a member up on the enumeration costs more than what it is looked up for.
_OPERATION, _SPAN_KIND, _MCP_METHOD = int(Field.OPERATION), int(Field.SPAN_KIND), int(Field.MCP_METHOD)
_AGENT_ID, _AGENT_NAME, _SESSION = int(Field.AGENT_ID), int(Field.AGENT_NAME), int(Field.SESSION)
_MODEL, _TOOL = int(Field.MODEL), int(Field.TOOL)
_AGENT_REVISION = int(Field.AGENT_REVISION)
_FIRST_COUNT, _LAST_COUNT = int(Field.INPUT_TOKENS), int(Field.TOTAL_TOKENS)
_NO_COUNTS: list[AnyValue | None] = [None] * (_LAST_COUNT - _FIRST_COUNT + 1)

_Values: TypeAlias = list[AnyValue | None]
"""What a span states, by field."""


class ToolCall(IntEnum):
    """Whether a span may stand for a call of a tool (R4)."""

    NONE = 0
    TOOL = 1
    """It runs a tool."""
    MCP = 2
    """It carries a tool call over MCP: a call of its own only when no tool span is above it."""


Tokens: TypeAlias = tuple[int, int, int, int, int]
"""Input, output, cache-read, cache-write and reasoning tokens. (A plain tuple: it is made and added up per span.)"""

NO_TOKENS: Tokens = (0, 0, 0, 0, 0)


class SpanDetail(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What few spans say, or say differently; apart from SpanFact, so that the others do not pay for it."""

    tool: str = ""
    team: str = ""
    skill: str = ""
    provider: str = ""
    version: str = ""
    """The agent's."""
    principal: str = ""
    """A salted digest of the end user."""
    error: str = ""
    """`error.type`, else the status message, cut to 200 characters."""
    cancelled: bool = False
    """Its caller gave up on it."""
    attempt: int = 0
    """How many attempts were made before, as the sender says."""
    sampled: bool = False
    """Its sender keeps only some of its traces (`ot=th:` in the tracestate)."""
    client: bool = False
    """It is the caller's side of a call (span kind CLIENT)."""
    waited_micros: int = 0
    """In which a person was waited for."""
    stated_cost_nanos: int = 0
    stated_currency: str = ""
    """Empty when the span states no cost."""


class SpanFact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one span says about usage. (A Struct, unlike other records: made and stored per span, it is several times
    cheaper than a frozen dataclass, and the garbage collector need not look at it: it refers to no object that could
    refer to it.)"""

    span: int
    """The span id as an integer."""
    parent: int
    """The parent's, 0 when there is none."""
    start: int
    """Nanoseconds since the epoch as the sender says, for order within the trace only."""
    minute: int
    """The minute it is counted in, since the epoch."""
    duration_micros: int
    operation: str
    agent: str
    """As the sender labels it, until `LabelBook.name` puts the agent meant in its place; empty when none is named."""
    session: str
    model: str
    tokens: Tokens
    is_error: bool
    tool_call: ToolCall
    exclusive: bool
    """Its scope reports a parent's usage without its children's (R1's switch)."""
    detail: SpanDetail | None = None


class TracedFact(NamedTuple):
    """A fact and the trace it belongs to."""

    trace: bytes
    fact: SpanFact


class Defaults(NamedTuple):
    """What holds for every span of a resource, unless the span says otherwise."""

    agent: str = ""
    session: str = ""


NO_DEFAULTS = Defaults()


def is_span(span: OtlpSpan) -> bool:
    """Say whether ids and times are those of a span (W3C trace context; OTLP)."""
    trace_id, span_id, parent = span.trace_id, span.span_id, span.parent_span_id
    return (
        len(trace_id) == _TRACE_ID_SIZE
        and trace_id != _NO_TRACE
        and len(span_id) == _SPAN_ID_SIZE
        and span_id != _NO_SPAN
        and len(parent) in (0, _SPAN_ID_SIZE)
        and span.end_time_unix_nano >= span.start_time_unix_nano
    )


class SpanReader:
    """Reads spans of one request; counts what was malformed in them."""

    def __init__(self, *, received_at: Instant, exclusive_scopes: frozenset[str] = frozenset()) -> None:
        self._received_at = received_at
        self._exclusive_scopes = exclusive_scopes
        self.malformed_values = 0
        self.revisions: dict[int, str] = {}
        """Span id → the agent's revision that was called, of the few spans that say so."""

    def defaults(self, resource_attributes: Iterable[KeyValue]) -> Defaults:
        """Read what a resource says for all its spans."""
        values = _known_values(resource_attributes)
        return Defaults(_agent(values), _text(values[_SESSION])) if values else NO_DEFAULTS

    def read(self, span: OtlpSpan, scope: str = "", defaults: Defaults = NO_DEFAULTS) -> SpanFact:
        """Read one span that `is_span`."""
        started, ended = span.start_time_unix_nano, span.end_time_unix_nano
        span_id = int.from_bytes(span.span_id, "big")
        parent = int.from_bytes(span.parent_span_id, "big")
        operation = model = ""
        agent, session = defaults
        tokens, tool_call = NO_TOKENS, ToolCall.NONE
        values = _known_values(span.attributes)
        if values:
            operation, model = _operation(values), _text(values[_MODEL])
            agent, session = _agent(values) or agent, _text(values[_SESSION]) or session
            tokens = self._tokens(values)
            if operation == EXECUTE_TOOL:
                tool_call = _tool_call(values)
            if values[_AGENT_REVISION] is not None:
                self.revisions[span_id] = _text(values[_AGENT_REVISION])[:REVISION_MAX]
        return SpanFact(  # by position: this is made for every span, and keywords cost as much as the object
            span_id,
            0 if parent == span_id else parent,
            started,
            self._minute(ended // 1_000_000),
            min((ended - started) // 1_000, DURATION_MAX_MICROS),
            operation,
            agent,
            session,
            model,
            tokens,
            span.status.code == _STATUS_ERROR,
            tool_call,
            scope in self._exclusive_scopes,
        )

    def _minute(self, ended_at: int) -> int:
        if abs(ended_at - self._received_at) > SKEW_MAX:
            ended_at = self._received_at
        return ended_at // MINUTE

    def _tokens(self, values: _Values) -> Tokens:
        stated = values[_FIRST_COUNT : _LAST_COUNT + 1]
        if stated == _NO_COUNTS:
            return NO_TOKENS
        input_, output, cache_read, cache_write, reasoning, total = [
            (value and self._count(value)) or 0 for value in stated
        ]
        if not input_ and not output:
            input_ = total  # how the total divides is not said; input is the cheaper kind, so nothing is overstated
        if cache_read + cache_write > input_:
            input_ += cache_read + cache_write
        return (input_, output, cache_read, cache_write, reasoning)

    def _count(self, value: AnyValue) -> int:
        count = value.int_value or _spelled_integer(value)
        if count is None or not 0 <= count <= TOKENS_MAX:
            self.malformed_values += 1
            return 0
        return count


def _known_values(attributes: Iterable[KeyValue]) -> _Values | None:
    """Return the values of the fields we know, by field; None when there is none."""
    values: _Values | None = None
    ranks: list[int] = []
    for attribute in attributes:
        known = ATTRIBUTES.get(attribute.key)
        if known is None:
            continue
        if values is None:
            values, ranks = [None] * _FIELDS, [_LAST_RANK] * _FIELDS
        field, rank = known
        if rank < ranks[field]:
            values[field] = attribute.value
            ranks[field] = rank
    return values


def _spelled_integer(value: AnyValue) -> int | None:
    """Return the integer a value states in another way than as an integer, None when it states none."""
    match value.WhichOneof("value"):
        case "int_value":
            return value.int_value
        case "string_value":
            text = value.string_value.strip()
            return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX else None
        case "double_value":
            number = value.double_value
            return int(number) if number.is_integer() else None
        case _:
            return None


def _text(value: AnyValue | None) -> str:
    """Return a label: text, or an integer as text. Other values are no labels."""
    if value is None:
        return ""
    text = value.string_value
    if not text:
        return str(value.int_value) if value.int_value else ""
    if len(text) > LABEL_MAX:
        text = text[:LABEL_MAX]
    # PostgreSQL stores no NUL; no honest label holds one.
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}") if "\x00" in text else text


def _agent(values: _Values) -> str:
    return _text(values[_AGENT_ID]) or _text(values[_AGENT_NAME])


def _operation(values: _Values) -> str:
    named = _text(values[_OPERATION])
    if named:
        return named if named in OPERATIONS else OTHER
    kind = _text(values[_SPAN_KIND])
    if kind:
        return OPERATION_BY_SPAN_KIND.get(kind, OTHER)
    return EXECUTE_TOOL if _text(values[_MCP_METHOD]) == MCP_TOOL_CALL else ""


def _tool_call(values: _Values) -> ToolCall:
    if _text(values[_TOOL]) == MERGED_TOOLS:
        return ToolCall.NONE
    return ToolCall.TOOL if values[_MCP_METHOD] is None else ToolCall.MCP
