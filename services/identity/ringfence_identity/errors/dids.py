"""DIDs, their environments and their histories."""

from ringfence_kit.errors import Failure, Kind, Violation


class EnvironmentUnknown(Failure):
    """An environment this server does not host."""

    kind = Kind.INVALID_ARGUMENT
    reason = "ENVIRONMENT_UNKNOWN"

    def __init__(self, *, environment: str) -> None:
        super().__init__(
            f"no environment {environment!r} is hosted here",
            metadata={"environment": environment},
            violations=(Violation("environment", "is not hosted here"),),
        )


class DidInvalid(Failure):
    """Text that is not a DID, or a DID of a method or host that is not served here."""

    kind = Kind.INVALID_ARGUMENT
    reason = "DID_INVALID"

    def __init__(self, *, did: str, problem: str) -> None:
        super().__init__(
            f"{did!r} cannot be used as a DID here: {problem}",
            metadata={"did": did, "problem": problem},
            violations=(Violation("did", problem),),
        )


class DidNotFound(Failure):
    """A well-formed DID of ours that was never issued."""

    kind = Kind.NOT_FOUND
    reason = "DID_NOT_FOUND"

    def __init__(self, *, did: str) -> None:
        super().__init__(f"{did} was never issued here", metadata={"did": did})


class DidMethodFixed(Failure):
    """A did:key, whose key cannot be replaced since it is the DID."""

    kind = Kind.FAILED_PRECONDITION
    reason = "DID_METHOD_FIXED"

    def __init__(self, *, did: str) -> None:
        super().__init__(f"{did} is its key, there is no other; enrol a new agent", metadata={"did": did})


class DidVersionMismatch(Failure):
    """The DID moved on since the version the caller signed over."""

    kind = Kind.ABORTED
    reason = "DID_VERSION_MISMATCH"

    def __init__(self, *, did: str, expected: str, current: str) -> None:
        super().__init__(
            f"{did} is at version {current}, not {expected}; sign again over the current version",
            metadata={"did": did, "expected_version": expected, "current_version": current},
        )


class DidVersionNotFound(Failure):
    """A version or a moment the DID has no document for."""

    kind = Kind.NOT_FOUND
    reason = "DID_VERSION_NOT_FOUND"

    def __init__(self, *, did: str, wanted: str) -> None:
        super().__init__(f"{did} has no version {wanted}", metadata={"did": did, "version": wanted})


class DidLogFull(Failure):
    """A DID's history that has no room for another key: others would refuse to read it."""

    kind = Kind.FAILED_PRECONDITION
    reason = "DID_LOG_FULL"

    def __init__(self, *, did: str, longest: int) -> None:
        super().__init__(
            f"the history of {did} has reached {longest} bytes, longer ones are not read everywhere; enrol a new agent",
            metadata={"did": did, "limit_bytes": str(longest)},
        )
