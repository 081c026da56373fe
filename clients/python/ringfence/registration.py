"""An agent registered from its card in a few lines: judged first, and refused with every reason in words.

    card = Path("analyst.card.json").read_bytes()
    request = registration("demo/analyst", card, owner=Owner(display_name="Sales", contact="sales@example.com"))
    agent = register(mesh.registry, request).agent

The card is sent byte for byte. What it says of the agent's purpose is taken from it; nothing else is.
"""

import json
from collections.abc import Iterable
from typing import Protocol

from ringfence.registry.v1.registry_pb2 import (
    RISK_TIER_MEDIUM,
    Agent,
    Owner,
    RegisterAgentRequest,
    RegisterAgentResponse,
    RiskTier,
    ValidateCardRequest,
    ValidateCardResponse,
)

_PURPOSE_BYTES = 2_000


class CardRefusedError(ValueError):
    """The registry would not admit the card; `problems` says why, each with its place in the card."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems) or "the card is not admitted")


class Registering(Protocol):
    """What is used of the stub of RegistryService."""

    def ValidateCard(self, request: ValidateCardRequest, /) -> ValidateCardResponse:  # noqa: N802 - the contract's name
        """Judge a card."""
        ...

    def RegisterAgent(self, request: RegisterAgentRequest, /) -> RegisterAgentResponse:  # noqa: N802 - the contract's name
        """Register an agent."""
        ...


def registration(
    name: str,
    card: bytes,
    *,
    owner: Owner,
    purpose: str = "",
    environments: Iterable[str] = ("dev",),
    risk_tier: RiskTier.ValueType = RISK_TIER_MEDIUM,
) -> RegisterAgentRequest:
    """Return the request that registers `namespace/agent` from its card; set more of its `agent` before it is sent."""
    namespace, _, agent_id = name.removeprefix("namespaces/").replace("/agents/", "/").partition("/")
    agent = Agent(purpose=purpose or _description_in(card), owner=owner, environments=environments, risk_tier=risk_tier)
    return RegisterAgentRequest(parent=f"namespaces/{namespace}", agent_id=agent_id, agent=agent, card=card)


def register(registry: Registering, request: RegisterAgentRequest) -> RegisterAgentResponse:
    """Register an agent, after its card was judged. Raises CardRefusedError, and what the calls raise."""
    require_admissible(registry.ValidateCard(ValidateCardRequest(card=request.card, parent=request.parent)))
    return registry.RegisterAgent(request)


def require_admissible(judged: ValidateCardResponse) -> None:
    """Raise CardRefusedError unless the card would be admitted."""
    if judged.admissible:
        return
    places = [f"{reason.pointer or '/'}: {reason.problem}" for reason in judged.reasons]
    raise CardRefusedError([*judged.refusals, *places])


def _description_in(card: bytes) -> str:
    """Return what a card says of itself; nothing when it is none, which the registry says better."""
    try:
        described = json.loads(card)["description"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return ""
    if not isinstance(described, str):
        return ""
    return described.encode("utf-8", "replace")[:_PURPOSE_BYTES].decode("utf-8", "ignore")
