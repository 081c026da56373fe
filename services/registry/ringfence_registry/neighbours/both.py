"""The two neighbours of the registry, put together: two feeds side by side, and what follows from them.

Nothing waits for a neighbour, neither the start nor a read. A feed that is not believed impairs the registry, which
`/readyz` and the metrics tell, and does not make it unready: it knows less, and says so in its answers.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Generic, TypeVar

from ringfence.watch_position import WatchAnswer
from ringfence_kit.background import background
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.feeds import FeedReport, Source, why_not_believed
from ringfence_kit.readiness import Readiness

from ringfence_registry.neighbours.canaries import BreachedCanaries, EndRollout
from ringfence_registry.neighbours.health_feed import HealthFeed, HealthReport
from ringfence_registry.neighbours.identities import Identity
from ringfence_registry.neighbours.identity_feed import IdentityFeed

IdentityAnswer = TypeVar("IdentityAnswer", bound=WatchAnswer)
HealthAnswer = TypeVar("HealthAnswer", bound=WatchAnswer)


class Neighbours(Generic[IdentityAnswer, HealthAnswer]):
    """Identity and telemetry as the registry hears them, inside `async with following()`."""

    def __init__(
        self,
        *,
        identity_source: Callable[[], Source[IdentityAnswer]],
        read_identity: Callable[[IdentityAnswer], tuple[str, Identity | None]],
        health_source: Callable[[], Source[HealthAnswer]],
        read_health: Callable[[HealthAnswer], HealthReport],
        canary_of: Callable[[str], int | None],
        end_rollout: EndRollout,
        clock: Clock,
        readiness: Readiness,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """The sources open watches with initial state; `canary_of` and `end_rollout` are those of `canaries.py`.

        `between` lets whoever follows trust catch up while many changes are told.
        """
        self._readiness = readiness
        self.canaries = BreachedCanaries(canary_of=canary_of, end_rollout=end_rollout, clock=clock)
        self.identity = IdentityFeed(
            source=identity_source, read=read_identity, clock=clock, on_report=self._stands, between=between
        )
        self.health = HealthFeed(
            source=health_source,
            read=read_health,
            dids_of=self.identity.dids,
            name_of=self.identity.name,
            on_breach=self.canaries.breached,
            clock=clock,
            on_report=self._stands,
        )
        for report in self.reports(clock.now()):
            self._stands(report)

    def reports(self, now: Instant) -> Sequence[FeedReport]:
        """Return how the feeds stand."""
        return (self.identity.report(now), self.health.report(now))

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow both beside the block."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(background(self.canaries.run()))
            await stack.enter_async_context(self.identity.following())
            await stack.enter_async_context(self.health.following())
            yield

    def _stands(self, report: FeedReport) -> None:
        why = why_not_believed(report)
        if why:
            self._readiness.impair(f"{report.name} feed", why=why)
        else:
            self._readiness.repaired(f"{report.name} feed")
