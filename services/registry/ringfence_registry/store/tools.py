"""What is asked of storage about tools, external systems and boundaries.

A tool is found by its id, of which there is one in the mesh. The schemas an id has had are kept for good, also when the
tool is deleted: they say whose the id is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.store import Recorder

from ringfence_registry.boundaries.model import Boundary
from ringfence_registry.external_systems.model import ExternalSystem
from ringfence_registry.resources.names import BoundaryName, ExternalSystemName
from ringfence_registry.tools.model import Tool, ToolRevision


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTools:
    """Everything the snapshots of tools, external systems and boundaries start with."""

    tools: tuple[Tool, ...] = ()
    external_systems: tuple[ExternalSystem, ...] = ()
    boundaries: tuple[Boundary, ...] = ()


class ToolTx(Recorder, Protocol):
    """Reads and writes of one transaction. Reads see the transaction's own writes; nothing is recorded by itself."""

    def tool(self, tool_id: str) -> Tool | None:
        """Return the tool agents call `tool_id`, or None."""
        ...

    def put_tool(self, tool: Tool) -> None:
        """Store `tool`, in place of the one of its id."""
        ...

    def delete_tool(self, tool_id: str) -> None:
        """Forget the tool; its revisions stay."""
        ...

    def newest_tool_revision(self, tool_id: str) -> ToolRevision | None:
        """Return the newest schema the id has had, also of a deleted tool; None when the id was never used."""
        ...

    def add_tool_revision(self, revision: ToolRevision) -> None:
        """Store a schema with a number the id has not had."""
        ...

    def external_system(self, name: ExternalSystemName) -> ExternalSystem | None:
        """Return the system called `name`, or None."""
        ...

    def put_external_system(self, system: ExternalSystem) -> None:
        """Store `system`, in place of one of the same name."""
        ...

    def delete_external_system(self, name: ExternalSystemName) -> None:
        """Forget the system."""
        ...

    def users_of(self, system: ExternalSystemName) -> Sequence[str]:
        """Return the names of the tools and boundaries that name `system`, in order."""
        ...

    def put_uses(self, user: str, systems: Iterable[str]) -> None:
        """Store that `user` names `systems`, and no other."""
        ...

    def boundary(self, name: BoundaryName) -> Boundary | None:
        """Return the boundary called `name`, or None."""
        ...

    def put_boundary(self, boundary: Boundary) -> None:
        """Store `boundary`, in place of one of the same name."""
        ...

    def delete_boundary(self, name: BoundaryName) -> None:
        """Forget the boundary."""
        ...


class ToolRevisionReader(Protocol):
    """Reads the schemas tools have had."""

    async def tool_revisions(self, tool_id: str, *, before: int | None, limit: int) -> Sequence[ToolRevision]:
        """Return up to `limit` schemas of the id, the newest first, with numbers below `before` when that is given."""
        ...
