"""What identity and telemetry say of agents, steered by the test: small, real `TrustView` and `HealthView`."""

from dataclasses import replace

from ringfence_kit.clock import Instant
from ringfence_registry.finding.views import Followed, Health, Trust


class SteeredTrust:
    """Says of each DID what it was told to say."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[Trust, int]] = {}
        self._changed: list[Followed] = []
        self.changes = 0
        """See `TrustView`."""

    def say(self, did: str, trust: Trust, *, then: int | None = None) -> None:
        """From now on say `trust` of `did`; from `trust.until` on, that its score is `then`."""
        self._said[did] = trust, trust.score if then is None else then
        self.changes += 1
        for changed in self._changed:
            changed(did)

    def trust(self, agent: str, did: str, now: Instant) -> Trust | None:
        """See `TrustView`."""
        if did not in self._said:
            return None
        trust, then = self._said[did]
        return trust if trust.until is None or now < trust.until else replace(trust, score=then, until=None)

    def follow(self, changed: Followed) -> None:
        """See `TrustView`."""
        self._changed.append(changed)


class SteeredHealth:
    """Says of each agent what it was told to say."""

    def __init__(self) -> None:
        self._said: dict[str, Health] = {}
        self._changed: list[Followed] = []

    def say(self, agent: str, health: Health) -> None:
        """From now on say `health` of `agent`, until it ends."""
        self._said[agent] = health
        for changed in self._changed:
            changed(agent)

    def health(self, agent: str, now: Instant) -> Health | None:
        """See `HealthView`."""
        known = self._said.get(agent)
        return known if known is not None and (known.until is None or now < known.until) else None

    def follow(self, changed: Followed) -> None:
        """See `HealthView`."""
        self._changed.append(changed)
