"""On whose behalf a call is made: delegation tokens, claimed chains, elevation grants, and how to cheat with them."""

from typing import Any

import pytest
from ringfence.proofs.access_token import TokenDelegation
from ringfence.proofs.public_keys import Thumbprint
from ringfence_kit.clock import MINUTE, SECOND, Instant, Millis
from ringfence_pdp.boundaries import Boundaries
from ringfence_pdp.case import Basis
from ringfence_pdp.chains.revocations import Revocations
from ringfence_pdp.decide import decide
from ringfence_pdp.explain import explain
from ringfence_pdp.facts import Facts
from ringfence_pdp.model import CheckRequest, Decision, Resource, Target
from support.identity.keys import seeded_key
from support.pdp.links import MINT, TOOL, A, B, C, call, did, elevation, known, sides, stands, token
from support.pdp.mint import TOOL_HASH, Mint
from support.pdp.world import ALLOW_ALL, HASH, NOW, ask, identity

ALLOWING = sides("A/A", "A/A")


def gave(decision: Decision) -> str:
    return f"{decision.effect.name} {decision.reason.name}"


def decided(request: CheckRequest, *documents: str, **changed: Any) -> Decision:
    return decide(stands(*(documents or ALLOWING), **changed), request)


def shown(compact: str, **changed: Any) -> CheckRequest:
    """The call of the chain, with a token instead of a claim."""
    return call(**{"chain": (), "delegation_token": compact, **changed})


def knowing(revoked: Revocations) -> Facts:
    return known({A: 1, B: 1, C: 1}, revocations=revoked)


# What a token says


def test_a_token_says_for_whom_the_call_is_made() -> None:
    decision = decided(shown(token()))
    assert gave(decision) == "ALLOW ALLOWED"
    assert decision.chain == (did(A), did(B))
    assert decision.subjects == (str(A), str(B))
    assert decision.delegations == ("00000000-0000-4000-8000-0000000000aa", "grant-1")
    assert decision.valid_until == NOW + MINUTE


def test_a_token_and_a_claim_that_agree_are_one_chain() -> None:
    for claim in (str(A), did(A)):
        assert gave(decided(shown(token(), chain=(claim,)))) == "ALLOW ALLOWED"
    assert gave(decided(shown(token(), chain=(str(C),), target=None))) == "DENY CHAIN_INVALID"


def test_the_ring_of_the_token_holds_as_well() -> None:
    """It was issued when somebody in its chain was trusted less than now."""
    decision = decided(shown(token(ring=3), target=None, tool=None, chain=()), ALLOW_ALL)
    assert decision.ring == 3
    asked = shown(token(ring=3, scopes=("write_table",)), target=None, tool=None)._replace(action="write_table")
    assert gave(decided(asked, ALLOW_ALL)) == "DENY RING_INSUFFICIENT"


def test_its_budget_is_what_may_be_spent() -> None:
    assert decided(shown(token(budget={"tokens": 5, "calls": 2}))).budget == (("calls", 2), ("tokens", 5))


@pytest.mark.parametrize(
    ("what", "compact"),
    [
        ("no JWS", "a.b.c"),
        ("another issuer's key", Mint("prod", seed=7).token(did(A), did(B), now=NOW)),
        ("unsigned", token().rpartition(".")[0] + "."),
        ("somebody else's", token(A, C)),
        ("not delegated", token(delegated=False)),
        ("a chain of one", token(B)),
        ("of another environment", token(environment="dev")),
        ("of another issuer", token(issuer="https://elsewhere.example.com")),
        ("expired", token(issued_at=Instant(NOW - 2 * MINUTE), expires_at=Instant(NOW - MINUTE))),
        ("not good yet", token(issued_at=Instant(NOW + MINUTE), expires_at=Instant(NOW + 2 * MINUTE))),
        ("good for an hour", token(expires_at=Instant(NOW + 60 * MINUTE))),
        ("for another agent's calls", token(audience=did(A))),
        ("of an earlier epoch", token(revocation_epoch=0)),
        ("by leave of an earlier birth certificate", token(birth_certificate_hash="before")),
    ],
)
def test_a_token_that_is_not_good_is_refused(what: str, compact: str) -> None:
    assert (what, gave(decided(shown(compact)))) == (what, "DENY CHAIN_INVALID")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_token_in_which_one_letter_is_another_is_refused(place: int) -> None:
    parts = token().split(".")
    middle = len(parts[place]) // 2
    parts[place] = parts[place][:middle] + ("A" if parts[place][middle] != "A" else "B") + parts[place][middle + 1 :]
    assert gave(decided(shown(".".join(parts)))) == "DENY CHAIN_INVALID"


def test_without_the_issuers_keys_nothing_verifies() -> None:
    facts = known({A: 1, B: 1, C: 1}, issuers={})
    assert gave(decided(shown(token()), facts=facts)) == "DENY CHAIN_INVALID"


