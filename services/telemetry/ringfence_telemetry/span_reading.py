"""One OTLP span → what it says about usage, in one vocabulary whatever dialect the sender speaks.

Pure and bounded: every text is cut, every number checked, and nothing a sender writes can raise. The rules:

- a token count may be an integer, a decimal string or an integral float; a negative, absurd or unreadable one counts
  as absent and is reported as malformed, the span itself is kept;
- input tokens include cached ones and output tokens include reasoning; a dialect that reports cached tokens beside the
  input (they exceed it) is brought to that form;
- a span belongs to the minute it ended in, unless its clock is more than ten minutes off ours: then to the minute we
  received it in, so a clock in 1970 cannot rewrite history;
- what few spans say is read by `detail_reading`, and only for them.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from ringfence_kit.clock import MINUTE, Instant

from ringfence_telemetry.attribute_values import TIME_MAX_MICROS, Value, text_of, tokens_of
from ringfence_telemetry.detail_reading import DetailReader, is_cancelled_status
from ringfence_telemetry.dialects import (
    ATTRIBUTES,
    DETAILS_FROM,
    EXECUTE_TOOL,
    INVOKE_AGENT,
    MCP_TOOL_CALL,
    MERGED_TOOLS,
    OPERATION_BY_SPAN_KIND,
    OPERATIONS,
    OTHER,
    Field,
)
from ringfence_telemetry.otlp_shapes import AnyValue, KeyValue, OtlpSpan
from ringfence_telemetry.spans import NO_TOKENS, REVISION_MAX, SKEW_MAX, SpanDetail, SpanFact, Tokens, ToolCall

_STATUS_ERROR = 2
_KIND_CLIENT = 3

_FIELDS = len(Field)
_LAST_RANK = len(ATTRIBUTES)
# Plain integers: looking a member up on the enumeration costs more than what it is looked up for.
_OPERATION, _SPAN_KIND, _MCP_METHOD = int(Field.OPERATION), int(Field.SPAN_KIND), int(Field.MCP_METHOD)
_AGENT_ID, _AGENT_NAME, _SESSION = int(Field.AGENT_ID), int(Field.AGENT_NAME), int(Field.SESSION)
_MODEL, _TOOL, _ENTITY_NAME = int(Field.MODEL), int(Field.TOOL), int(Field.ENTITY_NAME)
_AGENT_REVISION, _CALL_STATUS = int(Field.AGENT_REVISION), int(Field.CALL_STATUS)
_FIRST_COUNT, _LAST_COUNT = int(Field.INPUT_TOKENS), int(Field.TOTAL_TOKENS)
_NO_COUNTS: list[Value] = [None] * (_LAST_COUNT - _FIRST_COUNT + 1)
_NO_VALUES: list[Value] = [None] * _FIELDS

_Values: TypeAlias = list[Value]
"""What a span states, by field."""


class Defaults(NamedTuple):
    """What holds for every span of a resource, unless the span says otherwise."""

    agent: str = ""
    session: str = ""
    detail: SpanDetail | None = None


NO_DEFAULTS = Defaults()


class SpanReader:
    """Reads spans of one request; counts what was malformed in them."""

    def __init__(
        self,
        *,
        received_at: Instant,
        exclusive_scopes: frozenset[str] = frozenset(),
        details: DetailReader | None = None,
    ) -> None:
        self._received_at = received_at
        self._exclusive_scopes = exclusive_scopes
        self._details = details or DetailReader()
        self.malformed_values = 0
        self.revisions: dict[int, str] = {}
        """Span id → the agent's revision that was called, of the few spans that say so."""

    def defaults(self, resource_attributes: Iterable[KeyValue]) -> Defaults:
        """Read what a resource says for all its spans."""
        values, detailed = _known_values(resource_attributes)
        if values is None:
            return NO_DEFAULTS
        detail = self._details.of_resource(values) if detailed else None
        return Defaults(_agent(values), text_of(values[_SESSION]), detail)

    def read(self, span: OtlpSpan, scope: str = "", defaults: Defaults = NO_DEFAULTS) -> SpanFact:
        """Read one span that `is_span`."""
        started, ended = span.start_time_unix_nano, span.end_time_unix_nano
        span_id = int.from_bytes(span.span_id, "big")
        parent = int.from_bytes(span.parent_span_id, "big")
        operation = model = ""
        agent, session, detail = defaults
        tokens, tool_call = NO_TOKENS, ToolCall.NONE
        is_error = span.status.code == _STATUS_ERROR
        values, detailed = _known_values(span.attributes)
        if values:
            operation, model = _operation(values), text_of(values[_MODEL])
            agent, session = _agent(values) or agent, text_of(values[_SESSION]) or session
            tokens = self._tokens(values)
            if operation == EXECUTE_TOOL:
                tool_call = _tool_call(values)
                detailed = True
            if values[_AGENT_REVISION] is not None:
                self.revisions[span_id] = text_of(values[_AGENT_REVISION], REVISION_MAX)
            if values[_CALL_STATUS] is not None:
                detailed = detailed or is_cancelled_status(values[_CALL_STATUS])
        client = operation == INVOKE_AGENT and span.kind == _KIND_CLIENT
        if detailed or is_error or client or span.trace_state or span.events:
            detail = self._details.read(values or _NO_VALUES, span, defaults=detail, is_error=is_error, client=client)
            self.malformed_values += self._details.take_malformed()
        return SpanFact(  # by position: this is made for every span, and keywords cost as much as the object
            span_id,
            0 if parent == span_id else parent,
            started,
            self._minute(ended // 1_000_000),
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
            0 if value is None else self._count(value) for value in stated
        ]
        if not input_ and not output:
            input_ = total  # how the total divides is not said; input is the cheaper kind, so nothing is overstated
        if cache_read + cache_write > input_:
            input_ += cache_read + cache_write
        return (input_, output, cache_read, cache_write, reasoning)

    def _count(self, value: Value) -> int:
        count = tokens_of(value)
        if count is None:
            self.malformed_values += 1
            return 0
        return count


def _known_values(attributes: Iterable[KeyValue]) -> tuple[_Values | None, bool]:
    """Return the values of the fields we know, by field (None: there is none), and whether a detail is among them."""
    values: _Values | None = None
    ranks: list[int] = []
    detailed = False
    for attribute in attributes:
        known = ATTRIBUTES.get(attribute.key)
        if known is None:
            continue
        if values is None:
            values, ranks = [None] * _FIELDS, [_LAST_RANK] * _FIELDS
        field, rank = known
        if rank < ranks[field]:
            values[field] = plain(attribute.value)
            ranks[field] = rank
            if field >= DETAILS_FROM:
                detailed = True
    return values, detailed


UNREADABLE = b""
"""Stands for a value that is there and of no use: an array, a map, a truth value, none at all."""

_EXACT = 2**63


def plain(value: AnyValue) -> Value:
    """Return an attribute's value as a plain one."""
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value
        case "int_value":
            return value.int_value
        case "double_value":
            number = value.double_value
            # What is remembered by value must not tell 1.0 from 1.
            return int(number) if number.is_integer() and abs(number) < _EXACT else number
        case _:
            return UNREADABLE


def _agent(values: _Values) -> str:
    named = text_of(values[_AGENT_ID]) or text_of(values[_AGENT_NAME])
    if not named and values[_ENTITY_NAME] and values[_SPAN_KIND] == "agent":
        return text_of(values[_ENTITY_NAME])
    return named


def _operation(values: _Values) -> str:
    named = text_of(values[_OPERATION])
    if named:
        return named if named in OPERATIONS else OTHER
    kind = text_of(values[_SPAN_KIND])
    if kind:
        return OPERATION_BY_SPAN_KIND.get(kind, OTHER)
    return EXECUTE_TOOL if text_of(values[_MCP_METHOD]) == MCP_TOOL_CALL else ""


def _tool_call(values: _Values) -> ToolCall:
    if text_of(values[_TOOL]) == MERGED_TOOLS:
        return ToolCall.NONE
    return ToolCall.TOOL if values[_MCP_METHOD] is None else ToolCall.MCP
