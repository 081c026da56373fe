"""Holes that were found in other engines by running them, each with the test that there is none here.

What is said of an engine is what it did at the version it was looked at; the names are kept so that whoever comes from
one finds what is different.
"""

from dataclasses import replace
from itertools import permutations
from random import Random

import pytest
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.compile import CompiledBundle, compile_files
from ringfence_pdp.decide import decide
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.filters.finding import Effects
from ringfence_pdp.model import Effect, SideEffects
from support.pdp.world import ask, basis, bundle, facts_of, identity, policy, registered, tool, trust

ALLOW = "{name: all, match: {actions: ['*']}, effect: ALLOW}"


def denying(when: str) -> CompiledBundle:
    return bundle(policy(ALLOW, f"{{name: no, match: {{actions: ['*']}}, effect: DENY, when: \"{when}\"}}"))


def answer(compiled: CompiledBundle, action: str = "read_table", *, ring: int = 1, **asked: object) -> str:
    facts = facts_of(identity(ring=ring), registered())
    decision = decide(basis(compiled, facts=facts), ask(action, **asked))  # type: ignore[arg-type]  # any field of a question
    return f"{decision.effect.name} {decision.reason.name}"


# AGT 1.5 (A): a deny rule that is spelt in one of these ways never fires.


@pytest.mark.parametrize(
    ("when", "arguments"),
    [
        ("args.count == 5", {"count": 5.0}),
        ("!args.approved", {"approved": False}),
        ("args.delta == -3", {"delta": -3.0}),
        ("(args.a == 1 || args.b == 1) && args.c == 1", {"a": 0.0, "b": 1.0, "c": 1.0}),
        ("args.text == 'this or that'", {"text": "this or that"}),
        ("args.text == 'this and that'", {"text": "this and that"}),
        (" || ".join(f"args.n == {n}" for n in range(200)), {"n": 199.0}),
        ("args.n in [1, 2, 3]", {"n": 3.0}),
    ],
)
def test_agt_a_deny_rule_fires_however_it_is_spelt(when: str, arguments: dict[str, object]) -> None:
    assert answer(denying(when), arguments=arguments) == "DENY RULE_DENIED"


def test_agt_what_follows_a_condition_is_not_ignored() -> None:
    with pytest.raises(BundleInvalid, match="condition"):
        denying("args.count == 5 garbage")


def test_agt_an_error_in_an_allow_rule_does_not_allow() -> None:
    compiled = bundle(policy("{name: a, match: {actions: ['*']}, effect: ALLOW, when: 'args.risk < 10'}"))
    assert answer(compiled, arguments={"risk": "low"}) == "DENY NO_MATCH"


def test_agt_a_number_that_is_not_there_is_not_zero() -> None:
    compiled = bundle(policy("{name: a, match: {actions: ['*']}, effect: ALLOW, when: 'args.risk < 10'}"))
    assert answer(compiled) == "DENY NO_MATCH"


def test_agt_an_effect_means_what_it_says() -> None:
    """`warn` denied, contrary to its documentation; here there is nothing beside the three."""
    with pytest.raises(BundleInvalid, match="give DENY or REQUIRE_APPROVAL or ALLOW"):
        bundle(policy("{name: a, match: {actions: ['*']}, effect: WARN}"))


def test_agt_an_allow_of_higher_priority_does_not_beat_an_approval() -> None:
    asking = "effect: REQUIRE_APPROVAL, approval: {min_approvals: 1, timeout: 30m}"
    compiled = bundle(policy(ALLOW, f"{{name: q, match: {{actions: ['*']}}, {asking}}}"))
    assert answer(compiled) == "REQUIRE_APPROVAL APPROVAL_REQUIRED"


def test_agt_conflicts_and_defaults_do_not_depend_on_the_order_of_loading() -> None:
    texts = [policy(ALLOW, name="a"), policy("{name: d, match: {actions: ['read_*']}, effect: DENY}", name="b")]
    texts.append("apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {name: c}\nspec: {min_caller_ring: 3}\n")
    answers = {answer(bundle(*order)) for order in permutations(texts)}
    assert answers == {"DENY RULE_DENIED"}