@pytest.mark.parametrize(
    ("what", "revoked"),
    [
        ("the key", Revocations(issuer_keys={MINT.key.key_id})),
        ("a grant of the chain", Revocations(delegations={"delegations/grant-1"})),
        ("the holder's epoch", Revocations(agents={did(B): (2, True)})),
        ("the holder", Revocations(agents={did(B): (0, False)})),
    ],
)
def test_what_was_revoked_ends_the_token_at_once(what: str, revoked: Revocations) -> None:
    assert gave(decided(shown(token()))) == "ALLOW ALLOWED"
    assert (what, gave(decided(shown(token()), facts=knowing(revoked)))) == (what, "DENY CHAIN_INVALID")


def test_a_token_that_verified_before_is_still_asked_whether_it_holds() -> None:
    """What was signed is remembered; whether it still holds is not."""
    facts, asked = known({A: 1, B: 1, C: 1}), shown(token())
    assert gave(decided(asked, facts=facts)) == "ALLOW ALLOWED"
    assert gave(decided(asked, facts=facts, now=Instant(NOW + 2 * MINUTE))) == "DENY CHAIN_INVALID"
    facts.revocations.delegations.add("delegations/grant-1")
    assert gave(decided(asked, facts=facts)) == "DENY CHAIN_INVALID"


def test_a_clock_set_back_revives_no_token() -> None:
    assert gave(decided(shown(token()), proofs_at=Instant(NOW + 2 * MINUTE))) == "DENY CHAIN_INVALID"
    raised = call(elevation_grants=(elevation(),))
    late = Instant(NOW + 10 * MINUTE)
    documents = sides("A/A", "A/A", needs=1)
    assert gave(decided(raised, *documents, rings=(3, 1, 1))) == "REQUIRE_APPROVAL APPROVAL_REQUIRED"
    assert gave(decided(raised, *documents, rings=(3, 1, 1), proofs_at=late)) == "DENY ELEVATION_INVALID"


def test_an_audience_that_is_an_agent_is_the_agent_called() -> None:
    assert gave(decided(shown(token(audience=did(C))))) == "ALLOW ALLOWED"
    assert gave(decided(shown(token(audience=did(C)), target=None), ALLOW_ALL)) == "DENY CHAIN_INVALID"


def test_a_pdp_that_was_told_its_audiences_takes_tokens_for_no_other() -> None:
    assert gave(decided(shown(token()), audiences=["https://warehouse.example.com"])) == "ALLOW ALLOWED"
    assert gave(decided(shown(token()), audiences=["https://other.example.com"])) == "DENY CHAIN_INVALID"


# Capabilities


def test_a_tool_that_was_not_handed_on_is_not_used() -> None:
    for tools in ({}, {"warehouse.export": HASH}):
        assert gave(decided(shown(token(tools=tools)))) == "DENY CAPABILITY_NOT_DELEGATED"


def test_a_tool_that_changed_since_is_another_tool() -> None:
    assert gave(decided(shown(token(tools={TOOL: f"sha256-{'b' * 64}"})))) == "DENY CAPABILITY_NOT_DELEGATED"
    assert gave(decided(shown(token(tools={TOOL: TOOL_HASH})))) == "ALLOW ALLOWED"


@pytest.mark.parametrize(
    ("scopes", "resource", "gives"),
    [
        (("read_table",), None, "ALLOW ALLOWED"),
        (("orders:read_table",), "orders", "ALLOW ALLOWED"),
        (("orders:*",), "orders", "ALLOW ALLOWED"),
        (("orders:*",), "invoices", "DENY CAPABILITY_NOT_DELEGATED"),
        (("orders:*",), None, "DENY CAPABILITY_NOT_DELEGATED"),
        (("write_table",), None, "DENY CAPABILITY_NOT_DELEGATED"),
        (("read_table:orders",), "orders", "DENY CAPABILITY_NOT_DELEGATED"),
    ],
)
def test_without_a_tool_a_scope_covers_the_action(scopes: tuple[str, ...], resource: str | None, gives: str) -> None:
    asked = shown(token(scopes=scopes), tool=None, resource=Resource(type=resource))
    assert gave(decided(asked)) == gives


def test_the_scopes_that_a_tool_needs_were_handed_on_with_it() -> None:
    facts = known({A: 1, B: 1, C: 1})
    facts.tools[TOOL] = facts.tools[TOOL].__class__(
        name=TOOL, schema_hash=HASH, enabled=True, systems_trusted=True, permissions=("warehouse:read",)
    )
    assert gave(decided(shown(token()), facts=facts)) == "DENY CAPABILITY_NOT_DELEGATED"
    assert gave(decided(shown(token(scopes=("warehouse:*",))), facts=facts)) == "ALLOW ALLOWED"


