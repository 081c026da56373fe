"""Where a decision that needs people stops: what they said to this very question, or the question put to them.

The rules:

- the same question finds its approval by what is asked; naming one only makes its refusal heard;
- a yes is used up by the answer it leads to, in one transaction, before that answer is given;
- what waits is answered from memory, so an agent that keeps asking costs the store nothing;
- time does not go back: what was over once stays over, whatever the clock says later.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import structlog
from ringfence_kit.clock import EPOCH, HOUR, SECOND, Clock, Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.ids import NewId
from ringfence_kit.store import Mutation, Writer

from ringfence_pdp.approvals.approval import Approval, Asked, Question, State
from ringfence_pdp.approvals.binding import question_key
from ringfence_pdp.approvals.book import ApprovalBook, refuses_until
from ringfence_pdp.approvals.log_entries import Entry, entries_of
from ringfence_pdp.approvals.settling import Bounds, Settlement, end_expired, settle
from ringfence_pdp.approvals.store import ApprovalTx

LOOK_EVERY = SECOND
"""How often it is looked whose time is over."""

TOLD_AGAIN = HOUR
"""What changed so shortly before a start is told to the log once more: it may not have been told."""

_log = structlog.get_logger(__name__)


class Said(NamedTuple):
    """What people said to a question."""

    approval: Approval | None
    """None when it could not be put to anybody."""
    problem: str = ""
    """Why it could not; for a person."""

    @property
    def yes(self) -> bool:
        """Whether they said yes, and it is used up by this."""
        return self.approval is not None and self.approval.state is State.USED

    @property
    def waits(self) -> bool:
        """Whether it waits for them."""
        return self.approval is not None and self.approval.state.is_open


class ApprovalDesk:
    """Puts questions to people and uses their answers."""

    def __init__(
        self,
        writer: Writer[ApprovalTx],
        book: ApprovalBook,
        *,
        clock: Clock,
        new_id: NewId,
        bounds: Bounds,
        rest: Millis,
        tell: Callable[[str, bytes], None],
    ) -> None:
        """`rest`: how long a question rests after its time ran out. `tell` hands an entry to the audit log."""
        self._writer = writer
        self._clock = clock
        self._new_id = new_id
        self._bounds = bounds
        self._rest = rest
        self._tell = tell
        self._latest = EPOCH
        self.book = book
        self.counts: Counter[str] = Counter()
        """What became of approvals since the start, by state, and votes."""
        book.changed = self._changed

    async def put(self, question: Question, asked: Asked, *, named: str = "") -> Said:
        """Return what people said to `question`; put it to them if nobody did. `named`: the approval the call names."""
        now, key = self.moment(), question_key(question)
        shown = self.book.named(named) if named else None
        if shown is not None and shown.question_key == key:
            shown = shown.at(now)
            if not shown.state.is_open and shown.state is not State.USED:
                return Said(shown)
        latest = self.book.latest(key)
        if latest is not None:
            latest = latest.at(now)
            refuses = refuses_until(latest, self._rest)
            if latest.state is State.PENDING or (refuses is not None and now < refuses):
                return Said(latest)
        return await self._settled(question, key, asked, now)

    def peek(self, question: Question) -> Approval | None:
        """Return the approval of a question as it stands, for explaining; nothing is opened or used."""
        latest = self.book.latest(question_key(question))
        return None if latest is None else latest.at(self.moment())

    def refusing(self, approval: Approval) -> Millis | None:
        """Return for how long an approval that ended stands as a no to its question; None when it does not."""
        until = refuses_until(approval, self._rest)
        return None if until is None else Millis(max(until - self.moment(), 0))

    def moment(self) -> Instant:
        """Return the time, which never goes back behind anything an approval was told."""
        self._latest = max(self._latest, self._clock.now())
        return self._latest

    def start(self) -> None:
        """Take up where the last process ended: its time, and what the log may have missed of it."""
        changed = {one.name: _changed_at(one) for one in self.book.newest_first()}
        self._latest = max(changed.values(), default=EPOCH)
        since = self.moment() - TOLD_AGAIN
        for approval in self.book.newest_first():
            if changed[approval.name] >= since:
                self._tell_all(entries_of(approval))

    async def ending(self) -> None:
        """End what nobody came back for. Runs until cancelled."""
        while True:
            await self._clock.sleep(LOOK_EVERY)
            now = self.moment()
            over = [one.name for one in self.book.open if one.at(now).state is State.EXPIRED]
            if over:
                with suppress(Unavailable):  # they are over all the same; the next look makes it last
                    await end_expired(self._writer, names=over, now=now)

    async def _settled(self, question: Question, key: str, asked: Asked, now: Instant) -> Said:
        try:
            settled = await settle(
                self._writer,
                question=question,
                question_key=key,
                asked=asked,
                approval_id=self._new_id(),
                nonce=self._new_id(),
                bounds=self._bounds,
                mutation=Mutation(principal=asked.principal, at=now),
            )
        except Unavailable as unwritten:
            return Said(None, unwritten.message)
        match settled.settlement:
            case Settlement.TOO_MANY_OF_ONE:
                return Said(None, f"{self._bounds.open_of_one} approvals for {question.agent} wait already")
            case Settlement.TOO_MANY_OF_NAMESPACE:
                many, namespace = self._bounds.open_of_namespace, question.namespace
                return Said(None, f"{many} approvals for agents of namespaces/{namespace} wait already")
            case Settlement.TOO_MANY:
                return Said(None, f"{self._bounds.open_in_all} approvals wait already")
            case _:
                return Said(settled.approval)

    def _changed(self, before: Approval | None, after: Approval) -> None:
        told = [] if before is None else entries_of(before)
        fresh = entries_of(after)[len(told) :]
        self._latest = max(self._latest, _changed_at(after))
        self.counts["votes"] += len(after.votes) - (0 if before is None else len(before.votes))
        if before is None or before.state is not after.state:
            self.counts[after.state.value] += 1
        self._tell_all(fresh)

    def _tell_all(self, entries: Sequence[Entry]) -> None:
        for entry_id, body in entries:
            try:
                self._tell(entry_id, body)
            except Unavailable as untold:
                # The log counts what it could not take. The record is kept, and is told again after a restart.
                _log.warning("approval_not_logged", entry_id=entry_id, problem=untold.message)


def _changed_at(approval: Approval) -> Instant:
    """Return when it became what it is."""
    return max(approval.opened_at, approval.ended_at or EPOCH, *(vote.at for vote in approval.votes))
