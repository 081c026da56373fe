"""Watching identities: the state as it is, then every change to it, none lost and none repeated."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from ringfence_kit import records
from ringfence_kit.clock import Clock
from ringfence_kit.events import Event, Revision
from ringfence_kit.state_watch import StateWatchItem, watch_state
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


WatchedItem: TypeAlias = StateWatchItem[AgentIdentity]


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
        items = watch_state(
            self._hub,
            clock=self._clock,
            standing=(lambda: self._snapshot.identities(wanted.environment)) if wanted.send_initial_state else None,
            start_revision=wanted.start_revision,
            want=_about(wanted.environment),
        )
        async with aclosing(items):
            async for item in items:
                yield item


def environment_of(event: Event) -> str:
    """Return the environment an identity's event is of."""
    return records.decode(event.record, AgentIdentity).environment


def _about(environment: str) -> Callable[[Event], bool]:
    def about(event: Event) -> bool:
        return event.kind == IDENTITY and environment in ("", event.once(environment_of))

    return about
