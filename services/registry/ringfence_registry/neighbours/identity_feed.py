"""Identity's watch: how far agents are trusted, who they are, and whose keys changed.

The rules:

- the stored numbers are kept, and score and ring computed from them for the instant of the question, as identity does;
- a feed that is not believed says nothing: nobody's trust is known while identity is silent for three heartbeats or
  was never heard. Who an agent is does not go away with it, and what is known of it is then known not to be active;
- what begins anew after a break is compared with what was known, and whatever differs is told like any change;
- what concerns everybody at once (a first state, a feed that is cut) is told a few at a time, and who follows may catch
  up between: an index over a hundred thousand agents must not hold up the questions. Answers are right all the while;
- a change of standing or keys is told to whoever judges signatures; one of trust alone is not.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Generic, NamedTuple, TypeVar

from ringfence.watch import Change
from ringfence.watch_position import WatchAnswer
from ringfence_kit.background import background
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.feeds import Feed, FeedReport, Source, why_not_believed
from ringfence_kit.names import AgentName
from ringfence_kit.trust_decay import ring_with, score_at, score_falls_at, within_ceiling

from ringfence_registry.agents.surroundings import IdentityFacts
from ringfence_registry.finding.views import Followed, Trust
from ringfence_registry.neighbours.identities import Identities, Identity

Answer = TypeVar("Answer", bound=WatchAnswer)

AT_ONCE = 50
"""How many of many are told before others get a turn: some milliseconds of whoever keeps an index."""


KEPT = 10_000
"""Standings kept until they may be others: working out when takes as long as all the rest of an answer."""


class _Faded(NamedTuple):
    """How far an identity is trusted from one instant to another, if nothing is heard."""

    identity: Identity
    since: Instant
    until: Instant | None
    """None for ever."""
    score: int
    ring: int
    active: bool

    def holds(self, now: Instant) -> bool:
        """Say whether it is so at `now`."""
        return self.since <= now and (self.until is None or now < self.until)


class IdentityFeed(Generic[Answer]):
    """A `TrustView` and the `Identities` of readiness gates, at work inside `async with following()`."""

    def __init__(
        self,
        *,
        source: Callable[[], Source[Answer]],
        read: Callable[[Answer], tuple[str, Identity | None]],
        clock: Clock,
        on_report: Callable[[FeedReport], None] = lambda _: None,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """`between` is called after every few of many that are told; it may take milliseconds.

        `read` returns the DID an event is about, and the identity when it can be read; `on_report` hears how the
        feed stands after every sign of life and every heartbeat without one."""
        self._read = read
        self._clock = clock
        self._on_report = on_report
        self._between = between
        self._untold: deque[tuple[list[Followed], str]] = deque()
        self._news = asyncio.Event()
        self._followed: list[Followed] = []
        self._signers: list[Followed] = []
        self._believed = False
        self.changes = 0
        """See `TrustView`: every sign of life is one, for each says anew how old what is known is."""
        self._faded: dict[str, _Faded] = {}
        """By DID, of those asked for lately."""
        self._feed: Feed[Answer, Identities] = Feed(
            "identity",
            new_source=source,
            new_view=Identities,
            take=self._took,
            clock=clock,
            on_change=self._looked,
        )
        self._seen = self._feed.view
        """The view that was told of; another one is in place after a break."""

    def follow(self, changed: Followed) -> None:
        """See `TrustView`."""
        self._followed.append(changed)

    def follow_signers(self, changed: Followed) -> None:
        """Call `changed` with a DID each time its keys or its standing changed. Registered before anything is heard."""
        self._signers.append(changed)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow identity beside the block. Nothing is waited for."""
        async with background(self._tell_many()), self._feed.following():
            yield

    def report(self, now: Instant) -> FeedReport:
        """Return how the feed stands."""
        return self._feed.report(now)

    def trust(self, agent: str, did: str, now: Instant) -> Trust | None:
        """See `TrustView`."""
        identity, age = self._identity_of(agent, did), self._feed.age(now)
        if identity is None or age is None or not self._believed:
            return None
        known = self._faded.get(identity.did)
        if known is None or known.identity is not identity or not known.holds(now):
            known = self._keep(_faded(identity, now))
        return Trust(
            score=known.score, ring=known.ring, active=known.active, heard_at=Instant(now - age), until=known.until
        )

    def _keep(self, faded: "_Faded") -> "_Faded":
        if len(self._faded) >= KEPT:
            self._faded.clear()
        self._faded[faded.identity.did] = faded
        return faded

    def identity(self, did: str, now: Instant, /) -> IdentityFacts | None:
        """See `agents.surroundings.Identities`."""
        return self._facts(self._seen.by_did.get(did), now)

    def identity_in(self, agent: AgentName, environment: str, now: Instant, /) -> IdentityFacts | None:
        """See `agents.surroundings.Identities`."""
        return self._facts(self._seen.by_name.get(str(agent), {}).get(environment), now)

    def home(self, did: str) -> str | None:
        """Return the namespace of the agent with this DID, None when identity never named it or revoked it."""
        identity = self._seen.by_did.get(did)
        return identity.agent.namespace if identity is not None and identity.active_at(self._clock.now()) else None

    def name(self, did: str) -> str | None:
        """Return the resource name of the agent with this DID."""
        identity = self._seen.by_did.get(did)
        return None if identity is None else str(identity.agent)

    def dids(self, name: str) -> tuple[str, ...]:
        """Return the DIDs of the agent with this resource name, one for each of its environments."""
        return tuple(identity.did for identity in self._seen.by_name.get(name, {}).values())

    def _identity_of(self, agent: str, did: str) -> Identity | None:
        if did:
            identity = self._seen.by_did.get(did)
            return identity if identity is not None and str(identity.agent) == agent else None
        named = self._seen.by_name.get(agent, {})
        return next(iter(named.values())) if len(named) == 1 else None

    def _facts(self, identity: Identity | None, now: Instant) -> IdentityFacts | None:
        if identity is None:
            return None
        return IdentityFacts(
            did=identity.did,
            agent=identity.agent,
            environment=identity.environment,
            active=self._believed and identity.active_at(now),
        )

    def _took(self, view: Identities, change: Change, answer: Answer) -> None:
        self.changes += 1
        did, identity = self._read(answer)
        before = view.by_did.get(did)
        # One that cannot be read (a newer release's standing, a name that is none) is one that is not known.
        if identity is None or change is Change.DELETED:
            view.drop(did)
        else:
            view.put(identity)
        if view is self._seen:
            self._tell(did, before, view.by_did.get(did))

    def _looked(self) -> None:
        self.changes += 1
        report, before = self._feed.report(self._clock.now()), self._seen
        believed = not why_not_believed(report)
        flipped = believed is not self._believed
        self._seen, self._believed = self._feed.view, believed
        if before is not self._seen:
            for did in {*before.by_did, *self._seen.by_did}:
                was, now = before.by_did.get(did), self._seen.by_did.get(did)
                self._untold.extend(self._due(did, was, now, flipped=flipped))
        elif flipped:
            self._untold.extend((self._followed, name) for name in self._seen.by_name)
        self._news.set()
        self._on_report(report)

    def _tell(self, did: str, before: Identity | None, after: Identity | None) -> None:
        for listeners, whom in self._due(did, before, after):
            _call(listeners, whom)

    def _due(
        self, did: str, before: Identity | None, after: Identity | None, *, flipped: bool = False
    ) -> Iterator[tuple[list[Followed], str]]:
        """Yield who is to be told of whom; `flipped`: what is said began, or ceased, to be believed."""
        if before != after or flipped:
            for name in {str(each.agent) for each in (before, after) if each is not None}:
                yield self._followed, name
        if before != after and (after is None or not after.signs_as(before)):
            yield self._signers, did

    async def _tell_many(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._untold:
                for _ in range(min(AT_ONCE, len(self._untold))):
                    _call(*self._untold.popleft())
                self._between()
                await asyncio.sleep(0)


def _call(listeners: list[Followed], whom: str) -> None:
    for listener in listeners:
        listener(whom)


def _faded(identity: Identity, now: Instant) -> _Faded:
    score = score_at(identity.trust, now)
    return _Faded(
        identity,
        since=now,
        until=_until(identity, now),
        score=score,
        ring=within_ceiling(ring_with(identity.trust, score, now), identity.ring_ceiling),
        active=identity.active_at(now),
    )


def _until(identity: Identity, now: Instant) -> Instant | None:
    """Return when trust is another though nothing is heard: it fades, ring 0 ends, and so does the identity."""
    ends = (score_falls_at(identity.trust, now), identity.trust.ring_zero_until, identity.expires_at)
    return min((end for end in ends if end is not None and end > now), default=None)
