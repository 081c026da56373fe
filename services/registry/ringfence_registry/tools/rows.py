"""Tools inside a transaction: found by their whole name, and never stored without an event."""

from ringfence_kit import records
from ringfence_kit.events import Change

from ringfence_registry.errors import ToolNotFound
from ringfence_registry.resources.names import ToolName
from ringfence_registry.store.tools import ToolTx
from ringfence_registry.tools.model import TOOL, Tool


def found_tool(tx: ToolTx, name: ToolName) -> Tool:
    """Return the tool called `name`, or raise `ToolNotFound`: a tool of this id elsewhere is another."""
    tool = tx.tool(name.tool)
    if tool is None or tool.name != name:
        raise ToolNotFound(name=str(name))
    return tool


def put_tool(tx: ToolTx, change: Change, tool: Tool) -> Tool:
    """Store `tool` as it is after `change` and record that."""
    tx.put_tool(tool)
    tx.put_uses(str(tool.name), tool.spec.external_systems)
    tx.record(change, TOOL, str(tool.name), records.encode(tool))
    return tool


def drop_tool(tx: ToolTx, tool: Tool) -> Tool:
    """Forget `tool` and record that. The schemas it had stay: they say whose the id is."""
    tx.delete_tool(tool.id)
    tx.put_uses(str(tool.name), ())
    tx.record(Change.DELETED, TOOL, str(tool.name), records.encode(tool))
    return tool
