"""The lattice of outcomes, and the meet that composes them: the lower effect, the less trusted ring, the stricter
approval.

Everything the pdp composes (stages of one decision, rules of one bundle, later both sides of a call and every hop of a
chain) is composed by `meet`, so no part can grant what another withholds. It is commutative, associative, idempotent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from ringfence_kit.clock import Millis

from ringfence_pdp.model import Approval, Effect


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one party allows. `approval` is set exactly when the effect is REQUIRE_APPROVAL."""

    effect: Effect
    ring: int = 0
    approval: Approval | None = None


TOP = Outcome(Effect.ALLOW)
"""Allows everything: the neutral element."""


def meet(left: Outcome, right: Outcome) -> Outcome:
    """Return what both allow."""
    effect = min(left.effect, right.effect)
    approvals = [one.approval for one in (left, right) if one.approval is not None]
    strictest = reduce(strictest_approval, approvals) if approvals and effect is Effect.REQUIRE_APPROVAL else None
    return Outcome(effect, max(left.ring, right.ring), strictest)


def meet_all(outcomes: Iterable[Outcome]) -> Outcome:
    """Return what all allow."""
    return reduce(meet, outcomes, TOP)


def strictest_approval(left: Approval, right: Approval) -> Approval:
    """Return what satisfies both: the larger count, the groups of both, the shorter time."""
    return Approval(
        min_approvals=max(left.min_approvals, right.min_approvals),
        approver_groups=tuple(sorted({*left.approver_groups, *right.approver_groups})),
        timeout=Millis(min(left.timeout, right.timeout)),
    )
