"""A snapshot as a follower holds it: records put back into what decisions stand on.

Records of one event are read before any of them is believed, so an event is taken whole or not at all.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from ringfence_kit import records

from ringfence_pdp.boundaries import Boundary
from ringfence_pdp.bundle import Bundle
from ringfence_pdp.chains.issuers import Issuer
from ringfence_pdp.chains.revocations import Revocations
from ringfence_pdp.facts import Facts, RegisteredAgent, RegisteredTool
from ringfence_pdp.hard_budgets import HardBudget, SpendingView, UsedUp
from ringfence_pdp.health_facts import AgentHealth, HealthView
from ringfence_pdp.kill_switch import KillSwitch
from ringfence_pdp.rollout.rollout import NOTHING_YET, Rollout
from ringfence_pdp.snapshots.shipped import (
    IssuerRecord,
    Kind,
    KnownIdentity,
    Record,
    Revoked,
    RevokedKind,
    Settings,
    Standing,
    issuer_of,
)
from ringfence_pdp.store import StoredPolicy


class SnapshotView:
    """What was told so far. Empty at first, and before the state is complete nobody decides by it."""

    def __init__(self, *, oldest: int = 0) -> None:
        """`oldest`: the revision of policies below which nothing is taken."""
        self._oldest = oldest
        self.facts = Facts()
        """Agents, tools, boundaries and revocations."""
        self.health: HealthView = {}
        self.issuers: dict[str, Issuer] = {}
        self.spending = SpendingView()
        self.bundles: dict[str, Bundle] = {}
        self.rollout: Rollout = NOTHING_YET
        self.switches: dict[str, KillSwitch] = {}
        self.settings = UNTOLD
        self.standing: Standing | None = None
        self.policy_changes = 0
        """Grows with every change of bundles, rollout and switches."""

    @property
    def policy(self) -> StoredPolicy:
        """What decides, what is tried, and what is stopped."""
        return StoredPolicy(
            bundles=tuple(self.bundles.values()),
            rollout=self.rollout,
            kill_switches=tuple(self.switches.values()),
        )

    def take(self, told: Sequence[Record], standing: Standing | None) -> None:
        """Take one event. Raises RecordUnreadable or ValueError, and has taken none of it then."""
        if standing is not None and standing.policy_revision < self._oldest:
            problem = f"the pdp tells of policies at revision {standing.policy_revision}, and told of {self._oldest}"
            raise ValueError(f"{problem} before; if it was restored on purpose, restart what decides on its snapshot")
        taking = [self._taking(record) for record in told]
        for take in taking:
            take()
        if standing is not None:
            self.standing = standing
            self._oldest = standing.policy_revision
        self.policy_changes += any(record.kind in _OF_POLICY for record in told)

    def _taking(self, record: Record) -> Callable[[], object]:
        """Read a record; return what puts it in its place, or takes it away."""
        put, drop = self._places[record.kind]
        return partial(drop, record.name) if record.gone else partial(put, _read(record))

    @cached_property
    def _places(self) -> Mapping[Kind, tuple[Callable[[Any], object], Callable[[str], object]]]:
        """By kind, what puts a value in its place, and what takes the one of a name away."""
        facts, spending = self.facts, self.spending
        return {
            Kind.SETTINGS: (partial(setattr, self, "settings"), _stays),
            Kind.ROLLOUT: (partial(setattr, self, "rollout"), _stays),
            Kind.BUNDLE: _by("digest", self.bundles),
            Kind.KILL_SWITCH: _by("name", self.switches),
            Kind.IDENTITY: (self._put_identity, facts.drop_identity),
            Kind.AGENT: _by("resource_name", facts.registered),
            Kind.TOOL: _by("name", facts.tools),
            Kind.BOUNDARY: (facts.boundaries.put, facts.boundaries.drop),
            Kind.REVOCATION: (partial(_revoke, facts.revocations), _stays),
            Kind.ISSUER: _by("environment", self.issuers),
            Kind.BUDGET: (spending.put_budget, spending.drop_budget),
            Kind.USED_UP: (spending.use_up, self._leave_some),
            Kind.HEALTH: _by("agent", self.health),
        }

    def _leave_some(self, name: str) -> None:
        budget, _, subject = name.partition(" ")
        self.spending.leave_some(budget, subject)

    def _put_identity(self, known: KnownIdentity) -> None:
        facts, identity = self.facts, known.identity
        key = (identity.environment, identity.resource_name)
        before = facts.by_did.get(identity.did)
        if before is not None and (before.environment, before.resource_name) != key:
            facts.drop_identity(identity.did)
        facts.by_did[identity.did] = identity
        if known.named:
            # Whoever was meant before is not any more: that is told of nobody but the one who is.
            facts.by_name[key] = identity


UNTOLD = Settings(inputs=False)
"""Before the pdp said what must not be logged, nothing of a question is."""

_OF_POLICY = frozenset({Kind.BUNDLE, Kind.ROLLOUT, Kind.KILL_SWITCH})

_TYPES: dict[Kind, type[Any]] = {
    Kind.SETTINGS: Settings,
    Kind.BUNDLE: Bundle,
    Kind.ROLLOUT: Rollout,
    Kind.KILL_SWITCH: KillSwitch,
    Kind.IDENTITY: KnownIdentity,
    Kind.AGENT: RegisteredAgent,
    Kind.TOOL: RegisteredTool,
    Kind.BOUNDARY: Boundary,
    Kind.REVOCATION: Revoked,
    Kind.ISSUER: IssuerRecord,
    Kind.BUDGET: HardBudget,
    Kind.USED_UP: UsedUp,
    Kind.HEALTH: AgentHealth,
}


def _read(record: Record) -> Any:
    value: Any = records.decode(record.content, _TYPES[record.kind])
    return issuer_of(value) if isinstance(value, IssuerRecord) else value


def _by(attribute: str, held: dict[str, Any]) -> tuple[Callable[[Any], object], Callable[[str], object]]:
    def put(value: Any) -> None:
        held[getattr(value, attribute)] = value

    return put, lambda name: held.pop(name, None)


def _stays(_: str) -> None:
    """Nobody tells that it is gone: there is one, or it is taken back for good."""


def _revoke(revocations: Revocations, revoked: Revoked) -> None:
    match revoked.kind:
        case RevokedKind.AGENT:
            revocations.agents[revoked.subject] = (revoked.lowest_epoch, revoked.usable)
        case RevokedKind.DELEGATION:
            revocations.delegations.add(revoked.subject)
        case RevokedKind.ELEVATION:
            revocations.elevations.add(revoked.subject)
        case RevokedKind.ISSUER_KEY:
            revocations.issuer_keys.add(revoked.subject)
