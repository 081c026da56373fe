"""The failures only the pdp knows, next to the common ones of the kit; documented in its `errors.proto`.

A denial is not among them: it is an answer.
"""

from collections.abc import Sequence

from ringfence_kit.errors import COMMON_FAILURES, Failure, Kind, Violation


class BundleInvalid(Failure):
    """A policy cannot be accepted. Each violation's field is `{path}:{line}` and the field inside the policy."""

    kind = Kind.INVALID_ARGUMENT
    reason = "BUNDLE_INVALID"

    def __init__(self, violations: Sequence[Violation]) -> None:
        listed = "; ".join(f"{violation.field}: {violation.problem}" for violation in violations)
        super().__init__(
            f"the bundle was refused, nothing changed: {listed}",
            metadata={"problems": str(len(violations))},
            violations=violations,
        )


class BundleNotFound(Failure):
    """No bundle of this name is kept, or, without a name, none is active or was active before."""

    kind = Kind.NOT_FOUND
    reason = "BUNDLE_NOT_FOUND"

    def __init__(self, *, name: str | None = None) -> None:
        if name is None:
            super().__init__("no bundle is active, so everything is denied; push one with PushBundle")
        elif not name:
            super().__init__("no bundle decided before this one; name the one to go back to, ListBundles shows them")
        else:
            super().__init__(f"{name} is not kept; ListBundles shows those that are", metadata={"name": name})


class KillSwitchNotFound(Failure):
    """No switch of this name is engaged."""

    kind = Kind.NOT_FOUND
    reason = "KILL_SWITCH_NOT_FOUND"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"{name} is not engaged; ListKillSwitches shows what is", metadata={"name": name})


class KillSwitchAlreadyEngaged(Failure):
    """The target is stopped already."""

    kind = Kind.ALREADY_EXISTS
    reason = "KILL_SWITCH_ALREADY_ENGAGED"

    def __init__(self, *, target: str, name: str) -> None:
        super().__init__(f"{target} is stopped already, by {name}", metadata={"target": target, "name": name})


class BundleTestsFailed(Failure):
    """A bundle's own tests do not pass."""

    kind = Kind.FAILED_PRECONDITION
    reason = "BUNDLE_TESTS_FAILED"

    def __init__(self, *, failed: int, run: int, first: str) -> None:
        super().__init__(
            f"{failed} of {run} tests of the bundle fail, nothing was kept: {first}; TestBundle lists them all",
            metadata={"failed": str(failed), "run": str(run)},
        )


class RolloutConflict(Failure):
    """A rollout cannot go from where it is to what was asked."""

    kind = Kind.FAILED_PRECONDITION
    reason = "ROLLOUT_CONFLICT"

    def __init__(self, *, problem: str) -> None:
        super().__init__(problem)


class ApprovalNotFound(Failure):
    """There is no such approval, or it is none of the caller's."""

    kind = Kind.NOT_FOUND
    reason = "APPROVAL_NOT_FOUND"

    def __init__(self, *, name: str) -> None:
        super().__init__(f"there is no {name} to be seen; ListApprovals shows what there is", metadata={"name": name})


class ApprovalNotPending(Failure):
    """An approval is over: a vote changes nothing any more."""

    kind = Kind.FAILED_PRECONDITION
    reason = "APPROVAL_NOT_PENDING"

    def __init__(self, *, name: str, state: str) -> None:
        super().__init__(
            f"{name} is {state.lower()}, so it cannot be changed any more; the same question asked again opens another",
            metadata={"name": name, "state": state},
        )


class ApproverNotEligible(Failure):
    """Somebody may not vote on an approval."""

    kind = Kind.PERMISSION_DENIED
    reason = "APPROVER_NOT_ELIGIBLE"

    def __init__(self, *, name: str, principal: str, problem: str) -> None:
        super().__init__(
            f"{principal} may not vote on {name}: {problem}", metadata={"name": name, "principal": principal}
        )


class AlreadyVoted(Failure):
    """One person, one vote."""

    kind = Kind.ALREADY_EXISTS
    reason = "ALREADY_VOTED"

    def __init__(self, *, name: str, principal: str) -> None:
        super().__init__(
            f"{principal} voted on {name} already, and that vote stands",
            metadata={"name": name, "principal": principal},
        )


class LimitNotFound(Failure):
    """The active bundle has no such limit."""

    kind = Kind.NOT_FOUND
    reason = "LIMIT_NOT_FOUND"

    def __init__(self, *, limit: str) -> None:
        super().__init__(
            f"the active bundle has no limit {limit}; ListLimits shows those it has", metadata={"limit": limit}
        )


FAILURES: tuple[type[Failure], ...] = (
    *COMMON_FAILURES,
    BundleInvalid,
    BundleNotFound,
    KillSwitchNotFound,
    KillSwitchAlreadyEngaged,
    BundleTestsFailed,
    RolloutConflict,
    ApprovalNotFound,
    ApprovalNotPending,
    ApproverNotEligible,
    AlreadyVoted,
    LimitNotFound,
)
"""Every failure this service answers with."""
