"""What conditions can speak of: the typed request schema, and the object behind it.

`agent` is what the pdp knows itself; `action`, `args`, `resource`, `context` are what the enforcement point says. They
are different roots, so that no argument can ever stand in for a fact.
"""

from typing import NamedTuple

from ringfence_kit.clock import Instant

from ringfence_pdp.cel.types import INT, JSON, STRING, TIMESTAMP, Field, ListOf, MapOf, Record
from ringfence_pdp.cel.values import NANOS_PER_MILLI, Timestamp
from ringfence_pdp.facts import AgentIdentity, RegisteredAgent, Standing
from ringfence_pdp.model import CheckRequest, Plain, Side, SideEffects

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

ACTION = Record(
    "action",
    {
        "name": Field(type=STRING, attribute="action", size_max=128),
        "tool": Field(type=STRING, attribute="tool", optional=True, size_max=128),
        "side_effects": Field(
            type=STRING, attribute="side_effects.word", values=frozenset(effects.word for effects in SideEffects)
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
    },
)

SCHEMA = Record(
    "request",
    {
        "agent": Field(type=AGENT, attribute="agent"),
        "action": Field(type=ACTION, attribute="request"),
        "args": Field(type=MapOf(JSON), attribute="args"),
        "resource": Field(type=RESOURCE, attribute="request.resource"),
        "environment": Field(type=STRING, attribute="request.environment", size_max=63),
        "side": Field(
            type=STRING,
            attribute="request.side.word",
            values=frozenset(side.word for side in (Side.CALLER, Side.CALLEE)),
        ),
        "context": Field(type=MapOf(JSON), attribute="context"),
        "now": Field(type=TIMESTAMP, attribute="now"),
    },
)
"""The roots, and below them every field, with types, bounds and where the value is."""


class AgentView(NamedTuple):
    """What is known of the agent, as `agent` in conditions."""

    identity: AgentIdentity
    registered: RegisteredAgent
    standing: Standing


class Scope:
    """The object conditions run over. What takes work to make is made when a condition first asks for it."""

    __slots__ = ("agent", "args", "context", "instant", "now", "request")

    agent: AgentView
    args: Plain
    context: Plain
    now: Timestamp

    def __init__(self, request: CheckRequest, agent: AgentView, instant: Instant) -> None:
        self.request = request
        self.agent = agent
        self.instant = instant

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
            case _:
                raise AttributeError(name)
        setattr(self, name, value)
        return value
