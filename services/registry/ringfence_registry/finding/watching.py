"""Watching agents: the state as it is, then every change to it, none lost and none repeated, as far as the caller sees.

A filter may be given. An agent that begins to match then comes as ADDED, one that ceases to as DELETED, and of what
matches neither before nor after nothing is heard. What that takes:

- whether an agent matched before is known from the state the watch began with, and from its events since;
- a watch that is resumed does not know it of agents whose events it missed: their first change comes as MODIFIED when
  they match now and as DELETED when they do not, which is right for whoever had them and empty for whoever had not;
- what changes without an event of the agent (its trust, its health) cannot be asked for: nobody would tell.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeAlias

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Clock
from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.state_watch import StateWatchItem
from ringfence_kit.watch import EventHub

from ringfence_registry.errors import FilterInvalid
from ringfence_registry.finding.agent_fields import MOVING
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.asking import asked, compiled
from ringfence_registry.finding.bits import NONE, Bits
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.compiler import Filter
from ringfence_registry.finding.standing import ONE_BY_ONE, StandingAgents, standing_agents
from ringfence_registry.model import AGENT
from ringfence_registry.namespaces.book import NamespaceBook
from ringfence_registry.namespaces.visible import Visible
from ringfence_registry.namespaces.watched import watch_seen

_TOLD_BY_EVENTS = frozenset({"liveness"})
"""Of what moves: its flips are events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentWatch:
    """What somebody wants to hear of, and from when."""

    namespace: str | None
    """None means every namespace."""
    start_revision: Revision | None
    """The first revision wanted; None means from now on."""
    send_initial_state: bool
    filter: str = ""
    part_bytes: int = ONE_BY_ONE
    """How large the parts are in which the initial state is told."""


WatchedItem: TypeAlias = StateWatchItem[StandingAgents]


class AgentWatching:
    """Answers watches."""

    def __init__(self, catalog: AgentCatalog, hub: EventHub, clock: Clock, *, book: NamespaceBook) -> None:
        self._catalog = catalog
        self._hub = hub
        self._clock = clock
        self._book = book
        self._view_at = catalog.view_at

    async def watch_agents(self, wanted: AgentWatch, *, caller: Caller) -> AsyncGenerator[WatchedItem, None]:
        """Yield what happens to agents, until closed.

        Raises `NotPermitted`, `FilterInvalid`, and what `watch_seen` raises.
        """
        matching = _Matching(self._catalog, wanted, self._hub.newest) if wanted.filter else None
        if matching is not None:
            matching.begin(self._book.visible(caller), self._clock)

        def standing(visible: Visible) -> Iterator[StandingAgents]:
            now = self._clock.now()
            among = self._catalog.in_sight(self._catalog.seen_by(visible, wanted.namespace), retired=True)
            if matching is not None:
                among &= matching.matched
            return standing_agents(self._catalog, among, now, part_bytes=wanted.part_bytes)

        items = watch_seen(
            self._hub,
            self._book,
            caller=caller,
            clock=self._clock,
            namespace=wanted.namespace,
            standing=standing if wanted.send_initial_state else None,
            start_revision=wanted.start_revision,
            want=_is_about_an_agent,
        )
        async with aclosing(items):
            async for item in items:
                told = self._told(item, matching) if isinstance(item, Event) else item
                if told is not None:
                    yield told

    def _told(self, event: Event, matching: "_Matching | None") -> Event | None:
        """Return what the reader has to be told of an event, or None.

        An agent leaves sight when it is deleted, which changes it, and not when it is forgotten for good later.
        """
        agent = event.once(self._view_at).agent
        if agent.deleted and (event.change is Change.DELETED or agent.deleted_at != agent.updated_at):
            return None
        shown = event.once(_as_deleted) if agent.deleted else event
        return shown if matching is None else matching.told(shown)


def _is_about_an_agent(event: Event) -> bool:
    return event.kind == AGENT


class _Matching:
    """Which agents a filtered watch has told its reader of."""

    def __init__(self, catalog: AgentCatalog, wanted: AgentWatch, newest: Revision) -> None:
        self._catalog = catalog
        self._wanted = wanted
        self._view_at = catalog.view_at
        self._want = _without_what_moves(compiled(wanted.filter))
        self._began = newest
        self._since: dict[str, bool] = {}
        self.matched: Bits = NONE

    def begin(self, visible: Visible, clock: Clock) -> None:
        """Take the state the watch begins with."""
        among = self._catalog.in_sight(self._catalog.seen_by(visible, self._wanted.namespace), retired=True)
        self.matched = asked(self._catalog, self._wanted.filter, among, now=clock.now())

    def told(self, event: Event) -> Event | None:
        """Return what the reader has to be told, or None."""
        before = False if event.change is Change.ADDED else self._before(event)
        view = event.once(self._view_at)
        after = event.change is not Change.DELETED and self._want.matches(view)
        self._since[event.name] = after
        match before, after:
            case False, False:
                return None
            case False, True:
                return event.once(_as_added)
            case _, False:
                return event.once(_as_deleted)
            case _:
                return event

    def _before(self, event: Event) -> bool | None:
        known = self._since.get(event.name)
        if known is not None or event.revision <= self._began:
            return known
        slot = self._catalog.slot(event.name)
        return slot is not None and bool(self.matched >> slot & 1)


def _as_added(event: Event) -> Event:
    return event if event.change is Change.ADDED else replace(event, change=Change.ADDED)


def _as_deleted(event: Event) -> Event:
    return event if event.change is Change.DELETED else replace(event, change=Change.DELETED)


def _without_what_moves(want: Filter[AgentView]) -> Filter[AgentView]:
    moving = sorted(want.fields & MOVING.fields.keys() - _TOLD_BY_EVENTS)
    if moving:
        problem = f"{moving[0]} changes without an event of the agent; a watch cannot be filtered by it"
        raise FilterInvalid(column=1, problem=problem)
    return want
