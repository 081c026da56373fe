"""Agents as the bytes they are answered with, kept for those that were asked for last.

- What is stored of an agent is written once, and holds until its record or its lease is another.
- What moves (liveness, trust, tools, boundaries) is asked of those who know it at that moment, but when none of them
  was told anything since and nothing of it has ended by itself. Its bytes are used again only while all of it is the
  same, so no answer says what was true a moment ago.
- An agent's parts are written so that they make one message when they follow each other.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Protocol

from ringfence_kit.clock import Instant

from ringfence_registry.cards.model import CardDialect, CardFacts
from ringfence_registry.finding.agent_view import AgentView, Moving, Questions, holds_until, questions_of, view_with
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

    def framed(self, *parts: bytes) -> bytes:
        """Return parts of one agent as answers hold an agent: behind a head that says how long they are together."""
        ...


@dataclass(slots=True)
class Written:
    """One agent, written."""

    version: int
    asked: Questions
    """What others are asked about it; the agent is without its card, which is large."""
    whole: bytes
    """All three parts, framed: an answer about this agent alone."""
    stored_at: int
    """Where in `whole` what is stored of it begins."""
    remarks_at: int
    """Where that ends, and the remarks about its card begin."""
    moves_at: int
    """Where those end, and what moves begins, up to the end."""
    moving: Moving
    """What its last part says."""
    said: int
    """How much others had said when that was asked last."""
    since: Instant
    """When that was."""
    until: Instant
    """The first instant at which it is another though nobody says anything."""
    wanted: bool = True
    """Whether it was asked for since it was last thought of dropping it."""

    @property
    def stored(self) -> bytes:
        """What is stored of it."""
        return self.whole[self.stored_at : self.remarks_at]

    @property
    def remarks(self) -> bytes:
        """What is remarked about its card."""
        return self.whole[self.remarks_at : self.moves_at]

    @property
    def moves(self) -> bytes:
        """What moves."""
        return self.whole[self.moves_at :]

    @property
    def size(self) -> int:
        """How many bytes it takes, about."""
        return _BESIDE + 2 * len(self.whole)

    def holds(self, said: int, now: Instant) -> bool:
        """Say whether what moves is as it is written, `said` being how much others have said by `now`."""
        return said == self.said and self.since <= now < self.until


class WrittenAgents:
    """Writes the agents of a catalog, and keeps what it wrote."""

    def __init__(self, catalog: AgentCatalog, writing: AgentWriting, *, most: int = MOST) -> None:
        self._catalog = catalog
        self._writing = writing
        self._kept: OrderedDict[int, Written] = OrderedDict()
        """Those thought of last at the end; who was asked for since is passed over once (second chance)."""
        self._size = 0
        self._most = most

    @property
    def size(self) -> int:
        """How many bytes are kept, about."""
        return self._size

    def written(self, slot: int, now: Instant) -> Written:
        """Return the agent in that place as it is seen at `now`; the caller has been found to see it."""
        catalog, kept = self._catalog, self._kept.get(slot)
        if kept is None or kept.version != catalog.version(slot):
            return self._keep(slot, self._write(slot, now))
        kept.wanted = True
        said = catalog.said
        if kept.holds(said, now):
            return kept
        moving = catalog.moving(kept.asked, now)
        if moving != kept.moving:
            return self._keep(slot, self._joined(kept.version, kept.asked, (kept.stored, kept.remarks), moving, now))
        kept.said, kept.since, kept.until = said, now, holds_until(kept.asked.agent, moving)
        return kept

    def agent(self, slot: int) -> Agent:
        """Return the agent in that place; its card may be left out."""
        kept = self._kept.get(slot)
        current = kept is not None and kept.version == self._catalog.version(slot)
        return kept.asked.agent if kept is not None and current else self._catalog.agent_at(slot)

    def _write(self, slot: int, now: Instant) -> Written:
        agent, version = self._catalog.agent_at(slot), self._catalog.version(slot)
        asked = questions_of(replace(agent, card=_NO_CARD))
        return self._joined(version, asked, self._writing.stored(agent), self._catalog.moving(asked, now), now)

    def _joined(
        self, version: int, asked: Questions, standing: tuple[bytes, bytes], moving: Moving, now: Instant
    ) -> Written:
        stored, remarks = standing
        moves = self._writing.moving(view_with(asked.agent, moving, now))
        whole = self._writing.framed(stored, remarks, moves)
        moves_at = len(whole) - len(moves)
        return Written(
            version=version,
            asked=asked,
            whole=whole,
            stored_at=moves_at - len(remarks) - len(stored),
            remarks_at=moves_at - len(remarks),
            moves_at=moves_at,
            moving=moving,
            said=self._catalog.said,
            since=now,
            until=holds_until(asked.agent, moving),
        )

    def _keep(self, slot: int, written: Written) -> Written:
        before = self._kept.pop(slot, None)
        self._size += written.size - (0 if before is None else before.size)
        self._kept[slot] = written
        while self._size > self._most:
            oldest, dropped = self._kept.popitem(last=False)
            if dropped.wanted and dropped is not written:
                dropped.wanted = False
                self._kept[oldest] = dropped
            else:
                self._size -= dropped.size
        return written
