"""Test files (`*_test.yaml`) as they are written: documents of kind PolicyTest to values.

```yaml
apiVersion: ringfence.dev/v1
kind: PolicyTest
metadata: {name: analysts}
spec:
  agents:
    analyst: {name: namespaces/data/agents/analyst-1, ring: 2}
  tests:
    - name: an analyst reads
      ask: {agent: analyst, action: read_table}
      expect: {effect: ALLOW, rules: [analyst-guardrails/read]}
```

Agents are given a name in the file; what is not said of one is nothing special. `tools` says what tools say of their
arguments. What an expectation leaves out may be anything. Content filters look as they always do; classifiers elsewhere
are not asked, and found nothing unless `classifiers` says so.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName

from ringfence_pdp.breathing import nothing_more
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.cel.values import NANOS_PER_MILLI, parse_timestamp
from ringfence_pdp.fields import Place, Report, View
from ringfence_pdp.filters.finding import Origin
from ringfence_pdp.filters.heard import Heard
from ringfence_pdp.model import Effect, Plain, Protocol, Reason, Resource, Side, SideEffects, Usage
from ringfence_pdp.policy_fields import environment
from ringfence_pdp.policy_tests.contents import SEVERAL_MAX, Contract, entries, read_contract, read_heard, read_origins
from ringfence_pdp.yaml_reader import Mark, YamlInvalid, read

SUFFIXES = ("_test.yaml", "_test.yml")

TESTS_MAX = 10_000
"""Tests in one file, and in one bundle."""

NUMBER_MAX = 999_999_999

NOON = Instant(1_767_268_800_000)
"""When a test asks that does not say: Thursday, 1 January 2026, 12:00 UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """An agent as a test wants it to be."""

    name: AgentName
    ring: int
    trust: int | None
    environment: str
    tools: tuple[str, ...] | None
    """Those it may call; None: whatever it is asked about."""
    owner: str | None
    team: str | None
    risk_tier: str
    data_classes: tuple[str, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One question."""

    agent: str
    action: str
    tool: str | None
    environment: str | None
    """None: the agent's."""
    arguments: Plain
    context: Plain
    resource: Resource
    side: Side
    side_effects: SideEffects
    protocol: Protocol
    session: str | None
    target: str | None
    chain: tuple[str, ...]
    usage: Usage
    supports: frozenset[str] | None
    """Types of obligations; None: all there are."""
    origins: Mapping[str, Origin]
    """Where arguments come from, by JSON Pointer."""
    heard: Heard
    """What classifiers elsewhere said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the answer has to be; None may be anything."""

    effect: Effect
    reason: Reason | None
    rule_reason: str | None
    rules: tuple[str, ...] | None
    obligations: tuple[str, ...] | None
    """`type` or `type/id`, sorted."""
    findings: tuple[str, ...] | None
    """Ids of what content filters find, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTest:
    """One test."""

    name: str
    place: Place
    agents: Mapping[str, Cast]
    tools: Mapping[str, Contract]
    now: Instant
    counters: Mapping[str, int]
    """How much of a limit, `policy/limit`, is used before."""
    approvals: int
    """How many people approved."""
    groups: frozenset[str]
    """The groups they are in, altogether."""
    asking: Asking
    expected: Expected


def is_test(path: str) -> bool:
    """Say whether a file of a bundle holds tests, and no policies."""
    return path.endswith(SUFFIXES)


def read_tests(file: PolicyFile, report: Report, breathe: Callable[[], None] = nothing_more) -> tuple[PolicyTest, ...]:
    """Read the tests of one file; what is wrong goes into the report."""
    try:
        roots = read(file.content, breathe)
    except YamlInvalid as error:
        report.add(Place(file.path, error.mark, ""), error.problem, error.remedy)
        return ()
    if not roots:
        report.add(Place(file.path, Mark(1, 1), ""), "the file is empty", "leave it out")
    return tuple(test for root in roots for test in _document(View(file.path, root, root.mark, "", report), breathe))


def _document(document: View, breathe: Callable[[], None]) -> Iterable[PolicyTest]:
    fields = document.fields(required=("apiVersion", "kind", "metadata", "spec"))
    fields["apiVersion"].one_of("ringfence.dev/v1")
    fields["kind"].one_of("PolicyTest")
    fields["metadata"].fields(required=("name",))["name"].text()
    spec = fields["spec"].fields(required=("agents", "tests"), optional=("tools", "now"))
    agents = {entry: _agent(view) for entry, view in entries(spec["agents"])}
    tools = {tool: read_contract(view) for tool, view in entries(spec["tools"])}
    now = _now(spec["now"], NOON)
    names: set[str] = set()
    for item in spec["tests"].items(at_most=TESTS_MAX):
        breathe()
        yield replace(_test(item, agents, now, names), tools=tools)


def _agent(view: View) -> Cast:
    fields = view.fields(
        required=("name", "ring"),
        optional=("trust", "environment", "tools", "owner", "team", "risk_tier", "data_classes", "labels"),
    )
    text = fields["name"].text()
    name = AgentName.parse(f"namespaces/{text.removeprefix('ns/')}" if text.startswith("ns/") else text)
    if text and name is None:
        fields["name"].wrong(f"{text!r} is not an agent such as 'namespaces/data/agents/analyst'")
    tier = fields["risk_tier"]
    return Cast(
        name=name or AgentName("x", "x"),
        ring=fields["ring"].integer(0, 3),
        trust=fields["trust"].integer(0, 1_000) if fields["trust"].present else None,
        environment=environment(fields["environment"]) or "prod",
        tools=_listed(fields["tools"]),
        owner=fields["owner"].text() or None,
        team=fields["team"].text() or None,
        risk_tier=tier.one_of("low", "medium", "high", "critical") if tier.present else "low",
        data_classes=_listed(fields["data_classes"]) or (),
        labels=_texts(fields["labels"]),
    )


def _test(view: View, agents: Mapping[str, Cast], now: Instant, names: set[str]) -> PolicyTest:
    fields = view.fields(required=("name", "ask", "expect"), optional=("now", "counters", "approvals"))
    name = fields["name"].text()
    if name in names:
        fields["name"].wrong(f"another test of this document is called {name!r}", "give each its own name")
    names.add(name)
    approvals = fields["approvals"].fields(required=("people",), optional=("groups",))
    return PolicyTest(
        name=name,
        place=view.place,
        agents=agents,
        tools={},
        now=_now(fields["now"], now),
        counters={limit: used.integer(0, NUMBER_MAX) for limit, used in entries(fields["counters"])},
        approvals=approvals["people"].integer(0, 16) if approvals["people"].present else 0,
        groups=frozenset(_listed(approvals["groups"]) or ()),
        asking=_asking(fields["ask"], agents),
        expected=_expected(fields["expect"]),
    )


def _asking(view: View, agents: Mapping[str, Cast]) -> Asking:
    fields = view.fields(
        required=("agent", "action"),
        optional=(
            *("tool", "environment", "args", "context", "resource", "side", "side_effects", "protocol"),
            *("session", "target", "chain", "usage", "supports", "origins", "classifiers"),
        ),
    )
    usage = fields["usage"].fields(required=(), optional=("tokens", "cost_micros"))
    supports = _listed(fields["supports"])
    return Asking(
        agent=_known(fields["agent"], agents),
        action=fields["action"].text(_ACTION, "an action such as 'read_table'"),
        tool=fields["tool"].text() or None,
        environment=environment(fields["environment"]) or None,
        arguments=_sent(fields["args"]),
        context=_sent(fields["context"]),
        resource=_resource(fields["resource"]),
        side=_word(fields["side"], (Side.CALLER, Side.CALLEE)),
        side_effects=_word(fields["side_effects"], tuple(SideEffects)),
        protocol=_word(fields["protocol"], tuple(Protocol)),
        session=fields["session"].text() or None,
        target=_known(fields["target"], agents) or None,
        chain=tuple(_known(item, agents) for item in fields["chain"].items(at_most=16)),
        usage=Usage(*(usage[unit].integer(0, NUMBER_MAX) if usage[unit].present else 0 for unit in Usage._fields)),
        supports=None if supports is None else frozenset(supports),
        origins=read_origins(fields["origins"]),
        heard=read_heard(fields["classifiers"]),
    )


def _resource(view: View) -> Resource:
    fields = view.fields(required=(), optional=("type", "id", "data_class", "labels", "environment", "owner"))
    texts = {name: fields[name].text(at_most=512) or None for name in fields if name != "labels"}
    return Resource(**texts, labels=_texts(fields["labels"]))


def _expected(view: View) -> Expected:
    fields = view.fields(required=("effect",), optional=("reason", "rule_reason", "rules", "obligations", "findings"))
    effect = fields["effect"].one_of(*(one.name for one in Effect))
    reason = fields["reason"].text() if fields["reason"].present else ""
    if reason and reason not in Reason.__members__:
        fields["reason"].wrong(f"{reason!r} is not a reason such as RULE_DENIED", "see DecisionReason of the contract")
    return Expected(
        effect=Effect[effect] if effect in Effect.__members__ else Effect.DENY,
        reason=Reason[reason] if reason in Reason.__members__ else None,
        rule_reason=fields["rule_reason"].text() if fields["rule_reason"].present else None,
        rules=_listed(fields["rules"]),
        obligations=_listed(fields["obligations"]),
        findings=_listed(fields["findings"]),
    )


_ACTION = re.compile(r"[a-z0-9._:/-]{1,128}", re.ASCII)
_Word = TypeVar("_Word", Side, SideEffects, Protocol)


def _word(view: View, known: tuple[_Word, ...]) -> _Word:
    """Read one of a few words; the first when it is left out."""
    word = view.one_of(*(one.word for one in known)) if view.present else known[0].word
    return next((one for one in known if one.word == word), known[0])


def _known(view: View, agents: Mapping[str, Cast]) -> str:
    name = view.text()
    if name and name not in agents:
        view.wrong(f"there is no agent {name!r} in this document", f"there are {', '.join(agents) or 'none'}")
    return name


def _now(view: View, otherwise: Instant) -> Instant:
    try:
        return Instant(parse_timestamp(view.text()) // NANOS_PER_MILLI) if view.present else otherwise
    except EvaluationError as error:
        view.wrong(str(error))
        return otherwise


def _listed(view: View) -> tuple[str, ...] | None:
    """Read a list of texts, sorted; None when it is left out."""
    if not view.present:
        return None
    return tuple(sorted(item.text() for item in view.items(at_least=0, at_most=SEVERAL_MAX)))


def _texts(view: View) -> dict[str, str]:
    return {name: each.text() for name, each in entries(view)}


def _sent(view: View) -> Plain:
    """JSON as an enforcement point sends it: every number is a double."""
    return {name: _as_sent(value) for name, value in view.json_object().items()}


def _as_sent(value: object) -> object:
    match value:
        case bool():
            return value
        case int():
            return float(value)
        case list():
            return [_as_sent(item) for item in value]
        case dict():
            return {name: _as_sent(item) for name, item in value.items()}
    return value
