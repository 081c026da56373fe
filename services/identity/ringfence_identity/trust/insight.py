"""Explaining trust to those who may know: its arithmetic, what evidence is worth, and what was counted lately.

Who watches over the agent may see it, its owner and the agent itself; a peer sees the score and no more (`GetTrust`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant

from ringfence_identity.access import owned_environment, reachable
from ringfence_identity.directory import Trust, trust_at
from ringfence_identity.environments import Environments
from ringfence_identity.model import RecordedSignal
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.store.trust import TrustStore
from ringfence_identity.trust.evidence import SignalKind
from ringfence_identity.trust.explanation import Explanation, explain

_OVERSEERS = (Role.PLATFORM_ADMIN, Role.AUDITOR, Role.APPROVER, Role.SERVICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainTrust:
    """Whose trust is to be explained, and how many of the newest signals are to be shown."""

    did: str
    signals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """An agent's trust with everything behind it."""

    trust: Trust
    explanation: Explanation
    weights: Mapping[SignalKind, int]
    signals: Sequence[RecordedSignal]


class TrustInsight:
    """Explains trust. A reading like every other: nothing is changed by asking."""

    def __init__(
        self,
        *,
        environments: Environments,
        snapshot: IdentitySnapshot,
        store: TrustStore,
        weights: Mapping[SignalKind, int],
    ) -> None:
        self._environments = environments
        self._snapshot = snapshot
        self._store = store
        self._weights = weights

    async def explain(self, wanted: ExplainTrust, *, caller: Caller, now: Instant) -> Explained:
        """Return why the agent's trust is what it is at `now`."""
        known = self._snapshot.identity(wanted.did)
        action = f"have the trust of {wanted.did} explained"
        itself = caller.has(Role.AGENT) and caller.principal == wanted.did
        if not itself and not caller.has(*_OVERSEERS):
            owned_environment(self._environments, wanted.did, known, caller=caller, action=action)
        identity = reachable(self._environments, wanted.did, known, caller=caller, action=action)
        return Explained(
            trust=trust_at(identity, now),
            explanation=explain(identity, now=now),
            weights=self._weights,
            signals=await self._store.newest_signals(wanted.did, limit=wanted.signals),
        )
