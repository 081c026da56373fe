"""A decision as it is given out and logged: with its id, the moment, and how current everything was it stands on."""

from typing import NamedTuple

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.cacheable import CacheHint
from ringfence_pdp.limits.counters import Status
from ringfence_pdp.model import Decision
from ringfence_pdp.rollout.rollout import Mode


class Answer(NamedTuple):
    """The answer to one question."""

    decision: Decision
    decision_id: str
    bundle_digest: str
    """Empty when no bundle is active."""
    identity_revision: int
    registry_revision: int
    policy_revision: int
    decided_at: Instant
    epoch: int = 0
    """Grows whenever anything that was allowed before may be denied now."""
    mode: Mode = Mode.NONE
    """CANARY when the bundle that is tried decided, SHADOW when it was asked beside the one that did."""
    would: Decision | None = None
    """What the bundle that did not decide says; None when only one was asked."""
    judged: Decision | None = None
    """What was decided before anything was counted and anybody was asked; None when nothing was."""
    limits: tuple[Status, ...] = ()
    """How the limits stand that it counts against, those nearest to their end first."""
    retry_after: Millis | None = None
    """When asking again makes sense; None when that is not known, or never."""
    approval: str = ""
    """The approval it waits for, was let through by, or was refused because of."""
    approval_expires_at: Instant | None = None
    cache: CacheHint | None = None
    """How it may be used again; None when it may not."""
