"""Every tool as it stands now, by name and by id, and what agents' lives ask of it."""

from collections.abc import Iterable

from ringfence_kit.clock import Instant
from ringfence_kit.events import Change, Event

from ringfence_registry.agents.surroundings import ToolFacts
from ringfence_registry.external_systems.model import ExternalSystem
from ringfence_registry.resources.names import ToolName
from ringfence_registry.resources.snapshot import ResourceSnapshot
from ringfence_registry.tools.model import TOOL, SideEffect, Tool

_CHANGES = frozenset({SideEffect.REVERSIBLE, SideEffect.IRREVERSIBLE})


class ToolCatalog:
    """The tools: the `Tools` that agents' approvals and gates ask."""

    def __init__(self, systems: ResourceSnapshot[ExternalSystem]) -> None:
        self.snapshot = ResourceSnapshot(TOOL, Tool)
        self._systems = systems
        self._names: dict[str, str] = {}
        """By id, of which there is one in the mesh."""

    def fill(self, tools: Iterable[Tool]) -> None:
        """Take what the store was loaded with. Once, first."""
        self.snapshot.fill(tools)
        self._names = {tool.id: str(tool.name) for tool in self.snapshot.within()}

    def apply(self, event: Event) -> None:
        """Take one committed event, of any kind."""
        self.snapshot.apply(event)
        if event.kind != TOOL:
            return
        tool_id = event.name.rpartition("/")[2]
        if event.change is Change.DELETED:
            self._names.pop(tool_id, None)
        else:
            self._names[tool_id] = event.name

    @property
    def changes(self) -> int:
        """See `ringfence_registry.agents.surroundings.Tools`."""
        return self.snapshot.changes + self._systems.changes

    def name_of(self, tool_id: str) -> ToolName | None:
        """Return the name of the tool agents call `tool_id`, or None."""
        name = self._names.get(tool_id)
        return None if name is None else ToolName.parse(name)

    def tool(self, tool_id: str, now: Instant, /) -> ToolFacts | None:
        """See `ringfence_registry.agents.surroundings.Tools`."""
        name = self._names.get(tool_id)
        tool = None if name is None else self.snapshot.get(name)
        if tool is None:
            return None
        return ToolFacts(
            name=tool.id,
            schema_hash=tool.spec.schema.hash,
            enabled=tool.switch.on,
            trusted=tool.reach.trusted_at(now),
            changes=tool.spec.side_effect in _CHANGES,
            irreversible=tool.spec.side_effect is SideEffect.IRREVERSIBLE,
            data_classes=self._data_classes(tool),
            until=tool.reach.until if tool.reach.trusted else None,
        )

    def _data_classes(self, tool: Tool) -> tuple[str, ...]:
        reached = filter(None, map(self._systems.get, tool.spec.external_systems))
        return tuple(
            dict.fromkeys([*tool.spec.data_classes, *(each for one in reached for each in one.spec.data_classes)])
        )
