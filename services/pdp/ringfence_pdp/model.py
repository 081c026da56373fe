"""What the pdp decides about and what it answers: plain values, the same on every door.

The numbers of Effect and Reason are those of `ringfence.pdp.v1`, so that turning one into the other is free; a test
holds the two together. An attribute a request may leave out is None when it is: for a condition that is an error to
read, not an empty text to compare with.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ringfence_kit.clock import Instant, Millis
from ringfence_kit.members import plain_members
from ringfence_kit.names import AgentName

from ringfence_pdp.filters.finding import Finding, Origin
from ringfence_pdp.filters.heard import NOBODY_ASKED, Heard
from ringfence_pdp.history import History

Plain = Mapping[str, object]
"""JSON as Python holds it."""


@plain_members
class Effect(enum.IntEnum):
    """The three answers, ordered: a composition takes the lowest."""

    DENY = 1
    REQUIRE_APPROVAL = 2
    ALLOW = 3


@plain_members
class Reason(enum.IntEnum):
    """Why a decision came out as it did. `ringfence.pdp.v1.DecisionReason` documents each."""

    ALLOWED = 1
    APPROVAL_REQUIRED = 2
    NO_MATCH = 3
    RULE_DENIED = 4
    RULE_ERROR = 5
    KILLED = 6
    AGENT_UNKNOWN = 7
    AGENT_REVOKED = 8
    AGENT_RETIRED = 9
    FACTS_STALE = 10
    RING_INSUFFICIENT = 11
    ENVIRONMENT_MISMATCH = 12
    TOOL_NOT_APPROVED = 13
    NO_BUNDLE = 14
    REQUEST_INVALID = 15
    LOG_UNAVAILABLE = 16
    AGENT_SUSPENDED = 17
    TOOL_UNKNOWN = 18
    TOOL_DISABLED = 19
    TOOL_SCHEMA_CHANGED = 20
    TOOL_SCHEMA_NOT_PINNED = 21
    EXTERNAL_SYSTEM_NOT_TRUSTED = 22
    AGENT_NOT_SERVING = 23
    MISSING_SIDE = 24
    CHAIN_CYCLE = 25
    CHAIN_INVALID = 26
    CHAIN_TOO_LONG = 27
    CAPABILITY_NOT_DELEGATED = 28
    BOUNDARY_CLOSED = 29
    OBLIGATION_UNSUPPORTED = 30
    OBLIGATION_CONFLICT = 31
    RATE_LIMITED = 32
    BUDGET_EXHAUSTED = 33
    APPROVAL_REFUSED = 34
    ELEVATION_INVALID = 35
    DEADLINE = 36
    IDENTITY_AMBIGUOUS = 37
    HEADER_BODY_MISMATCH = 38
    BODY_TRUNCATED = 39
    BODY_MALFORMED = 40
    METHOD_UNKNOWN = 41
    APPROVALS_UNAVAILABLE = 42
    CONTENT_DANGEROUS = 43
    CONTENT_SUSPECT = 44
    FILTER_FAILED = 45
    ORIGIN_UNTRUSTED = 46


@plain_members
class Side(enum.IntEnum):
    """A side of a call: who calls, who is called, or a boundary between them. Only the first two can ask."""

    CALLER = 1
    CALLEE = 2
    BOUNDARY = 3

    @property
    def word(self) -> str:
        """The side as policies and conditions write it."""
        return self.name.lower()


@plain_members
class SideEffects(enum.IntEnum):
    """What a tool does to the world, as far as the enforcement point knows."""

    UNKNOWN = 0
    READ = 1
    REVERSIBLE = 2
    IRREVERSIBLE = 3

    @property
    def word(self) -> str:
        """The side effects as conditions write them."""
        return self.name.lower()


@plain_members
class Protocol(enum.IntEnum):
    """What a call is made with."""

    UNKNOWN = 0
    MCP = 1
    A2A = 2
    HTTP = 3
    GRPC = 4
    MODEL = 5

    @property
    def word(self) -> str:
        """The protocol as conditions write it."""
        return self.name.lower()


_NOTHING: Plain = {}


GATEWAY = "gateway"
"""The member of a question's context in which a gateway says what it saw."""


def nothing() -> Plain:
    """What is read where nothing was sent."""
    return _NOTHING


_NO_LABELS: Mapping[str, str] = {}
_NO_ORIGINS: Mapping[str, Origin] = {}


# Questions and answers are made for every call, so they are tuples with names: a frozen dataclass takes three times as
# long to make.


class Resource(NamedTuple):
    """What the agent wants to act on."""

    type: str | None = None
    id: str | None = None
    data_class: str | None = None
    labels: Mapping[str, str] = _NO_LABELS
    environment: str | None = None
    """The environment it belongs to; None means that of the request."""
    owner: str | None = None


NO_RESOURCE = Resource()


class Target(NamedTuple):
    """The agent that is called, by one of its names or both."""

    did: str | None = None
    agent: AgentName | None = None


class Usage(NamedTuple):
    """What a call is expected to use of budgets."""

    tokens: int = 0
    cost_micros: int = 0


NO_USAGE = Usage()


class Obligation(NamedTuple):
    """Something that has to be done with a call that is allowed. `properties` is JSON, and never changed."""

    type: str
    id: str
    properties: Mapping[str, object]


