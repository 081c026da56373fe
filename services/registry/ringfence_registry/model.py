"""What the registry knows: agents and what was read from their cards, as values that never change.

- Everything here is frozen; a changed agent is a new value with the revision of its change.
- An empty string or tuple means "not given"; only what can be given as empty is `None` when absent.
- These classes are also the stored form (`ringfence_kit.records`): fields may be added with a default, not renamed.
"""

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.names import AgentName

from ringfence_registry.cards.model import CardFacts

AGENT = "agent"
"""The kind of an agent's events."""


class RiskTier(enum.Enum):
    """How much harm a misbehaving agent can do, as its owner declares it; the least first."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class AgentState(enum.Enum):
    """Where an agent stands in its life. The steps between states are in `lifecycle.py`."""

    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A registered agent."""

    name: AgentName
    uid: str
    revision: Revision
    """Of its last change."""
    spec: AgentSpec
    card: CardFacts
    state: AgentState
    created_at: Instant
    updated_at: Instant
    retired_at: Instant | None = None

    @property
    def etag(self) -> str:
        """A strong etag (RFC 9110 8.8.3). Revisions may come again after a restore from a backup, so they do not do."""
        change = f"{self.uid} {self.revision} {self.updated_at}"
        return f'"{self.revision}-{hashlib.sha256(change.encode()).hexdigest()[:12]}"'