def test_agt_no_policy_at_all_does_not_allow() -> None:
    assert decide(basis(None), ask()).effect is Effect.DENY
    assert (
        answer(
            bundle(
                "apiVersion: ringfence.dev/v1\nkind: RingGate\nmetadata: {name: g}\nspec:\n  requirements: "
                "[{actions: [read_secret], ring: 1}]\n"
            )
        )
        == "DENY NO_MATCH"
    )


def test_agt_the_callers_context_stands_in_for_nothing() -> None:
    compiled = bundle(
        policy(
            "{name: a, match: {actions: ['read_*']}, effect: ALLOW}",
            "{name: d, match: {actions: ['*']}, effect: DENY, when: \"action.name == 'write_x' || agent.ring > 1\"}",
        )
    )
    lies = {"action": "read_table", "action.name": "read_table", "agent": {"ring": 0.0}, "ring": 0.0}
    assert answer(compiled, "write_x", context=lies, arguments=lies) == "DENY RULE_DENIED"
    assert answer(compiled, ring=2, context=lies, arguments=lies) == "DENY RULE_DENIED"


def test_agt_most_specific_wins_does_not_let_an_agent_beat_its_tenant() -> None:
    agent = policy(ALLOW, name="agent", governs="{agents: [ns/data/agents/analyst-1]}")
    tenant = policy("{name: d, match: {actions: ['*']}, effect: DENY}", name="tenant", governs="{agents: [ns/data/*]}")
    specific = agent.replace("  rules:", "  algorithm: most_specific_wins\n  rules:")
    assert answer(bundle(specific, tenant)) == "DENY RULE_DENIED"


# AGT 1.4: rings.


def test_agt_a_score_counts_whatever_ring_was_assigned() -> None:
    """An agent in ring 1 with nothing left of its trust was let through."""
    fallen = identity(ring=1, score=0)
    assert fallen.trust == trust(1, 0)
    decision = decide(basis(bundle(policy(ALLOW)), facts=facts_of(fallen, registered())), ask("write_table"))
    assert (decision.reason.name, decision.ring) == ("RING_INSUFFICIENT", 3)


def test_agt_calling_an_action_read_only_does_not_lower_what_it_needs() -> None:
    asked = {"side_effects": SideEffects.READ, "ring": 3}
    assert answer(bundle(policy(ALLOW)), "write_production_row", **asked) == "DENY RING_INSUFFICIENT"
    assert answer(bundle(policy(ALLOW)), "read_row", ring=3, side_effects=SideEffects.IRREVERSIBLE).startswith("DENY")


@pytest.mark.parametrize(("effects", "ring"), [(Effects.READ, 3), (Effects.REVERSIBLE, 2), (Effects.IRREVERSIBLE, 1)])
@pytest.mark.parametrize("said", [SideEffects.UNKNOWN, SideEffects.READ])
def test_agt_a_tool_does_what_its_contract_says_whatever_it_is_called(
    effects: Effects, ring: int, said: SideEffects
) -> None:
    """Only what a request said of its own side effects was held against the table, and gateways say nothing."""
    contract = replace(tool(), effects=effects)
    asked = ask("read_table", tool=contract.name, side_effects=said)
    for agent_ring in range(4):
        facts = facts_of(identity(ring=agent_ring), registered(), tools=[contract])
        decision = decide(basis(bundle(policy(ALLOW)), facts=facts), asked)
        assert (decision.effect is Effect.ALLOW) is (agent_ring <= ring)


def test_a_rule_about_side_effects_sees_those_of_the_contract() -> None:
    contract = replace(tool(), effects=Effects.IRREVERSIBLE)
    facts = facts_of(identity(ring=0), registered(), tools=[contract])
    compiled = denying("action.side_effects == 'irreversible'")
    assert decide(basis(compiled, facts=facts), ask("read_table", tool=contract.name)).reason.name == "RULE_DENIED"


# Cerbos 0.55 and Cedar 4.12: a DENY (forbid) whose condition errs is passed over.


