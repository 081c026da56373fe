"""Who is enrolled, and whether it may go on."""

from ringfence.proofs.timestamps import timestamp
from ringfence_kit.clock import Instant
from ringfence_kit.errors import Failure, Kind


class AgentNotFound(Failure):
    """No agent has this name in this environment, or this DID."""

    kind = Kind.NOT_FOUND
    reason = "AGENT_NOT_FOUND"

    def __init__(self, *, agent: str, environment: str) -> None:
        where = f" in environment {environment}" if environment else ""
        super().__init__(f"no agent {agent} is enrolled{where}", metadata={"agent": agent, "environment": environment})


class AgentAlreadyEnrolled(Failure):
    """The agent has an identity in this environment that is not revoked."""

    kind = Kind.ALREADY_EXISTS
    reason = "AGENT_ALREADY_ENROLLED"

    def __init__(self, *, agent: str, environment: str, did: str) -> None:
        super().__init__(
            f"{agent} already has the identity {did} in environment {environment}; revoke that one first",
            metadata={"agent": agent, "environment": environment, "did": did},
        )


class AgentRevoked(Failure):
    """The identity was revoked, which is for good."""

    kind = Kind.FAILED_PRECONDITION
    reason = "AGENT_REVOKED"

    def __init__(self, *, did: str) -> None:
        super().__init__(f"{did} is revoked; revocation is for good, enrol a new agent", metadata={"did": did})


class AgentSuspended(Failure):
    """The identity is suspended: nothing is issued to it until a person has looked."""

    kind = Kind.FAILED_PRECONDITION
    reason = "AGENT_SUSPENDED"

    def __init__(self, *, did: str, cause: str = "") -> None:
        why = f": {cause}" if cause else ""
        super().__init__(f"{did} is suspended{why}; it must be reinstated first", metadata={"did": did, "cause": cause})


class AgentExpired(Failure):
    """The identity was made for a while, and that is over."""

    kind = Kind.FAILED_PRECONDITION
    reason = "AGENT_EXPIRED"

    def __init__(self, *, did: str, expired_at: Instant) -> None:
        at = timestamp(expired_at)
        super().__init__(f"{did} ended at {at}; enrol a new agent", metadata={"did": did, "expire_time": at})


class AgentNotSuspended(Failure):
    """There is nothing to reinstate."""

    kind = Kind.FAILED_PRECONDITION
    reason = "AGENT_NOT_SUSPENDED"

    def __init__(self, *, did: str) -> None:
        super().__init__(f"{did} is not suspended, there is nothing to reinstate", metadata={"did": did})
