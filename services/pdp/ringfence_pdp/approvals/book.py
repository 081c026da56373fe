"""The approvals that are kept, in memory: found by name and by question, in the order they were opened.

Changed by nothing but events, so every replica and every restart comes to the same state. An event that is older than
what is held says nothing new: what was loaded may be ahead of it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ringfence_kit import records
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.events import Change, Event

from ringfence_pdp.approvals.approval import APPROVAL, Approval, State


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order of opening."""

    opened_at: Instant
    name: str


class ApprovalBook:
    """What is kept at this moment."""

    def __init__(self) -> None:
        self._by_name: dict[str, Approval] = {}
        self._latest: dict[str, Approval] = {}
        """By question, the one that was opened last."""
        self._open: dict[str, Approval] = {}
        self.changed: Callable[[Approval | None, Approval], None] = _nobody_listens
        """Called with an approval as it was, None when it is new, and as it is."""

    def __len__(self) -> int:
        return len(self._by_name)

    @property
    def open(self) -> Iterable[Approval]:
        """Those that are stored as pending or approved; the time of some may be over."""
        return self._open.values()

    def named(self, name: str) -> Approval | None:
        """Return the approval called `name`, or None."""
        return self._by_name.get(name)

    def latest(self, question_key: str) -> Approval | None:
        """Return what became of a question when it was last put to people; None when it never was, or long ago."""
        return self._latest.get(question_key)

    def newest_first(self, before: Cursor | None = None) -> Iterator[Approval]:
        """Yield approvals, the newest first, from the first that was opened before `before`."""
        ordered = sorted(self._by_name.values(), key=_order, reverse=True)
        return (one for one in ordered if before is None or _order(one) < (before.opened_at, before.name))

    def fill(self, stored: Iterable[Approval]) -> None:
        """Hold what the store was loaded with at the start."""
        for approval in stored:
            self._put(approval)

    def apply(self, event: Event) -> None:
        """Take one committed event; the hub calls this in revision order, each revision once."""
        if event.kind != APPROVAL:
            return
        approval = records.decode(event.record, Approval)
        held = self._by_name.get(approval.name)
        if event.change is Change.DELETED:
            self._forget(approval)
        elif held is None or held.revision < approval.revision:
            self._put(approval)
            self.changed(held, approval)

    def _put(self, approval: Approval) -> None:
        self._by_name[approval.name] = approval
        latest = self._latest.get(approval.question_key)
        if latest is None or _order(latest) <= _order(approval):
            self._latest[approval.question_key] = approval
        if approval.state.is_open:
            self._open[approval.name] = approval
        else:
            self._open.pop(approval.name, None)

    def _forget(self, approval: Approval) -> None:
        self._by_name.pop(approval.name, None)
        self._open.pop(approval.name, None)
        latest = self._latest.get(approval.question_key)
        if latest is not None and latest.name == approval.name:
            del self._latest[approval.question_key]


def refuses_until(approval: Approval, rest: Millis) -> Instant | None:
    """Return until when an approval's end stands as a no to its question; None when it does not.

    A denial holds for as long as the approval would have been good, so that asking again is not a way to wear people
    down; running out of time holds for a rest, long enough for whoever waits to hear of it.
    """
    if approval.ended_at is None:
        return None
    rested = Instant(approval.ended_at + rest)
    match approval.state:
        case State.DENIED:
            return max(approval.expires_at, rested)
        case State.EXPIRED:
            return rested
        case _:
            return None


def _nobody_listens(_before: Approval | None, _after: Approval) -> None:
    pass


def _order(approval: Approval) -> tuple[Instant, str]:
    return approval.opened_at, approval.name
