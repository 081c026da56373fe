"""What is known of a system outside the mesh, as values that never change, which are also the stored form.

A decision to trust has an end. Once it was seen to have ended that is written down, so that a clock set back afterwards
does not bring it into force again.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision

from ringfence_registry.model import Owner, RiskTier
from ringfence_registry.resources.etags import etag_of
from ringfence_registry.resources.names import ExternalSystemName
from ringfence_registry.resources.switches import Switch

EXTERNAL_SYSTEM = "external_system"
"""The kind of an external system's events."""


class TrustVerdict(enum.Enum):
    """What was decided."""

    TRUSTED = "TRUSTED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustDecision:
    """Somebody's word on a system."""

    verdict: TrustVerdict
    reason: str
    expires_at: Instant
    actor: str
    decided_at: Instant
    ended_at: Instant | None = None
    """Set when it is known to be over: its time had come, or what it was about was changed."""

    def in_force(self, now: Instant) -> bool:
        """Say whether it still counts at `now`."""
        return self.ended_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalSystemSpec:
    """What people say about a system: everything a caller may set."""

    owner: Owner
    display_name: str = ""
    description: str = ""
    url: str = ""
    operator: str = ""
    data_classes: tuple[str, ...] = ()
    risk_tier: RiskTier | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalSystem:
    """A system that was entered."""

    name: ExternalSystemName
    uid: str
    revision: Revision
    """Of its last change."""
    spec: ExternalSystemSpec
    created_at: Instant
    updated_at: Instant
    decision: TrustDecision | None = None
    """In force, or the last one."""
    switch: Switch = field(default_factory=Switch)

    @property
    def etag(self) -> str:
        """A strong etag."""
        return etag_of(self)
