"""Agents as the bytes they are answered with, kept for those that were asked for last.

- What is stored of an agent is written once, and holds until its record or its lease is another.
- What moves (liveness, trust, tools, boundaries) is asked for every answer, of those who know it at that moment. Its
  bytes are used again only while all of that is the same, so no answer says what was true a moment ago.
- An agent's parts are written so that they make one message when they follow each other.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Protocol

from ringfence_kit.clock import Instant

from ringfence_registry.cards.model import CardDialect, CardFacts
from ringfence_registry.finding.agent_view import AgentView, Moving, Questions, questions_of, view_with
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import Agent

MOST = 96 * 1024 * 1024
"""Bytes kept, those asked for last."""
_NO_CARD = CardFacts(sha256="", size=0, dialect=CardDialect.V1_0, name="", description="", version="")
_BESIDE = 3_000
"""What is kept of an agent beside its parts takes about so many bytes, and its texts once more."""


class AgentWriting(Protocol):
    """Writes agents as bytes, in three parts."""

    def stored(self, agent: Agent) -> tuple[bytes, bytes]:
        """Return what is stored of it, and apart from that what is remarked about its card."""
        ...

    def moving(self, view: AgentView) -> bytes:
        """Return what moves."""
        ...


@dataclass(slots=True)
class Written:
    """One agent, written."""

    version: int
    asked: Questions
    """What others are asked about it; the agent is without its card, which is large."""
    stored: bytes
    remarks: bytes
    moving: Moving
    """What `moves` says."""
    moves: bytes

    @property
    def size(self) -> int:
        """How many bytes it takes, about."""
        return _BESIDE + 2 * (len(self.stored) + len(self.remarks) + len(self.moves))


class WrittenAgents:
    """Writes the agents of a catalog, and keeps what it wrote."""

    def __init__(self, catalog: AgentCatalog, writing: AgentWriting, *, most: int = MOST) -> None:
        self._catalog = catalog
        self._writing = writing
        self._kept: OrderedDict[int, Written] = OrderedDict()
        self._size = 0
        self._most = most

    @property
    def size(self) -> int:
        """How many bytes are kept, about."""
        return self._size

    def written(self, slot: int, now: Instant) -> Written:
        """Return the agent in that place as it is seen at `now`; the caller has been found to see it."""
        kept = self._kept.get(slot)
        if kept is None or kept.version != self._catalog.version(slot):
            return self._keep(slot, self._write(slot, now))
        moving = self._catalog.moving(kept.asked, now)
        if moving != kept.moving:
            moves = self._writing.moving(view_with(kept.asked.agent, moving, now))
            return self._keep(slot, replace(kept, moving=moving, moves=moves))
        self._kept.move_to_end(slot)
        return kept

    def agent(self, slot: int) -> Agent:
        """Return the agent in that place; its card may be left out."""
        kept = self._kept.get(slot)
        current = kept is not None and kept.version == self._catalog.version(slot)
        return kept.asked.agent if kept is not None and current else self._catalog.agent_at(slot)

    def _write(self, slot: int, now: Instant) -> Written:
        agent = self._catalog.agent_at(slot)
        asked = questions_of(replace(agent, card=_NO_CARD))
        moving = self._catalog.moving(asked, now)
        stored, remarks = self._writing.stored(agent)
        return Written(
            version=self._catalog.version(slot),
            asked=asked,
            stored=stored,
            remarks=remarks,
            moving=moving,
            moves=self._writing.moving(view_with(agent, moving, now)),
        )

    def _keep(self, slot: int, written: Written) -> Written:
        before = self._kept.pop(slot, None)
        self._size += written.size - (0 if before is None else before.size)
        self._kept[slot] = written
        while self._size > self._most:
            self._size -= self._kept.popitem(last=False)[1].size
        return written
