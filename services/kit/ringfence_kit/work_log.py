"""What one work records: the `Recorder` behind every store's `Tx`.

Events go to the end of the transaction's list with the next revisions. A log is open during its work only, so a `tx`
kept past it cannot write into somebody else's transaction. Whoever rolls the work back takes its events off the list.
"""

from typing import Self

from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.store import Mutation


class WorkLog:
    """Appends the events of one work to `events`, the transaction's list, while inside `with`."""

    def __init__(self, events: list[Event], *, after: Revision, mutation: Mutation) -> None:
        """`after` is the revision before the first of `events`."""
        self._events = events
        self._after = after
        self._mutation = mutation
        self._open = False

    def __enter__(self) -> Self:
        self._open = True
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False

    @property
    def next_revision(self) -> Revision:
        """The revision the next `record` will get."""
        return Revision(self._after + len(self._events) + 1)

    def record(self, change: Change, kind: str, name: str, record: bytes) -> Revision:
        """Append an event and return its revision."""
        if not self._open:
            raise RuntimeError("a transaction was used after its work had ended")
        event = Event(
            revision=self.next_revision,
            change=change,
            kind=kind,
            name=name,
            record=record,
            at=self._mutation.at,
            actor=self._mutation.principal,
        )
        self._events.append(event)
        return event.revision
