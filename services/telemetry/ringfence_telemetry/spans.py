"""What one span says about usage, as values in one vocabulary; `span_reading` makes them of what senders send."""

from enum import IntEnum
from typing import TypeAlias

import msgspec
from ringfence_kit.clock import MINUTE

LABEL_MAX = 256
"""Characters kept of an agent, a session, a model."""

REVISION_MAX = 64
"""Characters kept of an agent's revision or version."""

SKEW_MAX = 10 * MINUTE
"""How far a sender's clock may be off ours."""


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


class SpanDetail(msgspec.Struct, frozen=True, array_like=True, gc=False, cache_hash=True):
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
    """`error.type`, else the status message of a span that failed, cut to 200 characters."""
    cancelled: bool = False
    """Its caller gave up on it."""
    attempt: int = 0
    """How many attempts were made before, as the sender says."""
    sampled: bool = False
    """Its sender keeps only some of its traces (`ot=th:` in the tracestate)."""
    client: bool = False
    """It is the caller's side of a call of an agent (span kind CLIENT); of other operations it is not asked."""
    waited_micros: int = 0
    """In which a person was waited for."""
    stated_cost_nanos: int = 0
    stated_currency: str = ""
    """Empty when the span states no cost."""
    first_chunk_micros: int = 0
    """From its start to the first chunk of its answer; 0 when that is not said."""


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
