"""The switches as they stand now, in memory, changed by nothing but events."""

from collections.abc import Iterable

from ringfence_kit import records
from ringfence_kit.events import Change, Event

from support.switches.model import SWITCH, Switch


class SwitchSnapshot:
    """Answers every hot read. Values are immutable, so a reader may keep what it was given."""

    def __init__(self) -> None:
        self._switches: dict[str, Switch] = {}

    def fill(self, switches: Iterable[Switch]) -> None:
        """Hold `switches` and nothing else: what the store was loaded with at the start."""
        self._switches = {switch.name: switch for switch in switches}

    def switch(self, name: str) -> Switch | None:
        """Return the switch called `name`, or None."""
        return self._switches.get(name)

    def all(self) -> dict[str, Switch]:
        """Return a copy of everything, by name."""
        return dict(self._switches)

    def apply(self, event: Event) -> None:
        """Take one committed event; the hub calls this in revision order, each revision once."""
        if event.kind != SWITCH:
            return
        if event.change is Change.DELETED:
            self._switches.pop(event.name, None)
        else:
            self._switches[event.name] = records.decode(event.record, Switch)
