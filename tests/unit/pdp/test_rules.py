"""What rules do together: strict deny-overrides with three truth values."""

import pytest
from ringfence_pdp.decide import decide
from ringfence_pdp.model import Decision, Effect, Reason, Resource, Side
from support.pdp.world import ask, basis, bundle, policy

ALLOW = "{name: allow, match: {actions: ['*']}, effect: ALLOW}"
ALLOW_BIG = "{name: allow, match: {actions: ['*']}, effect: ALLOW, when: args.rows > 5}"
DENY = "{name: deny, match: {actions: ['*']}, effect: DENY, reason: TOO_MUCH}"
DENY_BIG = "{name: deny, match: {actions: ['*']}, effect: DENY, when: args.rows > 5, reason: TOO_MUCH}"
APPROVE = "{name: ask, match: {actions: ['*']}, effect: REQUIRE_APPROVAL, approval: %s}"
APPROVE_BIG = "{name: ask, match: {actions: ['*']}, effect: REQUIRE_APPROVAL, when: args.rows > 5, approval: %s}"
ONE = "{min_approvals: 1, approvers: ['group:oncall'], timeout: 30m}"
TWO = "{min_approvals: 2, approvers: ['group:security', 'group:oncall'], timeout: 1h}"


def decided(*rules: str, rows: object = None) -> Decision:
    arguments = {} if rows is None else {"rows": rows}
    return decide(basis(bundle(policy(*rules))), ask(arguments=arguments))


@pytest.mark.parametrize(
    ("rules", "rows", "effect", "reason"),
    [
        ([ALLOW], None, Effect.ALLOW, Reason.ALLOWED),
        ([DENY], None, Effect.DENY, Reason.RULE_DENIED),
        ([ALLOW, DENY], None, Effect.DENY, Reason.RULE_DENIED),
        ([ALLOW, DENY_BIG], 7.0, Effect.DENY, Reason.RULE_DENIED),
        ([ALLOW, DENY_BIG], 3.0, Effect.ALLOW, Reason.ALLOWED),
        ([ALLOW, DENY_BIG], None, Effect.DENY, Reason.RULE_ERROR),
        ([ALLOW, DENY_BIG], "many", Effect.DENY, Reason.RULE_ERROR),
        ([ALLOW_BIG], 7.0, Effect.ALLOW, Reason.ALLOWED),
        ([ALLOW_BIG], 3.0, Effect.DENY, Reason.NO_MATCH),
        ([ALLOW_BIG], None, Effect.DENY, Reason.NO_MATCH),
        ([APPROVE % ONE], None, Effect.REQUIRE_APPROVAL, Reason.APPROVAL_REQUIRED),
        ([APPROVE % ONE, ALLOW], None, Effect.REQUIRE_APPROVAL, Reason.APPROVAL_REQUIRED),
        ([APPROVE % ONE, DENY], None, Effect.DENY, Reason.RULE_DENIED),
        ([APPROVE_BIG % ONE, ALLOW], 7.0, Effect.REQUIRE_APPROVAL, Reason.APPROVAL_REQUIRED),
        ([APPROVE_BIG % ONE, ALLOW], 3.0, Effect.ALLOW, Reason.ALLOWED),
        ([APPROVE_BIG % ONE, ALLOW], None, Effect.REQUIRE_APPROVAL, Reason.APPROVAL_REQUIRED),
        ([APPROVE_BIG % ONE], None, Effect.DENY, Reason.NO_MATCH),
        ([APPROVE_BIG % ONE], 3.0, Effect.DENY, Reason.NO_MATCH),
    ],
)
def test_denials_override_and_errors_never_open(rules: list[str], rows: object, effect: Effect, reason: Reason) -> None:
    decision = decided(*rules, rows=rows)
    assert (decision.effect, decision.reason) == (effect, reason)


def test_a_denial_carries_its_authors_reason() -> None:
    verdict = decided(ALLOW, DENY).verdict
    assert (verdict.rules, verdict.rule_reason, verdict.message) == (
        ("p/deny",),
        "TOO_MUCH",
        "rule p/deny denies it (TOO_MUCH)",
    )


def test_an_erring_denial_says_what_it_could_not_read() -> None:
    assert "args.rows is absent" in decided(ALLOW, DENY_BIG).verdict.message


def test_several_requests_for_approval_become_one_that_satisfies_each() -> None:
    second = (APPROVE % TWO).replace("name: ask", "name: ask-more")
    verdict = decided(APPROVE % ONE, second).verdict
    assert verdict.rules == ("p/ask", "p/ask-more")
    assert verdict.approval is not None
    assert (verdict.approval.min_approvals, verdict.approval.timeout) == (2, 1_800_000)
    assert verdict.approval.approver_groups == ("group:oncall", "group:security")


