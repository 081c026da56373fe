"""Every agent as it stands now, in memory: what all reads are answered from, changed by nothing but events.

- An agent is kept in its stored form, packed, and what it is found by in an index over all of them. A question is
  answered as a set, whole, whatever the filter; agents are decoded when somebody looks at them.
- The event loop owns the catalog: nothing here yields, so nobody sees half a change.
- What moves by itself (trust, leases, health) is brought to the moment of each question: no earlier, so nothing runs on
  an idle registry, and no later, so an agent is never chosen for a trust it had yesterday.
- Pages go by name, and a cursor is a name: of the agents that come while a walk is under way some are seen and some are
  not; every other agent is seen exactly once.
"""

import heapq
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ringfence_kit import records
from ringfence_kit.clock import EPOCH, MINUTE, Instant
from ringfence_kit.events import Change, Event

from ringfence_registry import model as kinds
from ringfence_registry.boundaries import model as boundaries
from ringfence_registry.finding.agent_index import MAX_READ, AgentIndex
from ringfence_registry.finding.agent_records import AgentRecords, Stored
from ringfence_registry.finding.agent_view import AgentView, Moving, Questions, Viewer
from ringfence_registry.finding.bits import NONE, Bits, everything, of_slots, slots_of
from ringfence_registry.finding.filtering.compiler import Filter
from ringfence_registry.finding.filtering.conditions import Condition
from ringfence_registry.finding.index import HeldValues
from ringfence_registry.finding.name_order import NameOrder
from ringfence_registry.finding.postings import Postings
from ringfence_registry.finding.word_index import HeldWords, WordIndex
from ringfence_registry.model import Agent, AgentOutline, AgentState, Lease
from ringfence_registry.namespaces.visible import Visible
from ringfence_registry.recorded import agent_recorded
from ringfence_registry.store import LoadedAgent, agent_row
from ringfence_registry.tools import model as tools