# Claims


def test_a_claim_only_restricts() -> None:
    """The confused deputy: what B may do, it may not do for A, who may not."""
    alone = call(chain=(), target=None)._replace(action="write_table")
    assert gave(decided(alone, ALLOW_ALL, rings=(3, 1, 1))) == "ALLOW ALLOWED"
    for_a = call(target=None)._replace(action="write_table")
    assert gave(decided(for_a, ALLOW_ALL, rings=(3, 1, 1))) == "DENY RING_INSUFFICIENT"


def test_an_agent_that_nobody_knows_stands_behind_nothing() -> None:
    for claim in ("did:webvh:nobody:prod", "namespaces/mesh/agents/nobody"):
        assert gave(decided(call(chain=(claim,)), ALLOW_ALL)) == "DENY AGENT_UNKNOWN"


def test_the_same_agent_by_name_and_by_did_is_the_same_agent() -> None:
    assert gave(decided(call(chain=(str(A), did(A))), ALLOW_ALL)) == "DENY CHAIN_CYCLE"
    assert gave(decided(call(chain=(did(B),)), ALLOW_ALL)) == "DENY CHAIN_CYCLE"
    assert gave(decided(call(chain=(did(C),)), ALLOW_ALL)) == "DENY CHAIN_CYCLE"


def test_a_target_whose_names_do_not_belong_together_is_no_target() -> None:
    asked = call(target=Target(did=did(C), agent=A), chain=())
    assert gave(decided(asked, ALLOW_ALL)) == "DENY REQUEST_INVALID"


def test_everybody_in_a_chain_has_to_be_in_good_standing() -> None:
    facts = known({A: 1, B: 1, C: 1})
    facts.drop_identity(did(A))
    assert gave(decided(call(), facts=facts)) == "DENY AGENT_UNKNOWN"
    facts = known({A: 1, B: 1, C: 1})
    del facts.registered[str(C)]
    assert gave(decided(call(), facts=facts)) == "DENY AGENT_UNKNOWN"


def test_silence_of_identity_counts_for_everybody() -> None:
    documents = sides("A/A", "A/A", needs=1)
    assert gave(decided(call(), *documents)) == "ALLOW ALLOWED"
    assert gave(decided(call(), *documents, identity_age=Millis(16 * SECOND))) == "DENY RING_INSUFFICIENT"
    assert gave(decided(call(), *documents, identity_age=Millis(300 * SECOND))) == "DENY FACTS_STALE"


# Elevation

NEEDS_ONE = sides("A/A", "A/A", needs=1)


def raised(*grants: str, **changed: Any) -> Decision:
    return decided(call(elevation_grants=grants), *NEEDS_ONE, **{"rings": (3, 2, 0), **changed})


@pytest.mark.parametrize(
    ("what", "grant"),
    [
        ("no JWS", "a.b.c"),
        ("by an agent's own key", elevation(key=seeded_key(9))),
        ("by a key that signs tokens", elevation(key=MINT.key)),
        ("of another registrar", elevation(issuer="did:webvh:QmOther:prod.id.ringfence.internal")),
        ("for another agent", MINT.elevation(did(B), now=NOW)),
        ("for another action", elevation(action="delete_table")),
        ("for another resource", elevation(resource="invoices")),
        ("for another environment", elevation(environment="dev")),
        ("to a ring that does not do", elevation(ring=2)),
        ("expired", elevation(issued_at=Instant(NOW - 10 * MINUTE), expires_at=Instant(NOW))),
        ("a delegation token", token()),
    ],
)
def test_a_grant_that_is_not_for_this_raises_nothing(what: str, grant: str) -> None:
    assert (what, gave(raised(grant))) == (what, "DENY ELEVATION_INVALID")


def test_a_revoked_grant_raises_nothing() -> None:
    facts = known({A: 3, B: 2, C: 0}, revocations=Revocations(elevations={"elevations/e-1"}))
    assert gave(raised(elevation(), facts=facts)) == "DENY ELEVATION_INVALID"
    assert gave(raised(elevation())) == "REQUIRE_APPROVAL APPROVAL_REQUIRED"


def test_nobody_is_elevated_while_identity_is_silent_or_the_registrar_unknown() -> None:
    assert gave(raised(elevation(), identity_age=Millis(16 * SECOND))) == "DENY ELEVATION_INVALID"
    assert gave(raised(elevation(), facts=known({A: 3, B: 2, C: 0}, issuers={}))) == "DENY ELEVATION_INVALID"


def test_a_grant_that_is_not_needed_asks_for_nothing() -> None:
    for grant in (elevation(), "a.b.c"):
        assert gave(raised(grant, rings=(1, 1, 0))) == "ALLOW ALLOWED"


