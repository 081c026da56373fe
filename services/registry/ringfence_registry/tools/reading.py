"""Reading tools: one by its name or its id alone, all that match, and the schemas one has had."""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.pages import PageTokens

from ringfence_registry.access import require_sight
from ringfence_registry.errors import ToolNotFound
from ringfence_registry.namespaces.visible import VisibilityReader
from ringfence_registry.resources.names import ToolName
from ringfence_registry.resources.reading import Listed, ListQuery, ResourceReading
from ringfence_registry.store.tools import ToolRevisionReader
from ringfence_registry.tools.catalog import ToolCatalog
from ringfence_registry.tools.fields import tool_fields
from ringfence_registry.tools.model import Tool, ToolRevision


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionQuery:
    """Whose schemas somebody wants listed, and which page of them."""

    tool: ToolName
    page_size: int
    page_token: str
    arguments: bytes


@dataclass(frozen=True, slots=True)
class RevisionList:
    """One page of an answer."""

    revisions: Sequence[ToolRevision]
    next_page_token: str


class ToolReading:
    """Answers questions about tools."""

    def __init__(
        self,
        catalog: ToolCatalog,
        revisions: ToolRevisionReader,
        *,
        tokens: PageTokens,
        visibility: VisibilityReader,
    ) -> None:
        self._catalog = catalog
        self._revisions = revisions
        self._tokens = tokens
        self._visibility = visibility
        self._reading = ResourceReading(
            catalog.snapshot,
            collection="tools",
            fields=tool_fields,
            not_found=lambda name: ToolNotFound(name=name),
            tokens=tokens,
            visibility=visibility,
        )

    def get_tool(self, name: ToolName | None, tool_id: str, *, caller: Caller) -> Tool:
        """Return the tool called `name`, or, when that is None, the one agents call `tool_id`, wherever it is.

        Raises `ToolNotFound`, and `NotPermitted` for a name in a namespace the caller does not see. By its id alone,
        what is not seen is not there (AIP-159), so neither answer says which it is. Being approved for a tool shows
        nothing: approvals are made by who owns the agent, and would let any owner look into every namespace.
        """
        visible = self._visibility.visible(caller)
        if name is not None:
            require_sight(caller, visible, name.namespace)
            return self._reading.found(name)
        name = self._catalog.name_of(tool_id)
        if name is None or not visible.sees(name.namespace):
            raise ToolNotFound(name=f"namespaces/-/tools/{tool_id}")
        return self._reading.found(name)

    def list_tools(self, query: ListQuery, *, caller: Caller, now: Instant) -> Listed[Tool]:
        """Return one page of the tools that match, by name. Raises what `ResourceReading.list` raises."""
        return self._reading.list(query, caller=caller, now=now)

    async def list_revisions(self, query: RevisionQuery, *, caller: Caller, now: Instant) -> RevisionList:
        """Return one page of the schemas the tool has had, the newest first. Raises what `get_tool` raises."""
        tool = self.get_tool(query.tool, query.tool.tool, caller=caller)
        before = None
        if query.page_token:
            opened = self._tokens.open(query.page_token, caller=caller.principal, arguments=query.arguments, now=now)
            before = int(opened)
        found = await self._revisions.tool_revisions(tool.id, before=before, limit=query.page_size + 1)
        if len(found) <= query.page_size:
            return RevisionList(found, "")
        shown = found[: query.page_size]
        cursor = str(shown[-1].number).encode()
        token = self._tokens.seal(cursor, caller=caller.principal, arguments=query.arguments, now=now)
        return RevisionList(shown, token)
