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
    """No bundle was pushed yet."""

    kind = Kind.NOT_FOUND
    reason = "BUNDLE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("no bundle is active, so everything is denied; push one with PushBundle")


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


FAILURES: tuple[type[Failure], ...] = (
    *COMMON_FAILURES,
    BundleInvalid,
    BundleNotFound,
    KillSwitchNotFound,
    KillSwitchAlreadyEngaged,
)
"""Every failure this service answers with."""
