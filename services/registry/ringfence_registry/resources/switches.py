"""Switching a resource off for everybody, and on again."""

import enum
from dataclasses import dataclass

from ringfence_kit.clock import Instant


class SwitchState(enum.Enum):
    """Whether a resource may be used. The values are stored; they never change."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchChange:
    """Who switched something last, and why."""

    reason: str
    actor: str
    at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A switch as it stands; nobody has touched a new one."""

    state: SwitchState = SwitchState.ENABLED
    last: SwitchChange | None = None

    @property
    def on(self) -> bool:
        """Whether the resource may be used."""
        return self.state is SwitchState.ENABLED

    def turned(self, state: SwitchState, change: SwitchChange) -> "Switch":
        """Return the switch in `state`. Switching to what it is in changes nothing, not even the reason."""
        return self if state is self.state else Switch(state=state, last=change)
