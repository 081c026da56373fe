"""Approvals in memory, for the contract suite and tests of use cases."""

from collections.abc import Sequence

from ringfence_kit.memory import MemoryRows, MemoryTable, MemoryTx

from ringfence_pdp.approvals.approval import Approval

APPROVALS: MemoryTable[str, Approval] = MemoryTable("approvals")


class MemoryApprovalTx(MemoryTx):
    """An `ApprovalTx` on rows in memory."""

    def approval(self, name: str) -> Approval | None:
        """See `ApprovalTx`."""
        return self.rows.table(APPROVALS).get(name)

    def open_approval(self, question_key: str) -> Approval | None:
        """See `ApprovalTx`."""
        kept = self.rows.table(APPROVALS).values()
        return next((one for one in kept if one.state.is_open and one.question_key == question_key), None)

    def count_open(self, *, did: str = "", namespace: str = "") -> int:
        """See `ApprovalTx`."""
        kept = self.rows.table(APPROVALS).values()
        asked = (one.question for one in kept if one.state.is_open)
        return sum(did in ("", one.did) and namespace in ("", one.namespace) for one in asked)

    def keep_approval(self, approval: Approval) -> None:
        """See `ApprovalTx`."""
        self.rows.table(APPROVALS)[approval.name] = approval

    def ended_approvals(self, *, beyond: int, at_most: int) -> Sequence[Approval]:
        """See `ApprovalTx`."""
        ended = [one for one in self.rows.table(APPROVALS).values() if one.ended_at is not None]
        ended.sort(key=lambda one: (one.ended_at or 0, one.name))
        return ended[: min(max(len(ended) - beyond, 0), at_most)]

    def forget_approval(self, name: str) -> None:
        """See `ApprovalTx`."""
        self.rows.table(APPROVALS).pop(name, None)


def every_approval(rows: MemoryRows) -> tuple[Approval, ...]:
    """Return all that are kept, for loading."""
    return tuple(sorted(rows.table(APPROVALS).values(), key=lambda one: one.name))
