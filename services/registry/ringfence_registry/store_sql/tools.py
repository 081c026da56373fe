"""Tools, external systems and boundaries in SQL."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.sql import Database, SqlTx

from ringfence_registry.boundaries.model import Boundary
from ringfence_registry.external_systems.model import ExternalSystem
from ringfence_registry.resources.names import BoundaryName, ExternalSystemName
from ringfence_registry.store.tools import StoredTools
from ringfence_registry.tables import boundaries, external_systems, system_uses, tool_revisions, tools
from ringfence_registry.tools.model import Tool, ToolRevision


class SqlToolTx(SqlTx):
    """A `ToolTx` on a connection; each method's contract stands there."""

    def tool(self, tool_id: str) -> Tool | None:
        """See `ToolTx`."""
        record = self._record(tools, tools.c.id == tool_id)
        return None if record is None else records.decode(record, Tool)

    def put_tool(self, tool: Tool) -> None:
        """See `ToolTx`."""
        self._put(tools, tools.c.id, tool.id, records.encode(tool))

    def delete_tool(self, tool_id: str) -> None:
        """See `ToolTx`."""
        self.connection.execute(sa.delete(tools).where(tools.c.id == tool_id))

    def newest_tool_revision(self, tool_id: str) -> ToolRevision | None:
        """See `ToolTx`."""
        record = self.connection.scalar(_revisions_of(tool_id).limit(1))
        return None if record is None else records.decode(record, ToolRevision)

    def add_tool_revision(self, revision: ToolRevision) -> None:
        """See `ToolTx`."""
        row = {"tool": revision.tool.tool, "number": revision.number, "record": records.encode(revision)}
        self.connection.execute(sa.insert(tool_revisions).values(row))

    def external_system(self, name: ExternalSystemName) -> ExternalSystem | None:
        """See `ToolTx`."""
        record = self._record(external_systems, external_systems.c.name == str(name))
        return None if record is None else records.decode(record, ExternalSystem)

    def put_external_system(self, system: ExternalSystem) -> None:
        """See `ToolTx`."""
        self._put(external_systems, external_systems.c.name, str(system.name), records.encode(system))

    def delete_external_system(self, name: ExternalSystemName) -> None:
        """See `ToolTx`."""
        self.connection.execute(sa.delete(external_systems).where(external_systems.c.name == str(name)))

    def users_of(self, system: ExternalSystemName) -> Sequence[str]:
        """See `ToolTx`."""
        query = sa.select(system_uses.c.used_by).where(system_uses.c.system == str(system))
        return self.connection.scalars(query.order_by(system_uses.c.used_by)).all()

    def put_uses(self, user: str, systems: Iterable[str]) -> None:
        """See `ToolTx`."""
        self.connection.execute(sa.delete(system_uses).where(system_uses.c.used_by == user))
        rows = [{"system": system, "used_by": user} for system in systems]
        if rows:
            self.connection.execute(sa.insert(system_uses), rows)

    def boundary(self, name: BoundaryName) -> Boundary | None:
        """See `ToolTx`."""
        record = self._record(boundaries, boundaries.c.name == str(name))
        return None if record is None else records.decode(record, Boundary)

    def put_boundary(self, boundary: Boundary) -> None:
        """See `ToolTx`."""
        self._put(boundaries, boundaries.c.name, str(boundary.name), records.encode(boundary))

    def delete_boundary(self, name: BoundaryName) -> None:
        """See `ToolTx`."""
        self.connection.execute(sa.delete(boundaries).where(boundaries.c.name == str(name)))

    def _record(self, table: sa.Table, which: sa.ColumnElement[bool]) -> bytes | None:
        return self.connection.scalar(sa.select(table.c.record).where(which))

    def _put(self, table: sa.Table, key: "sa.Column[str]", name: str, record: bytes) -> None:
        # Writers take turns (the kit locks the revision first), so nobody inserts between these two.
        if self.connection.execute(sa.update(table).where(key == name).values(record=record)).rowcount == 0:
            self.connection.execute(sa.insert(table).values({key.name: name, "record": record}))


class SqlToolStore:
    """A `ToolRevisionReader` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tool_revisions(self, tool_id: str, *, before: int | None, limit: int) -> Sequence[ToolRevision]:
        """See `ToolRevisionReader`."""
        query = _revisions_of(tool_id).limit(limit)
        if before is not None:
            query = query.where(tool_revisions.c.number < before)
        found = await self._database.read(lambda connection: connection.scalars(query).all())
        return [records.decode(record, ToolRevision) for record in found]


def load_tools(connection: sa.Connection) -> StoredTools:
    """Return every tool, external system and boundary."""

    def every(table: sa.Table) -> Iterable[bytes]:
        return connection.scalars(sa.select(table.c.record))

    return StoredTools(
        tools=tuple(records.decode(record, Tool) for record in every(tools)),
        external_systems=tuple(records.decode(record, ExternalSystem) for record in every(external_systems)),
        boundaries=tuple(records.decode(record, Boundary) for record in every(boundaries)),
    )


def _revisions_of(tool_id: str) -> "sa.Select[bytes]":
    revisions = sa.select(tool_revisions.c.record).where(tool_revisions.c.tool == tool_id)
    return revisions.order_by(tool_revisions.c.number.desc())
