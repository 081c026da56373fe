"""A small request schema and requests for testing the condition language apart from the pdp's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ringfence_pdp.cel.condition import Condition, compile_condition
from ringfence_pdp.cel.types import BOOL, INT, JSON, STRING, TIMESTAMP, Field, ListOf, MapOf, Record
from ringfence_pdp.cel.values import Timestamp, parse_timestamp

AGENT = Record(
    "agent",
    {
        "name": Field(type=STRING, attribute="name"),
        "ring": Field(type=INT, attribute="ring", minimum=0, maximum=3, rank=1),
        "trust": Field(type=INT, attribute="trust", minimum=0, maximum=1000, rank=-1),
        "stage": Field(type=STRING, attribute="stage", values=frozenset({"dev", "prod"})),
        "team": Field(type=STRING, attribute="team", optional=True),
        "tools": Field(type=ListOf(STRING), attribute="tools", size_max=16),
        "busy": Field(type=BOOL, attribute="busy"),
    },
)

SCHEMA = Record(
    "request",
    {
        "agent": Field(type=AGENT, attribute="agent"),
        "args": Field(type=MapOf(JSON), attribute="args"),
        "labels": Field(type=MapOf(STRING), attribute="labels", size_max=64),
        "now": Field(type=TIMESTAMP, attribute="now"),
    },
)


@dataclass(kw_only=True)
class Agent:
    name: str = "analyst"
    ring: int = 2
    trust: int = 500
    stage: str = "prod"
    team: str | None = "data"
    tools: tuple[str, ...] = ("warehouse.query", "warehouse.export")
    busy: bool = False


MORNING = parse_timestamp("2026-01-31T08:15:30.250Z")


@dataclass(kw_only=True)
class Request:
    agent: Agent = field(default_factory=Agent)
    args: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    now: Timestamp = MORNING


def compiled(source: str) -> Condition:
    return compile_condition(source, SCHEMA)


def variables(request: Request) -> Mapping[str, Any]:
    """The same request as plain data, for another CEL implementation."""
    agent = {name: value for name, value in vars(request.agent).items() if value is not None}
    return {"agent": {**agent, "tools": list(request.agent.tools)}, "args": request.args, "labels": request.labels}