@pytest.mark.parametrize("condition", ["agent.ring >= 2", "agent.trust < 700", "!has(args.ticket)"])
def test_asking_for_approval_of_less_trusted_agents_permits_nothing_by_itself(condition: str) -> None:
    asks = f"{{name: ask, match: {{actions: ['*']}}, effect: REQUIRE_APPROVAL, when: '{condition}', approval: {ONE}}}"
    assert decided(asks).reason is Reason.NO_MATCH
    assert decided(asks, ALLOW).effect is Effect.REQUIRE_APPROVAL


@pytest.mark.parametrize(
    ("match", "tool", "matches"),
    [
        ("{actions: [read_table]}", None, True),
        ("{actions: [read]}", None, False),
        ("{actions: ['read_*']}", None, True),
        ("{actions: ['read_table*']}", None, True),
        ("{actions: ['read_tables*']}", None, False),
        ("{actions: ['list_*', 'read_*', 'read_t*']}", None, True),
        ("{tools: [warehouse.query]}", "warehouse.query", True),
        ("{tools: [warehouse.query]}", "warehouse.export", False),
        ("{tools: [warehouse.query]}", None, False),
        ("{tools: ['warehouse.*']}", "warehouse.export", True),
        ("{tools: ['*']}", "warehouse.export", True),
        ("{tools: ['*']}", None, False),
        ("{actions: ['*'], tools: [warehouse.query]}", "warehouse.query", True),
        ("{actions: [list_tables], tools: [warehouse.query]}", "warehouse.query", False),
    ],
)
def test_a_rule_matches_by_action_and_tool(match: str, tool: str | None, matches: bool) -> None:
    compiled = bundle(policy(f"{{name: a, match: {match}, effect: ALLOW}}"))
    assert (decide(basis(compiled), ask(tool=tool)).effect is Effect.ALLOW) == matches


@pytest.mark.parametrize(
    ("governs", "side", "matches"),
    [
        ("{}", Side.CALLER, True),
        ("{agents: ['*']}", Side.CALLER, True),
        ("{agents: ['namespaces/data/agents/analyst-1']}", Side.CALLER, True),
        ("{agents: ['ns/data/agents/analyst-*']}", Side.CALLER, True),
        ("{agents: ['namespaces/data/*']}", Side.CALLER, True),
        ("{agents: ['namespaces/da*']}", Side.CALLER, True),
        ("{agents: ['namespaces/finance/agents/*']}", Side.CALLER, False),
        ("{agents: ['namespaces/data/agents/analyst']}", Side.CALLER, False),
        ("{environments: [prod, dev]}", Side.CALLER, True),
        ("{environments: [dev]}", Side.CALLER, False),
        ("{side: caller}", Side.CALLER, True),
        ("{side: callee}", Side.CALLER, False),
        ("{side: callee}", Side.CALLEE, True),
    ],
)
def test_a_policy_governs_by_agent_environment_and_side(governs: str, side: Side, matches: bool) -> None:
    compiled = bundle(policy(ALLOW, governs=governs))
    assert (decide(basis(compiled), ask(side=side)).effect is Effect.ALLOW) == matches


def test_context_and_arguments_cannot_stand_in_for_facts() -> None:
    forged = {"agent": {"ring": 0.0, "trust": 1000.0}, "ring": 0.0, "environment": "dev"}
    compiled = bundle(policy("{name: a, match: {actions: ['*']}, effect: ALLOW, when: agent.ring <= 1}"))
    decision = decide(basis(compiled), ask(context=forged, arguments=forged, resource=Resource(labels={"ring": "0"})))
    assert (decision.reason, decision.ring) == (Reason.NO_MATCH, 2)


def test_every_root_of_the_vocabulary_can_be_read() -> None:
    condition = (
        "agent.did.startsWith('did:') && agent.name.endsWith('analyst-1') && agent.namespace == 'data' "
        "&& agent.environment == environment && agent.ring <= 2 && agent.trust >= 500 && agent.owner == 'Ada' "
        "&& agent.risk_tier == 'low' && agent.data_classes == [] && !('x' in agent.labels) "
        "&& action.name == 'read_table' && action.tool == 'warehouse.query' && action.side_effects == 'unknown' "
        "&& args.rows < 5 && context.hour == 9 && side == 'caller' && now.getFullYear() == 2026 "
        "&& resource.type == 'table' && resource.id == 'orders' && resource.data_class == 'pii' "
        "&& resource.labels.a == 'b'"
    )
    compiled = bundle(policy(f'{{name: a, match: {{actions: ["*"]}}, effect: ALLOW, when: "{condition}"}}'))
    resource = Resource(type="table", id="orders", data_class="pii", labels={"a": "b"})
    request = ask(arguments={"rows": 1.0}, context={"hour": 9.0}, resource=resource, tool="warehouse.query")
    assert decide(basis(compiled), request).effect is Effect.ALLOW
