"""However facts and policies change, and whenever a follower comes, goes and comes back: it knows what a pdp knows."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence.errors import RevisionCompactedError
from ringfence.watch import Change
from ringfence.watch_position import Changed, StateComplete, WatchPosition
from ringfence_kit.background import background
from ringfence_kit.clock import EPOCH, SECOND, ManualClock, Millis
from ringfence_kit.errors import RevisionCompacted, RevisionInFuture
from ringfence_kit.events import Revision
from ringfence_kit.names import AgentName
from ringfence_pdp.boundaries import Boundaries, Boundary
from ringfence_pdp.bundle import Bundle, PolicyFile, digest_of
from ringfence_pdp.chains.revocations import Revocations
from ringfence_pdp.convert.snapshots import take_snapshot, told_to_proto
from ringfence_pdp.facts import Facts, IdentityStatus
from ringfence_pdp.hard_budgets import BudgetScope, HardBudget, SpendingView, UsedUp
from ringfence_pdp.health_facts import AgentHealth
from ringfence_pdp.kill_switch import KillSwitch, KillTarget, TargetKind
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.rollout.rollout import Rollout
from ringfence_pdp.snapshots import shipping as shipping_module
from ringfence_pdp.snapshots.facts_by_name import revoked_name
from ringfence_pdp.snapshots.shipped import Kind, RevokedKind, Settings
from ringfence_pdp.snapshots.shipping import Ages, Shipping
from ringfence_pdp.snapshots.view import SnapshotView
from ringfence_pdp.store import StoredPolicy
from support.pdp.world import identity, registered, tool

SETTINGS = Settings(gated_environments=("prod",), masks=("**.password",))
NAMES = [AgentName("data", "one"), AgentName("data", "two")]
DIDS = {f"did:webvh:{letter}": NAMES[place % 2] for place, letter in enumerate("abcd")}


def bundle(content: bytes) -> Bundle:
    files = (PolicyFile(path="a.yaml", content=content),)
    return Bundle(
        digest=digest_of(files), files=files, policy_count=1, rule_count=1, author="ana", pushed_at=EPOCH, revision=1
    )


class Pdp:
    """What ships, and everything that can happen to it."""

    def __init__(self, *, started: Millis = Millis(0), salt: int = 5) -> None:
        self.clock = ManualClock()
        self.clock.advance(started)
        self.policy: PolicyState[Any] = PolicyState(tuple)
        self.stored = StoredPolicy()
        self.spending = SpendingView()
        self.facts = Facts()
        self.revision = 0
        self.shipping = Shipping(
            policy=self.policy,
            facts=lambda: self.facts,
            ages=lambda _: Ages(Millis(7), None),
            settings=SETTINGS,
            clock=self.clock,
            salt=salt,
        )

    def changes(self, kind: Kind, name: str, how: Callable[[Facts], object]) -> None:
        """Change one fact as a feed does, in place."""

        def take(view: Facts, _change: Change, _answer: Any) -> None:
            how(view)

        self.shipping.noting(kind, lambda _: name, take)(self.facts, Change.MODIFIED, None)
        self.moved()

    def moved(self) -> None:
        self.revision += 1
        self.facts = replace(
            self.facts, spending=self.spending.spending(), epoch=self.revision, identity_revision=self.revision
        )
        self.shipping.changed()

    def governs(self, **changed: Any) -> None:
        self.stored = replace(self.stored, **changed)
        self.revision += 1
        self.policy.fill(self.stored, Revision(self.revision))
        self.shipping.changed()

    def replaced_as_a_whole(self) -> None:
        self.facts = replace(self.facts, by_did=dict(self.facts.by_did), tools={})
        self.moved()


@dataclass
class Reader:
    """A follower, as `Feed` and `AioWatch` make one, one step at a time."""

    pdp: Pdp
    position: WatchPosition = field(default_factory=lambda: WatchPosition(with_state=True))
    view: SnapshotView = field(default_factory=SnapshotView)
    building: SnapshotView | None = None
    states: int = 0
    _stream: "AsyncGenerator[Any, None] | None" = None
    _next: "asyncio.Task[Any] | None" = None

    async def catch_up(self) -> None:
        """Take everything there is."""
        while (told := await self._told()) is not None:
            answer = told_to_proto(told)
            match self.position.take(answer):
                case StateComplete():
                    assert self.building is not None
                    self.view, self.building = self.building, None
                    self.states += 1
                case Changed(change=change):
                    take_snapshot(self.building or self.view, change, answer)
                case _:
                    pass

    async def _told(self) -> Any:
        if self._stream is None:
            start = None if self.position.state_due else self.position.start_revision
            self.building = SnapshotView() if self.position.state_due else None
            self.position.opened()
            self._stream = self.pdp.shipping.following(start)
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._stream))
        for _ in range(3):
            await asyncio.sleep(0)
        if not self._next.done():
            return None
        done, self._next = self._next, None
        try:
            return done.result()
        except (RevisionCompacted, RevisionInFuture) as refused:
            self._stream = None
            self.position.broke(RevisionCompactedError(refused.message))
            return await self._told()

    async def cut(self) -> None:
        """Lose the stream."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
            self._next = None
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None

    def knows_it_all(self) -> None:
        there, here = self.pdp.facts, self.view.facts
        assert here.by_did == there.by_did
        assert here.by_name == there.by_name
        assert here.registered == there.registered
        assert here.tools == there.tools
        assert {each.name: each for each in here.boundaries.every} == {
            each.name: each for each in there.boundaries.every
        }
        assert here.revocations == there.revocations
        assert self.view.health == there.health
        assert set(self.view.spending.spending().hard) == set(there.spending.hard)
        assert _used_up(self.view.spending) == _used_up(self.pdp.spending)
        assert self.view.rollout == self.pdp.stored.rollout
        assert {each.name: each for each in self.view.policy.kill_switches} == {
            each.name: each for each in self.pdp.stored.kill_switches
        }
        assert self.view.bundles == {
            each.digest: each for each in self.pdp.stored.bundles if each.digest in self.pdp.stored.rollout.named
        }
        assert self.view.settings == SETTINGS
        assert self.view.standing is not None
        assert self.view.standing.epoch == self.pdp.policy.current.epoch + there.epoch
        assert self.view.standing.policy_revision == self.pdp.policy.current.revision


