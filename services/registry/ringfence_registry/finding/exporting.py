"""ExportInventory: everything a caller sees and a filter leaves, as it stood when the export began."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant

from ringfence_registry.access import require_sight
from ringfence_registry.finding.asking import asked
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.inventory import InventoryFormat, header, lines
from ringfence_registry.namespaces.visible import VisibilityReader

AT_ONCE = 100
"""Agents a part holds: a few milliseconds of work between two turns of others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryQuery:
    """What somebody wants an inventory of, and in which form."""

    namespace: str | None
    filter: str
    form: InventoryFormat


class InventoryExport:
    """Writes inventories."""

    def __init__(self, catalog: AgentCatalog, *, sight: VisibilityReader) -> None:
        self._catalog = catalog
        self._sight = sight

    async def export_inventory(
        self, query: InventoryQuery, *, caller: Caller, now: Instant
    ) -> AsyncGenerator[bytes, None]:
        """Yield the document in parts of whole lines. Raises `NotPermitted` and `FilterInvalid` before the first."""
        visible = self._sight.visible(caller)
        if query.namespace is not None:
            require_sight(caller, visible, query.namespace)
        seen = self._catalog.in_sight(self._catalog.seen_by(visible, query.namespace), retired=True)
        stored = self._catalog.standing(asked(self._catalog, query.filter, seen, now=now))
        first = header(query.form)
        if first:
            yield first
        for start in range(0, len(stored), AT_ONCE):
            part = (self._catalog.view_of_stored(each, now) for each in stored[start : start + AT_ONCE])
            yield b"".join(lines(part, query.form))
            await asyncio.sleep(0)
