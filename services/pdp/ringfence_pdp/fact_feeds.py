"""The feeds behind `facts.py`: identity's agents and revocations, the registry's agents, tools and boundaries, hard
budgets from telemetry, and how old what they said is.

Each feed keeps a view of its own and swaps it whole; `facts` joins the views of the moment without copying any.
Losing one and losing another mean different things:

- identity silent, of agents or of what it revokes: the age goes into every decision, which trusts less after 15 s and
  nobody after 300 s;
- registry silent: its last view serves; an agent or tool it never named stays unknown. The one thing in it that ends,
  trust in what a tool reaches, says when. Until it has told of boundaries once, nothing passes from agent to agent;
- telemetry silent: what is left of hard budgets is not known any more, which `limits/spending.py` makes something of.
  How agents do is not known any more once what was said of it has run out. Everybody is served all the same, so it
  takes no readiness away.

Readiness names the feed that cannot be believed, and why.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ringfence.watch import Change
from ringfence.watch_position import WatchAnswer
from ringfence_kit.clock import Clock, Instant, Millis
from ringfence_kit.feeds import Feed, FeedReport, Source, why_not_believed
from ringfence_kit.readiness import Readiness

from ringfence_pdp.boundaries import Boundaries
from ringfence_pdp.chains.issuer_keys import IssuerKeys
from ringfence_pdp.chains.issuers import Issuer
from ringfence_pdp.chains.revocations import Revocations
from ringfence_pdp.facts import Facts
from ringfence_pdp.hard_budgets import Spending, SpendingView
from ringfence_pdp.health_facts import HealthView

Answer = TypeVar("Answer", bound=WatchAnswer)
View = TypeVar("View")

IDENTITY_FEED = "identity feed"
REGISTRY_FEED = "registry feed"
TOOL_FEED = "tool feed"
BOUNDARY_FEED = "boundary feed"
REVOCATION_FEED = "revocation feed"
"""The conditions of readiness."""

_UNHEARD = Boundaries(heard=False)
_NO_HEALTH: HealthView = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Generic[Answer, View]):
    """One watch: what opens it, with initial state, and what puts one of its events into a view."""

    source: Callable[[], Source[Answer]]
    take: Callable[[View, Change, Answer], None]

    def feed(self, name: str, new_view: Callable[[], View], clock: Clock, on_change: Callable[[], None]) -> Any:
        """Return the feed that follows it. What its answers look like is between source and `take`."""
        feed: Feed[Answer, View] = Feed(
            name, new_source=self.source, new_view=new_view, take=self.take, clock=clock, on_change=on_change
        )
        return feed


class FactFeeds:
    """The feeds, at work inside `async with following()`."""

    def __init__(
        self,
        *,
        identity: Told[Any, Facts],
        registry: Told[Any, Facts],
        tools: Told[Any, Facts],
        boundaries: Told[Any, Boundaries],
        revocations: Told[Any, Revocations],
        budgets: Told[Any, SpendingView],
        fetch_issuer: Callable[[str, str], Awaitable[Issuer]],
        clock: Clock,
        readiness: Readiness,
        on_change: Callable[[], None] = lambda: None,
        health: Told[Any, HealthView] | None = None,
        budgets_believed_for: Millis | None = None,
    ) -> None:
        """`on_change` is called after every change. Without `health` nothing is known of how agents do.

        `budgets_believed_for`: how long telemetry may be silent before what it said of budgets is in doubt; None means
        for ever.

        `fetch_issuer` returns the issuer of an environment, given the DID of an agent in it.
        """
        self.facts = Facts(boundaries=_UNHEARD)
        """Everything known at this moment."""
        self._clock = clock
        self._on_change = on_change
        self._readiness = readiness
        self._issuers = IssuerKeys(fetch_issuer, clock=clock, on_change=self._changed)
        self._identity: Feed[Any, Facts] = identity.feed("identity", Facts, clock, self._changed)
        self._registry: Feed[Any, Facts] = registry.feed("registry", Facts, clock, self._changed)
        self._tools: Feed[Any, Facts] = tools.feed("registry tools", Facts, clock, self._changed)
        self._boundaries: Feed[Any, Boundaries] = boundaries.feed(
            "registry boundaries", Boundaries, clock, self._changed
        )
        self._revocations: Feed[Any, Revocations] = revocations.feed(
            "identity revocations", Revocations, clock, self._changed
        )
        self._budgets: Feed[Any, SpendingView] = budgets.feed("telemetry budgets", SpendingView, clock, self._changed)
        self._budgets_believed_for = budgets_believed_for
        self._health: Feed[Any, HealthView] | None = (
            None if health is None else health.feed("telemetry health", dict, clock, self._changed)
        )
        readiness.require(IDENTITY_FEED, why="identity has not been heard yet")
        readiness.require(REGISTRY_FEED, why="the registry has not been heard yet")
        readiness.require(TOOL_FEED, why="the registry has not been heard of tools yet")
        readiness.require(BOUNDARY_FEED, why="the registry has not been heard of boundaries yet")
        readiness.require(REVOCATION_FEED, why="identity has not been heard of revocations yet")

    def identity_age(self, now: Instant) -> Millis | None:
        """Return how long ago identity was last heard, of whichever it was heard of longer ago; None means never."""
        of_agents, of_revocations = self._identity.age(now), self._revocations.age(now)
        return None if of_agents is None or of_revocations is None else max(of_agents, of_revocations)

    def budgets_age(self, now: Instant) -> Millis | None:
        """Return how long ago telemetry was last heard of budgets; None means never."""
        return self._budgets.age(now)

    def reports(self, now: Instant) -> Sequence[FeedReport]:
        """Return how the feeds stand, for metrics."""
        return (*(feed.report(now) for _, feed in self._feeds()), self._budgets.report(now), *self._of_health(now))

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow all beside the block. Nothing is waited for: until they are heard, everything is denied."""
        async with AsyncExitStack() as stack:
            for _, feed in self._feeds():
                await stack.enter_async_context(feed.following())
            await stack.enter_async_context(self._budgets.following())
            if self._health is not None:
                await stack.enter_async_context(self._health.following())
            await stack.enter_async_context(self._issuers.following())
            yield

    def _of_health(self, now: Instant) -> Sequence[FeedReport]:
        return () if self._health is None else (self._health.report(now),)

    @property
    def _health_revision(self) -> int:
        return 0 if self._health is None else self._health.revision

    def _feeds(self) -> Sequence[tuple[str, Feed[Any, Any]]]:
        return (
            (IDENTITY_FEED, self._identity),
            (REGISTRY_FEED, self._registry),
            (TOOL_FEED, self._tools),
            (BOUNDARY_FEED, self._boundaries),
            (REVOCATION_FEED, self._revocations),
        )

    def _changed(self) -> None:
        now = self._clock.now()
        identities, registered, revocations = self._identity.view, self._registry.view, self._revocations.view
        self.facts = Facts(
            by_did=identities.by_did,
            by_name=identities.by_name,
            registered=registered.registered,
            tools=self._tools.view.tools,
            boundaries=_UNHEARD if self._boundaries.age(now) is None else self._boundaries.view,
            revocations=revocations,
            issuers=self._issuers.known,
            spending=self._spending(now),
            health=_NO_HEALTH if self._health is None else self._health.view,
            environments=identities.environments,
            identity_revision=self._identity.revision,
            registry_revision=self._registry.revision,
            epoch=sum(feed.revision for _, feed in self._feeds()) + self._budgets.revision + self._health_revision,
        )
        self._on_change()
        self._issuers.want(identities.environments, revocations.issuer_keys)
        for condition, feed in self._feeds():
            why = why_not_believed(feed.report(now))
            if why:
                self._readiness.lost(condition, why=why)
            else:
                self._readiness.met(condition)

    def _spending(self, now: Instant) -> Spending:
        spending, age = self._budgets.view.spending(), self._budgets.age(now)
        if self._budgets_believed_for is None or age is None or age < self._budgets_believed_for:
            return spending
        return spending._replace(silent_for=age)
