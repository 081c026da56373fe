"""Agents as they stood when somebody began to watch, told in parts: each is read when its part is told, and not before.

- A part has agents whose records have so many bytes together: telling one holds up everybody else for two or three
  milliseconds, and its message stays far below what a message may have. An agent that is larger is a part by itself.
- Of whom only the outline is wanted no more is read: the card, which is most of a record, is passed over.
"""

from collections.abc import Iterator, Sequence

from ringfence_kit.clock import Instant

from ringfence_registry.finding.agent_records import Stored
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.bits import Bits
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import AgentOutline

PART_BYTES = 256 * 1024
ONE_BY_ONE = 0
"""The size of parts that have one agent each."""


class StandingAgents:
    """One part: some agents as they stood at one moment."""

    def __init__(self, catalog: AgentCatalog, stored: Sequence[Stored], now: Instant) -> None:
        self._catalog = catalog
        self._stored = stored
        self._now = now

    def __len__(self) -> int:
        return len(self._stored)

    def views(self) -> Iterator[AgentView]:
        """Yield everything that is known of each, by name."""
        return (self._catalog.view_of_stored(each, self._now) for each in self._stored)

    def outlines(self) -> Iterator[AgentOutline]:
        """Yield the outline of each, by name."""
        return map(self._catalog.outline_of_stored, self._stored)


def standing_agents(catalog: AgentCatalog, among: Bits, now: Instant, *, part_bytes: int) -> Iterator[StandingAgents]:
    """Return the parts of `among`, by name, as they stand at the moment of this call, whatever happens meanwhile."""
    parts: list[list[Stored]] = []
    room = 0
    for name, stored in zip(catalog.by_name(among), catalog.standing(among), strict=True):
        size = catalog.size(name)
        if not parts or room < size:
            parts.append([])
            room = part_bytes
        room -= size
        parts[-1].append(stored)
    return (StandingAgents(catalog, part, now) for part in parts)
