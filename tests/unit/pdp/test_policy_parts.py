"""What a policy says besides effects: obligations, limits, the caller's ring, boundaries; and how it is found."""

import pytest
from ringfence_kit.clock import DAY, MINUTE
from ringfence_pdp.limit import LimitPer, LimitUnit
from ringfence_pdp.model import Obligation, Side
from support.pdp.world import bundle, policy

READ = "{name: read, match: {actions: ['read_*']}, effect: ALLOW}"
ANALYST = "namespaces/data/agents/analyst-1"
PARTNERS = "namespaces/data/boundaries/partners"


def with_limits(*limits: str, name: str = "p", governs: str = "{}") -> str:
    return policy(READ, name=name, governs=governs) + "  limits:\n" + "".join(f"    - {limit}\n" for limit in limits)


def test_a_rate_fills_all_the_time_and_may_be_used_at_once() -> None:
    (found,) = bundle(with_limits("{rate: 100/1m, per: agent}")).limits
    limit = found.limit
    assert (found.id, limit.budget, limit.unit, limit.per) == (
        "p/rate-per-agent",
        False,
        LimitUnit.REQUESTS,
        LimitPer.AGENT,
    )
    assert (limit.maximum, limit.window, limit.burst, limit.alerts) == (100, MINUTE, 100, ())


@pytest.mark.parametrize(("text", "maximum"), [("20", 20), ("250k", 250_000), ("2M", 2_000_000), ("0.5G", 500_000_000)])
def test_amounts_are_exact(text: str, maximum: int) -> None:
    (found,) = bundle(with_limits(f"{{budget: {{tokens: {text}}}, window: 1d, per: team}}")).limits
    assert (found.limit.maximum, found.limit.burst, found.limit.window) == (maximum, maximum, DAY)


def test_a_budget_of_several_units_is_a_limit_of_each() -> None:
    limits = bundle(with_limits("{name: daily, budget: {tokens: 2M, usd: 50.25}, window: 1d, per: team}")).limits
    assert [(found.id, found.limit.maximum) for found in limits] == [
        ("p/daily.cost_micros", 50_250_000),
        ("p/daily.tokens", 2_000_000),
    ]


def test_the_least_use_that_crosses_a_share_is_a_whole_number() -> None:
    (found,) = bundle(with_limits("{budget: {requests: 7}, window: 1h, per: session, alert_at: [0.8, 0.5, 1]}")).limits
    assert [(alert.share, alert.used) for alert in found.limit.alerts] == [(0.5, 4), (0.8, 6), (1.0, 7)]


def test_limits_are_found_by_what_they_count() -> None:
    compiled = bundle(
        with_limits("{rate: 1/1s, per: agent, match: {tools: ['warehouse.*']}}", name="a"),
        with_limits("{rate: 1/1s, per: agent, match: {actions: ['read_*']}}", name="b", governs="{side: callee}"),
        with_limits("{rate: 1/1s, per: agent}", name="c", governs="{environments: [dev]}"),
    )

    def ids(action: str, tool: str | None, side: Side) -> list[str]:
        found = compiled.counting(environment="prod", agent=ANALYST, action=action, tool=tool, side=side)
        return [limit.policy.name for limit in found]

    assert ids("read_table", "warehouse.query", Side.CALLEE) == ["a", "b"]
    assert ids("read_table", "warehouse.query", Side.CALLER) == ["a"]
    assert ids("read_table", None, Side.CALLER) == []
    assert ids("write_table", "mail", Side.CALLEE) == []


def test_what_a_rule_obliges_to_is_json_ordered_by_type_and_id() -> None:
    written = (
        "obligations: [{type: redact, id: pii, properties: {fields: [email], rows: 5, no: 'no', at: '5'}}, {type: log}]"
    )
    (rule,) = bundle(policy(f"{{name: r, match: {{actions: ['*']}}, effect: ALLOW, {written}}}")).rules
    assert rule.obligations == (
        Obligation("log", "log", {}),
        Obligation("redact", "pii", {"fields": ["email"], "rows": 5, "no": "no", "at": "5"}),
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1.5", 1.5),
        ("true", True),
        ("null", None),
        ("no", "no"),
        ("'true'", "true"),
        ("0x1f", "0x1f"),
        ("1e400", "1e400"),
    ],
)
def test_properties_are_json_and_nothing_of_yaml(written: str, value: object) -> None:
    obligations = f"[{{type: t, properties: {{a: {written}}}}}]"
    rule = f"{{name: r, match: {{actions: ['*']}}, effect: ALLOW, obligations: {obligations}}}"
    (compiled,) = bundle(policy(rule)).rules
    assert compiled.obligations[0].properties == {"a": value}


def test_the_strictest_ring_asked_of_callers_holds() -> None:
    def asking(name: str, ring: int, governs: str) -> str:
        return policy(READ, name=name, governs=governs) + f"  min_caller_ring: {ring}\n"

    compiled = bundle(
        asking("a", 2, "{}"),
        asking("b", 1, "{agents: [ns/data/agents/*], side: callee}"),
        asking("c", 0, "{environments: [dev]}"),
    )
    assert compiled.min_caller_ring(ANALYST, "prod") == 1
    assert compiled.min_caller_ring("namespaces/ops/agents/x", "prod") == 2
    assert compiled.min_caller_ring(ANALYST, "dev") == 0
    assert bundle(policy(READ)).min_caller_ring(ANALYST, "prod") is None


def test_whoever_governs_an_agent_is_found_by_side() -> None:
    compiled = bundle(
        policy(READ, name="both"),
        policy(READ, name="caller", governs="{side: caller}"),
        policy(READ, name="callee", governs="{agents: [ns/data/agents/*], side: callee}"),
        policy(READ, name="boundary", governs=f"{{boundaries: ['{PARTNERS}']}}"),
    )

    def names(agent: str, side: Side) -> list[str]:
        return [each.name for each in compiled.governing(agent, "prod", side)]

    assert names(ANALYST, Side.CALLER) == ["both", "caller"]
    assert names(ANALYST, Side.CALLEE) == ["both", "callee"]
    assert names("namespaces/ops/agents/x", Side.CALLEE) == ["both"]
    assert names(PARTNERS, Side.CALLER) == ["both", "caller"]


def test_rules_of_a_boundary_are_found_by_its_name_and_never_by_an_agents() -> None:
    compiled = bundle(policy(READ, name="b", governs="{boundaries: ['ns/data/boundaries/*'], side: boundary}"))

    def found(index: str, agent: str) -> list[int]:
        candidates = getattr(compiled, index).candidates
        return list(candidates(environment="prod", agent=agent, action="read_table", tool=""))

    assert found("boundary_index", PARTNERS) == [0]
    assert found("index", PARTNERS) == found("index", ANALYST) == []
    assert compiled.has_boundaries


def test_an_approval_may_end_at_one_refusal_and_need_no_group() -> None:
    approval = "{min_approvals: 2, timeout: 30m, deny_ends: true}"
    (rule,) = bundle(
        policy(f"{{name: r, match: {{actions: ['*']}}, effect: REQUIRE_APPROVAL, approval: {approval}}}")
    ).rules
    assert rule.approval is not None
    assert (rule.approval.deny_ends, rule.approval.approver_groups) == (True, ())


def test_a_policy_may_consist_of_limits() -> None:
    head = "apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: p}\n"
    compiled = bundle(head + "spec: {limits: [{rate: 5/1s, per: everything}]}\n")
    assert (compiled.rules, len(compiled.limits)) == ((), 1)