_BACK = 5 * MINUTE
"""A clock set back by less is taken for one that stood still; by more, everything is looked at anew."""
_BODIES = 32 * 1024 * 1024
"""Bytes of card bodies kept, those asked for last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAgents:
    """What a catalog works out of the records of its agents, as it stood: all that takes long to work out again."""

    names: list[str]
    """By slot; empty for a free one. So are the next three."""
    digests: list[bytes]
    """Of the records, as they are stored: by them it is known what still holds."""
    records: list[bytes]
    """Packed."""
    sizes: "array[int]"
    dictionary: bytes
    """Of the packing."""
    standing: HeldValues
    words: HeldWords


class AgentCatalog:
    """The agents, and what they are found by."""

    def __init__(self, viewer: Viewer | None = None, *, bodies: int = _BODIES, max_read: int = MAX_READ) -> None:
        self._viewer = viewer or Viewer()
        self._names = NameOrder()
        self._records = AgentRecords()
        self._namespaces: Postings[str] = Postings()
        self._deleted: Bits = NONE
        self._index = AgentIndex(self._look, max_read=max_read)
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._bodies_size = 0
        self._bodies_kept = bodies
        self._now = EPOCH
        self._stale: Bits = NONE
        self._due: list[tuple[Instant, int, int]] = []
        self._seen: list[int] = []
        self._unclaimed: set[int] | None = None
        """While it is filled again, the slots of those that the store did not name so far; None else."""
        self.changes = 0
        """How many agents' records came, changed and went: while that is the same, so is what `held` returns."""
        self._viewer.trust.follow(self._heard_of_agent)
        self._viewer.health.follow(self._heard_of_agent)

    def __len__(self) -> int:
        return len(self._names)

    def fill(self, agents: Sequence[Agent], *, now: Instant = EPOCH) -> None:
        """Take what the store was loaded with, all at once. Once, first."""
        rows = [agent_row(str(each.name), records.encode(each), each.lease_expires_at) for each in agents]
        self.take([LoadedAgent(*pair, renewed=False) for pair in zip(agents, rows, strict=True)], now=now)
        self.filled()

    def restore(self, held: HeldAgents) -> None:
        """Begin the first filling with what a catalog held earlier; whatever is of other records is worked out anew.

        Nothing is believed of `held` but what follows from a record: which agents there are says the store (`take`).
        """
        self._names.restore(held.names)
        self._records.restore(held.records, held.digests, held.sizes, held.dictionary)
        self._seen = [0] * len(held.names)
        self._index.restore(held.standing, held.words)
        self._unclaimed = {slot for slot, name in enumerate(held.names) if name}

    def take(self, loaded: Sequence[LoadedAgent], *, now: Instant) -> None:
        """Take a part of what the store was loaded with, leases included, as it is seen at `now`; `filled` ends it."""
        self._now = now
        if self._unclaimed is None:
            self._take_anew(loaded)
            return
        slots, agents, changed = [], [], []
        for each in loaded:
            slot = self._names.slot(each.row.name)
            same = slot is not None and self._records.digest(slot) == each.row.digest
            if slot is not None:
                self._unclaimed.discard(slot)
                slots.append(slot)
                agents.append(each.agent if same else self._records.as_recorded(slot))
            if not same:
                changed.append(each)
            elif slot is not None:
                self._take_lease(slot, each)
        self._see(slots, agents, [self._viewer.view(agent, now) for agent in agents])
        for each in changed:
            self._put(each.agent, each.row.record)
            self._take_lease(self._names.known(each.row.name), each)

    def filled(self) -> None:
        """End the first filling."""
        gone, self._unclaimed = sorted(self._unclaimed or ()), None
        were = [self._records.as_recorded(slot) for slot in gone]
        self._see(gone, were, [self._viewer.view(agent, self._now) for agent in were])
        self._names.loaded()
        self._namespaces.packed()
        self._index.packed()
        for slot in gone:
            self._forget(self._names.name(slot), slot, self._look(slot))

    def held(self) -> HeldAgents:
        """Return what `restore` takes: as it stands, whatever happens to the catalog afterwards. Some ms."""
        standing, words = self._index.held()
        packed, digests, sizes, dictionary = self._records.held()
        return HeldAgents(
            names=self._names.held(),
            digests=digests,
            records=packed,
            sizes=sizes,
            dictionary=dictionary,
            standing=standing,
            words=words,
        )

    def _take_anew(self, loaded: Sequence[LoadedAgent]) -> None:
        views = [self._viewer.view(each.agent, self._now) for each in loaded]
        slots = [self._names.load(each.row.name) for each in loaded]
        self._records.load([each.row for each in loaded])
        self._seen.extend(0 for _ in slots)
        self._index.load(self._names.length - len(slots), views)
        self._see(slots, [each.agent for each in loaded], views)
        for slot, each in zip(slots, loaded, strict=True):
            self._take_lease(slot, each)
        self.changes += len(loaded)

    def _see(self, slots: Sequence[int], agents: Sequence[Agent], views: Sequence[AgentView]) -> None:
        """File what nothing was kept of: how agents are seen, and where they are."""
        self._namespaces.load((agent.name.namespace, slot) for slot, agent in zip(slots, agents, strict=True))
        self._deleted |= of_slots([slot for slot, agent in zip(slots, agents, strict=True) if agent.deleted])
        self._index.load_moving(slots, views)
        for slot, view in zip(slots, views, strict=True):
            self._wake_at(slot, view.until)

    def _take_lease(self, slot: int, loaded: LoadedAgent) -> None:
        agent = loaded.agent
        if loaded.renewed and agent.lease_expires_at is not None:
            lease = Lease(agent=str(agent.name), uid=agent.uid, expires_at=agent.lease_expires_at)
            self._records.load_lease(slot, lease)

    def apply(self, event: Event) -> None:
        """Take one committed event; the hub calls this in revision order, each revision once."""
        match event.kind:
            case kinds.AGENT:
                self._changed(event)
            case kinds.LEASE:
                self._renewed(records.decode(event.record, Lease))
            case tools.TOOL:
                # Its side effects and data classes are those of every agent that may call it.
                tool = event.name.rpartition("/")[2]
                self._stale |= self._index.equal("approved_tools", tool, self._present())
            case boundaries.BOUNDARY:
                # Who is in it is said by names and selectors, of agents of its namespace.
                self._stale |= self._namespaces.of(event.name.split("/", 2)[1])

    def _changed(self, event: Event) -> None:
        if event.change is Change.DELETED:
            slot = self._names.slot(event.name)
            if slot is not None:
                self._forget(event.name, slot, self._look(slot))
            return
        self._put(agent_recorded(event.record), event.record)

    def _put(self, agent: Agent, record: bytes) -> None:
        name = str(agent.name)
        slot = self._names.slot(name)
        before = None if slot is None else self._look(slot)
        if slot is None:
            slot = self._names.add(name)
            self._namespaces.add(agent.name.namespace, slot)
            while len(self._seen) <= slot:
                self._seen.append(0)
        self._records.put(slot, agent, record)
        self.changes += 1
        here = 1 << slot
        self._deleted = self._deleted | here if agent.deleted else self._deleted & ~here
        view = self._look(slot)
        self._index.change(slot, before=before, after=view)
        self._wake_at(slot, view.until)

    def agent(self, name: str) -> Agent | None:
        """Return the agent called `name`, or None."""
        slot = self._names.slot(name)
        return None if slot is None else self._records.agent(slot)

    def place(self, name: str) -> int:
        """Return the place of an agent that is known to be here."""
        return self._names.known(name)

    def agent_at(self, slot: int) -> Agent:
        """Return the agent that is known to be in that place."""
        return self._records.agent(slot)

    def version(self, slot: int) -> int:
        """Return a number that is another whenever the agent in that place, or its lease, is another than before."""
        return self._records.version(slot)

    @property
    def said(self) -> int:
        """How much others have said of agents: while that is the same, so is `moving`, until it ends by itself."""
        return self._viewer.changes

    def moving(self, asked: Questions, now: Instant) -> Moving:
        """Return what others know at `now` of the agent of which `asked` is."""
        return self._viewer.moving_of(asked, now)

    def view_of(self, agent: Agent, now: Instant) -> AgentView:
        """Return `agent` as it is seen at `now`."""
        return self._viewer.view(agent, now)

    def view_of_name(self, name: str, now: Instant) -> AgentView:
        """Return an agent that is known to be here as it is seen at `now`."""
        return self._viewer.view(self._records.agent(self._names.known(name)), now)

    def view_at(self, event: Event) -> AgentView:
        """Return the agent an event is about as it was seen when it happened, as far as is known today."""
        return self._viewer.view(records.decode(event.record, Agent), event.at)

    def standing(self, among: Bits) -> list[Stored]:
        """Return what is stored of `among`, by name: it stays what it was, whatever happens while it is read."""
        return list(map(self._records.stored, self._names.sorted(among)))

    def view_of_stored(self, stored: Stored, now: Instant) -> AgentView:
        """Return an agent of `standing` as it is seen at `now`."""
        return self._viewer.view(self._records.read(stored), now)

    def outline_of_stored(self, stored: Stored) -> AgentOutline:
        """Return the outline of an agent of `standing`."""
        return self._records.outline(stored)

    def slot(self, name: str) -> int | None:
        """Return the place of the agent called `name` in every set, or None. It keeps it for as long as it is here."""
        return self._names.slot(name)

    def size(self, name: str) -> int:
        """Return the size of the record of an agent that is known to be here."""
        return self._records.size(self._names.known(name))

    def agents(self, prefix: str = "") -> tuple[Agent, ...]:
        """Return every agent whose name starts with `prefix`, by name."""
        return tuple(agent for name in self._names.names(prefix) if (agent := self.agent(name)) is not None)

    def card(self, digest: str) -> bytes | None:
        """Return a card's body if it is still at hand; else the store has to be asked."""
        body = self._bodies.get(digest)
        if body is not None:
            self._bodies.move_to_end(digest)
        return body

    def keep_card(self, digest: str, body: bytes) -> None:
        """Hold `body` for the next reader, as long as there is room."""
        if digest not in self._bodies:
            self._bodies[digest] = body
            self._bodies_size += len(body)
        while self._bodies_size > self._bodies_kept:
            self._bodies_size -= len(self._bodies.popitem(last=False)[1])

    def seen_by(self, visible: Visible, namespace: str | None = None) -> Bits:
        """Return the agents of `namespace` (None means of all) that somebody sees who sees the `visible` namespaces."""
        if namespace is not None:
            return self._namespaces.of(namespace) if visible.sees(namespace) else NONE
        listed = self._namespaces.all_of(visible.listed)
        return self._present() & ~listed if visible.all_others else listed

    def in_sight(self, among: Bits, *, retired: bool = False, deleted: bool = False) -> Bits:
        """Return those of `among` that are not deleted and not retired; either are left in when asked for."""
        if not deleted:
            among &= ~self._deleted
        if not retired:
            among &= ~self._index.equal("state", AgentState.RETIRED.name, among)
        return among

    def select(self, want: Filter[AgentView], among: Bits, *, now: Instant) -> Bits:
        """Return those of `among` that match at `now`. Raises `FilterError` when too many would have to be read."""
        self._bring_to(now)
        return self._index.select(want.condition, among)

    def catch_up(self, now: Instant) -> None:
        """Bring what moves by itself to `now` before the next question has to: for who tells of many agents at once."""
        self._bring_to(now)

    def meeting(self, condition: Condition[AgentView], among: Bits) -> Bits:
        """Return those of `among` that meet a condition at the moment that was last asked about; raises as `select`."""
        return self._index.select(condition, among)

    def views(self, among: Bits) -> Iterator[AgentView]:
        """Yield `among` as they were seen at the moment that was last asked about, in no order that says anything."""
        return map(self._look, slots_of(among))

    def by_name(self, among: Bits, *, after: str = "") -> Iterator[str]:
        """Yield the names of `among` that follow `after`, in order."""
        return (self._names.name(slot) for slot in self._names.sorted(among, after=after))

    def values_of(self, field: str, among: Bits) -> Iterator[tuple[Any, str]]:
        """Yield the first value each of `among` has in an indexed field, None for none, with its name."""
        return ((value, self._names.name(slot)) for value, slot in self._index.values_of(field, among))

    @property
    def index(self) -> AgentIndex:
        """What agents are found by; a set of it is of the moment that was last asked about."""
        return self._index

    @property
    def words(self) -> WordIndex:
        """Which agents say which words."""
        return self._index.words

    def _forget(self, name: str, slot: int, before: AgentView) -> None:
        self._index.change(slot, before=before, after=None)
        self._namespaces.discard(before.agent.name.namespace, slot)
        self._names.remove(name)
        self._records.forget(slot)
        self.changes += 1
        self._deleted &= ~(1 << slot)
        self._wake_at(slot, None)

    def _renewed(self, lease: Lease) -> None:
        slot = self._names.slot(lease.agent)
        # A lease of an agent that had the name before says nothing of this one.
        if slot is None or self._records.agent(slot).uid != lease.uid:
            return
        self._records.renew(slot, lease)
        self._move(slot)

    def _look(self, slot: int) -> AgentView:
        return self._viewer.view(self._records.agent(slot), self._now)

    def _move(self, slot: int) -> None:
        view = self._look(slot)
        self._index.move(slot, view)
        self._wake_at(slot, view.until)

    def _wake_at(self, slot: int, until: Instant | None) -> None:
        # What was due before is passed over: it carries the number of an earlier look.
        self._seen[slot] += 1
        if until is not None:
            heapq.heappush(self._due, (until, slot, self._seen[slot]))

    def _bring_to(self, now: Instant) -> None:
        if now < self._now - _BACK:
            self._stale = self._present()
        self._now = now if now < self._now - _BACK else max(now, self._now)
        stale, self._stale = slots_of(self._stale), NONE
        while self._due and self._due[0][0] <= self._now:
            _, slot, seen = heapq.heappop(self._due)
            if self._seen[slot] == seen:
                stale.append(slot)
        for slot in stale:
            if self._names.name(slot):
                self._move(slot)

    def _heard_of_did(self, did: str) -> None:
        self._stale |= self._index.equal("did", did, self._present())

    def _heard_of_agent(self, name: str) -> None:
        slot = self._names.slot(name)
        if slot is None:
            self._heard_of_did(name)
        else:
            self._stale |= 1 << slot

    def _present(self) -> Bits:
        return everything(self._names.length) & ~self._names.free
