"""Cards for the outside world: `/agents/{namespace}/{agent}/agent-card.json`, the bytes that were registered.

- the ETag is the digest of those bytes, so it is strong, and who holds the card gets 304 and no body;
- agents that are retired, unknown or misspelt are all 404: this port asks nobody who they are and tells nothing more;
- nothing here is ever taken for a page: the type is the card's, and browsers are told not to guess.
"""

from ringfence_kit.names import AgentName, is_resource_id
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringfence_registry.cards.model import Card
from ringfence_registry.finding.reading import AgentReading

CARD_TYPE = "application/a2a-agent-card+json"
MAX_AGE_SECONDS = 60
"""How long a client may use a card without asking again (A2A 1.0 8.6)."""


class CardPages:
    """Serves the cards of active agents."""

    def __init__(self, reading: AgentReading) -> None:
        self._reading = reading

    def routes(self) -> list[Route]:
        """Return what the HTTP face has to serve."""
        return [Route("/agents/{namespace}/{agent}/agent-card.json", self.card, methods=["GET"])]

    async def card(self, request: Request) -> Response:
        """Answer one request for a card."""
        namespace, agent = request.path_params["namespace"], request.path_params["agent"]
        known = is_resource_id(namespace) and is_resource_id(agent)
        card = await self._reading.published_card(AgentName(namespace, agent)) if known else None
        if card is None:
            return JSONResponse({"error": "no card is published under this address"}, status_code=404)
        headers = {
            "etag": f'"{card.facts.sha256}"',
            "cache-control": f"public, max-age={MAX_AGE_SECONDS}",
            "content-type": CARD_TYPE,
            "x-content-type-options": "nosniff",
        }
        if _holds(request, card):
            return Response(status_code=304, headers=headers)
        return Response(card.body, headers=headers)


def _holds(request: Request, card: Card) -> bool:
    """Say whether the client has this card already (RFC 9110 13.1.2: If-None-Match compares weakly)."""
    held = {
        tag.strip().removeprefix("W/") for line in request.headers.getlist("if-none-match") for tag in line.split(",")
    }
    return "*" in held or f'"{card.facts.sha256}"' in held
