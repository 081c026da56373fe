"""However facts and policies change, and whenever a follower comes, goes and comes back: it knows what a pdp knows."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.background import background
from ringfence_kit.clock import EPOCH, SECOND, Millis
from ringfence_kit.names import AgentName
from ringfence_pdp.boundaries import Boundary
from ringfence_pdp.chains.revocations import Revocations
from ringfence_pdp.facts import Facts, IdentityStatus
from ringfence_pdp.hard_budgets import BudgetScope, HardBudget, UsedUp
from ringfence_pdp.health_facts import AgentHealth
from ringfence_pdp.kill_switch import KillSwitch, KillTarget, TargetKind
from ringfence_pdp.rollout.rollout import Rollout
from ringfence_pdp.snapshots.facts_by_name import revoked_name
from ringfence_pdp.snapshots.shipped import Kind, RevokedKind
from support.pdp.shipped import Pdp, Reader, bundle
from support.pdp.world import identity, registered, tool

NAMES = [AgentName("data", "one"), AgentName("data", "two")]
DIDS = {f"did:webvh:{letter}": NAMES[place % 2] for place, letter in enumerate("abcd")}


async def says_identity(pdp: Pdp, dice: Any) -> None:
    did = dice(sorted(DIDS))
    known = replace(identity(DIDS[did], status=dice(list(IdentityStatus)), ring=dice([1, 2, 3])), did=did)
    pdp.changes(Kind.IDENTITY, did, lambda facts: facts.put_identity(known))


async def drops_identity(pdp: Pdp, dice: Any) -> None:
    did = dice(sorted(DIDS))
    pdp.changes(Kind.IDENTITY, did, lambda facts: facts.drop_identity(did))


async def says_agent(pdp: Pdp, dice: Any) -> None:
    known = registered(dice(NAMES), retired=dice([True, False]))
    name = known.resource_name
    if dice([True, True, False]):
        pdp.changes(Kind.AGENT, name, lambda facts: facts.registered.update({name: known}))
    else:
        pdp.changes(Kind.AGENT, name, lambda facts: facts.registered.pop(name, None))


async def says_tool(pdp: Pdp, dice: Any) -> None:
    known = tool(dice(["a", "b"]), enabled=dice([True, False]))
    if dice([True, True, False]):
        pdp.changes(Kind.TOOL, known.name, lambda facts: facts.tools.update({known.name: known}))
    else:
        pdp.changes(Kind.TOOL, known.name, lambda facts: facts.tools.pop(known.name, None))


async def says_boundary(pdp: Pdp, dice: Any) -> None:
    name = f"namespaces/data/boundaries/{dice('ab')}"
    if dice([True, True, False]):
        boundary = Boundary(name=name, open=dice([True, False]))
        pdp.changes(Kind.BOUNDARY, name, lambda facts: facts.boundaries.put(boundary))
    else:
        pdp.changes(Kind.BOUNDARY, name, lambda facts: facts.boundaries.drop(name))


async def revokes(pdp: Pdp, dice: Any) -> None:
    subject = dice(["x", "y y"])
    kind = dice(list(RevokedKind))

    def how(facts: Facts) -> None:
        revocations: Revocations = facts.revocations
        match kind:
            case RevokedKind.AGENT:
                revocations.agents[subject] = (dice([1, 2]), dice([True, False]))
            case RevokedKind.DELEGATION:
                revocations.delegations.add(subject)
            case RevokedKind.ELEVATION:
                revocations.elevations.add(subject)
            case RevokedKind.ISSUER_KEY:
                revocations.issuer_keys.add(subject)

    pdp.changes(Kind.REVOCATION, revoked_name(kind, subject), how)


async def revokes_what_is_no_fact(pdp: Pdp, dice: Any) -> None:
    pdp.changes(Kind.REVOCATION, "", lambda _: None)


async def says_health(pdp: Pdp, dice: Any) -> None:
    health: Any = pdp.facts.health
    name = dice(["x", "y"])
    said = AgentHealth(agent=name, until=pdp.clock.now(), circuit=dice(["open", "closed"]))
    if dice([True, False]):
        pdp.changes(Kind.HEALTH, name, lambda _: health.update({name: said}))
    else:
        pdp.changes(Kind.HEALTH, name, lambda _: health.pop(name, None))


async def spends(pdp: Pdp, dice: Any) -> None:
    name, view = dice(["budgets/a", "budgets/b"]), pdp.spending
    dice(
        [
            lambda: view.put_budget(HardBudget(name=name, scope=BudgetScope.AGENT, unit=dice(["calls", "EUR"]))),
            lambda: view.drop_budget(name),
            lambda: view.use_up(UsedUp(budget=name, subject=dice(["x", "y y"]), spent="all")),
            lambda: view.leave_some(name, "y y"),
        ]
    )()
    pdp.moved()


async def rolls_out(pdp: Pdp, dice: Any) -> None:
    kept = [bundle(content) for content in (b"a", b"b", b"c")]
    rollout = Rollout(active=dice(kept).digest, candidate=dice([*(each.digest for each in kept), ""]))
    pdp.governs(bundles=tuple(kept), rollout=rollout)


async def throws_a_switch(pdp: Pdp, dice: Any) -> None:
    name = f"killSwitches/{dice('ab')}"
    others = tuple(each for each in pdp.stored.kill_switches if each.name != name)
    target = KillTarget(TargetKind.TOOL, dice(["shell.run", "mail.send"]))
    thrown = KillSwitch(name=name, target=target, reason="it misbehaves", actor="ana", engaged_at=EPOCH)
    pdp.governs(kill_switches=(*others, thrown) if dice([True, False]) else others)


async def replaces_a_view(pdp: Pdp, dice: Any) -> None:
    pdp.replaced_as_a_whole()


async def a_second_passes(pdp: Pdp, dice: Any) -> None:
    pdp.clock.advance(Millis(SECOND))
    await asyncio.sleep(0)


async def five_minutes_pass(pdp: Pdp, dice: Any) -> None:
    pdp.clock.advance(Millis(301 * SECOND))
    await asyncio.sleep(0)


HAPPENINGS: list[Callable[[Pdp, Any], Any]] = [
    *(says_identity, says_identity, drops_identity, says_agent, says_tool, says_boundary, revokes, says_health, spends),
    *(revokes_what_is_no_fact, rolls_out, throws_a_switch, replaces_a_view, a_second_passes, five_minutes_pass),
]


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_a_follower_knows_what_the_pdp_knows(data: st.DataObject) -> None:
    def dice(choices: Any) -> Any:
        return data.draw(st.sampled_from(choices))

    async def story() -> None:
        pdp = Pdp()
        readers = [Reader(pdp), Reader(pdp)]
        async with background(pdp.shipping.beating()):
            for _ in range(data.draw(st.integers(1, 25))):
                await dice(HAPPENINGS)(pdp, dice)
                reader = dice(readers)
                if dice([True, False]):
                    await reader.catch_up()
                    reader.knows_it_all()
                if dice([True, False, False, False]):
                    await reader.cut()
            for reader in readers:
                await reader.catch_up()
                reader.knows_it_all()
                await reader.cut()

    asyncio.run(story())
