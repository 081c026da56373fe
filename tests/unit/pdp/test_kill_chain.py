"""A kill switch on what was delegated: every call made on it is denied, and no other."""

from dataclasses import replace

import pytest
from ringfence.proofs.access_token import TokenDelegation
from ringfence_kit.names import AgentName
from ringfence_pdp.case import Basis
from ringfence_pdp.decide import decide
from ringfence_pdp.kill_switch import KillTarget, TargetKind
from ringfence_pdp.model import Effect, Reason
from support.pdp.mint import Mint
from support.pdp.world import ALLOW_ALL, NOW, ask, basis, bundle, facts_of, identity, registered

CHAIN = "00000000-0000-4000-8000-0000000000aa"
GRANT = "grant-1"
ORIGIN, HELPER = AgentName("data", "origin"), AgentName("data", "helper")
MINT = Mint()


def world(*stopped: str) -> Basis:
    facts = facts_of(identity(ORIGIN), identity(HELPER), registered(ORIGIN), registered(HELPER))
    facts.issuers = {"prod": MINT.issuer}
    targets = [KillTarget(TargetKind.CHAIN, value) for value in stopped]
    return basis(bundle(ALLOW_ALL), facts=facts, switches=targets)


def did(name: AgentName) -> str:
    return identity(name).did


def delegated(chain: str = CHAIN) -> str:
    delegation = TokenDelegation(chain=chain, path=(did(ORIGIN), did(HELPER)), grants=(GRANT,), depth=1)
    return MINT.token(did(ORIGIN), did(HELPER), now=NOW, delegation=delegation)


@pytest.mark.parametrize("stopped", [CHAIN, GRANT])
def test_a_call_on_a_stopped_chain_is_denied_before_anything_else_is_looked_at(stopped: str) -> None:
    request = ask(agent=HELPER, delegation_token=delegated())
    assert decide(world(), request).effect is Effect.ALLOW
    denied = decide(world(stopped), request)
    assert (denied.effect, denied.reason) == (Effect.DENY, Reason.KILLED)
    assert f"chain {stopped} is stopped" in denied.verdict.message
    retired = world(stopped)
    retired.facts.registered[str(HELPER)] = replace(registered(HELPER), retired=True)
    assert decide(retired, request).reason is Reason.KILLED


def test_other_chains_and_calls_of_ones_own_go_on() -> None:
    assert decide(world("another", "grant-9"), ask(agent=HELPER, delegation_token=delegated())).effect is Effect.ALLOW
    assert decide(world(CHAIN), ask(agent=HELPER)).effect is Effect.ALLOW


def test_a_chain_that_its_author_called_like_a_grant_is_stopped_all_the_same() -> None:
    # Whoever hands on names the chain; an operator who types that name gets it without the prefix.
    request = ask(agent=HELPER, delegation_token=delegated(chain=f"delegations/{CHAIN}"))
    assert decide(world(CHAIN), request).reason is Reason.KILLED
