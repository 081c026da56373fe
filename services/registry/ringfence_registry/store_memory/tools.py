"""Tools, external systems and boundaries in memory, for tests."""

from collections.abc import Iterable, Sequence

from ringfence_kit.memory import MemoryDatabase, MemoryRows, MemoryTable, MemoryTx

from ringfence_registry.boundaries.model import Boundary
from ringfence_registry.external_systems.model import ExternalSystem
from ringfence_registry.resources.names import BoundaryName, ExternalSystemName
from ringfence_registry.store.tools import StoredTools
from ringfence_registry.tools.model import Tool, ToolRevision

TOOLS: MemoryTable[str, Tool] = MemoryTable("tools")
TOOL_REVISIONS: MemoryTable[str, tuple[ToolRevision, ...]] = MemoryTable("tool_revisions")
EXTERNAL_SYSTEMS: MemoryTable[str, ExternalSystem] = MemoryTable("external_systems")
SYSTEM_USES: MemoryTable[str, tuple[str, ...]] = MemoryTable("system_uses")
BOUNDARIES: MemoryTable[str, Boundary] = MemoryTable("boundaries")


class MemoryToolTx(MemoryTx):
    """A `ToolTx` on rows in memory; each method's contract stands there."""

    def tool(self, tool_id: str) -> Tool | None:
        """See `ToolTx`."""
        return self.rows.table(TOOLS).get(tool_id)

    def put_tool(self, tool: Tool) -> None:
        """See `ToolTx`."""
        self.rows.table(TOOLS)[tool.id] = tool

    def delete_tool(self, tool_id: str) -> None:
        """See `ToolTx`."""
        self.rows.table(TOOLS).pop(tool_id, None)

    def newest_tool_revision(self, tool_id: str) -> ToolRevision | None:
        """See `ToolTx`."""
        return max(self.rows.table(TOOL_REVISIONS).get(tool_id, ()), key=lambda each: each.number, default=None)

    def add_tool_revision(self, revision: ToolRevision) -> None:
        """See `ToolTx`."""
        table, tool_id = self.rows.table(TOOL_REVISIONS), revision.tool.tool
        table[tool_id] = (*table.get(tool_id, ()), revision)

    def external_system(self, name: ExternalSystemName) -> ExternalSystem | None:
        """See `ToolTx`."""
        return self.rows.table(EXTERNAL_SYSTEMS).get(str(name))

    def put_external_system(self, system: ExternalSystem) -> None:
        """See `ToolTx`."""
        self.rows.table(EXTERNAL_SYSTEMS)[str(system.name)] = system

    def delete_external_system(self, name: ExternalSystemName) -> None:
        """See `ToolTx`."""
        self.rows.table(EXTERNAL_SYSTEMS).pop(str(name), None)

    def users_of(self, system: ExternalSystemName) -> Sequence[str]:
        """See `ToolTx`."""
        return sorted(user for user, systems in self.rows.table(SYSTEM_USES).items() if str(system) in systems)

    def put_uses(self, user: str, systems: Iterable[str]) -> None:
        """See `ToolTx`."""
        self.rows.table(SYSTEM_USES)[user] = tuple(systems)

    def boundary(self, name: BoundaryName) -> Boundary | None:
        """See `ToolTx`."""
        return self.rows.table(BOUNDARIES).get(str(name))

    def put_boundary(self, boundary: Boundary) -> None:
        """See `ToolTx`."""
        self.rows.table(BOUNDARIES)[str(boundary.name)] = boundary

    def delete_boundary(self, name: BoundaryName) -> None:
        """See `ToolTx`."""
        self.rows.table(BOUNDARIES).pop(str(name), None)


class MemoryToolStore:
    """A `ToolRevisionReader` on a database in memory."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def tool_revisions(self, tool_id: str, *, before: int | None, limit: int) -> Sequence[ToolRevision]:
        """See `ToolRevisionReader`."""
        kept = await self._database.read(lambda rows: rows.table(TOOL_REVISIONS).get(tool_id, ()))
        newest_first = sorted(kept, key=lambda each: -each.number)
        return [each for each in newest_first if before is None or each.number < before][:limit]


def load_tools(rows: MemoryRows) -> StoredTools:
    """Return every tool, external system and boundary."""
    return StoredTools(
        tools=tuple(rows.table(TOOLS).values()),
        external_systems=tuple(rows.table(EXTERNAL_SYSTEMS).values()),
        boundaries=tuple(rows.table(BOUNDARIES).values()),
    )
