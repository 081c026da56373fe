"""The method of RegistryService by which the registry signs a card: convert, call, convert."""

from typing import Any

from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.callers import current_caller

from ringfence_registry.agents.attesting import CardAttesting
from ringfence_registry.convert import agent_life, signatures


class AttestationMethods:
    """Attests cards, over gRPC."""

    def __init__(self, attesting: CardAttesting) -> None:
        self._attesting = attesting

    async def GetCardAttestation(
        self, request: pb.GetCardAttestationRequest, context: Any
    ) -> pb.GetCardAttestationResponse:
        """Return the registry's own signature on a card."""
        name, revision = agent_life.card_name(request)
        return signatures.attested(await self._attesting.attest_card(name, revision, caller=current_caller()))
