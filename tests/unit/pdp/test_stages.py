"""Each stage of a decision: what it denies, with which reason, and what it says to do."""

from dataclasses import replace

import pytest
from ringfence_kit.clock import DAY, Instant, Millis
from ringfence_kit.names import AgentName
from ringfence_pdp.decide import decide
from ringfence_pdp.facts import IdentityStatus
from ringfence_pdp.kill_switch import KillTarget, TargetKind
from ringfence_pdp.model import Decision, Effect, Reason, SideEffects
from support.pdp.world import ALLOW_ALL, ANALYST, HASH, NOW, ask, basis, bundle, facts_of, identity, registered, tool

EVERYTHING_ALLOWED = bundle(ALLOW_ALL)


def denied(decision: Decision, reason: Reason) -> str:
    assert (decision.effect, decision.reason) == (Effect.DENY, reason)
    return decision.verdict.message


def test_what_nothing_speaks_against_and_a_rule_permits_is_allowed() -> None:
    decision = decide(basis(EVERYTHING_ALLOWED), ask())
    assert (decision.effect, decision.reason, decision.ring, decision.score) == (Effect.ALLOW, Reason.ALLOWED, 2, 500)
    assert decision.verdict.rules == ("p/all",)


@pytest.mark.parametrize(
    "target",
    [
        KillTarget(TargetKind.EVERYTHING),
        KillTarget(TargetKind.NAMESPACE, "data"),
        KillTarget(TargetKind.AGENT, str(ANALYST)),
        KillTarget(TargetKind.TOOL, "warehouse.query"),
    ],
    ids=lambda target: target.kind.value,
)
def test_a_kill_switch_denies_what_it_stops_and_says_why(target: KillTarget) -> None:
    decision = decide(basis(EVERYTHING_ALLOWED, switches=[target]), ask(tool="warehouse.query"))
    assert "it misbehaves" in denied(decision, Reason.KILLED)


@pytest.mark.parametrize(
    "target",
    [
        KillTarget(TargetKind.NAMESPACE, "finance"),
        KillTarget(TargetKind.AGENT, "namespaces/data/agents/analyst-2"),
        KillTarget(TargetKind.TOOL, "warehouse.export"),
    ],
    ids=lambda target: target.kind.value,
)
def test_a_kill_switch_leaves_alone_what_it_does_not_name(target: KillTarget) -> None:
    assert decide(basis(EVERYTHING_ALLOWED, switches=[target]), ask(tool="warehouse.query")).effect is Effect.ALLOW


def test_the_general_stop_holds_for_agents_nobody_knows() -> None:
    decision = decide(basis(EVERYTHING_ALLOWED, switches=[KillTarget(TargetKind.EVERYTHING)]), ask(did="did:key:z6Mk"))
    denied(decision, Reason.KILLED)


def test_naming_another_agent_does_not_slip_past_the_stop_of_the_first() -> None:
    stopped = basis(EVERYTHING_ALLOWED, switches=[KillTarget(TargetKind.AGENT, str(ANALYST))])
    denied(decide(stopped, ask(did=identity().did, agent=AgentName("data", "other"))), Reason.KILLED)
    denied(decide(stopped, ask(did="did:key:z6Mk", agent=ANALYST)), Reason.KILLED)


def test_a_did_and_a_name_that_do_not_belong_together_are_a_contradiction() -> None:
    decision = decide(basis(EVERYTHING_ALLOWED), ask(did=identity().did, agent=AgentName("data", "other")))
    assert "is not the DID of namespaces/data/agents/other" in denied(decision, Reason.REQUEST_INVALID)


def test_a_did_and_the_name_it_belongs_to_are_fine() -> None:
    assert decide(basis(EVERYTHING_ALLOWED), ask(did=identity().did, agent=ANALYST)).effect is Effect.ALLOW


def test_an_agent_identity_does_not_know_is_denied() -> None:
    message = denied(decide(basis(EVERYTHING_ALLOWED), ask(did="did:key:z6Mk")), Reason.AGENT_UNKNOWN)
    assert "identity does not know did:key:z6Mk" in message


