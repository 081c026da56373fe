"""Identity's watch: how far agents are trusted, who they are, and whose keys changed.

The rules:

- the stored numbers are kept, and score and ring computed from them for the instant of the question, as identity does;
- a feed that is not believed says nothing: nobody's trust is known while identity is silent for three heartbeats or
  was never heard. Who an agent is does not go away with it, and what is known of it is then known not to be active;
- what begins anew after a break is compared with what was known, and whatever differs is told like any change;
- a change of standing or keys is told to whoever judges signatures; one of trust alone is not.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

from ringfence.watch import Change
from ringfence.watch_position import WatchAnswer
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.feeds import Feed, FeedReport, Source, why_not_believed
from ringfence_kit.names import AgentName
from ringfence_kit.trust_decay import ring_with, score_at, score_falls_at, within_ceiling

from ringfence_registry.agents.surroundings import IdentityFacts
from ringfence_registry.finding.views import Followed, Trust
from ringfence_registry.neighbours.identities import Identities, Identity

Answer = TypeVar("Answer", bound=WatchAnswer)


class IdentityFeed(Generic[Answer]):
    """A `TrustView` and the `Identities` of readiness gates, at work inside `async with following()`."""

    def __init__(
        self,
        *,
        source: Callable[[], Source[Answer]],
        read: Callable[[Answer], tuple[str, Identity | None]],
        clock: Clock,
        on_report: Callable[[FeedReport], None] = lambda _: None,
    ) -> None:
        """`read` returns the DID an event is about, and the identity when it can be read; `on_report` hears how the
        feed stands after every sign of life and every heartbeat without one."""
        self._read = read
        self._clock = clock
        self._on_report = on_report
        self._followed: list[Followed] = []
        self._signers: list[Followed] = []
        self._believed = False
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

    def following(self) -> AbstractAsyncContextManager[None]:
        """Follow identity beside the block. Nothing is waited for."""
        return self._feed.following()

    def report(self, now: Instant) -> FeedReport:
        """Return how the feed stands."""
        return self._feed.report(now)

    def trust(self, agent: str, did: str, now: Instant) -> Trust | None:
        """See `TrustView`."""
        identity, age = self._identity_of(agent, did), self._feed.age(now)
        if identity is None or age is None or not self._believed:
            return None
        score = score_at(identity.trust, now)
        return Trust(
            score=score,
            ring=within_ceiling(ring_with(identity.trust, score, now), identity.ring_ceiling),
            active=identity.active_at(now),
            heard_at=Instant(now - age),
            until=_until(identity, now),
        )

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
        report, before = self._feed.report(self._clock.now()), self._seen
        believed = not why_not_believed(report)
        flipped = believed is not self._believed
        self._seen, self._believed = self._feed.view, believed
        if before is not self._seen:
            for did in {*before.by_did, *self._seen.by_did}:
                self._tell(did, before.by_did.get(did), self._seen.by_did.get(did), flipped=flipped)
        elif flipped:
            for name in self._seen.by_name:
                self._call(self._followed, name)
        self._on_report(report)

    def _tell(self, did: str, before: Identity | None, after: Identity | None, *, flipped: bool = False) -> None:
        """Tell of one identity; `flipped`: what is said is believed now and was not, or the other way round."""
        if before != after or flipped:
            for name in {str(each.agent) for each in (before, after) if each is not None}:
                self._call(self._followed, name)
        if before == after:
            return
        if after is None or not after.signs_as(before):
            self._call(self._signers, did)

    @staticmethod
    def _call(listeners: list[Followed], whom: str) -> None:
        for listener in listeners:
            listener(whom)


def _until(identity: Identity, now: Instant) -> Instant | None:
    """Return when trust is another though nothing is heard: it fades, ring 0 ends, and so does the identity."""
    ends = (score_falls_at(identity.trust, now), identity.trust.ring_zero_until, identity.expires_at)
    return min((end for end in ends if end is not None and end > now), default=None)
