"""The feeds behind `facts.py`: identity's agents, the registry's agents and tools, and how old what they said is.

Each feed keeps a view of its own and swaps it whole; `facts` joins the views of the moment without copying any.
Losing one and losing another mean different things:

- identity silent: the age goes into every decision, which trusts less after 15 s and nobody after 300 s;
- registry silent: its last view serves; an agent or tool it never named stays unknown. The one thing in it that ends,
  trust in what a tool reaches, says when.

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
ToolAnswer = TypeVar("ToolAnswer", bound=WatchAnswer)

IDENTITY_FEED = "identity feed"
REGISTRY_FEED = "registry feed"
TOOL_FEED = "tool feed"
"""The conditions of readiness."""


class FactFeeds(Generic[IdentityAnswer, RegistryAnswer, ToolAnswer]):
    """The feeds, at work inside `async with following()`."""

    def __init__(
        self,
        *,
        identity_source: Callable[[], Source[IdentityAnswer]],
        registry_source: Callable[[], Source[RegistryAnswer]],
        tool_source: Callable[[], Source[ToolAnswer]],
        take_identity: Callable[[Facts, Change, IdentityAnswer], None],
        take_registered: Callable[[Facts, Change, RegistryAnswer], None],
        take_tool: Callable[[Facts, Change, ToolAnswer], None],
        clock: Clock,
        readiness: Readiness,
    ) -> None:
        """The sources open watches with initial state; the `take`s put one event into a view."""
        self.facts = Facts()
        """Every agent and tool known at this moment."""
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
        self._tools = Feed(
            "registry tools",
            new_source=tool_source,
            new_view=Facts,
            take=take_tool,
            clock=clock,
            on_change=self._changed,
        )
        readiness.require(IDENTITY_FEED, why="identity has not been heard yet")
        readiness.require(REGISTRY_FEED, why="the registry has not been heard yet")
        readiness.require(TOOL_FEED, why="the registry has not been heard of tools yet")

    def identity_age(self, now: Instant) -> Millis | None:
        """Return how long ago identity was last heard; None means never."""
        return self._identity.age(now)

    def reports(self, now: Instant) -> Sequence[FeedReport]:
        """Return how the feeds stand, for metrics."""
        return (self._identity.report(now), self._registry.report(now), self._tools.report(now))

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow all beside the block. Nothing is waited for: until they are heard, everything is denied."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._identity.following())
            await stack.enter_async_context(self._registry.following())
            await stack.enter_async_context(self._tools.following())
            yield

    def _changed(self) -> None:
        identities, registered = self._identity.view, self._registry.view
        self.facts = Facts(
            by_did=identities.by_did,
            by_name=identities.by_name,
            registered=registered.registered,
            tools=self._tools.view.tools,
            identity_revision=self._identity.revision,
            registry_revision=self._registry.revision,
        )
        now = self._clock.now()
        reports = self.reports(now)
        for condition, report in zip((IDENTITY_FEED, REGISTRY_FEED, TOOL_FEED), reports, strict=True):
            why = why_not_believed(report)
            if why:
                self._readiness.lost(condition, why=why)
            else:
                self._readiness.met(condition)
