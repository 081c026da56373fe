"""Hypothesis strategies for whole bundles and for questions to them, over few names, so that rules meet requests."""

import json
from dataclasses import dataclass
from functools import cache
from itertools import chain
from random import Random
from typing import Any

from hypothesis import strategies as st
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.names import AgentName
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.cel.condition import compile_condition
from ringfence_pdp.cel.problems import ConditionInvalid
from ringfence_pdp.facts import Facts, IdentityStatus, RegisteredTool
from ringfence_pdp.kill_switch import KillTarget, TargetKind
from ringfence_pdp.model import CheckRequest, Resource, Side, SideEffects
from ringfence_pdp.vocabulary import SCHEMA

from support.pdp.world import FRESH, HASH, NOW, TOOLS, ask, facts_of, identity, registered, tool

NAMES = [AgentName("data", "analyst-1"), AgentName("data", "builder"), AgentName("finance", "payer")]
ACTIONS = ["read_table", "read_file", "list_tables", "write_table", "delete_table"]
OTHER_HASH = f"sha256-{'b' * 64}"

_AGENTS = ["*", "namespaces/data/*", "ns/data/agents/analyst-*", "namespaces/finance/agents/payer", "ns/data/agents/*"]
_ACTIONS = ["*", "read_*", "read_table", "write_*", "r*", "list_tables", "delete_*"]
_TOOLS = ["*", "warehouse.*", "warehouse.query", "shell.run"]

_NEUTRAL = [
    "args.rows > 5",
    "args.rows < 3",
    "args.kind == 'a'",
    "args.kind != 'a'",
    "args.xs.exists(x, x == 'a')",
    "args.xs.all(x, x != 'b')",
    "args.rows + 1.0 >= 4.0",
    "args.flag",
    "resource.data_class == 'pii'",
    "resource.data_class in ['public', 'internal']",
    "resource.labels.team == 'x'",
    "context.hour >= 9",
    "agent.team == 'data'",
    "agent.risk_tier != 'high'",
    "action.side_effects == 'read'",
    "action.tool.startsWith('warehouse')",
]
_FAVOURS_TRUST = ["agent.ring <= 1", "agent.ring < 3", "agent.trust >= 500", "2 >= agent.ring"]
_FAVOURS_DISTRUST = ["agent.ring > 1", "agent.ring >= 3", "agent.trust < 500"]
_FAVOURS_PRESENCE = ["has(args.rows)", "has(resource.data_class)", "'team' in resource.labels"]
_FAVOURS_ABSENCE = ["!has(args.rows)", "!has(resource.data_class)", "!('team' in resource.labels)"]

_APPROVAL = {"min_approvals": 2, "approvers": ["group:oncall"], "timeout": "30m"}


@cache
def conditions(effect: str, *, careless: bool) -> list[str]:
    """Conditions a rule of this effect may have, simple ones first.

    Unless they are careless, leaving something out opens none of them.
    """
    grants = effect == "ALLOW"
    leaves = [*_NEUTRAL, *(_FAVOURS_TRUST if grants else _FAVOURS_DISTRUST)]
    leaves += _FAVOURS_PRESENCE if grants or careless else []
    leaves += _FAVOURS_ABSENCE if careless or not grants else []
    negated = [f"!({text})" for text in _NEUTRAL]
    pool, random = leaves + negated, Random(effect)
    chains = [random.choice([" && ", " || "]).join(random.sample(pool, random.choice([2, 2, 3]))) for _ in range(200)]
    return [text for text in [*pool, *chains] if _accepted(text)]


def _accepted(text: str) -> bool:
    try:
        compile_condition(text, SCHEMA)
    except ConditionInvalid:  # two comparisons of one chain that exclude each other
        return False
    return True


