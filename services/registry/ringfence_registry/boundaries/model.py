"""What is known of a trust boundary, as values that never change, which are also the stored form."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision

from ringfence_registry.model import Owner, RiskTier
from ringfence_registry.resources.etags import etag_of
from ringfence_registry.resources.names import BoundaryName
from ringfence_registry.resources.switches import Switch

BOUNDARY = "boundary"
"""The kind of a boundary's events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundarySelector:
    """Which agents are in a boundary by what is said of them: one value of every list that is not empty."""

    teams: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()
    data_classes: frozenset[str] = frozenset()
    risk_tiers: frozenset[RiskTier] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    """All of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundarySpec:
    """What people say about a boundary: everything a caller may set."""

    owner: Owner
    display_name: str = ""
    description: str = ""
    selector: BoundarySelector = field(default_factory=BoundarySelector)
    agents: tuple[str, ...] = ()
    """By resource name."""
    external_systems: tuple[str, ...] = ()
    """By resource name."""
    single_sided_with: tuple[str, ...] = ()
    """Boundaries, by resource name."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """A boundary that was drawn."""

    name: BoundaryName
    uid: str
    revision: Revision
    """Of its last change."""
    spec: BoundarySpec
    created_at: Instant
    updated_at: Instant
    switch: Switch = field(default_factory=Switch)

    @property
    def etag(self) -> str:
        """A strong etag."""
        return etag_of(self)
