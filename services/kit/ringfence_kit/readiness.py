"""Whether a service can do its work now: named conditions, all of which must hold.

The composition root makes one `Readiness`, hands it to whatever can be unwell (a feed, a spool, a store) and to the
`Service`. The server turns it into grpc.health.v1 status, `/readyz` and a metric. The rules:

- a service is ready when every declared condition is met; with none declared, as soon as it runs;
- a condition says in words why it is not met, for the person who reads `/readyz` at night;
- what is missing and keeps nobody from being answered is no condition but an impairment: it is told beside them;
- changes are pushed to listeners at once, on the event loop; nobody polls.
"""

import asyncio
from collections.abc import Callable, Mapping


class Readiness:
    """The conditions of one service."""

    def __init__(self) -> None:
        self._unmet: dict[str, str] = {}
        self._impaired: dict[str, str] = {}
        self._listeners: list[Callable[[], None]] = []

    @property
    def ready(self) -> bool:
        """Whether every condition holds."""
        return not self._unmet

    @property
    def unmet(self) -> Mapping[str, str]:
        """Condition → why it does not hold; empty when ready."""
        return dict(self._unmet)

    @property
    def impaired(self) -> Mapping[str, str]:
        """What is missing though the service is ready → why."""
        return dict(self._impaired)

    def impair(self, part: str, *, why: str) -> None:
        """Record that `part` is missing; the service is as ready as it was."""
        self._impaired[part] = why

    def repaired(self, part: str) -> None:
        """Record that `part` is there."""
        self._impaired.pop(part, None)

    def require(self, condition: str, *, why: str = "not reached yet") -> None:
        """Declare a condition, not met until `met` says so."""
        self.lost(condition, why=why)

    def met(self, condition: str) -> None:
        """Record that `condition` holds."""
        if self._unmet.pop(condition, None) is not None:
            self._tell()

    def lost(self, condition: str, *, why: str) -> None:
        """Record that `condition` does not hold, and why."""
        if self._unmet.get(condition) != why:
            self._unmet[condition] = why
            self._tell()

    async def all_met(self) -> None:
        """Return once every condition holds."""
        changed = asyncio.Event()
        self._listeners.append(changed.set)
        try:
            while self._unmet:
                changed.clear()
                await changed.wait()
        finally:
            self._listeners.remove(changed.set)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change. It must not block and must not raise."""
        self._listeners.append(listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
