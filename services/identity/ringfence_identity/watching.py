"""Watching identities: the state as it is, then every change to it, none lost and none repeated."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from ringfence_kit import records
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.events import Bookmark, Event, Revision
from ringfence_kit.watch import EventHub

from ringfence_identity.environments import Environments
from ringfence_identity.model import IDENTITY, AgentIdentity
from ringfence_identity.snapshot import IdentitySnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentWatch:
    """What a watcher wants to hear of, and from when."""

    environment: str
    """Empty means every environment hosted here."""
    start_revision: Revision | None
    """The first revision wanted; None means from now on."""
    send_initial_state: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An identity that was there when the watch began."""

    identity: AgentIdentity
    revision: Revision
    """Of the state, the same for all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateComplete:
    """All identities that were there have been sent."""

    revision: Revision
    at: Instant


WatchedItem: TypeAlias = Standing | StateComplete | Event | Bookmark


class AgentWatching:
    """Answers watches. That only the mesh itself may watch stands in the grants table."""

    def __init__(self, *, environments: Environments, snapshot: IdentitySnapshot, hub: EventHub, clock: Clock) -> None:
        self._environments = environments
        self._snapshot = snapshot
        self._hub = hub
        self._clock = clock

    async def watch(self, wanted: AgentWatch) -> AsyncGenerator[WatchedItem, None]:
        """Yield what happens to identities until closed; raises what `EventHub.watch` raises."""
        if wanted.environment:
            self._environments.get(wanted.environment)
        # The state and the revision it stands at are taken in one step: nothing happens between two awaits.
        seen, standing = self._hub.newest, self._snapshot.identities(wanted.environment)
        if wanted.send_initial_state:
            for identity in standing:
                yield Standing(identity=identity, revision=seen)
            yield StateComplete(revision=seen, at=self._clock.now())
        elif wanted.start_revision is not None:
            seen = Revision(wanted.start_revision - 1)
        else:
            # "From now on" has to say when now was: a stream cut before its first event could not be resumed.
            yield Bookmark(revision=seen, at=self._clock.now())
        async with aclosing(self._hub.watch(seen, want=_about(wanted.environment))) as items:
            async for item in items:
                yield item


def environment_of(event: Event) -> str:
    """Return the environment an identity's event is of."""
    return records.decode(event.record, AgentIdentity).environment


def _about(environment: str) -> Callable[[Event], bool]:
    def about(event: Event) -> bool:
        return event.kind == IDENTITY and environment in ("", event.once(environment_of))

    return about
