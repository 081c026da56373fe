"""A pdp as far as it ships what it knows, in memory; and whoever follows it, one step at a time."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ringfence.errors import RevisionCompactedError
from ringfence.watch import Change
from ringfence.watch_position import Changed, StateComplete, WatchPosition
from ringfence_kit.clock import EPOCH, ManualClock, Millis
from ringfence_kit.errors import RevisionCompacted, RevisionInFuture
from ringfence_kit.events import Revision
from ringfence_pdp.bundle import Bundle, PolicyFile, digest_of
from ringfence_pdp.convert.snapshots import take_snapshot, told_to_proto
from ringfence_pdp.facts import Facts
from ringfence_pdp.hard_budgets import SpendingView, UsedUp
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.snapshots.shipped import Kind, Settings
from ringfence_pdp.snapshots.shipping import Ages, Shipping
from ringfence_pdp.snapshots.view import SnapshotView
from ringfence_pdp.store import StoredPolicy

EVENTS_KEPT = 50
SETTINGS = Settings(gated_environments=("prod",), masks=("**.password",))


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
            events_kept=EVENTS_KEPT,
        )

    def changes(self, kind: Kind, name: str, how: Callable[[Facts], object]) -> None:
        """Change one fact as a feed does, in place."""

        def take(view: Facts, _change: Change, _answer: Any) -> None:
            how(view)

        self.shipping.noting(kind, lambda _: (name,), take)(self.facts, Change.MODIFIED, None)
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