def test_of_several_grants_the_one_that_asks_fewest_raises() -> None:
    grants = (elevation(name="elevations/many", approvals=5), elevation(name="elevations/one", approvals=1))
    for order in (grants, grants[::-1], (*grants, "a.b.c")):
        approval = raised(*order).verdict.approval
        assert approval is not None
        assert approval.min_approvals == 1


def test_a_raised_call_is_subject_to_every_deny_and_kill() -> None:
    asked = call(elevation_grants=(elevation(),))
    denying = sides("A/A", "A/D", needs=1)
    assert gave(decided(asked, *denying, rings=(3, 2, 0))) == "DENY RULE_DENIED"


def test_an_elevation_adds_to_the_approvals_that_rules_ask() -> None:
    asked = call(elevation_grants=(elevation(approvals=4),))
    approval = decided(asked, *sides("R1/A", "A/A", needs=1), rings=(3, 2, 0)).verdict.approval
    assert approval is not None
    assert (approval.min_approvals, approval.approver_groups) == (4, ("group:one",))


def test_the_origin_of_a_call_without_a_chain_is_its_agent() -> None:
    asked = ask("write_table", agent=A, resource=Resource(id="orders"))
    alone = asked._replace(elevation_grants=(elevation(action="write_table", ring=2),))
    assert gave(decided(asked, ALLOW_ALL, rings=(3, 1, 1))) == "DENY RING_INSUFFICIENT"
    assert gave(decided(alone, ALLOW_ALL, rings=(3, 1, 1))) == "REQUIRE_APPROVAL APPROVAL_REQUIRED"


def test_where_no_resource_is_named_the_tool_is_what_is_raised_for() -> None:
    grants = (elevation(resource=TOOL),)
    unnamed = call(elevation_grants=grants, resource=Resource())
    assert gave(decided(unnamed, *NEEDS_ONE, rings=(3, 2, 0))) == "REQUIRE_APPROVAL APPROVAL_REQUIRED"
    named = call(elevation_grants=grants, resource=Resource(id="orders"))
    assert gave(decided(named, *NEEDS_ONE, rings=(3, 2, 0))) == "DENY ELEVATION_INVALID"


# Explaining


def explained(request: CheckRequest, basis: Basis) -> tuple[str, ...]:
    explanation = explain(basis, request)
    assert explanation.decision == decide(basis, request)
    return explanation.nearest_misses


def test_each_side_says_what_it_would_take() -> None:
    misses = explained(call(), stands(*sides("A/R1", "D/-")))
    assert misses == (
        f"hop 1, callee {B}: rules: b-callee/ask asks that 1 person of group:one approve within 600 s",
        f"hop 2, caller {B}: rules: b-caller/no denies it whatever else is true",
        f"hop 2, callee {C}: rules: no policy speaks for {C} as callee, and both sides of a call have to decide",
    )


def test_a_chain_that_is_not_believed_says_why() -> None:
    misses = explained(shown(token(A, C)), stands(*ALLOWING))
    assert misses == (f"validity: the token was given to {did(C)}, not to {B}",)


def test_the_token_of_an_agent_that_is_unknown_names_no_chain() -> None:
    facts = known({A: 1, C: 1}, boundaries=())
    facts.boundaries = Boundaries()
    assert gave(decided(shown(token()), facts=facts)) == "DENY CHAIN_INVALID"


def test_a_path_that_does_not_end_with_its_holder_is_no_delegation() -> None:
    """No issuer of ours signs one; a verifier that would read it differently must not be found here."""
    odd = TokenDelegation(chain="c", path=(did(A), did(C)), grants=("g",), depth=1, tools={TOOL: TOOL_HASH})
    assert gave(decided(shown(token(delegation=odd)))) == "DENY CHAIN_INVALID"


def test_the_holder_key_of_a_token_is_for_the_enforcement_point() -> None:
    """It sees the connection; the pdp is told what it saw."""
    assert gave(decided(shown(token(holder=Thumbprint("x" * 43))))) == "ALLOW ALLOWED"


def test_a_replayed_token_buys_no_more_than_the_first_time() -> None:
    asked, basis = shown(token()), stands(*ALLOWING)
    assert {gave(decide(basis, asked)) for _ in range(3)} == {"ALLOW ALLOWED"}
    other = asked._replace(agent=A)
    assert gave(decide(basis, other)) == "DENY CHAIN_INVALID"


def test_context_and_arguments_stand_in_for_no_fact() -> None:
    """Attack: the caller says what the pdp knows better."""
    lies = {"agent": {"ring": 0}, "origin": {"ring": 0}, "chain": [], "target": {"ring": 0}, "ring": 0}
    asked = call(arguments=lies, context=lies)
    assert gave(decided(asked, *NEEDS_ONE, rings=(3, 2, 0))) == "DENY RING_INSUFFICIENT"
    assert identity(A).did == did(A)
