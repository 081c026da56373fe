"""The feeds behind `facts.py`: the agents of identity and of the registry, and how old what they said is.

Each feed keeps a view of its own and swaps it whole; `facts` joins the two views of the moment without copying either.
Losing one and losing the other mean different things:

- identity silent: the age goes into every decision, which trusts less after 15 s and nobody after 300 s;
- registry silent: its last view serves, because nothing in it expires; an agent it never named stays unknown.

Readiness names the feed that cannot be believed, and why.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Generic, TypeVar

from ringfence.watch import Change
from ringfence.watch_position import WatchAnswer
from ringfence_kit.clock import Clock, Instant, Millis
from ringfence_kit.feeds import Feed, FeedReport, Source, why_not_believed
from ringfence_kit.readiness import Readiness

from ringfence_pdp.facts import Facts

IdentityAnswer = TypeVar("IdentityAnswer", bound=WatchAnswer)
RegistryAnswer = TypeVar("RegistryAnswer", bound=WatchAnswer)

IDENTITY_FEED = "identity feed"
REGISTRY_FEED = "registry feed"
"""The conditions of readiness."""


class FactFeeds(Generic[IdentityAnswer, RegistryAnswer]):
    """Both feeds, at work inside `async with following()`."""

    def __init__(
        self,
        *,
        identity_source: Callable[[], Source[IdentityAnswer]],
        registry_source: Callable[[], Source[RegistryAnswer]],
        take_identity: Callable[[Facts, Change, IdentityAnswer], None],
        take_registered: Callable[[Facts, Change, RegistryAnswer], None],
        clock: Clock,
        readiness: Readiness,
    ) -> None:
        """The sources open watches with initial state; the `take`s put one event into a view."""
        self.facts = Facts()
        """Every agent known at this moment."""
        self._clock = clock
        self._readiness = readiness
        self._identity = Feed(
            "identity",
            new_source=identity_source,
            new_view=Facts,
            take=take_identity,
            clock=clock,
            on_change=self._changed,
        )
        self._registry = Feed(
            "registry",
            new_source=registry_source,
            new_view=Facts,
            take=take_registered,
            clock=clock,
            on_change=self._changed,
        )
        readiness.require(IDENTITY_FEED, why="identity has not been heard yet")
        readiness.require(REGISTRY_FEED, why="the registry has not been heard yet")

    def identity_age(self, now: Instant) -> Millis | None:
        """Return how long ago identity was last heard; None means never."""
        return self._identity.age(now)

    def reports(self, now: Instant) -> Sequence[FeedReport]:
        """Return how the feeds stand, for metrics."""
        return (self._identity.report(now), self._registry.report(now))

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow both beside the block. Nothing is waited for: until they are heard, everything is denied."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._identity.following())
            await stack.enter_async_context(self._registry.following())
            yield

    def _changed(self) -> None:
        identities, registered = self._identity.view, self._registry.view
        self.facts = Facts(
            by_did=identities.by_did,
            by_name=identities.by_name,
            registered=registered.registered,
            identity_revision=self._identity.revision,
            registry_revision=self._registry.revision,
        )
        now = self._clock.now()
        for condition, feed in ((IDENTITY_FEED, self._identity), (REGISTRY_FEED, self._registry)):
            why = why_not_believed(feed.report(now))
            if why:
                self._readiness.lost(condition, why=why)
            else:
                self._readiness.met(condition)
