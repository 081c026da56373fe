"""Which agents are approved for which tools, by the hash they were approved with: an index kept current by events.

An approval is an agent's: it stands in the agent's own record. This is the same seen from the tool, for who changes it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ringfence_kit.events import Change, Event

from ringfence_registry.model import AGENT, Agent, AgentState
from ringfence_registry.recorded import agent_recorded


class Approvals:
    """The approvals of every agent that is neither retired nor deleted."""

    def __init__(self) -> None:
        self._pins: defaultdict[str, dict[str, str]] = defaultdict(dict)
        """Tool id → agent name → pinned hash, empty when any schema is approved."""
        self._tools: dict[str, tuple[str, ...]] = {}
        """Agent name → tool ids."""

    def fill(self, agents: Iterable[Agent]) -> None:
        """Take what the store was loaded with. Once, first."""
        for agent in agents:
            self._put(str(agent.name), agent)

    def apply(self, event: Event) -> None:
        """Take one committed event, of any kind."""
        if event.kind != AGENT:
            return
        self._drop(event.name)
        if event.change is not Change.DELETED:
            self._put(event.name, agent_recorded(event.record))

    def pins(self, tool_id: str) -> Mapping[str, str]:
        """Return the pinned hash of every agent that is approved for the tool, by the agent's name."""
        return dict(self._pins.get(tool_id, {}))

    def _put(self, name: str, agent: Agent) -> None:
        if agent.state is AgentState.RETIRED or agent.deleted:
            return
        self._tools[name] = tuple(tool.name for tool in agent.spec.approved_tools)
        for tool in agent.spec.approved_tools:
            self._pins[tool.name][name] = tool.schema_hash

    def _drop(self, name: str) -> None:
        for tool_id in self._tools.pop(name, ()):
            pins = self._pins[tool_id]
            pins.pop(name, None)
            if not pins:
                del self._pins[tool_id]
