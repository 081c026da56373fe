"""What has to be earned, and what a person grants on top."""

from collections.abc import Sequence

from ringfence_kit.errors import Failure, Kind


class RingNotEarned(Failure):
    """A person may grant ring 0 only to an agent that has earned it."""

    kind = Kind.FAILED_PRECONDITION
    reason = "RING_NOT_EARNED"

    def __init__(self, *, did: str, unmet: Sequence[str]) -> None:
        listed = "; ".join(unmet)
        super().__init__(f"{did} has not earned ring 0: {listed}", metadata={"did": did, "unmet": listed})


class ElevationNotFound(Failure):
    """There is no elevation grant of this name."""

    kind = Kind.NOT_FOUND
    reason = "ELEVATION_NOT_FOUND"

    def __init__(self, *, elevation: str) -> None:
        super().__init__(f"no elevation {elevation} was granted", metadata={"elevation": elevation})
