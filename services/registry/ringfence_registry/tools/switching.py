"""Switching a tool off for everybody, and on again."""

from ringfence_kit.callers import Caller
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.access import require_decider, require_stopper
from ringfence_registry.resources.changing import switched
from ringfence_registry.resources.etags import require_etag
from ringfence_registry.resources.names import ToolName
from ringfence_registry.resources.switches import SwitchChange, SwitchState
from ringfence_registry.store.tools import ToolTx
from ringfence_registry.tools.model import Tool
from ringfence_registry.tools.rows import found_tool, put_tool


class ToolSwitching:
    """Turns tools off and on."""

    def __init__(self, writer: Writer[ToolTx]) -> None:
        self._writer = writer

    async def disable_tool(self, name: ToolName, *, reason: str, etag: str, caller: Caller, mutation: Mutation) -> Tool:
        """Switch the tool off and return it. Raises `NotPermitted`, `ToolNotFound` and `EtagMismatch`."""
        require_stopper(caller, name.namespace, "tools")
        return await self._turn(name, SwitchState.DISABLED, reason, etag, mutation)

    async def enable_tool(self, name: ToolName, *, reason: str, etag: str, caller: Caller, mutation: Mutation) -> Tool:
        """Switch the tool on and return it. Raises `NotPermitted`, `ToolNotFound` and `EtagMismatch`."""
        require_decider(caller, name.namespace, "tools")
        return await self._turn(name, SwitchState.ENABLED, reason, etag, mutation)

    async def _turn(self, name: ToolName, state: SwitchState, reason: str, etag: str, mutation: Mutation) -> Tool:
        def work(tx: ToolTx) -> Tool:
            before = found_tool(tx, name)
            require_etag(before, etag)
            change = SwitchChange(reason=reason, actor=mutation.principal, at=mutation.at)
            after = switched(before, tx, state, change)
            return before if after is before else put_tool(tx, Change.MODIFIED, after)

        return await self._writer.write(work, mutation=mutation, result=Tool)
