"""What the registry knows: agents and what was read from their cards, as values that never change.

- Everything here is frozen; a changed agent is a new value with the revision of its change.
- An empty string or tuple means "not given"; only what can be given as empty is `None` when absent.
- These classes are also the stored form (`ringfence_kit.records`): fields may be added with a default, not renamed.
"""

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from ringfence_kit.clock import Instant, Millis
from ringfence_kit.events import Revision
from ringfence_kit.names import AgentName

from ringfence_registry.cards.model import CardFacts, CardFinding
from ringfence_registry.cards.signatures.report import UNSIGNED, SignatureReport

AGENT = "agent"
"""The kind of an agent's events.

A deletion is a MODIFIED event with `deleted_at` set, the only one there is of a deleted agent; bringing it back is
ADDED, and DELETED is the end of the record at `purge_at`, of which watchers heard at the deletion.
"""

LEASE = "lease"
"""The kind of a renewal's events: for catalogs, not for watchers. The record is a `Lease`."""


class RiskTier(enum.Enum):
    """How much harm a misbehaving agent can do, as its owner declares it; the least first."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class AgentState(enum.Enum):
    """Where an agent stands in its life. The steps between states are in `agents/lifecycle.py`."""

    DRAFT = "DRAFT"
    """Being described."""
    PENDING_REVIEW = "PENDING_REVIEW"
    """Handed in, waiting for an approver."""
    ACTIVE = "ACTIVE"
    """Serving."""
    SUSPENDED = "SUSPENDED"
    """Stopped for now."""
    DEPRECATED = "DEPRECATED"
    """Serving, and known to end."""
    RETIRED = "RETIRED"
    """Ended for good; kept readable."""

    @property
    def serves(self) -> bool:
        """Whether calls of the agent are let through."""
        return self in {AgentState.ACTIVE, AgentState.DEPRECATED}


class Liveness(enum.Enum):
    """Whether an agent said lately that it is alive: an axis of its own, beside state and trust."""

    NO_LEASE = "NO_LEASE"
    LEASED = "LEASED"
    EXPIRED = "EXPIRED"


class HighRiskEdge(enum.Enum):
    """A way in which an agent can do lasting harm; derived, never declared."""

    MONEY = "MONEY"
    CUSTOMER_DATA = "CUSTOMER_DATA"
    PRODUCTION_CHANGE = "PRODUCTION_CHANGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The person who answers for an agent."""

    display_name: str
    contact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedTool:
    """A tool an agent may call, pinned to one contract when `schema_hash` is given."""

    name: str
    schema_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A place where an agent runs."""

    environment: str
    region: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationStep:
    """Somebody to reach, and how long to wait for an answer before the next step."""

    contact: str
    wait: Millis = Millis(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """What people say about an agent: everything a caller may set, without the card."""

    purpose: str
    owner: Owner
    risk_tier: RiskTier
    environments: tuple[str, ...]
    display_name: str = ""
    team: str = ""
    on_call: str = ""
    data_classes: tuple[str, ...] = ()
    approved_tools: tuple[ApprovedTool, ...] = ()
    did: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    evaluation_plan: str = ""
    slo: str = ""
    deployments: tuple[Deployment, ...] = ()
    escalation_path: tuple[EscalationStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What a run of an evaluation plan showed of one card."""

    plan: str
    passed: bool
    card_sha256: str
    """In lower-case hex."""
    evaluated_at: Instant
    recorder: str
    report: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """Why an agent ends, from when it is not to be used, and which takes its place."""

    reason: str
    end_of_life_at: Instant | None = None
    replaced_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A share of the calls that goes to a canary."""

    canary: int
    stable: int
    percent: int
    started_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutEnd:
    """How the last rollout ended."""

    canary: int
    reason: str
    actor: str
    ended_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A registered agent."""

    name: AgentName
    uid: str
    revision: Revision
    """Of its last change, in the registry's history; not to be taken for `number`."""
    spec: AgentSpec
    card: CardFacts
    state: AgentState
    created_at: Instant
    updated_at: Instant
    number: int = 1
    """Of its present content: 1, 2, 3 … for each change of spec or card."""
    aliases: Mapping[str, int] = field(default_factory=dict)
    """Alias → number of a revision; `latest` is `number` and not among them."""
    rollout: Rollout | None = None
    last_rollout_end: RolloutEnd | None = None
    remarks: tuple[CardFinding, ...] = ()
    """What is remarkable about the card in this place: beside others of the namespace, and those it had before."""
    signatures: SignatureReport = UNSIGNED
    """What became of the signatures of its card."""
    evaluations: tuple[Evaluation, ...] = ()
    """The latest of each plan and card, the one recorded last first."""
    state_reason: str = ""
    suspended_from: AgentState | None = None
    """Where a resumption leads; set while it is SUSPENDED."""
    submitted_by: str = ""
    """Who handed it in for review last."""
    deprecation: Deprecation | None = None
    retired_at: Instant | None = None
    deleted_at: Instant | None = None
    purge_at: Instant | None = None
    """When a deleted agent is forgotten."""
    lease_expires_at: Instant | None = None
    lease_expired: bool = False
    """Its end was told; only a renewal begins the lease anew."""

    @property
    def etag(self) -> str:
        """A strong etag (RFC 9110 8.8.3). Revisions may come again after a restore from a backup, so they do not do.

        A renewal is not a change of what the agent is, so it leaves the etag as it was.
        """
        change = f"{self.uid} {self.revision} {self.updated_at}"
        return f'"{self.revision}-{hashlib.sha256(change.encode()).hexdigest()[:12]}"'

    @property
    def deleted(self) -> bool:
        """Whether it is out of sight: read by name, brought back, and nothing else."""
        return self.deleted_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOutline:
    """What decisions about an agent stand on: of its record, all but the card and the history."""

    name: AgentName
    spec: AgentSpec
    state: AgentState
    updated_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """An agent's word that it is alive, and until when that holds."""

    agent: str
    uid: str
    expires_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRevision:
    """What an agent was: what people said of it and which card it had. It never changes.

    The card is named by its digest; what it says is read from its bytes, which are kept.
    """

    agent: AgentName
    number: int
    spec: AgentSpec
    card_sha256: str
    created_at: Instant
    actor: str
    rollback_of: int | None = None
    reason: str = ""
    """Why, when a rollback made it."""
