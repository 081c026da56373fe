"""What switches ask of storage."""

from typing import Protocol

from ringfence_kit.events import Revision
from ringfence_kit.store import Recorder

from support.switches.model import Switch


class SwitchTx(Recorder, Protocol):
    """Reads and writes of one transaction. Reads see the transaction's own writes."""

    def switch(self, name: str) -> Switch | None:
        """Return the switch called `name`, or None."""
        ...

    def put(self, switch: Switch) -> None:
        """Store `switch`, in place of one of the same name. Nothing is recorded: the use case says what happened."""
        ...

    def remove(self, name: str) -> None:
        """Forget the switch called `name`; nothing happens when there is none."""
        ...


class SwitchStore(Protocol):
    """Reads outside a mutation."""

    async def load(self) -> tuple[Revision, tuple[Switch, ...]]:
        """Return every switch, by name, and the revision they stand at."""
        ...

    async def turned_off(self, *, after: str, limit: int) -> tuple[Switch, ...]:
        """Return up to `limit` switches that are off, by name, those after the name `after`."""
        ...