def test_an_agent_without_an_identity_in_this_environment_is_unknown_there() -> None:
    message = denied(decide(basis(EVERYTHING_ALLOWED), ask(environment="dev")), Reason.AGENT_UNKNOWN)
    assert "has no identity in environment dev" in message


def test_an_agent_the_registry_does_not_know_is_denied() -> None:
    decision = decide(basis(EVERYTHING_ALLOWED, facts=facts_of(identity())), ask())
    assert "is not in the registry" in denied(decision, Reason.AGENT_UNKNOWN)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(IdentityStatus.REVOKED, Reason.AGENT_REVOKED), (IdentityStatus.SUSPENDED, Reason.AGENT_SUSPENDED)],
)
def test_an_identity_that_may_not_be_used_is_denied(status: IdentityStatus, reason: Reason) -> None:
    facts = facts_of(identity(status=status), registered())
    denied(decide(basis(EVERYTHING_ALLOWED, facts=facts), ask()), reason)


@pytest.mark.parametrize(("left", "effect"), [(1, Effect.ALLOW), (0, Effect.DENY), (-1, Effect.DENY)])
def test_an_identity_that_ends_by_itself_is_denied_from_that_moment_on(left: int, effect: Effect) -> None:
    """Identity says nothing when it happens: the moment it named is enough."""
    ephemeral = replace(identity(), expires_at=Instant(NOW + left))
    decision = decide(basis(EVERYTHING_ALLOWED, facts=facts_of(ephemeral, registered())), ask())
    assert decision.effect is effect
    if effect is Effect.DENY:
        assert "has expired" in denied(decision, Reason.AGENT_REVOKED)


def test_a_retired_agent_is_denied() -> None:
    facts = facts_of(identity(), registered(retired=True))
    denied(decide(basis(EVERYTHING_ALLOWED, facts=facts), ask()), Reason.AGENT_RETIRED)


def test_an_agent_the_registry_does_not_let_serve_is_denied() -> None:
    facts = facts_of(identity(), registered(halted="is a draft in the registry"))
    assert "is a draft" in denied(decide(basis(EVERYTHING_ALLOWED, facts=facts), ask()), Reason.AGENT_NOT_SERVING)


@pytest.mark.parametrize(("age", "says"), [(None, "has not been heard yet"), (300_000, "was last heard 300 s ago")])
def test_when_identity_was_not_heard_for_the_life_of_a_token_everything_is_denied(age: int | None, says: str) -> None:
    stale = basis(EVERYTHING_ALLOWED, identity_age=None if age is None else Millis(age))
    assert says in denied(decide(stale, ask()), Reason.FACTS_STALE)


@pytest.mark.parametrize(
    ("age", "ring", "judged_at"),
    [(15_000, 1, 1), (15_001, 0, 3), (15_001, 1, 3), (15_001, 2, 2), (299_999, 1, 3), (299_999, 3, 3)],
)
def test_after_three_missed_heartbeats_the_most_trusted_are_trusted_like_any_other(
    age: int, ring: int, judged_at: int
) -> None:
    facts = facts_of(identity(ring=ring), registered())
    assert decide(basis(EVERYTHING_ALLOWED, facts=facts, identity_age=Millis(age)), ask()).ring == judged_at


@pytest.mark.parametrize(
    ("ring", "action", "effect"),
    [
        (3, "read_table", Effect.ALLOW),
        (3, "write_table", Effect.DENY),
        (2, "write_table", Effect.ALLOW),
        (2, "delegate_task", Effect.DENY),
        (1, "delegate_task", Effect.ALLOW),
        (1, "policy_change", Effect.DENY),
        (0, "policy_change", Effect.ALLOW),
    ],
)
def test_the_ring_gate_holds_before_any_rule_is_asked(ring: int, action: str, effect: Effect) -> None:
    facts = facts_of(identity(ring=ring), registered())
    decision = decide(basis(EVERYTHING_ALLOWED, facts=facts), ask(action))
    assert decision.effect is effect
    if effect is Effect.DENY:
        assert f"is in ring {ring}" in denied(decision, Reason.RING_INSUFFICIENT)


