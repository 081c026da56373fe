"""Reading an `approval`: who has to say yes, how many of them, and until when."""

import re

from ringfence_kit.clock import HOUR, SECOND, Millis

from ringfence_pdp.fields import View
from ringfence_pdp.model import Approval
from ringfence_pdp.policy_fields import length, selectors

APPROVALS_MAX = 16
APPROVAL_TIMEOUT_MIN = SECOND
APPROVAL_TIMEOUT_MAX = Millis(24 * HOUR)

GROUP = re.compile(r"group:[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
GROUP_SHAPE = "a group such as 'group:data-oncall'"


def read_approval(view: View, *, otherwise: Approval | None = None) -> Approval:
    """Read an approval. With `otherwise` count and timeout may be left out, and are taken from there."""
    counted = ("min_approvals", "timeout")
    free = ("approvers", "deny_ends")
    if otherwise is None:
        fields = view.fields(required=counted, optional=free)
    else:
        fields = view.fields(required=(), optional=(*counted, *free))
    people, timeout = fields["min_approvals"], fields["timeout"]
    text = timeout.text(shape="a length of time such as '30m'", at_most=32)
    return Approval(
        min_approvals=otherwise.min_approvals
        if otherwise is not None and not people.present
        else people.integer(1, APPROVALS_MAX),
        approver_groups=tuple(sorted(selectors(fields["approvers"], GROUP, GROUP_SHAPE))),
        timeout=otherwise.timeout
        if otherwise is not None and not timeout.present
        else length(timeout, text, APPROVAL_TIMEOUT_MIN, APPROVAL_TIMEOUT_MAX),
        deny_ends=fields["deny_ends"].boolean(),
    )