class CheckRequest(NamedTuple):
    """One question. It carries claims only: what the pdp knows itself is in `facts.py` and cannot be put in here."""

    action: str
    environment: str
    did: str | None = None
    """The agent's DID. It or `agent` is set."""
    agent: AgentName | None = None
    tool: str | None = None
    tool_schema_hash: str | None = None
    side_effects: SideEffects = SideEffects.UNKNOWN
    arguments: Callable[[], Plain] = nothing
    """Read when a condition first asks, because most never do."""
    resource: Resource = NO_RESOURCE
    side: Side = Side.CALLER
    session: str | None = None
    context: Callable[[], Plain] = nothing
    trace_id: bytes = b""
    target: Target | None = None
    delegation_token: str | None = None
    chain: tuple[str, ...] = ()
    """On whose behalf, as the enforcement point was told: DIDs or names of agents, the origin first."""
    elevation_grants: tuple[str, ...] = ()
    supported_obligations: frozenset[str] = frozenset()
    approval: str | None = None
    usage: Usage = NO_USAGE
    protocol: Protocol = Protocol.UNKNOWN
    arguments_digest: str | None = None
    history: History | None = None
    """What the session did before, where policies ask; never the enforcement point's to say."""
    origins: Mapping[str, Origin] = _NO_ORIGINS
    """Where arguments come from, by JSON Pointer, as the enforcement point was told."""
    heard: Heard = NOBODY_ASKED
    """What classifiers elsewhere said, where policies ask them; never the enforcement point's to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What has to happen before an action that needs approval may run."""

    min_approvals: int
    """How many distinct people."""
    approver_groups: tuple[str, ...]
    """Every one of them must be among the approvers; sorted. None named: whoever may approve at all."""
    timeout: Millis
    deny_ends: bool = False
    """Whether one refusal ends it."""


@plain_members
class Stage(enum.Enum):
    """The stages of a decision, in their order (docs: services/pdp/README.md)."""

    KILL = "kill"
    VALIDITY = "validity"
    IDENTITY = "identity"
    RING = "ring"
    ENVIRONMENT = "environment"
    TOOLS = "tools"
    RULES = "rules"
    FILTERS = "filters"
    OBLIGATIONS = "obligations"
    LIMITS = "limits"
    APPROVAL = "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one stage says, on its own."""

    stage: Stage
    effect: Effect
    reason: Reason
    message: str
    rules: tuple[str, ...] = ()
    """The rules that determined it, as `policy/rule`, sorted."""
    rule_reason: str = ""
    """The reason the first of those rules gives, in its author's words."""
    approval: Approval | None = None
    """Set exactly when the effect is REQUIRE_APPROVAL."""


UNKNOWN = -1
"""A ring or a score that is not known."""


class SideVerdict(NamedTuple):
    """What one party to a call said."""

    hop: int
    """Which hop of the chain, from 1."""
    side: Side
    party: str
    """The agent or the boundary that spoke, by name."""
    verdict: Verdict

    @property
    def speaker(self) -> str:
        """Who spoke, for a person."""
        return f"hop {self.hop}, {self.side.word} {self.party}"


class Composed(NamedTuple):
    """What a decision is made of besides its verdict, when more than the rules for one agent had a say."""

    obligations: tuple[Obligation, ...] = ()
    """What has to be done with the call; none when it is denied."""
    sides: tuple[SideVerdict, ...] = ()
    """What each party said, when more than one had a say."""
    chain: tuple[str, ...] = ()
    """The DIDs it was judged for, the origin first; empty when nobody stands before the agent."""
    subjects: tuple[str, ...] = ()
    """Everybody behind the call by name, the origin first and the agent last; empty when no party is named but it."""
    delegations: tuple[str, ...] = ()
    """The chain id of the token it was judged on, and its grants."""
    budget: tuple[tuple[str, int], ...] = ()
    """What that token may spend, by unit."""
    token: str = ""
    """The id of that token."""
    valid_until: Instant | None = None
    """When what was shown for it ends."""


ALONE = Composed()
"""One agent, and the rules for it."""


class Decision(NamedTuple):
    """The answer: the verdict of the stage that settled it, and how trusted the agent was at that moment."""

    verdict: Verdict
    ring: int
    """The ring the call was judged at."""
    score: int
    composed: Composed = ALONE
    findings: tuple[Finding, ...] = ()
    """What content filters found, the worst first; also where the answer is yes."""

    @property
    def effect(self) -> Effect:
        """The answer in a word."""
        return self.verdict.effect

    @property
    def reason(self) -> Reason:
        """Why."""
        return self.verdict.reason

    @property
    def obligations(self) -> tuple[Obligation, ...]:
        """What has to be done with the call."""
        return self.composed.obligations

    @property
    def sides(self) -> tuple[SideVerdict, ...]:
        """What each party said, when more than one had a say."""
        return self.composed.sides

    @property
    def chain(self) -> tuple[str, ...]:
        """The DIDs it was judged for; empty when nobody stands before the agent."""
        return self.composed.chain

    @property
    def subjects(self) -> tuple[str, ...]:
        """Everybody behind the call by name; empty when no party is named but the agent."""
        return self.composed.subjects

    @property
    def delegations(self) -> tuple[str, ...]:
        """The chain id of the token it was judged on, and its grants."""
        return self.composed.delegations

    @property
    def budget(self) -> tuple[tuple[str, int], ...]:
        """What that token may spend, by unit."""
        return self.composed.budget

    @property
    def valid_until(self) -> Instant | None:
        """When what was shown for it ends."""
        return self.composed.valid_until
