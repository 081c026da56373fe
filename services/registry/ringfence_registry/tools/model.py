"""What is known of a tool, as values that never change, which are also the stored form (`ringfence_kit.records`).

- Agents call a tool by its id, so an id means one tool in the whole mesh.
- What is approved is a schema and a description, by their hash: another of either is another tool.
- Whether the external systems a tool reaches are trusted is written into it, so that whoever watches tools needs no
  other feed; until when, so that nobody has to be told that a decision ended.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from ringfence_kit.clock import Instant, Millis
from ringfence_kit.events import Revision

from ringfence_registry.model import Owner
from ringfence_registry.resources.etags import etag_of
from ringfence_registry.resources.names import ToolName
from ringfence_registry.resources.switches import Switch

TOOL = "tool"
"""The kind of a tool's events."""


class ToolProtocol(enum.Enum):
    """How a tool is called."""

    MCP = "MCP"
    A2A = "A2A"
    HTTP = "HTTP"
    GRPC = "GRPC"


class SideEffect(enum.Enum):
    """What calling a tool does to the world; the least first."""

    NONE = "NONE"
    READ = "READ"
    REVERSIBLE = "REVERSIBLE"
    IRREVERSIBLE = "IRREVERSIBLE"


class FailureBehaviour(enum.Enum):
    """What callers do when a tool fails."""

    FAIL_CLOSED = "FAIL_CLOSED"
    CONTINUE = "CONTINUE"
    ASK_PERSON = "ASK_PERSON"


class ArgumentType(enum.Enum):
    """What an argument is written in."""

    FREE_TEXT = "FREE_TEXT"
    SQL = "SQL"
    SHELL = "SHELL"
    PATH = "PATH"
    URL = "URL"
    IDENTIFIER = "IDENTIFIER"
    CODE = "CODE"
    SECRET = "SECRET"  # noqa: S105 - the name of a type


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How a failed call may be repeated."""

    max_attempts: int = 0
    """Calls in all, the first included."""
    initial_backoff: Millis | None = None
    idempotent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CostHint:
    """What a call costs, roughly."""

    micros_per_call: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSchema:
    """What a tool takes and returns, as it was given, and what approvals are pinned to."""

    input: str
    output: str
    """Empty when it promises nothing."""
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """What people say about a tool: everything a caller may set."""

    protocol: ToolProtocol
    schema: ToolSchema
    side_effect: SideEffect
    owner: Owner
    display_name: str = ""
    description: str = ""
    version: str = ""
    data_classes: tuple[str, ...] = ()
    required_permissions: tuple[str, ...] = ()
    timeout: Millis | None = None
    retry: RetryPolicy | None = None
    failure_behaviour: FailureBehaviour = FailureBehaviour.FAIL_CLOSED
    cost_hint: CostHint | None = None
    external_systems: tuple[str, ...] = ()
    """By resource name."""
    labels: Mapping[str, str] = field(default_factory=dict)
    argument_types: Mapping[str, ArgumentType] = field(default_factory=dict)
    """By JSON Pointer (RFC 6901), `*` for every item of a list."""
    external_sink: bool = False
    """Whether what is passed to it leaves the mesh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whether every external system a tool reaches is trusted and enabled, as of the tool's last change."""

    trusted: bool
    until: Instant | None = None
    """The first instant at which that is over if nobody decides anew; None for never."""

    def trusted_at(self, now: Instant) -> bool:
        """Say whether all of them are trusted at `now`, as far as the last change knew."""
        return self.trusted and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A registered tool."""

    name: ToolName
    uid: str
    revision: Revision
    """Of its last change."""
    spec: ToolSpec
    schema_number: int
    """Of its present schema: 1, 2, 3 …, never twice for one id."""
    reach: Reach
    created_at: Instant
    updated_at: Instant
    switch: Switch = field(default_factory=Switch)

    @property
    def id(self) -> str:
        """What agents call it."""
        return self.name.tool

    @property
    def etag(self) -> str:
        """A strong etag."""
        return etag_of(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRevision:
    """A schema a tool has had, with its description."""

    tool: ToolName
    number: int
    schema: ToolSchema
    version: str
    created_at: Instant
    actor: str
    description: str = ""
    """What it was said to do; empty for revisions made before descriptions counted."""

    @property
    def name(self) -> str:
        """`namespaces/{namespace}/tools/{tool}/revisions/{revision}`."""
        return f"{self.tool}/revisions/{self.number}"