def test_cerbos_and_cedar_a_denial_that_errs_denies() -> None:
    assert answer(denying("args.attribute.that.is.missing == 1")) == "DENY RULE_ERROR"


# Cerbos: across roles any ALLOW wins; a scope below overrides the one above.


def test_cerbos_a_second_policy_never_takes_a_denial_back() -> None:
    wall = policy("{name: d, match: {actions: ['read_*']}, effect: DENY}", name="parent")
    child = policy(ALLOW, name="child", governs="{agents: [ns/data/agents/analyst-1], environments: [prod]}")
    assert answer(bundle(wall, child)) == "DENY RULE_DENIED"


def test_cerbos_an_index_does_not_depend_on_how_a_bundle_was_loaded() -> None:
    """About half of fresh loads built an index that fired a rule and dropped its effect."""
    texts = [
        policy(f"{{name: r, match: {{actions: ['{pattern}']}}, effect: {effect}}}", name=f"p{place}")
        for place, (pattern, effect) in enumerate(
            [("read_*", "ALLOW"), ("read_t*", "DENY"), ("*", "ALLOW"), ("list_*", "DENY"), ("read_table", "ALLOW")]
        )
    ]
    files = [PolicyFile(path=f"{place}.yaml", content=text.encode()) for place, text in enumerate(texts)]
    random, seen = Random(7), set()
    for _ in range(50):
        random.shuffle(files)
        compiled = compile_files(files)
        seen.add(tuple(answer(compiled, action) for action in ("read_table", "read_x", "list_x", "get_x")))
    assert seen == {("DENY RULE_DENIED", "ALLOW ALLOWED", "DENY RULE_DENIED", "ALLOW ALLOWED")}


# agentgateway: rules that only deny denied everything, or silently never fired.


def test_agentgateway_rules_that_only_deny_neither_allow_nor_hide_that_they_do_not() -> None:
    compiled = bundle(policy("{name: d, match: {actions: ['delete_*']}, effect: DENY}"))
    assert answer(compiled) == "DENY NO_MATCH"
    assert "lets anything through" in compiled.findings[0].problem


# Istio: a missing attribute in a DENY counts as a match, which is what it does here; and in an ALLOW it does not.


def test_a_missing_attribute_counts_for_the_denial_and_not_for_the_permission() -> None:
    assert answer(denying("resource.data_class == 'pii'")) == "DENY RULE_ERROR"


# Conflicts that broke others.


def test_a_wildcard_does_not_match_the_name_without_its_separator() -> None:
    compiled = bundle(policy("{name: a, match: {actions: ['view:*']}, effect: ALLOW}"))
    assert answer(compiled, "view:x").startswith("ALLOW")
    assert answer(compiled, "view").startswith("DENY")


def test_two_policies_of_one_name_are_refused_whatever_files_they_are_in() -> None:
    with pytest.raises(BundleInvalid, match="another document of this bundle is called 'p'"):
        bundle(policy(ALLOW), policy(ALLOW))


def test_an_action_nobody_heard_of_is_denied() -> None:
    assert (
        answer(bundle(policy("{name: a, match: {actions: ['read_*']}, effect: ALLOW}")), "frobnicate")
        == "DENY NO_MATCH"
    )


def test_an_error_is_not_a_truthy_value() -> None:
    """cel-expr-python gives the error as a text, which `if` takes for true."""
    compiled = bundle(policy("{name: a, match: {actions: ['*']}, effect: ALLOW, when: 'args.flag'}"))
    assert answer(compiled, arguments={"flag": "some error"}) == "DENY NO_MATCH"
    assert answer(compiled, arguments={"flag": True}) == "ALLOW ALLOWED"


def test_one_part_that_errs_does_not_poison_the_others() -> None:
    """One erring element of a list of rules spoilt the answers of all."""
    erring = [f"{{name: e{n}, match: {{actions: ['*']}}, effect: ALLOW, when: 'args.x{n} == 1'}}" for n in range(5)]
    assert answer(bundle(policy(ALLOW, *erring))) == "ALLOW ALLOWED"
