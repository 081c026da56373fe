"""Watching revocations: all that stand, then each as it is made, so that whoever keeps a permission hears of its end.

- nothing between the state and the changes after it, or between a cut stream and its resumption, is lost or repeated;
- an agent hears of its own environment; to hear of all at once is for those who oversee them;
- silence is not good news: a bookmark every 5 s says that nothing was revoked, and who misses three fails closed.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Clock
from ringfence_kit.errors import NotPermitted
from ringfence_kit.events import Event, Revision
from ringfence_kit.state_watch import StateWatchItem, watch_state
from ringfence_kit.watch import EventHub

from ringfence_identity.access import require_environment
from ringfence_identity.environments import Environments
from ringfence_identity.model import REVOCATION, Revocation
from ringfence_identity.snapshot import IdentitySnapshot

_SEE_ALL = (Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationWatch:
    """What a watcher wants to hear of, and from when."""

    environment: str
    """Empty means every environment hosted here."""
    start_revision: Revision | None
    """The first revision wanted; None means from now on."""
    send_initial_state: bool


WatchedRevocation: TypeAlias = StateWatchItem[Revocation]


class RevocationWatching:
    """Answers watches of revocations."""

    def __init__(self, *, environments: Environments, snapshot: IdentitySnapshot, hub: EventHub, clock: Clock) -> None:
        self._environments = environments
        self._snapshot = snapshot
        self._hub = hub
        self._clock = clock

    async def watch(self, wanted: RevocationWatch, *, caller: Caller) -> AsyncGenerator[WatchedRevocation, None]:
        """Yield what is revoked until closed; raises what `EventHub.watch` raises."""
        self._require_watcher(caller, wanted.environment)
        items = watch_state(
            self._hub,
            clock=self._clock,
            standing=(lambda: self._standing(wanted.environment)) if wanted.send_initial_state else None,
            start_revision=wanted.start_revision,
            want=_about(wanted.environment),
        )
        async with aclosing(items):
            async for item in items:
                yield item

    def _require_watcher(self, caller: Caller, environment: str) -> None:
        if environment:
            hosted = self._environments.get(environment)
            require_environment(caller, hosted, action=f"watch the revocations of {environment}")
        elif not caller.has(*_SEE_ALL):
            needed = "platform-admin, auditor or service; name one environment"
            raise NotPermitted(
                principal=caller.principal, action="watch the revocations of every environment", needed=needed
            )

    def _standing(self, environment: str) -> tuple[Revocation, ...]:
        return self._snapshot.revocations.standing(environment, now=self._clock.now())


def revocation_of(event: Event) -> Revocation:
    """Return the revocation an event is about; decoded once for all watchers with `event.once`."""
    return records.decode(event.record, Revocation)


def _about(environment: str) -> Callable[[Event], bool]:
    def about(event: Event) -> bool:
        return event.kind == REVOCATION and environment in ("", event.once(revocation_of).environment)

    return about
