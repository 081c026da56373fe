"""Watching agents: the state as it is, then every change to it, none lost and none repeated."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.events import Bookmark, Event, Revision
from ringfence_kit.watch import EventHub

from ringfence_registry.access import require_namespace_reader
from ringfence_registry.catalog import AgentCatalog
from ringfence_registry.model import AGENT, Agent
from ringfence_registry.reading import prefix_of


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentWatch:
    """What somebody wants to hear of, and from when."""

    namespace: str | None
    """None means every namespace."""
    start_revision: Revision | None
    """The first revision wanted; None means from now on."""
    send_initial_state: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An agent that was there when the watch began."""

    agent: Agent
    revision: Revision
    """Of the state, the same for all its agents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateComplete:
    """All agents that were there have been sent."""

    revision: Revision
    at: Instant


WatchedItem: TypeAlias = Standing | StateComplete | Event | Bookmark


class AgentWatching:
    """Answers watches."""

    def __init__(self, catalog: AgentCatalog, hub: EventHub, clock: Clock) -> None:
        self._catalog = catalog
        self._hub = hub
        self._clock = clock

    async def watch_agents(self, wanted: AgentWatch, *, caller: Caller) -> AsyncGenerator[WatchedItem, None]:
        """Yield what happens to agents, until closed.

        Raises `NotPermitted`, and what `EventHub.watch` raises.
        """
        require_namespace_reader(caller, wanted.namespace)
        prefix = prefix_of(wanted.namespace)
        # The state and the revision it stands at are taken in one step: nothing happens between two awaits.
        seen = self._hub.newest
        if wanted.send_initial_state:
            for agent in self._catalog.agents(prefix):
                yield Standing(agent=agent, revision=seen)
            yield StateComplete(revision=seen, at=self._clock.now())
        elif wanted.start_revision is not None:
            seen = Revision(wanted.start_revision - 1)
        else:
            # "From now on" has to say when now was: a stream cut before its first event could not be resumed.
            yield Bookmark(revision=seen, at=self._clock.now())

        def about_agents(event: Event) -> bool:
            return event.kind == AGENT and event.name.startswith(prefix)

        async with aclosing(self._hub.watch(seen, want=about_agents)) as events:
            async for item in events:
                yield item
