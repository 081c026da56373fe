"""The methods of RegistryService that are about a card and no agent: convert, call, convert."""

from typing import Any

from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock

from ringfence_registry.cards.validation import CardValidation
from ringfence_registry.convert import cards


class CardMethods:
    """Judges cards, over gRPC."""

    def __init__(self, validation: CardValidation, clock: Clock) -> None:
        self._validation = validation
        self._now = clock.now

    async def ValidateCard(self, request: pb.ValidateCardRequest, context: Any) -> pb.ValidateCardResponse:
        """Say everything there is to say about a card."""
        wanted = cards.validate_card(request)
        judged = await self._validation.validate_card(
            wanted.card, namespace=wanted.namespace, caller=current_caller(), now=self._now()
        )
        return cards.validated(judged, namespace=wanted.namespace)
