"""What identity took back, as its stream of revocations tells: issuer keys, delegations, elevations, agents' epochs."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Revocations:
    """Everything that may not be relied on any more at this moment."""

    issuer_keys: set[str] = field(default_factory=set)
    """Thumbprints."""
    delegations: set[str] = field(default_factory=set)
    """`delegations/{hash}`."""
    elevations: set[str] = field(default_factory=set)
    """`elevations/{elevation}`."""
    agents: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """By DID: the lowest epoch still good, and whether any is."""

    def voids(self, did: str, epoch: int) -> bool:
        """Say whether permission that an agent was given in `epoch` is void."""
        lowest, usable = self.agents.get(did, (0, True))
        return not usable or epoch < lowest
