"""What conditions can speak of: the typed request schema, and the object behind it.

`agent`, `origin`, `chain` and `target` are what the pdp knows itself; `action`, `args`, `resource`, `context` are what
the enforcement point says. They are different roots, so that no argument can ever stand in for a fact.

`agent` is who acts, judged as the whole chain is: at the ring of the least trusted who stands behind the call, and the
lowest score. `origin` is who began it, as it is itself; without a chain that is the agent. `chain` are the names of all
who stand behind it, the origin first and the agent last. `target` is the agent that is called, if one is, and
`target.health` what telemetry judges of it.
"""

from dataclasses import replace

from ringfence_kit.clock import Instant

from ringfence_pdp.cel.types import DOUBLE, INT, JSON, SESSION, STRING, TIMESTAMP, Field, ListOf, MapOf, Record
from ringfence_pdp.cel.values import NANOS_PER_MILLI, Timestamp
from ringfence_pdp.chains.call import SUBJECTS_MAX, Call
from ringfence_pdp.chains.party import Party
from ringfence_pdp.health_facts import CIRCUITS, ORDERS, SLO_STATES
from ringfence_pdp.model import CheckRequest, Plain, Protocol, Side, SideEffects

RISK_TIERS = ("low", "medium", "high", "critical")

AGENT = Record(
    "agent",
    {
        "did": Field(type=STRING, attribute="identity.did"),
        "name": Field(type=STRING, attribute="identity.resource_name", size_max=160),
        "namespace": Field(type=STRING, attribute="identity.namespace", size_max=63),
        "environment": Field(type=STRING, attribute="identity.environment", size_max=63),
        "ring": Field(type=INT, attribute="standing.ring", minimum=0, maximum=3, rank=+1),
        "trust": Field(type=INT, attribute="standing.score", minimum=0, maximum=1_000, rank=-1),
        "owner": Field(type=STRING, attribute="registered.owner", optional=True),
        "team": Field(type=STRING, attribute="registered.team", optional=True, size_max=200),
        "risk_tier": Field(type=STRING, attribute="registered.risk_tier", values=frozenset(RISK_TIERS)),
        "data_classes": Field(type=ListOf(STRING), attribute="registered.data_classes", size_max=32),
        "labels": Field(type=MapOf(STRING), attribute="registered.labels", size_max=64),
    },
)

ORIGIN = Record("origin", AGENT.fields)

HEALTH = Record(
    "health",
    {
        "circuit": Field(type=STRING, attribute="circuit", optional=True, values=frozenset(CIRCUITS)),
        "slo": Field(type=STRING, attribute="slo", optional=True, values=frozenset(SLO_STATES)),
        "order": Field(type=STRING, attribute="order", optional=True, values=frozenset(ORDERS)),
        "budget_left": Field(type=DOUBLE, attribute="budget_left", optional=True),
    },
)
"""Every field is optional: what telemetry never said, or what has run out, is absent."""

TARGET = Record(
    "target",
    {
        **{name: replace(field, optional=True) for name, field in AGENT.fields.items()},
        "health": Field(type=HEALTH, attribute="health"),
    },
)
"""Every field is optional, since most calls are of no agent."""

ACTION = Record(
    "action",
    {
        "name": Field(type=STRING, attribute="action", size_max=128),
        "tool": Field(type=STRING, attribute="tool", optional=True, size_max=128),
        "side_effects": Field(
            type=STRING, attribute="side_effects.word", values=frozenset(effects.word for effects in SideEffects)
        ),
        "protocol": Field(
            type=STRING, attribute="protocol.word", values=frozenset(protocol.word for protocol in Protocol)
        ),
    },
)

RESOURCE = Record(
    "resource",
    {
        "type": Field(type=STRING, attribute="type", optional=True, size_max=128),
        "id": Field(type=STRING, attribute="id", optional=True, size_max=512),
        "data_class": Field(type=STRING, attribute="data_class", optional=True, size_max=63),
        "labels": Field(type=MapOf(STRING), attribute="labels", size_max=64),
        "environment": Field(type=STRING, attribute="environment", optional=True, size_max=63),
        "owner": Field(type=STRING, attribute="owner", optional=True, size_max=200),
    },
)

SCHEMA = Record(
    "request",
    {
        "agent": Field(type=AGENT, attribute="agent"),
        "origin": Field(type=ORIGIN, attribute="origin"),
        "chain": Field(type=ListOf(STRING), attribute="chain", size_max=SUBJECTS_MAX),
        "target": Field(type=TARGET, attribute="called"),
        "action": Field(type=ACTION, attribute="request"),
        "args": Field(type=MapOf(JSON), attribute="args"),
        "resource": Field(type=RESOURCE, attribute="request.resource"),
        "environment": Field(type=STRING, attribute="request.environment", size_max=63),
        "side": Field(
            type=STRING,
            attribute="side.word",
            values=frozenset(side.word for side in Side),
        ),
        "context": Field(type=MapOf(JSON), attribute="context"),
        "now": Field(type=TIMESTAMP, attribute="now"),
        "session": Field(type=SESSION, attribute="request.history", optional=True),
    },
)
"""The roots, and below them every field, with types, bounds and where the value is."""


class _Nobody:
    """What `target` is when no agent is called: its groups are there, and what is asked of them is not."""

    __slots__ = ("fields",)

    def __init__(self, fields: object = None) -> None:
        self.fields = fields

    def __getattr__(self, name: str) -> object:
        return self.fields


NOBODY = _Nobody(_Nobody())


class Scope:
    """The object conditions run over. What takes work to make is made when a condition first asks for it."""

    __slots__ = ("agent", "args", "called", "chain", "context", "instant", "now", "origin", "request", "side")

    agent: Party
    args: Plain
    chain: list[str]
    context: Plain
    now: Timestamp
    origin: Party
    side: Side
    called: "Party | _Nobody"

    def __init__(self, request: CheckRequest, agent: Party, instant: Instant) -> None:
        """The scope of an agent that is alone."""
        self.request = request
        self.agent = agent
        self.instant = instant

    @classmethod
    def of_call(cls, request: CheckRequest, acting: Party, call: Call, instant: Instant) -> "Scope":
        """Return the scope of a call with several parties."""
        scope = cls(request, acting._replace(standing=call.standing), instant)
        scope.origin = call.subjects[0]
        scope.chain = [one.name for one in call.subjects]
        scope.called = call.target or NOBODY
        return scope

    def on(self, side: Side) -> "Scope":
        """Return the same as one side of a hop, or a boundary, sees it."""
        scope = Scope(self.request, self.agent, self.instant)
        scope.origin, scope.chain, scope.called, scope.side = self.origin, self.chain, self.called, side
        return scope

    def __getattr__(self, name: str) -> object:
        """Python calls this for a slot that is still empty."""
        value: object
        match name:
            case "args":
                value = self.request.arguments()
            case "context":
                value = self.request.context()
            case "now":
                value = Timestamp(self.instant * NANOS_PER_MILLI)
            case "side":
                value = self.request.side
            case "origin":
                value = self.agent
            case "chain":
                value = [self.agent.name]
            case "called":
                value = NOBODY
            case _:
                raise AttributeError(name)
        setattr(self, name, value)
        return value
