"""What the pdp asks of storage: the active bundle, and the kill switches that are engaged."""

from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.events import Revision
from ringfence_kit.store import Recorder

from ringfence_pdp.bundle import Bundle
from ringfence_pdp.kill_switch import KillSwitch, KillTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """Everything the pdp must know to decide."""

    bundle: Bundle | None
    kill_switches: tuple[KillSwitch, ...]


class PolicyTx(Recorder, Protocol):
    """Reads and writes of one transaction. Reads see the transaction's own writes. Nothing is recorded by itself."""

    def active_bundle(self) -> Bundle | None:
        """Return the bundle that decides, or None before the first was pushed."""
        ...

    def activate(self, bundle: Bundle) -> None:
        """Keep `bundle` and let it decide from now on. Earlier ones are kept."""
        ...

    def kill_switch(self, name: str) -> KillSwitch | None:
        """Return the engaged switch called `name`, or None."""
        ...

    def kill_switch_on(self, target: KillTarget) -> KillSwitch | None:
        """Return the switch engaged on exactly `target`, or None."""
        ...

    def engage(self, switch: KillSwitch) -> None:
        """Store `switch`. Its name and target are free: the use case has looked."""
        ...

    def release(self, name: str) -> None:
        """Forget the switch called `name`; nothing happens when there is none."""
        ...


class PolicyStore(Protocol):
    """Reads outside a mutation."""

    async def load(self) -> tuple[Revision, StoredPolicy]:
        """Return what is in force, switches ordered by name, and the revision it stands at."""
        ...
