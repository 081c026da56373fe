"""Which answers may be used again, for what, and how long: only what asking again would give."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from ringfence_kit.clock import DAY, Instant, Millis
from ringfence_kit.names import AgentName
from ringfence_pdp.cacheable import _MEMBERS, _MOMENTARY, ALWAYS, KEPT, TTL, CacheHint, cache_hint
from ringfence_pdp.case import Basis, Case
from ringfence_pdp.cel.types import Record
from ringfence_pdp.compile import CompiledBundle
from ringfence_pdp.decide import decide
from ringfence_pdp.facts import AgentIdentity
from ringfence_pdp.model import Effect, Target
from ringfence_pdp.vocabulary import SCHEMA
from support.pdp.world import NOW, SCORES, ask, basis, bundle, facts_of, identity, policy, registered, tool, trust


def hint(when: str | None = None, *, more: str = "", on: Basis | None = None, **asked: Any) -> CacheHint | None:
    condition = "" if when is None else f', when: "{when}"'
    compiled = bundle(policy(f"{{name: r, match: {{actions: ['*']}}, effect: ALLOW{condition}{more}}}"))
    return of(compiled, on, **asked)


def of(compiled: CompiledBundle, on: Basis | None = None, **asked: Any) -> CacheHint | None:
    on = basis(compiled) if on is None else on._replace(bundle=compiled)
    request = ask(**asked)
    return cache_hint(Case(on, request), decide(on, request))


def varies(when: str, **asked: Any) -> set[str]:
    found = hint(when, **asked)
    assert found is not None
    return set(found.vary_on) - set(ALWAYS)


def test_an_answer_that_depends_on_nothing_more_is_good_for_the_same_call() -> None:
    assert hint() == CacheHint(TTL, ALWAYS)
    assert tuple(sorted(ALWAYS)) == ALWAYS


@pytest.mark.parametrize(
    ("when", "asked", "members"),
    [
        ("args.rows < 5", {"arguments": {"rows": 1}}, {"action.arguments"}),
        ("has(args.rows)", {"arguments": {"rows": 1}}, {"action.arguments"}),
        ("context.ticket == 'x'", {"context": {"ticket": "x"}}, {"context"}),
        ("!has(resource.type)", {}, {"resource.type"}),
        ("size(resource.labels) == 0 || has(resource.labels.a)", {}, {"resource.labels"}),
        ("agent.ring <= 2", {}, set()),
        ("agent.risk_tier == 'low' && action.name != 'x'", {}, set()),
        ("action.protocol == 'unknown'", {}, {"action.protocol"}),
    ],
)
def test_it_varies_with_what_conditions_read(when: str, asked: dict[str, Any], members: set[str]) -> None:
    assert varies(when, **asked) == members


def test_a_rule_that_does_not_apply_now_counts_as_well() -> None:
    compiled = bundle(
        policy(
            "{name: a, match: {actions: ['*']}, effect: ALLOW}",
            "{name: d, match: {actions: ['read_*']}, effect: DENY, when: \"has(args.rows) && args.rows > 5\"}",
        )
    )
    found = of(compiled)
    assert found is not None
    assert "action.arguments" in found.vary_on


def test_what_is_obliged_to_depends_on_what_is_supported() -> None:
    found = hint(more=", obligations: [{type: log}]", supported_obligations=frozenset({"log"}))
    assert found is not None
    assert "supported_obligations" in found.vary_on


@pytest.mark.parametrize("when", ["now.getHours() < 25", "agent.trust >= 100", "agent.ring <= 2 && agent.trust > 1"])
def test_what_a_moment_changes_is_not_kept(when: str) -> None:
    assert hint(when) is None


@pytest.mark.parametrize(
    "effect", ["DENY", "REQUIRE_APPROVAL, approval: {min_approvals: 1, approvers: ['group:a'], timeout: 30m}"]
)
def test_only_what_is_allowed_is_kept(effect: str) -> None:
    assert of(bundle(policy(f"{{name: r, match: {{actions: ['*']}}, effect: {effect}}}"))) is None


def test_what_counts_is_counted_each_time() -> None:
    text = policy("{name: r, match: {actions: ['*']}, effect: ALLOW}")
    limited = bundle(text + "  limits: [{rate: 5/1s, per: agent, match: {actions: ['read_*']}}]\n")
    assert of(limited, action="read_x") is None
    assert of(limited, action="write_x") is not None


@pytest.mark.parametrize(
    "asked",
    [
        {"chain": (f"did:webvh:{'x'}",)},
        {"target": Target(agent=AgentName("data", "b"))},
        {"delegation_token": "t"},
        {"elevation_grants": ("g",)},
        {"approval": "approvals/x"},
    ],
)
def test_what_is_brought_along_is_not_for_keeping(asked: dict[str, Any]) -> None:
    compiled = bundle(policy("{name: r, match: {actions: ['*']}, effect: ALLOW}"))
    on = basis(compiled)
    allowed = decide(on, ask())
    assert allowed.effect is Effect.ALLOW
    assert cache_hint(Case(on, ask(**asked)), allowed) is None


def fading(points: int) -> AgentIdentity:
    """An agent whose trust falls as time goes by."""
    old = replace(trust(2, points), last_positive_at=Instant(NOW - 30 * DAY))
    return replace(identity(), trust=old)


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        (replace(identity(), expires_at=Instant(NOW + TTL)), {}),
        (identity(tools={"warehouse.query": ""}), {"tool": "warehouse.query"}),
    ],
)
def test_what_ends_meanwhile_is_not_kept(known: AgentIdentity, asked: dict[str, Any]) -> None:
    ending = [tool(until=Instant(NOW + TTL))]
    assert hint(on=basis(facts=facts_of(known, registered(), tools=ending)), **asked) is None
    assert hint(on=basis(facts=facts_of(identity(), registered()))) is not None


@pytest.mark.parametrize("age", [None, Millis(300_000 - TTL), Millis(299_999)])
def test_what_silence_would_end_is_not_kept(age: Millis | None) -> None:
    assert hint(on=basis(identity_age=age)) is None


def test_a_trusted_ring_that_silence_would_take_is_not_kept() -> None:
    facts = facts_of(identity(ring=1), registered())
    assert hint(on=basis(facts=facts, identity_age=Millis(10_000))) is not None
    assert hint(on=basis(facts=facts, identity_age=Millis(10_001))) is None


def test_the_ring_is_looked_at_as_it_will_be() -> None:
    for points in range(SCORES[3], SCORES[2]):
        known = fading(points)
        on = basis(facts=facts_of(known, registered()))
        found = hint(on=on)
        if found is not None:
            compiled = bundle(policy("{name: r, match: {actions: ['*']}, effect: ALLOW}"))
            then = on._replace(bundle=compiled, now=Instant(NOW + TTL), identity_age=Millis(200 + TTL))
            assert decide(then, ask()).ring == decide(on._replace(bundle=compiled), ask()).ring


def leaves(record: Record, path: str = "") -> Iterator[str]:
    for name, field in record.fields.items():
        below = f"{path}{name}"
        if isinstance(field.type, Record):
            yield from leaves(field.type, f"{below}.")
        else:
            yield below


FACTS = ("agent.", "origin.", "target.", "chain")


def test_every_attribute_is_a_fact_or_varies_or_is_momentary() -> None:
    for path in leaves(SCHEMA):
        known = path in ALWAYS or path in _MEMBERS or path.startswith(_MOMENTARY) or path.startswith(FACTS)
        assert known, f"nobody says whether an answer that read {path} may be used again"


def test_what_is_kept_with_a_bundle_is_bounded() -> None:
    compiled = bundle(policy("{name: r, match: {actions: ['*']}, effect: ALLOW}"))
    on = basis(compiled)
    for place in range(KEPT + 5):
        request = ask(action=f"read_{place}")
        cache_hint(Case(on, request), decide(on, ask()))
    assert len(compiled.hints) <= KEPT
