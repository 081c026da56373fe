"""Approvals in SQL."""

from collections.abc import Sequence

import sqlalchemy as sa
from ringfence_kit import records
from ringfence_kit.sql import SqlTx

from ringfence_pdp.approvals.approval import Approval
from ringfence_pdp.approvals.tables import approvals


class SqlApprovalTx(SqlTx):
    """An `ApprovalTx` on a connection."""

    def approval(self, name: str) -> Approval | None:
        """See `ApprovalTx`."""
        return _one(self.connection, approvals.c.name == name)

    def open_approval(self, question_key: str) -> Approval | None:
        """See `ApprovalTx`."""
        return _one(self.connection, approvals.c.open_question == question_key)

    def count_open(self, *, did: str = "", namespace: str = "") -> int:
        """See `ApprovalTx`."""
        query = sa.select(sa.func.count()).select_from(approvals).where(approvals.c.ended_at.is_(None))
        if did:
            query = query.where(approvals.c.did == did)
        if namespace:
            query = query.where(approvals.c.namespace == namespace)
        return int(self.connection.scalar(query) or 0)

    def keep_approval(self, approval: Approval) -> None:
        """See `ApprovalTx`."""
        row = {
            "open_question": approval.question_key if approval.state.is_open else None,
            "did": approval.question.did,
            "namespace": approval.question.namespace,
            "ended_at": approval.ended_at,
            "record": records.encode(approval),
        }
        changed = self.connection.execute(sa.update(approvals).where(approvals.c.name == approval.name).values(row))
        if not changed.rowcount:
            self.connection.execute(sa.insert(approvals).values(name=approval.name, **row))

    def ended_approvals(self, *, beyond: int, at_most: int) -> Sequence[Approval]:
        """See `ApprovalTx`."""
        ended = approvals.c.ended_at.is_not(None)
        total = int(self.connection.scalar(sa.select(sa.func.count()).select_from(approvals).where(ended)) or 0)
        oldest = sa.select(approvals.c.record).where(ended).order_by(approvals.c.ended_at, approvals.c.name)
        found = self.connection.scalars(oldest.limit(min(max(total - beyond, 0), at_most)))
        return [records.decode(record, Approval) for record in found]

    def forget_approval(self, name: str) -> None:
        """See `ApprovalTx`."""
        self.connection.execute(sa.delete(approvals).where(approvals.c.name == name))


def every_approval(connection: sa.Connection) -> tuple[Approval, ...]:
    """Return all that are kept, for loading."""
    found = connection.scalars(sa.select(approvals.c.record).order_by(approvals.c.name))
    return tuple(records.decode(record, Approval) for record in found)


def _one(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> Approval | None:
    record = connection.scalar(sa.select(approvals.c.record).where(condition))
    return None if record is None else records.decode(record, Approval)
