"""Every agent as it stands now, in memory: what all reads are answered from, changed by nothing but events.

- A Get is a dictionary look-up. Values are immutable, so a reader keeps what it was given.
- The event loop owns the catalog: `apply` and `page` run to their end without yielding, so nobody sees half a change.
- A page costs a bounded amount of work whatever the filter: when it is used up the page ends early, perhaps empty, with
  a cursor (AIP-158 allows it), and other calls get their turn.
- Pages go by name, and a cursor is a name: of the agents that come while a walk is under way some are seen and some are
  not; every other agent is seen exactly once.
"""

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ringfence_kit import records
from ringfence_kit.events import Event

from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.filtering.compiler import Filter
from ringfence_registry.finding.index import TermIndex
from ringfence_registry.model import AGENT, Agent

PAGE_WORK = 25_000
"""Comparisons one page may cost: some tens of milliseconds at most."""
PAGE_BYTES = 2_000_000
"""Stored bytes one page may hold: gRPC clients refuse messages over 4 MiB."""

_RARE = 8
"""Names found by the index are sorted for the page; one in this many of all is still cheaper than walking all."""


@dataclass(frozen=True, slots=True)
class AgentPage:
    """Some agents in the order of their names."""

    agents: tuple[Agent, ...]
    cursor: str
    """The last name looked at; empty when nothing follows this page."""


@dataclass(slots=True)
class _Entry:
    agent: Agent
    size: int
    card: bytes | None


class AgentCatalog:
    """The agents, an index over their indexed fields, and the bodies of their cards."""

    def __init__(self, *, page_work: int = PAGE_WORK, page_bytes: int = PAGE_BYTES) -> None:
        self._entries: dict[str, _Entry] = {}
        self._names: list[str] = []
        self._index = TermIndex()
        self._page_work = page_work
        self._page_bytes = page_bytes

    def fill(self, agents: Iterable[Agent], cards: Mapping[str, bytes]) -> None:
        """Take what the store was loaded with: every agent, and the bodies of their cards by digest. Once, first."""
        for agent in agents:
            name = str(agent.name)
            self._put(name, agent, len(records.encode(agent)), cards.get(agent.card.sha256))
        self._names = sorted(self._entries)

    def apply(self, event: Event) -> None:
        """Take one committed event; the hub calls this in revision order, each revision once."""
        if event.kind != AGENT:
            return
        agent, known = records.decode(event.record, Agent), self._entries.get(event.name)
        if known is None:
            bisect.insort(self._names, event.name)
        same_card = known is not None and known.agent.card.sha256 == agent.card.sha256
        self._put(event.name, agent, len(event.record), known.card if known and same_card else None)

    def agent(self, name: str) -> Agent | None:
        """Return the agent called `name`, or None."""
        entry = self._entries.get(name)
        return None if entry is None else entry.agent

    def card(self, name: str) -> bytes | None:
        """Return the body of an agent's card, or None when there is no such agent or the store has to be asked."""
        entry = self._entries.get(name)
        return None if entry is None else entry.card

    def keep_card(self, name: str, digest: str, body: bytes) -> None:
        """Hold `body` for the next reader, if it still is the card of the agent called `name`."""
        entry = self._entries.get(name)
        if entry is not None and entry.agent.card.sha256 == digest:
            entry.card = body

    def agents(self, prefix: str = "") -> tuple[Agent, ...]:
        """Return every agent whose name starts with `prefix`, by name."""
        return tuple(self._entries[name].agent for name in self._names[self._range(prefix, "")])

    def page(self, want: Filter[Agent], *, prefix: str, after: str, limit: int) -> AgentPage:
        """Return up to `limit` agents that match, of those whose name starts with `prefix` and follows `after`."""
        found: list[Agent] = []
        size, work, last = 0, self._page_work, after
        for name in self._candidates(want, prefix, after):
            entry = self._entries[name]
            work -= 1 + want.terms
            if want.matches(entry.agent):
                size += entry.size
                if len(found) == limit or (found and size > self._page_bytes):
                    return AgentPage(tuple(found), last)
                found.append(entry.agent)
            last = name
            if work <= 0:
                return AgentPage(tuple(found), last)
        return AgentPage(tuple(found), "")

    def _candidates(self, want: Filter[Agent], prefix: str, after: str) -> Sequence[str]:
        within = self._range(prefix, after)
        rare = self._index.narrowest(want.needs, at_most=(within.stop - within.start) // _RARE)
        if rare is None:
            return self._names[within]
        return sorted(name for name in rare if name > after and name.startswith(prefix))

    def _range(self, prefix: str, after: str) -> slice:
        # No name holds a character above "z", so this ends where the prefix does.
        start = max(bisect.bisect_left(self._names, prefix), bisect.bisect_right(self._names, after))
        return slice(start, max(start, bisect.bisect_left(self._names, prefix + "\x7f")))

    def _put(self, name: str, agent: Agent, size: int, card: bytes | None) -> None:
        known = self._entries.get(name)
        before = () if known is None else AGENT_FIELDS.terms_of(known.agent)
        self._index.change(name, before=before, after=AGENT_FIELDS.terms_of(agent))
        self._entries[name] = _Entry(agent, size, card)
