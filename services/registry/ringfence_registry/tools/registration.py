"""Registering a tool: under an id of its own in the whole mesh, enabled, reaching nothing that nobody trusts.

An id belongs to the namespace that used it first, also after its tool was deleted: agents call a tool by its id alone,
and what they were approved to call must not become somebody else's.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ringfence_kit.callers import Caller
from ringfence_kit.events import Change
from ringfence_kit.ids import NewId
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.access import require_owner
from ringfence_registry.errors import ToolAlreadyExists
from ringfence_registry.namespaces.visible import VisibilityReader, Visible
from ringfence_registry.resources.names import ToolName
from ringfence_registry.store.tools import ToolTx
from ringfence_registry.tools.model import Tool, ToolRevision, ToolSpec
from ringfence_registry.tools.reaching import reach, require_nameable
from ringfence_registry.tools.rows import put_tool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTool:
    """What somebody asks to have registered, judged and complete."""

    name: ToolName
    spec: ToolSpec


class ToolRegistration:
    """Takes tools in."""

    def __init__(self, writer: Writer[ToolTx], visibility: VisibilityReader, new_id: NewId) -> None:
        self._writer = writer
        self._visibility = visibility
        self._new_id = new_id

    async def register_tool(
        self, wanted: NewTool, *, caller: Caller, mutation: Mutation, validate_only: bool = False
    ) -> Tool:
        """Register `wanted` and return the tool.

        Raises `NotPermitted`, `ToolAlreadyExists`, `ExternalSystemNotFound` and `ExternalSystemNotTrusted`.
        """
        require_owner(caller, wanted.name.namespace, "tools")
        visible = self._visibility.visible(caller)
        work = _registering(wanted, uid=self._new_id(), caller=caller, visible=visible, mutation=mutation)
        return await self._writer.write(work, mutation=mutation, result=Tool, validate_only=validate_only)


def _registering(
    wanted: NewTool, *, uid: str, caller: Caller, visible: Visible, mutation: Mutation
) -> Callable[[ToolTx], Tool]:
    name, now = wanted.name, mutation.at

    def work(tx: ToolTx) -> Tool:
        before = tx.newest_tool_revision(name.tool)
        if tx.tool(name.tool) is not None or (before is not None and before.tool != name):
            raise ToolAlreadyExists(name=name.tool)
        systems = wanted.spec.external_systems
        require_nameable(tx, systems, caller=caller, visible=visible, now=now)
        tool = Tool(
            name=name,
            uid=uid,
            revision=tx.next_revision,
            spec=replace(wanted.spec, display_name=wanted.spec.display_name or name.tool),
            schema_number=1 if before is None else before.number + 1,
            reach=reach(tx, systems, now),
            created_at=now,
            updated_at=now,
        )
        tx.add_tool_revision(revision_of(tool, mutation))
        return put_tool(tx, Change.ADDED, tool)

    return work


def revision_of(tool: Tool, mutation: Mutation) -> ToolRevision:
    """Return the present schema and description of `tool` as the revision that `mutation` makes of it."""
    return ToolRevision(
        tool=tool.name,
        number=tool.schema_number,
        schema=tool.spec.schema,
        version=tool.spec.version,
        description=tool.spec.description,
        created_at=tool.updated_at,
        actor=mutation.principal,
    )