def _used_up(view: SpendingView) -> set[UsedUp]:
    return {each for several in view.spending().used_up.values() for each in several}


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


async def test_who_comes_back_in_time_needs_no_new_state_and_later_does() -> None:
    pdp, reader = Pdp(), None
    reader = Reader(pdp)
    async with background(pdp.shipping.beating()):
        await asyncio.sleep(0)
        await reader.catch_up()
        await reader.cut()
        for wait, states in ((299, 1), (301, 2)):
            pdp.clock.advance(Millis(wait * SECOND))
            await asyncio.sleep(0)
            await says_tool(pdp, lambda choices: choices[0])
            await reader.catch_up()
            reader.knows_it_all()
            assert reader.states == states
            await reader.cut()


@pytest.mark.parametrize("started", [-5_000, 0, 5_000], ids=["before", "at the same moment", "after"])
async def test_nobody_goes_on_in_the_history_of_another_process(started: int) -> None:
    one, other = Pdp(), Pdp(started=Millis(started), salt=6)
    reader = Reader(one)
    await reader.catch_up()
    await says_tool(one, lambda choices: choices[0])
    await Reader(other).catch_up()
    for _ in range(5):
        await says_tool(other, lambda choices: choices[-1])
    await reader.cut()
    reader.pdp = other
    await reader.catch_up()
    reader.knows_it_all()
    assert reader.states == 2


async def test_nobody_is_told_of_more_than_is_kept() -> None:
    pdp = Pdp()
    reader, slow = Reader(pdp), Reader(pdp)
    await reader.catch_up()
    await slow.catch_up()
    for number in range(shipping_module.EVENTS_KEPT + 10):
        known = tool("a", enabled=number % 2 == 0)
        pdp.changes(Kind.TOOL, "a", lambda facts, known=known: facts.tools.update({"a": known}))  # type: ignore[misc] # bound now
    assert len(pdp.shipping._history) == shipping_module.EVENTS_KEPT
    await slow.catch_up()
    slow.knows_it_all()
    assert slow.states == 2


async def test_what_changes_for_very_many_is_a_new_state() -> None:
    pdp = Pdp()
    reader = Reader(pdp)
    await reader.catch_up()
    many = {
        f"budgets/{number}": HardBudget(name=f"budgets/{number}", scope=BudgetScope.AGENT) for number in range(5_000)
    }
    for budget in many.values():
        pdp.spending.put_budget(budget)
    pdp.moved()
    await reader.catch_up()
    reader.knows_it_all()
    assert reader.states == 2


async def test_nothing_is_kept_while_nobody_follows() -> None:
    pdp = Pdp()
    for _ in range(10):
        await says_tool(pdp, lambda choices: choices[0])
    assert not pdp.shipping._history
    assert not any(pdp.shipping._noted.values())
    assert Boundaries().find("nothing") is None