@cache
def rules(*, careless: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Rules without names."""
    random = Random(7)
    pool: list[dict[str, Any]] = []
    for place in range(400):
        effect = random.choice(["ALLOW", "ALLOW", "REQUIRE_APPROVAL", "DENY"])
        rule: dict[str, Any] = {
            "effect": effect,
            "match": {"actions": random.sample(_ACTIONS, random.choice([1, 1, 2]))},
        }
        if random.random() < 0.3:
            rule["match"]["tools"] = random.sample(_TOOLS, random.choice([1, 2]))
        if place > 20 and random.random() < 0.8:
            rule["when"] = random.choice(conditions(effect, careless=careless))
        if effect == "REQUIRE_APPROVAL":
            rule["approval"] = {**_APPROVAL, "min_approvals": random.randint(1, 3)}
        pool.append(rule)
    return st.sampled_from(pool)


_GOVERNS: list[dict[str, Any]] = [
    {},
    *({"agents": [agents]} for agents in _AGENTS),
    {"environments": ["prod"]},
    {"environments": ["dev"]},
    {"side": "caller"},
    {"side": "callee"},
    {"agents": ["ns/data/agents/analyst-*", "ns/data/*"], "environments": ["dev", "prod"]},
    {"agents": ["namespaces/finance/agents/payer"], "environments": ["prod"], "side": "caller"},
]


@cache
def policies(*, careless: bool = True) -> st.SearchStrategy[dict[str, Any]]:
    """Policies without names."""
    listed = st.lists(rules(careless=careless), min_size=1, max_size=4)
    return st.tuples(st.sampled_from(_GOVERNS), listed).map(lambda parts: {"governs": parts[0], "rules": parts[1]})


def bundles(*, careless: bool = True) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Bundles as lists of policies; `files` turns them into files."""
    return st.lists(policies(careless=careless), min_size=1, max_size=4)


def files(drawn: list[dict[str, Any]]) -> list[PolicyFile]:
    """One file a policy. JSON is YAML; names come from the place in the list."""
    documents = (json.dumps(document(place, spec)) for place, spec in enumerate(drawn))
    return [PolicyFile(path=f"{place}.yaml", content=text.encode()) for place, text in enumerate(documents)]


def document(place: int, spec: dict[str, Any]) -> dict[str, Any]:
    named = [{"name": f"r{number}", **rule} for number, rule in enumerate(spec["rules"])]
    head = {"apiVersion": "ringfence.dev/v1", "kind": "Policy", "metadata": {"name": f"p{place}"}}
    return {**head, "spec": {**spec, "rules": named}}


@dataclass(kw_only=True)
class World:
    """Everything a decision needs besides the bundle."""

    facts: Facts
    switches: list[KillTarget]
    identity_age: Millis | None
    gated: tuple[str, ...]
    request: CheckRequest


_SENT: list[dict[str, Any]] = [
    {},
    *({"rows": value} for value in (1.0, 3.0, 7.0, "many", None)),
    *({"kind": value} for value in ("a", "b", 1.0)),
    *({"xs": value} for value in ([], ["a"], ["a", "b"], ["c", 1.0], "a")),
    *({"flag": value} for value in (True, False, "yes")),
]


def _sent() -> st.SearchStrategy[dict[str, Any]]:
    parts = st.lists(st.sampled_from([*_SENT, {"hour": 8.0}, {"hour": 12.0}]), max_size=4)
    return parts.map(lambda several: {key: value for part in several for key, value in part.items()})


def requests() -> st.SearchStrategy[CheckRequest]:
    """Questions about the few agents there are."""
    labels: list[dict[str, str]] = [{}, {"team": "x"}, {"team": "y"}]
    resources = [Resource(data_class=data, labels=label) for data in (None, "pii", "public") for label in labels]
    return st.builds(
        ask,
        action=st.sampled_from(ACTIONS),
        agent=st.sampled_from(NAMES),
        tool=st.sampled_from([None, None, *TOOLS]),
        tool_schema_hash=st.sampled_from([None, HASH, HASH, OTHER_HASH]),
        environment=st.sampled_from(["prod"] * 9 + ["dev"]),
        side=st.sampled_from([Side.CALLER, Side.CALLEE]),
        side_effects=st.sampled_from([SideEffects.UNKNOWN, *SideEffects]),
        arguments=_sent(),
        context=_sent(),
        resource=st.sampled_from(resources),
    )


_STATUSES = [IdentityStatus.ACTIVE] * 12 + [IdentityStatus.REVOKED, IdentityStatus.SUSPENDED]
_APPROVED = [*[dict.fromkeys(TOOLS, "")] * 3, {"warehouse.query": HASH, "shell.run": OTHER_HASH}, {}]
_TOOL_FACTS = st.builds(
    tool,
    st.sampled_from(TOOLS),
    schema_hash=st.sampled_from([HASH] * 5 + [OTHER_HASH]),
    enabled=st.sampled_from([True] * 9 + [False]),
    trusted=st.sampled_from([True] * 9 + [False]),
    until=st.sampled_from([None] * 6 + [NOW, Instant(NOW + 1), Instant(NOW - 1)]),
)


def _known(name: AgentName) -> st.SearchStrategy[list[Any]]:
    identities = st.builds(
        identity,
        st.just(name),
        ring=st.sampled_from([2, 1, 3, 0]),
        status=st.sampled_from(_STATUSES),
        tools=st.sampled_from(_APPROVED),
        ring_ceiling=st.sampled_from([0, 0, 0, 1, 2]),
    )
    entries = st.builds(
        registered,
        st.just(name),
        tools=st.sampled_from(_APPROVED),
        retired=st.sampled_from([False] * 12 + [True]),
        halted=st.sampled_from([""] * 12 + ["is a draft"]),
        team=st.sampled_from([None, "data", "other"]),
        risk_tier=st.sampled_from(["low", "high"]),
    )
    both = st.sampled_from([2] * 10 + [1, 0])
    return st.tuples(identities, entries, both).map(lambda drawn: list(drawn[: drawn[2]]))


_TARGETS = [
    KillTarget(TargetKind.EVERYTHING),
    KillTarget(TargetKind.NAMESPACE, "data"),
    KillTarget(TargetKind.AGENT, str(NAMES[0])),
    KillTarget(TargetKind.TOOL, "shell.run"),
]


def _facts(groups: tuple[list[Any], ...], changed: list[RegisteredTool]) -> Facts:
    known = {each.name: each for each in [*map(tool, TOOLS[:2]), *changed]}
    return facts_of(*chain.from_iterable(groups), tools=known.values()) if any(groups) else Facts()


@cache
def worlds() -> st.SearchStrategy[World]:
    """Moments of a small mesh, most of them ordinary."""
    everyone = st.tuples(*map(_known, NAMES))
    return st.builds(
        World,
        facts=st.builds(_facts, everyone, st.lists(_TOOL_FACTS, max_size=2)),
        gated=st.sampled_from([(), (), ("prod",)]),
        switches=st.sampled_from([[]] * 20 + [[target] for target in _TARGETS]),
        identity_age=st.sampled_from([FRESH] * 15 + [Millis(20_000), Millis(300_000), None]),
        request=requests(),
    )
