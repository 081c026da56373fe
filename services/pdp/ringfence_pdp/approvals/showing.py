"""Use cases of looking: one approval, and pages of them. What the caller may not see is not there."""

from collections.abc import Callable, Sequence
from itertools import islice

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant

from ringfence_pdp.approvals.approval import Approval, State
from ringfence_pdp.approvals.book import ApprovalBook, Cursor
from ringfence_pdp.approvals.voters import may_see
from ringfence_pdp.errors import ApprovalNotFound


def shown(book: ApprovalBook, name: str, *, caller: Caller, now: Instant) -> Approval:
    """Return the approval called `name` as it stands. Raises ApprovalNotFound."""
    found = book.named(name)
    if found is None or not may_see(caller, found):
        raise ApprovalNotFound(name=name)
    return found.at(now)


def page_of(
    book: ApprovalBook,
    *,
    caller: Caller,
    wanted: Callable[[Approval], bool],
    state: State | None,
    before: Cursor | None,
    size: int,
    now: Instant,
) -> tuple[Sequence[Approval], bool]:
    """Return up to `size` approvals that `caller` may see, the newest first, and whether there are more."""
    visible = (one.at(now) for one in book.newest_first(before) if wanted(one) and may_see(caller, one))
    found = list(islice((one for one in visible if state in (None, one.state)), size + 1))
    return found[:size], len(found) > size
