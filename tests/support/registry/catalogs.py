"""Catalogs compared: everything two of them know, by the names of agents, for their places may differ."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ringfence_kit import records
from ringfence_kit.clock import Instant
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.bits import Bits, flags_of, slots_of
from ringfence_registry.finding.catalog import AgentCatalog, HeldAgents
from ringfence_registry.finding.filtering.compiler import compile_filter
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.visible import EVERYTHING, Visible
from ringfence_registry.store import StoredAgents, agent_row

FIELDS = (*AGENT_FIELDS.fields, "labels.team", "labels.cost")


def stored(agents: Sequence[Agent], leases: Mapping[str, Instant] | None = None) -> StoredAgents:
    """Return what a store holds of `agents`, when only the end of some leases was written since."""
    ends = leases or {}
    rows = [
        agent_row(str(each.name), records.encode(each), ends.get(str(each.name), each.lease_expires_at))
        for each in agents
    ]
    return StoredAgents(rows=lambda: (row for row in rows))


def whole(kept: StoredAgents) -> StoredAgents:
    """Return the same with its rows at hand, to be looked at after `AgentStore.load`."""
    rows = list(kept.rows())
    return replace(kept, rows=lambda: (row for row in rows))


def started(held: HeldAgents | None, kept: StoredAgents, now: Instant, *, size: int = 3) -> AgentCatalog:
    """Return a catalog that was started on a store, from what another one held or from nothing."""
    catalog = AgentCatalog()
    if held is not None:
        catalog.restore(held)
    for part in kept.parts(size):
        catalog.take(part, now=now)
    catalog.filled()
    return catalog


def known(catalog: AgentCatalog, now: Instant) -> dict[str, object]:
    """Return everything the catalog answers questions from, without the places it keeps agents in."""
    everybody = catalog.seen_by(EVERYTHING)
    catalog.select(compile_filter("", AGENT_FIELDS), everybody, now=now)

    def names(among: Bits) -> list[str]:
        return list(catalog.by_name(among))

    words = catalog.words
    spaces = {str(agent.name.namespace) for agent in catalog.agents()}
    return {
        "agents": catalog.agents(),
        "sizes": [catalog.size(str(agent.name)) for agent in catalog.agents()],
        "in sight": names(catalog.in_sight(everybody)),
        "namespaces": {each: names(catalog.seen_by(Visible(listed=frozenset({each})))) for each in sorted(spaces)},
        "fields": {field: _values(catalog, field, everybody) for field in FIELDS},
        "words": {word: [names(plane) for plane in words.planes(word)] for word in sorted(words.words())},
        "kin": {word: words.kin(word) for word in sorted(words.words())},
    }


def _values(catalog: AgentCatalog, field: str, everybody: Bits) -> object:
    index = catalog.index.values(field)
    if index is None:
        return None
    counts = [flags_of(plane, everybody.bit_length()) for plane in index.counts(field)] if index.postings(field) else []
    counted = {
        next(catalog.by_name(1 << slot)): [plane[slot] for plane in counts] for slot in slots_of(everybody) if counts
    }
    postings = index.postings(field)
    if postings is None:
        return sorted(((name, value) for value, name in catalog.values_of(field, everybody)), key=str)
    return {value: list(catalog.by_name(postings.of(value))) for value in postings}, counted
