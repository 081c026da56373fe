"""The revocations that stand: at most one a subject, each until what it voids has expired by itself.

- a revocation takes the place of the one before it about the same subject, sooner or later forgotten;
- what may be forgotten is not shown any more from that moment on, and is let go when the next one comes: nothing runs
  in the background, and memory holds what stands and what expired since the last one.
"""

import heapq
from collections.abc import Iterable

from ringfence_kit.clock import Instant

from ringfence_identity.model import Revocation, RevocationKind

Subject = tuple[str, str, str]
"""Environment, kind and subject."""


class StandingRevocations:
    """Revocations by subject."""

    def __init__(self, revocations: Iterable[Revocation] = ()) -> None:
        self._by_subject: dict[Subject, Revocation] = {}
        self._to_forget: list[tuple[Instant, Subject]] = []
        for revocation in revocations:
            self._put(revocation)

    def __len__(self) -> int:
        return len(self._by_subject)

    def put(self, revocation: Revocation, *, now: Instant) -> None:
        """Take one in, and let go of those that may be forgotten at `now`."""
        self._put(revocation)
        while self._to_forget and self._to_forget[0][0] <= now:
            forget_at, subject = heapq.heappop(self._to_forget)
            standing = self._by_subject.get(subject)
            # A later revocation about the subject has a place of its own in the heap, or none.
            if standing is not None and standing.forget_at == forget_at:
                del self._by_subject[subject]

    def standing(self, environment: str, *, now: Instant) -> tuple[Revocation, ...]:
        """Return what stands at `now` in `environment`, or in all when it is empty."""
        return tuple(
            revocation
            for revocation in self._by_subject.values()
            if environment in ("", revocation.environment)
            and (revocation.forget_at is None or revocation.forget_at > now)
        )

    def tells_of(self, environment: str, kind: RevocationKind, subject: str, *, now: Instant) -> bool:
        """Say whether something of this kind is revoked at `now`. Of an agent, ask its identity: it may be back."""
        found = self._by_subject.get((environment, kind.value, subject))
        return found is not None and (found.forget_at is None or found.forget_at > now)

    def _put(self, revocation: Revocation) -> None:
        subject = (revocation.environment, revocation.kind.value, revocation.subject)
        self._by_subject[subject] = revocation
        if revocation.forget_at is not None:
            heapq.heappush(self._to_forget, (revocation.forget_at, subject))
