"""Presets: called as people write them, expanding to rules that decide the same when they are written out."""

import textwrap
from typing import Any

import pytest
from ringfence_kit.clock import DAY, HOUR, MINUTE, Instant
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import CompiledBundle, compile_files
from ringfence_pdp.decide import decide
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.facts import Facts
from ringfence_pdp.limit import LimitPer
from ringfence_pdp.model import Effect, SideEffects
from ringfence_pdp.presets.catalog import PRESETS
from ringfence_pdp.presets.expanding import shown
from support.pdp.world import NOW, ask, basis, bundle, facts_of, identity, registered
from support.pdp.world import tool as tool_of

HEAD = "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n"
ALLOW_ALL = "  rules:\n    - {name: all, match: {actions: ['*']}, effect: ALLOW}\n"


def called(*calls: str, also: str = "") -> CompiledBundle:
    return bundle(HEAD + "  presets:\n" + "".join(f"    - {call}\n" for call in calls) + also)


def answer(compiled: CompiledBundle, action: str = "read_table", *, facts: Facts | None = None, **fields: Any) -> str:
    known = facts_of(identity(ring=1), registered()) if facts is None else facts
    now = fields.pop("now", NOW)
    assert isinstance(now, int)
    decision = decide(basis(compiled, facts=known, now=Instant(now)), ask(action, **fields))
    return f"{decision.effect.name} {decision.verdict.rule_reason or decision.reason.name}"


@pytest.mark.parametrize(
    ("action", "effects", "expected"),
    [
        ("read_table", SideEffects.UNKNOWN, "ALLOW ALLOWED"),
        ("list_tables", SideEffects.READ, "ALLOW ALLOWED"),
        ("read_table", SideEffects.REVERSIBLE, "DENY READ_ONLY"),
        ("write_table", SideEffects.UNKNOWN, "DENY READ_ONLY"),
        ("write_table", SideEffects.READ, "DENY READ_ONLY"),
        ("read", SideEffects.UNKNOWN, "DENY READ_ONLY"),
    ],
)
def test_read_only(action: str, effects: SideEffects, expected: str) -> None:
    assert answer(called("read_only"), action, side_effects=effects) == expected


def test_read_only_holds_beside_a_rule_that_allows_more() -> None:
    assert answer(called("read_only", also=ALLOW_ALL), "write_table") == "DENY READ_ONLY"


def test_rate_limit() -> None:
    compiled = called("rate_limit(100, 1m)", also=ALLOW_ALL)
    (found,) = compiled.limits
    assert (found.id, found.limit.maximum, found.limit.window) == ("p/rate-limit", 100, MINUTE)
    assert (found.limit.per, found.limit.burst, found.needs_tool) == (LimitPer.AGENT, 100, False)


def test_rate_limit_with_everything_said() -> None:
    (found,) = called('rate_limit(100, 1m, per=team, burst=5, actions=["read_*"], name=reads)').limits
    assert (found.id, found.limit.per, found.limit.burst) == ("p/reads", LimitPer.TEAM, 5)
    assert found.match.actions == ("read_*",)


def test_require_approval() -> None:
    compiled = called('require_approval(["delete_*", "write_production_*"], 2, 30m)')
    assert (
        answer(compiled, "delete_table")
        == answer(compiled, "write_production_row")
        == "REQUIRE_APPROVAL APPROVAL_REQUIRED"
    )
    assert answer(compiled, "write_table") == "DENY NO_MATCH"
    (rule,) = compiled.rules
    assert rule.approval is not None
    assert (rule.approval.min_approvals, rule.approval.timeout, rule.approval.approver_groups) == (2, 30 * MINUTE, ())


def test_require_approval_of_a_group() -> None:
    (rule,) = called('require_approval([delete_*], approvers=["group:oncall"])').rules
    assert rule.approval is not None
    assert (rule.approval.min_approvals, rule.approval.approver_groups) == (1, ("group:oncall",))


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("warehouse.query", "ALLOW ALLOWED"),
        ("warehouse.export", "DENY TOOL_NOT_LISTED"),
        ("mail.send", "ALLOW ALLOWED"),
        (None, "DENY NO_MATCH"),
    ],
)
def test_tool_allow_list(tool: str | None, expected: str) -> None:
    tools = {"warehouse.query": "", "warehouse.export": "", "mail.send": ""}
    facts = facts_of(identity(ring=1, tools=tools), registered(tools=tools), tools=map(tool_of, tools))
    assert answer(called('tool_allow_list(["warehouse.query", "mail.*"])'), facts=facts, tool=tool) == expected


