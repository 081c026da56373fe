"""How an agent can do lasting harm: derived from what it touches and what its tools do, never declared.

An approval that is out of force counts like any other: it may be back tomorrow, and an inventory of risks that forgets
it would be wrong by then.
"""

from collections.abc import Iterable

from ringfence_registry.agents.surroundings import ToolFacts
from ringfence_registry.model import AgentSpec, HighRiskEdge

MONEY = frozenset(
    {"money", "payment", "payments", "payment-data", "billing", "invoices", "financial", "finance", "pci", "cardholder"}
)
CUSTOMER_DATA = frozenset(
    {
        "pii",
        "phi",
        "customer",
        "customers",
        "customer-data",
        "personal",
        "personal-data",
        "health",
        "gdpr",
        "cardholder",
    }
)
PRODUCTION = frozenset({"production", "prod", "infrastructure", "deployment", "secrets", "credentials"})
"""Data classes that name what an edge is about, as RFC 1034 labels like every data class."""


def high_risk_edges(spec: AgentSpec, tools: Iterable[ToolFacts]) -> tuple[HighRiskEdge, ...]:
    """Return the edges of an agent that may call `tools`, in the order of the enum."""
    tools = tuple(tools)
    classes = {*spec.data_classes, *(each for tool in tools for each in tool.data_classes)}
    changes_production = any(
        tool.irreversible or (tool.changes and not PRODUCTION.isdisjoint(tool.data_classes)) for tool in tools
    )
    has = {
        HighRiskEdge.MONEY: not MONEY.isdisjoint(classes),
        HighRiskEdge.CUSTOMER_DATA: not CUSTOMER_DATA.isdisjoint(classes),
        HighRiskEdge.PRODUCTION_CHANGE: changes_production,
    }
    return tuple(edge for edge, there in has.items() if there)
