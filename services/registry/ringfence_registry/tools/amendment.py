"""Changing what is said about a tool, and deleting it.

A changed schema or description is a new revision with a hash of its own. Whoever was approved for the old one is not
approved for the new: nothing is done to the approvals, they simply name another schema, and the answer says whose they
are. A hash stays as it was while neither changes, so one made before descriptions counted goes on being approved.
"""

from dataclasses import dataclass, replace
from typing import TypeAlias

from ringfence_kit.callers import Caller
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.access import require_owner
from ringfence_registry.namespaces.policy import PolicyReader
from ringfence_registry.namespaces.visible import VisibilityReader
from ringfence_registry.resources.changing import changed
from ringfence_registry.resources.etags import require_etag
from ringfence_registry.resources.names import ToolName, namespace_of
from ringfence_registry.resources.patches import Patch
from ringfence_registry.store.tools import ToolTx
from ringfence_registry.tools.approvals import Approvals
from ringfence_registry.tools.model import Tool, ToolSchema, ToolSpec
from ringfence_registry.tools.reaching import reach, require_nameable
from ringfence_registry.tools.registration import revision_of
from ringfence_registry.tools.rows import drop_tool, found_tool, put_tool
from ringfence_registry.tools.schemas import read_schemas

UNAPPROVED_SHOWN = 100
"""How many agents an answer names."""

Names: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolPatch:
    """What is to be different about a tool; None leaves a schema as it is, an empty output promises nothing."""

    spec: Patch
    input_schema: str | None = None
    output_schema: str | None = None

    def applied_to(self, tool: Tool) -> ToolSpec:
        """Return what is said about `tool` then."""
        before = tool.spec
        after = self.spec.applied_to(before, before.owner)
        is_told_anew = after.description != before.description
        schema = self._schema(before.schema, after.description, is_told_anew=is_told_anew)
        return replace(after, display_name=after.display_name or tool.id, schema=schema)

    def _schema(self, before: ToolSchema, description: str, *, is_told_anew: bool) -> ToolSchema:
        if self.input_schema is None and self.output_schema is None and not is_told_anew:
            return before
        return read_schemas(
            before.input if self.input_schema is None else self.input_schema,
            before.output if self.output_schema is None else self.output_schema,
            description,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatedTool:
    """A tool as it is now, and who is not approved for it any more."""

    tool: Tool
    unapproved: Names = ()


class ToolAmendment:
    """Changes tools, and ends them."""

    def __init__(
        self, writer: Writer[ToolTx], visibility: VisibilityReader, policies: PolicyReader, approvals: Approvals
    ) -> None:
        self._writer = writer
        self._visibility = visibility
        self._policies = policies
        self._approvals = approvals

    async def update_tool(
        self,
        name: ToolName,
        patch: ToolPatch,
        *,
        etag: str,
        caller: Caller,
        mutation: Mutation,
        validate_only: bool = False,
    ) -> UpdatedTool:
        """Apply `patch` and return the tool as it is then. A change that changes nothing is not an event.

        Raises `NotPermitted`, `EtagRequired`, `ToolNotFound`, `EtagMismatch`; `ExternalSystemNotFound` and
        `ExternalSystemNotTrusted` for systems it did not name before.
        """
        require_owner(caller, name.namespace, "tools")
        self._policies.policy_of(name.namespace).require_etag(str(name), etag)
        visible, now = self._visibility.visible(caller), mutation.at
        # Taken before the transaction, on the loop that owns the index, so a repeated request gets the same answer.
        pins = {
            agent: pin for agent, pin in self._approvals.pins(name.tool).items() if visible.sees(namespace_of(agent))
        }

        def work(tx: ToolTx) -> UpdatedTool:
            before = found_tool(tx, name)
            require_etag(before, etag)
            spec = patch.applied_to(before)
            if spec == before.spec:
                return UpdatedTool(tool=before)
            named = [each for each in spec.external_systems if each not in before.spec.external_systems]
            require_nameable(tx, named, caller=caller, visible=visible, now=now)
            after = changed(before, tx, now, spec=spec, reach=reach(tx, spec.external_systems, now))
            if spec.schema.hash == before.spec.schema.hash:
                return UpdatedTool(tool=put_tool(tx, Change.MODIFIED, after))
            after = replace(after, schema_number=before.schema_number + 1)
            tx.add_tool_revision(revision_of(after, mutation))
            put_tool(tx, Change.MODIFIED, after)
            return UpdatedTool(tool=after, unapproved=_unapproved(pins, before.spec.schema.hash))

        return await self._writer.write(work, mutation=mutation, result=UpdatedTool, validate_only=validate_only)

    async def delete_tool(self, name: ToolName, *, etag: str, caller: Caller, mutation: Mutation) -> Tool:
        """Forget the tool and return it as it was. Its id stays with its namespace.

        Raises `NotPermitted`, `EtagRequired`, `ToolNotFound` and `EtagMismatch`.
        """
        require_owner(caller, name.namespace, "tools")
        self._policies.policy_of(name.namespace).require_etag(str(name), etag)

        def work(tx: ToolTx) -> Tool:
            tool = found_tool(tx, name)
            require_etag(tool, etag)
            return drop_tool(tx, tool)

        return await self._writer.write(work, mutation=mutation, result=Tool)


def _unapproved(pins: dict[str, str], old_hash: str) -> Names:
    """Return the agents that were approved for exactly the old schema, by name."""
    return tuple(sorted(agent for agent, pin in pins.items() if pin == old_hash))[:UNAPPROVED_SHOWN]
