"""The lattice of outcomes, and the meet that composes them: what all parties allow, and never more than any of them.

Everything the pdp composes (rules of a bundle, both sides of a hop, every boundary crossed, every agent of a chain) is
composed by `meet`, so no part can grant what another withholds. It is commutative, associative and idempotent, DENY and
a kill dominate, and `TOP` is neutral. docs/composition.md says the same for who reviews it.

| part | meet |
| --- | --- |
| effect | the lower of DENY < REQUIRE_APPROVAL < ALLOW |
| ring | the larger number: less privilege |
| approval | the larger count, the groups of both, the shorter time |
| valid_until, depth_left | the smaller |
| capabilities | the intersection |
| budgets | the smaller remainder, member by member |
| obligations | the union; a conflict denies |
| killed | or; denies |
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeVar

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.model import Approval, Effect
from ringfence_pdp.obligations import NO_OBLIGATIONS, Obligations, joined


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one party allows.

    `approval` is set exactly when the effect is REQUIRE_APPROVAL. None is no limit: of time, depth and capabilities.
    """

    effect: Effect
    ring: int = 0
    approval: Approval | None = None
    valid_until: Instant | None = None
    """When what was shown for it ends."""
    depth_left: int | None = None
    """How often it may be handed on."""
    capabilities: frozenset[str] | None = None
    """The only things it may be used for."""
    budgets: Mapping[str, int] = field(default_factory=dict)
    """What may be spent, by unit; what is not named is not limited."""
    obligations: Obligations = NO_OBLIGATIONS
    killed: bool = False

    def __post_init__(self) -> None:
        """Keep what belongs together together: a kill and a conflict deny, and only what asks has an approval."""
        if self.killed or self.obligations.conflicts:
            object.__setattr__(self, "effect", Effect.DENY)
        if self.effect is not Effect.REQUIRE_APPROVAL:
            object.__setattr__(self, "approval", None)


TOP = Outcome(Effect.ALLOW)
"""Allows everything: the neutral element."""


def meet(left: Outcome, right: Outcome) -> Outcome:
    """Return what both allow."""
    return Outcome(
        effect=min(left.effect, right.effect),
        ring=max(left.ring, right.ring),
        approval=_both(left.approval, right.approval),
        valid_until=_smaller(left.valid_until, right.valid_until),
        depth_left=_smaller(left.depth_left, right.depth_left),
        capabilities=_common(left.capabilities, right.capabilities),
        budgets=_least(left.budgets, right.budgets),
        obligations=joined(left.obligations, right.obligations),
        killed=left.killed or right.killed,
    )


def meet_all(outcomes: Iterable[Outcome]) -> Outcome:
    """Return what all allow."""
    return reduce(meet, outcomes, TOP)


def strictest_approval(left: Approval, right: Approval) -> Approval:
    """Return what satisfies both: the larger count, the groups of both, the shorter time."""
    return Approval(
        min_approvals=max(left.min_approvals, right.min_approvals),
        approver_groups=tuple(sorted({*left.approver_groups, *right.approver_groups})),
        timeout=Millis(min(left.timeout, right.timeout)),
        deny_ends=left.deny_ends or right.deny_ends,
    )


def _both(left: Approval | None, right: Approval | None) -> Approval | None:
    if left is None or right is None:
        return left or right
    return strictest_approval(left, right)


_Number = TypeVar("_Number", bound=int)


def _smaller(left: _Number | None, right: _Number | None) -> _Number | None:
    if left is None or right is None:
        return right if left is None else left
    return min(left, right)


def _common(left: frozenset[str] | None, right: frozenset[str] | None) -> frozenset[str] | None:
    if left is None or right is None:
        return right if left is None else left
    return left & right


def _least(left: Mapping[str, int], right: Mapping[str, int]) -> Mapping[str, int]:
    if not left or not right:
        return left or right
    both = {unit: min(left[unit], right[unit]) for unit in left.keys() & right.keys()}
    return {**left, **right, **both}
