"""What whoever notices something says of it; `book.py` makes an alert of it, or finds that it is one already."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class AlertKind(StrEnum):
    """What an alert is about."""

    SLO_BURN = "slo_burn"
    SLO_EXHAUSTED = "slo_exhausted"
    BUDGET = "budget"
    COST_ANOMALY = "cost_anomaly"
    PRICE_UNKNOWN = "price_unknown"
    BREAKER_OPEN = "breaker_open"
    DRIFT = "drift"
    UNATTRIBUTED = "unattributed"
    UNTRUSTED_REPORTER = "untrusted_reporter"
    PRESSURE = "pressure"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDraft:
    """What is noticed."""

    key: str
    """What makes two alerts the same, e.g. `slo-burn/checkout/1h`; at most one of a key fires."""
    kind: AlertKind
    message: str
    """What is wrong and what to do about it, in sentences."""
    page: bool = False
    """Whether somebody has to look now."""
    subject: str = ""
    """The resource: `slos/…`, `budgets/…`, an agent."""
    agent: str = ""
    """Who is to blame, or whose it is."""
    evidence: Mapping[str, str] = field(default_factory=dict)
    trace_ids: tuple[str, ...] = ()
    """At most 5, hex."""
