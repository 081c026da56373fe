"""One transaction over everything the pdp keeps: its policy and its approvals."""

from ringfence_pdp.approvals.store_sql import SqlApprovalTx
from ringfence_pdp.store_sql import SqlPolicyTx


class SqlPdpTx(SqlPolicyTx, SqlApprovalTx):
    """A `PolicyTx` and an `ApprovalTx` on one connection."""
