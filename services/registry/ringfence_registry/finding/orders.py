"""Orders of a list (AIP-132): by name, or by one field with ties by name.

A walk in an order whose key does not change (name, create_time) sees every agent once whatever happens meanwhile. In
the others an agent whose key changes between two pages is where its new key puts it: it may be seen twice, or not.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ringfence_registry.finding.bits import Bits
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import RiskTier

NAME = "name"

_TIERS = {tier.name: place for place, tier in enumerate(RiskTier)}


def _as_it_is(value: Any) -> Any:
    return value


KEYS: dict[str, Callable[[Any], Any]] = {
    "display_name": str.casefold,
    "create_time": _as_it_is,
    "update_time": _as_it_is,
    "risk_tier": _TIERS.__getitem__,
    "trust.score": _as_it_is,
}
"""What may be ordered by, besides `name`: the field, and its value as a key. Who has none comes before the lowest."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order of agents."""

    field: str = NAME
    descending: bool = False

    def walk(self, catalog: AgentCatalog, among: Bits, after: bytes, limit: int) -> Iterator[tuple[str, bytes]]:
        """Yield the names of the first `limit` of `among` behind the cursor `after`, each with its own cursor."""
        if self.field == NAME and not self.descending:
            for name in catalog.by_name(among, after=after.decode()):
                yield name, name.encode()
                limit -= 1
                if not limit:
                    return
            return
        begin: tuple[Any, str] | None = tuple(msgspec.json.decode(after)) if after else None
        rest = [pair for pair in self._keyed(catalog, among) if begin is None or self._follows(pair, begin)]
        for key, name in self._first(rest, limit):
            yield name, msgspec.json.encode([key, name])

    def _keyed(self, catalog: AgentCatalog, among: Bits) -> Iterator[tuple[Any, str]]:
        if self.field == NAME:
            return ((name, name) for name in catalog.by_name(among))
        key = KEYS[self.field]
        # One key type: who has no value has none of its own, so each key is a list of none or one.
        return (([] if value is None else [key(value)], name) for value, name in catalog.values_of(self.field, among))

    def _follows(self, pair: tuple[Any, str], begin: tuple[Any, str]) -> bool:
        (key, name), (begin_key, begin_name) = pair, begin
        if key == begin_key:
            return name > begin_name
        return bool(key < begin_key) if self.descending else bool(key > begin_key)

    def _first(self, pairs: list[tuple[Any, str]], limit: int) -> list[tuple[Any, str]]:
        if not self.descending:
            return heapq.nsmallest(limit, pairs)
        # Ties go by name in either direction, so the descending order is not the ascending one reversed.
        least = min(heapq.nlargest(limit, (key for key, _ in pairs)), default=None)
        among_first = sorted(pair for pair in pairs if least is not None and pair[0] >= least)
        return sorted(among_first, key=lambda pair: pair[0], reverse=True)[:limit]


BY_NAME = Order()
