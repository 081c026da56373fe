"""What trust asks of storage: the signals that were counted, and elevation grants."""

from collections.abc import Sequence
from typing import Protocol

from ringfence_identity.model import Elevation, RecordedSignal


class TrustTx(Protocol):
    """The part of `IdentityTx` that is about trust."""

    def recorded_signal(self, environment: str, signal_id: str) -> RecordedSignal | None:
        """Return the signal recorded under this id in `environment`, or None."""
        ...

    def add_signal(self, signal: RecordedSignal) -> None:
        """Keep a signal whose id is new in its environment."""
        ...

    def elevation(self, name: str) -> Elevation | None:
        """Return the elevation grant called `name`, or None."""
        ...

    def put_elevation(self, elevation: Elevation) -> None:
        """Store `elevation`, in place of the one with its name."""
        ...


class TrustStore(Protocol):
    """The part of `IdentityStore` that is about trust."""

    async def newest_signals(self, did: str, *, limit: int) -> Sequence[RecordedSignal]:
        """Return up to `limit` signals about the agent, the newest first; those of one instant by id, backwards."""
        ...