def test_what_the_tool_does_can_only_make_the_ring_gate_stricter() -> None:
    ring_3 = basis(EVERYTHING_ALLOWED, facts=facts_of(identity(ring=3), registered()))
    denied(decide(ring_3, ask("read_table", side_effects=SideEffects.REVERSIBLE)), Reason.RING_INSUFFICIENT)
    denied(decide(ring_3, ask("write_table", side_effects=SideEffects.READ)), Reason.RING_INSUFFICIENT)
    assert decide(ring_3, ask("read_table", side_effects=SideEffects.READ)).effect is Effect.ALLOW


def test_the_ring_never_passes_the_ceiling_of_the_birth_certificate() -> None:
    facts = facts_of(identity(ring=1, ring_ceiling=2), registered())
    assert decide(basis(EVERYTHING_ALLOWED, facts=facts), ask()).ring == 2


def test_trust_decays_to_the_moment_of_the_decision() -> None:
    later = Instant(NOW + 40 * DAY)
    decision = decide(basis(EVERYTHING_ALLOWED, now=later), ask("write_table"))
    assert (decision.reason, decision.ring) == (Reason.RING_INSUFFICIENT, 3)


def test_a_clock_set_back_makes_no_agent_more_trusted() -> None:
    facts = facts_of(identity(ring=2, score=399), registered())
    earlier = basis(EVERYTHING_ALLOWED, facts=facts, now=Instant(NOW - 365 * DAY))
    assert decide(earlier, ask()).ring == 3


def test_the_wall_between_environments_stands_whatever_the_rules_say() -> None:
    facts = facts_of(identity(environment="dev"), registered())
    message = denied(
        decide(basis(EVERYTHING_ALLOWED, facts=facts), ask(did=identity(environment="dev").did)),
        Reason.ENVIRONMENT_MISMATCH,
    )
    assert "belongs to dev, not to prod" in message


def test_an_agent_runs_only_where_the_registry_says_it_may() -> None:
    facts = facts_of(identity(), registered(environments=["dev"]))
    denied(decide(basis(EVERYTHING_ALLOWED, facts=facts), ask()), Reason.ENVIRONMENT_MISMATCH)


OTHER = f"sha256-{'b' * 64}"


@pytest.mark.parametrize(
    ("certificate", "catalog", "schema", "allowed"),
    [
        ({"t": ""}, {"t": ""}, None, True),
        ({"t": HASH}, {"t": HASH}, HASH, True),
        ({"t": HASH}, {"t": ""}, HASH, True),
        ({}, {"t": ""}, None, False),
        ({"t": ""}, {}, None, False),
        ({"t": HASH}, {"t": ""}, OTHER, False),
        ({"t": ""}, {"t": HASH}, OTHER, False),
        ({"t": HASH}, {"t": HASH}, None, False),
        ({"T": ""}, {"T": ""}, None, False),
    ],
)
def test_a_tool_needs_the_approval_of_birth_certificate_and_registry(
    certificate: dict[str, str], catalog: dict[str, str], schema: str | None, allowed: bool
) -> None:
    facts = facts_of(identity(tools=certificate), registered(tools=catalog), tools=[tool("t", schema_hash=HASH)])
    decision = decide(basis(EVERYTHING_ALLOWED, facts=facts), ask(tool="t", tool_schema_hash=schema))
    assert decision.reason is (Reason.ALLOWED if allowed else Reason.TOOL_NOT_APPROVED)


def test_without_a_bundle_everything_is_denied_by_the_first_stage_that_objects() -> None:
    denied(decide(basis(None), ask()), Reason.NO_BUNDLE)
    denied(decide(basis(None), ask("policy_change")), Reason.RING_INSUFFICIENT)
