"""What few spans say, or say differently: tool, team, skill, money, failures, attempts, streams, waiting for people.

Many spans say the same, so what was read once is remembered by what was said. The rules:

- a cost is exact in billionths of what its spelling means; one that cannot be believed is absent and malformed;
- a person is a salted digest from here on;
- a sender that keeps only some of its traces says so in the tracestate (`ot=th:`, and `ot=p:` before); where that
  cannot be read, its traces are taken for sampled: they are evidence of nothing;
- the time a person was waited for is what the sender says, else the time its task was in a state that waits for one.
"""

import string
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ringfence_telemetry.attribute_bytes import name_of, read_attribute, read_fields
from ringfence_telemetry.attribute_values import Value, integer_of, micros_of, nanos_of, text_of
from ringfence_telemetry.dialects import (
    CANCELLATIONS,
    CANCELLED_STATUS,
    CANCELLED_TASK,
    CURRENCY,
    DETAILS_FROM,
    EXECUTE_TOOL,
    FIRST_CHUNK_EVENTS,
    NAMES,
    WAITING_TASK,
    Field,
)
from ringfence_telemetry.known_attributes import Values
from ringfence_telemetry.otlp_shapes import OtlpSpan, SpanEvent
from ringfence_telemetry.spans import REVISION_MAX, SpanDetail

ERROR_MAX = 200
"""Characters kept of an error."""

ATTEMPTS_MAX = 1_000

EVENTS_MAX = 10_000
"""Events of a span that are looked at."""

_REMEMBERED = 10_000
_CURRENCY_SIZE = 3
_TOOL, _ENTITY_NAME, _SPAN_KIND = int(Field.TOOL), int(Field.ENTITY_NAME), int(Field.SPAN_KIND)
_TEAM, _SKILL, _PROVIDER, _VERSION = (
    int(Field.TEAM),
    int(Field.SKILL),
    int(Field.PROVIDER),
    int(Field.AGENT_VERSION),
)
_USER, _ERROR, _ATTEMPT, _COST = int(Field.USER), int(Field.ERROR_TYPE), int(Field.ATTEMPT), int(Field.COST)
_CURRENCY, _STATUS, _TASK = int(Field.CURRENCY), int(Field.CALL_STATUS), int(Field.TASK_STATE)
_CHUNK_SECONDS, _CHUNK_MILLIS = int(Field.FIRST_CHUNK_SECONDS), int(Field.FIRST_CHUNK_MILLIS)
_WAITED = int(Field.WAITED_MILLIS)
_ASKED_TOO = (_TOOL, _ENTITY_NAME, _SPAN_KIND, _STATUS)
_TASK_STATES = frozenset(name.encode() for name in NAMES[Field.TASK_STATE])
_STATUS_MESSAGE = 2


class Beside(NamedTuple):
    """What a span says beside its attributes."""

    message: str
    tracestate: str
    client: bool
    first_chunk: int
    waited: int
    defaults: SpanDetail | None


NOTHING_BESIDE = Beside("", "", client=False, first_chunk=0, waited=0, defaults=None)


def beside(span: OtlpSpan, *, is_error: bool, client: bool, defaults: SpanDetail | None) -> Beside:
    """Return what a span says beside its attributes."""
    first_chunk, waited = _told_by_events(span) if span.events else (0, 0)
    message = _message(span.status) if is_error else ""
    return Beside(message, span.trace_state.decode(), client, first_chunk, waited, defaults)


def unsalted(user: str) -> str:
    """Stand for the salt where there are no people."""
    return user