THURSDAY = Instant(NOW - NOW % DAY)
"""1 January 2026, midnight UTC."""


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        (THURSDAY + 8 * HOUR - 1, False),
        (THURSDAY + 8 * HOUR, True),
        (THURSDAY + 16 * HOUR + 30 * MINUTE - 1, True),
        (THURSDAY + 16 * HOUR + 30 * MINUTE, False),
        (THURSDAY + 2 * DAY + 12 * HOUR, False),
    ],
)
def test_business_hours(at: int, open_: bool) -> None:
    compiled = called('business_hours("09:00", "17:30", offset="+01:00")', also=ALLOW_ALL)
    assert answer(compiled, now=at) == ("ALLOW ALLOWED" if open_ else "DENY OUT_OF_HOURS")


def test_no_production() -> None:
    facts = facts_of(identity(ring=1), identity(ring=1, environment="dev"), registered())
    compiled = called("no_production", also=ALLOW_ALL)
    assert answer(compiled, facts=facts) == "DENY NO_PRODUCTION"
    assert answer(compiled, facts=facts, environment="dev") == "ALLOW ALLOWED"


def test_spend_cap() -> None:
    (found,) = called("spend_cap(50, 1d, per=team)").limits
    assert (found.id, found.limit.maximum, found.limit.window) == ("p/spend-cap", 50_000_000, DAY)
    assert [alert.share for alert in found.limit.alerts] == [0.5, 0.8]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [({"track": "canary"}, "ALLOW ALLOWED"), ({"track": "stable"}, "DENY NOT_A_CANARY"), ({}, "DENY NOT_A_CANARY")],
)
def test_canary_only(labels: dict[str, str], expected: str) -> None:
    facts = facts_of(identity(ring=1), registered(labels=labels))
    assert answer(called("canary_only", also=ALLOW_ALL), facts=facts) == expected


def test_what_is_given_by_name_is_what_is_given_by_place() -> None:
    by_place = called("rate_limit(100, 1m, team)").limits[0].limit
    assert called("rate_limit(window=1m, calls=100, per=team)").limits[0].limit == by_place
    assert called("rate_limit: {calls: 100, window: 1m, per: team}").limits[0].limit == by_place
    assert called("'rate_limit( 100 ,1m, \"team\" )'").limits[0].limit == by_place


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_what_a_preset_is_shown_to_expand_to_is_the_same_policy(preset: object) -> None:
    example = PRESETS[getattr(preset, "name", "")].example
    by_hand = bundle(HEAD + textwrap.indent(shown(example), "  "))
    by_name = called(example)
    assert by_hand.limits == () or [each.limit for each in by_hand.limits] == [each.limit for each in by_name.limits]
    assert [(rule.id, rule.effect, rule.approval, rule.rule.when) for rule in by_hand.rules] == [
        (rule.id, rule.effect, rule.approval, rule.rule.when) for rule in by_name.rules
    ]
    assert [(one.id, one.written.use, one.written.approval) for one in by_hand.filters] == [
        (one.id, one.written.use, one.written.approval) for one in by_name.filters
    ]
    assert by_hand.rules or by_hand.limits or by_hand.filters


def test_one_preset_twice_needs_names() -> None:
    with pytest.raises(BundleInvalid, match="another rule of this policy is called"):
        called("canary_only", "canary_only(label=stage)")
    assert len(called("canary_only", "canary_only(label=stage, name=by-stage)").rules) == 2


@pytest.mark.parametrize(
    "call",
    [
        "read_only(actions=[\"read_' || true || '\"])",
        "tool_allow_list([\"a' , 'b\"])",
        "canary_only(label=\"x'] == 'y' || agent.labels['x\")",
        'business_hours("08:00", "18:00", offset="+00:00\') < 0 || (\'")',
        "no_production(environments=[\"dev'] || environment in ['prod\"])",
    ],
)
def test_nothing_that_is_given_ends_the_text_of_a_condition(call: str) -> None:
    with pytest.raises(BundleInvalid):
        compile_files([PolicyFile(path="p.yaml", content=(HEAD + f"  presets:\n    - {call}\n").encode())])


def test_a_call_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(ValueError, match="there is no preset 'nothing'"):
        shown("nothing")


def test_a_preset_that_only_restricts_grants_nothing() -> None:
    restricting = called("rate_limit(100, 1m)", "business_hours", "no_production", "spend_cap(5)", "canary_only")
    assert not any(rule.effect > Effect.DENY for rule in restricting.rules)
