"""Cards for the outside world, under the addresses where A2A looks for them (A2A 1.0 8.2, 8.6).

- `/agents/{namespace}/{agent}/agent-card.json`: the bytes that were registered;
- `/agents/{namespace}/{agent}/.well-known/agent-card.json`, and `/.well-known/agent-card.json` behind the agent's own
  host: the same card with the registry's signature among its own, nothing else touched. `agent.json` is where clients
  from before A2A 0.3 look;
- the ETag is the digest of what is sent, so it is strong, and who holds it gets 304 and no body;
- agents that are hidden, retired, unknown or misspelt are all one 404.
"""

from collections.abc import Awaitable, Callable

from ringfence_kit.clock import Clock
from ringfence_kit.names import AgentName, is_resource_id
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringfence_registry.http.answers import document, nothing_there
from ringfence_registry.http.places import Places
from ringfence_registry.http.published_cards import PublishedCard, PublishedCards

CARD_TYPE = "application/a2a-agent-card+json"
MAX_AGE_SECONDS = 60
"""How long a client may use a card without asking again (A2A 1.0 8.6)."""

WELL_KNOWN = ("/.well-known/agent-card.json", "/.well-known/agent.json")

Read = Callable[[AgentName], Awaitable[PublishedCard | None]]


class CardPages:
    """Serves the cards."""

    def __init__(self, cards: PublishedCards, places: Places, clock: Clock) -> None:
        self._cards = cards
        self._places = places
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return what the HTTP face has to serve."""
        agent = "/agents/{namespace}/{agent}"
        return [
            Route(f"{agent}/agent-card.json", self.verbatim),
            *(Route(agent + path, self.attested) for path in WELL_KNOWN),
            *(Route(path, self.of_host) for path in WELL_KNOWN),
        ]

    async def verbatim(self, request: Request) -> Response:
        """Answer with a card as it was registered."""
        return await self._answer(request, _name_in(request), self._cards.verbatim)

    async def attested(self, request: Request) -> Response:
        """Answer with a card and what the registry says of it."""
        return await self._answer(request, _name_in(request), self._cards.attested)

    async def of_host(self, request: Request) -> Response:
        """Answer with the card of the agent whose host this is."""
        name = self._places.agent_of_host(request.headers.get("host", ""))
        return await self._answer(request, name, self._cards.attested)

    async def _answer(self, request: Request, name: AgentName | None, read: Read) -> Response:
        card = None if name is None else await read(name)
        if card is None:
            return nothing_there()
        return document(
            request,
            card.body,
            media_type=CARD_TYPE,
            digest=card.digest,
            max_age_seconds=MAX_AGE_SECONDS,
            changed_at=card.changed_at,
            now=self._clock.now(),
        )


def _name_in(request: Request) -> AgentName | None:
    namespace, agent = request.path_params["namespace"], request.path_params["agent"]
    return AgentName(namespace, agent) if is_resource_id(namespace) and is_resource_id(agent) else None