class DetailReader:
    """Reads details; remembers what it read."""

    def __init__(self, pseudonym: Callable[[str], str] = unsalted) -> None:
        """`pseudonym` makes of a person a digest nobody can turn back."""
        self._pseudonym = pseudonym
        self._known: dict[tuple[object, ...], SpanDetail | None] = {}
        self._malformed = 0

    def take_malformed(self) -> int:
        """Return how many values could not be believed since the last call."""
        malformed, self._malformed = self._malformed, 0
        return malformed

    def of_resource(self, values: Values) -> SpanDetail | None:
        """Return what a resource says for all its spans."""
        detail = SpanDetail(
            team=text_of(values[_TEAM]),
            version=text_of(values[_VERSION], REVISION_MAX),
            principal=self._person(values[_USER]),
        )
        return None if detail == NO_DETAIL else detail

    def read(self, values: Values, around: "Beside", operation: str) -> SpanDetail | None:
        """Return what a span says; what its resource says when it says nothing."""
        said = (*values[DETAILS_FROM:], *[values[field] for field in _ASKED_TOO], operation == EXECUTE_TOOL, around)
        if said in self._known:
            return self._known[said]
        detail = self._make(values, around, operation)
        if not self._malformed:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[said] = detail
        return detail

    def _make(self, values: Values, around: "Beside", operation: str) -> SpanDetail | None:
        defaults = around.defaults or NO_DETAIL
        tool = text_of(values[_TOOL]) if operation == EXECUTE_TOOL else ""
        if not tool and values[_SPAN_KIND] == "tool":
            tool = text_of(values[_ENTITY_NAME])
        cost, currency = self._cost(values)
        seconds, millis = (values[_CHUNK_SECONDS], 1_000_000), (values[_CHUNK_MILLIS], 1_000)
        detail = SpanDetail(
            tool=tool,
            team=text_of(values[_TEAM]) or defaults.team,
            skill=text_of(values[_SKILL]),
            provider=text_of(values[_PROVIDER]),
            version=text_of(values[_VERSION], REVISION_MAX) or defaults.version,
            principal=self._person(values[_USER]) or defaults.principal,
            error=text_of(values[_ERROR], ERROR_MAX) or text_of(around.message, ERROR_MAX),
            cancelled=_is_cancelled(values),
            attempt=self._attempt(values[_ATTEMPT]),
            sampled=is_sampled(around.tracestate),
            client=around.client,
            waited_micros=self._micros(values[_WAITED], 1_000) or around.waited,
            stated_cost_nanos=cost,
            stated_currency=currency,
            first_chunk_micros=self._micros(*seconds) or self._micros(*millis) or around.first_chunk,
        )
        return None if detail == NO_DETAIL else detail

    def _person(self, value: Value) -> str:
        user = text_of(value)
        return self._pseudonym(user) if user else ""

    def _attempt(self, value: Value) -> int:
        if value is None:
            return 0
        attempts = integer_of(value)
        if attempts is None or attempts < 0:
            self._malformed += 1
            return 0
        return min(attempts, ATTEMPTS_MAX)

    def _micros(self, value: Value, unit: int) -> int:
        if value is None:
            return 0
        micros = micros_of(value, unit_micros=unit)
        if micros is None:
            self._malformed += 1
        return micros or 0

    def _cost(self, values: Values) -> tuple[int, str]:
        if values[_COST] is None:
            return 0, ""
        nanos = nanos_of(values[_COST])
        currency = text_of(values[_CURRENCY]).upper() or CURRENCY
        if nanos is None or len(currency) != _CURRENCY_SIZE or not set(currency) <= set(string.ascii_uppercase):
            self._malformed += 1
            return 0, ""
        return nanos, currency


NO_DETAIL = SpanDetail()


def is_sampled(tracestate: str) -> bool:
    """Say whether its sender keeps only some of its traces (OpenTelemetry: TraceState Probability Sampling)."""
    if not tracestate:
        return False
    for member in tracestate.split(","):
        vendor, _, stated = member.strip().partition("=")
        if vendor == "ot":
            return any(_keeps_some(field) for field in stated.split(";"))
    return False


def _keeps_some(field: str) -> bool:
    name, _, threshold = field.partition(":")
    # A threshold of 0 keeps everything, and so did the `p` of 0 that senders wrote before.
    return name in ("th", "p") and bool(threshold.strip("0"))


def _is_cancelled(values: Values) -> bool:
    return (
        text_of(values[_ERROR]) in CANCELLATIONS
        or text_of(values[_STATUS]) in CANCELLED_STATUS
        or text_of(values[_TASK]) in CANCELLED_TASK
    )


def _told_by_events(span: OtlpSpan) -> tuple[int, int]:
    """Return the time to the first chunk and the time a person was waited for, as the events of a span tell them."""
    started, ended = span.start_time_unix_nano, span.end_time_unix_nano
    first_chunk = waited = 0
    waiting_since: int | None = None
    for event in sorted(span.events[:EVENTS_MAX], key=_when):
        at = min(max(event.time_unix_nano, started), ended)
        if event.name in FIRST_CHUNK_EVENTS:
            first_chunk = first_chunk or (at - started) // 1_000
        state = _task_state(event.attributes)
        if state and waiting_since is not None:
            waited += at - waiting_since
            waiting_since = None
        if state in WAITING_TASK:
            waiting_since = at
    if waiting_since is not None:
        waited += ended - waiting_since
    return first_chunk, waited // 1_000


def _when(event: SpanEvent) -> int:
    return event.time_unix_nano


def _task_state(attributes: Iterable[bytes]) -> str:
    for attribute in attributes:
        if name_of(attribute) in _TASK_STATES:
            return text_of(read_attribute(attribute)[1])
    return ""


def _message(status: bytes) -> str:
    """Return the message of a Status."""
    message = read_fields(status).get(_STATUS_MESSAGE, b"")
    return message.decode() if isinstance(message, bytes) else ""
