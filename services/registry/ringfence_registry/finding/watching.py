"""Watching agents: the state as it is, then every change to it, none lost and none repeated."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Clock
from ringfence_kit.events import Event, Revision
from ringfence_kit.state_watch import StateWatchItem, watch_state
from ringfence_kit.watch import EventHub

from ringfence_registry.access import require_namespace_reader
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.reading import prefix_of
from ringfence_registry.model import AGENT, Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentWatch:
    """What somebody wants to hear of, and from when."""

    namespace: str | None
    """None means every namespace."""
    start_revision: Revision | None
    """The first revision wanted; None means from now on."""
    send_initial_state: bool


WatchedItem: TypeAlias = StateWatchItem[Agent]


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

        def about_agents(event: Event) -> bool:
            return event.kind == AGENT and event.name.startswith(prefix)

        items = watch_state(
            self._hub,
            clock=self._clock,
            standing=(lambda: self._catalog.agents(prefix)) if wanted.send_initial_state else None,
            start_revision=wanted.start_revision,
            want=about_agents,
        )
        async with aclosing(items):
            async for item in items:
                yield item
