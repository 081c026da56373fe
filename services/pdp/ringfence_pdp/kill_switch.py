"""Kill switches: who or what is stopped, and which switch stops a given request.

A switch names one target: everything, a namespace, an agent (in every environment), a tool, or a delegation with all
that was handed on by it. While it is engaged, whatever its target covers is denied before anything else is looked at.
The collection is immutable, so a decision holds one and is not disturbed by a switch thrown meanwhile; every throw
makes a new collection.
"""

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName

KILL_SWITCH = "kill-switch"
"""The kind of a switch's events."""


class TargetKind(enum.Enum):
    """What a switch can stop. The values are stored; they never change."""

    EVERYTHING = "everything"
    NAMESPACE = "namespace"
    AGENT = "agent"
    TOOL = "tool"
    CHAIN = "chain"


@dataclass(frozen=True, slots=True)
class KillTarget:
    """One target. `value` is the namespace's id, the agent's resource name, the tool's name, the hash of a grant or the
    id of a chain, or empty."""

    kind: TargetKind
    value: str = ""

    def __str__(self) -> str:
        match self.kind:
            case TargetKind.EVERYTHING:
                return "everything"
            case TargetKind.NAMESPACE:
                return f"namespaces/{self.value}"
            case TargetKind.AGENT:
                return self.value
            case TargetKind.TOOL:
                return f"tool {self.value}"
            case TargetKind.CHAIN:
                return f"chain {self.value}"

    @property
    def namespace(self) -> str:
        """The id of the namespace the target lies in; empty when it reaches beyond one."""
        match self.kind:
            case TargetKind.NAMESPACE:
                return self.value
            case TargetKind.AGENT:
                name = AgentName.parse(self.value)
                return name.namespace if name is not None else ""
            case TargetKind.EVERYTHING | TargetKind.TOOL | TargetKind.CHAIN:
                return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitch:
    """An engaged switch."""

    name: str
    """`killSwitches/{id}`."""
    target: KillTarget
    reason: str
    actor: str
    engaged_at: Instant
    released_because: str = ""
    """Set in the event of its release, for the history; empty while engaged."""


class KillSwitches:
    """The switches engaged at one moment, found by target in a few dictionary look-ups."""

    __slots__ = ("_by_name", "_by_target")

    def __init__(self, switches: Mapping[str, KillSwitch] | None = None) -> None:
        self._by_name = dict(switches or {})
        self._by_target = {switch.target: switch for switch in self._by_name.values()}

    def __iter__(self) -> Iterator[KillSwitch]:
        """Yield the switches ordered by name."""
        return iter(sorted(self._by_name.values(), key=lambda switch: switch.name))

    def __len__(self) -> int:
        return len(self._by_name)

    def with_engaged(self, switch: KillSwitch) -> "KillSwitches":
        """Return the collection with `switch` engaged."""
        return KillSwitches({**self._by_name, switch.name: switch})

    def without(self, name: str) -> "KillSwitches":
        """Return the collection with the switch called `name` released."""
        return KillSwitches({key: switch for key, switch in self._by_name.items() if key != name})

    def stopping(self, agent: AgentName, tool: str) -> KillSwitch | None:
        """Return the widest switch that stops `agent` using `tool` (empty: none), or None when nothing does."""
        if not self._by_target:
            return None
        engaged = self._by_target.get
        return (
            engaged(_EVERYTHING)
            or engaged(KillTarget(TargetKind.NAMESPACE, agent.namespace))
            or engaged(KillTarget(TargetKind.AGENT, str(agent)))
            or (engaged(KillTarget(TargetKind.TOOL, tool)) if tool else None)
        )

    def stopping_chain(self, ids: Iterable[str]) -> KillSwitch | None:
        """Return the switch that stops what was delegated: by the id of its chain or the hash of any of its grants."""
        engaged = (self._by_target.get(KillTarget(TargetKind.CHAIN, one)) for one in ids)
        return next(filter(None, engaged), None)

    @property
    def everything(self) -> KillSwitch | None:
        """The switch that stops everything: it also holds for a request whose agent is not known."""
        return self._by_target.get(_EVERYTHING)


_EVERYTHING = KillTarget(TargetKind.EVERYTHING)
