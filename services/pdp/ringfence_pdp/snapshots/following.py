"""What a pdp ships, followed: everything decisions stand on in this process too, and how old it is.

The rules:

- nothing is known before the whole state was told and its bundle is compiled: everything is denied until then;
- a snapshot that was not confirmed for `stale_after` is as good as none: everything is denied (FACTS_STALE), since a
  kill switch may be among what was missed. What is killed by then stays so;
- younger than that, its age is added to the ages it was told with, so what they mean is what it means at the pdp:
  the most trusted agents are trusted less when identity was not heard for 15 s, wherever it was lost;
- policies that are older than those told before are none: a pdp that was restored may lack a kill switch. Nothing of
  them is taken, so the snapshot goes stale, until the pdp is ahead again or this process is restarted;
- a bundle is compiled in a thread. Until then the one before decides, and nobody waits.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from ringfence.watch import Change
from ringfence_kit.background import background
from ringfence_kit.clock import Clock, Instant, Millis
from ringfence_kit.events import Revision
from ringfence_kit.feeds import Feed, FeedReport, Source

from ringfence_pdp.boundaries import Boundaries
from ringfence_pdp.breathing import Breath
from ringfence_pdp.compile import BundleCompiler
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.facts import HEARD_LATELY, TOKEN_TTL, Facts
from ringfence_pdp.hard_budgets import Spending
from ringfence_pdp.letting_go import let_go
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.snapshots.shipped import Settings
from ringfence_pdp.snapshots.view import SnapshotView

HEARTBEAT = Millis(2_000)
"""A stream that is silent for a few of these is given up for another. The pdp speaks every second."""

STALE_AFTER = HEARD_LATELY
"""How old a snapshot may be, where nothing else is said."""

_UNHEARD = Boundaries(heard=False)


class SnapshotFollower:
    """Follows inside `async with following()`; what `Decisions` needs of facts, and `policy` beside it."""

    def __init__(
        self,
        source: Callable[[], Source[Any]],
        take: Callable[[SnapshotView, Change, Any], None],
        *,
        clock: Clock,
        stale_after: Millis = STALE_AFTER,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`source` opens a watch with initial state, `take` puts one of its events into a view.

        `stale_after`: how long the snapshot is believed without being confirmed, at most the life of a token.
        """
        if not 0 < stale_after <= TOKEN_TTL:
            raise ValueError(f"a snapshot is believed for more than 0 ms and at most {TOKEN_TTL}, not {stale_after}")
        self.policy: PolicyState[CompiledBundle] = PolicyState(BundleCompiler(Breath).compile_files, let_go=let_go)
        """What is in force."""
        self.facts = Facts(boundaries=_UNHEARD)
        """Everything known at this moment."""
        self._clock = clock
        self._stale_after = stale_after
        self._on_change = on_change
        self._newest = 0
        """The highest revision of policies it was told."""
        self._feed: Feed[Any, SnapshotView] = Feed(
            "pdp snapshot",
            new_source=source,
            new_view=lambda: SnapshotView(oldest=self._newest),
            take=take,
            clock=clock,
            heartbeat=HEARTBEAT,
            on_change=self._changed,
        )
        self._filled: tuple[SnapshotView, int] | None = None
        self._ahead = 0
        """By how much answers' epoch is ahead of the pdp's: once for each bundle that took over late."""
        self._complete = asyncio.Event()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow beside the block. Nothing is waited for: until the state is there, everything is denied."""
        async with background(self.policy.compiling(self._compiled)), self._feed.following():
            yield

    async def complete(self) -> None:
        """Wait until the whole state was told, and its bundle is compiled."""
        await self._complete.wait()

    @property
    def settings(self) -> Settings:
        """The settings of the pdp; another object when they changed."""
        return self._feed.view.settings

    def age(self, now: Instant) -> Millis | None:
        """Return how long ago the snapshot was last confirmed; None means never."""
        return self._feed.age(now)

    def is_stale(self, now: Instant) -> bool:
        """Say whether it is too old to decide by."""
        age = self._feed.age(now)
        return age is None or age >= self._stale_after

    def identity_age(self, now: Instant) -> Millis | None:
        """Return how long ago identity was heard, here or by the pdp; None when never, or nothing here is believed."""
        standing = self._feed.view.standing
        return None if standing is None or self.is_stale(now) else self._since(standing.identity_age, now)

    def report(self, now: Instant) -> FeedReport:
        """Return how the stream stands."""
        return self._feed.report(now)

    def _since(self, told: Millis | None, now: Instant) -> Millis | None:
        age = self._feed.age(now)
        return None if told is None or age is None else Millis(told + age)

    def _compiled(self) -> None:
        if self._complete.is_set():
            self._ahead += 1
        self._changed()

    def _changed(self) -> None:
        view, standing = self._feed.view, self._feed.view.standing
        if standing is not None:
            self._newest = max(self._newest, standing.policy_revision)
            if self._filled != (view, view.policy_changes):
                self._filled = (view, view.policy_changes)
                self.policy.fill(view.policy, Revision(standing.policy_revision))
            elif self.policy.current.revision != standing.policy_revision:
                self.policy.current = replace(self.policy.current, revision=Revision(standing.policy_revision))
            self.facts = Facts(
                by_did=view.facts.by_did,
                by_name=view.facts.by_name,
                registered=view.facts.registered,
                tools=view.facts.tools,
                boundaries=view.facts.boundaries if standing.boundaries_heard else _UNHEARD,
                revocations=view.facts.revocations,
                issuers=view.issuers,
                spending=self._spending(view),
                health=view.health,
                identity_revision=standing.identity_revision,
                registry_revision=standing.registry_revision,
                # So that answers carry the pdp's own epoch, whatever this process made its part of policies.
                epoch=standing.epoch + self._ahead - self.policy.current.epoch,
            )
            if not self._complete.is_set() and not self.policy.is_late:
                self._complete.set()
        self._on_change()

    def _spending(self, view: SnapshotView) -> Spending:
        spending, believed_for = view.spending.spending(), view.settings.budgets_believed_for
        standing = view.standing
        age = None if standing is None else self._since(standing.budgets_age, self._clock.now())
        if believed_for is None or age is None or age < believed_for:
            return spending
        return spending._replace(silent_for=age)
