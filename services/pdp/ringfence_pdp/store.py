"""What the pdp asks of storage: the bundles it keeps, what decides, and the kill switches that are engaged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ringfence_kit.events import Revision
from ringfence_kit.store import Recorder

from ringfence_pdp.bundle import Bundle
from ringfence_pdp.kill_switch import KillSwitch, KillTarget
from ringfence_pdp.rollout.rollout import NOTHING_YET, Rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """Everything the pdp must know to decide."""

    bundles: tuple[Bundle, ...] = ()
    """Those that are kept, the newest first."""
    rollout: Rollout = NOTHING_YET
    kill_switches: tuple[KillSwitch, ...] = ()

    @property
    def bundle(self) -> Bundle | None:
        """The bundle that decides, or None before the first was pushed."""
        return next((bundle for bundle in self.bundles if bundle.digest == self.rollout.active), None)


class PolicyTx(Recorder, Protocol):
    """Reads and writes of one transaction. Reads see the transaction's own writes. Nothing is recorded by itself."""

    def rollout(self) -> Rollout | None:
        """Return what decides and what is tried, or None before the first bundle."""
        ...

    def put_rollout(self, rollout: Rollout) -> None:
        """Store `rollout` in the place of the one before."""
        ...

    def bundle(self, digest: str) -> Bundle | None:
        """Return the kept bundle with this digest, or None."""
        ...

    def keep(self, bundle: Bundle) -> None:
        """Keep `bundle`, in the place of an earlier one with its digest."""
        ...

    def kept_digests(self) -> Sequence[str]:
        """Return the digests of the kept bundles, the newest first."""
        ...

    def drop(self, digest: str) -> None:
        """Forget the bundle with this digest; nothing happens when there is none."""
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
        """Return everything, bundles the newest first, switches ordered by name, and the revision it stands at."""
        ...
