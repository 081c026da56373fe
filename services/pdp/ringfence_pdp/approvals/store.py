"""What approvals ask of storage."""

from collections.abc import Sequence
from typing import Protocol

from ringfence_kit.store import Recorder

from ringfence_pdp.approvals.approval import Approval


class ApprovalTx(Recorder, Protocol):
    """Reads and writes of one transaction. Reads see the transaction's own writes. Nothing is recorded by itself."""

    def approval(self, name: str) -> Approval | None:
        """Return the approval called `name`, or None."""
        ...

    def open_approval(self, question_key: str) -> Approval | None:
        """Return the one approval of this question that is stored as open, or None. Its time may be over."""
        ...

    def count_open(self, *, did: str = "", namespace: str = "") -> int:
        """Return how many are stored as open: of one agent, of the agents of one namespace, or of all."""
        ...

    def keep_approval(self, approval: Approval) -> None:
        """Store `approval`, in place of what it was before. Of a question one approval is open: the use case looked."""
        ...

    def ended_approvals(self, *, beyond: int, at_most: int) -> Sequence[Approval]:
        """Return those that ended before the newest `beyond` of the ended ones, the oldest first."""
        ...

    def forget_approval(self, name: str) -> None:
        """Forget the approval called `name`; nothing happens when there is none."""
        ...


class ApprovalReader(Protocol):
    """Reads outside a mutation."""

    async def approvals(self) -> Sequence[Approval]:
        """Return every approval that is kept."""
        ...
