"""The HTTP face, put together: what is always served, and what an operator may keep to callers who are known."""

from collections.abc import Callable
from dataclasses import dataclass

from ringfence_kit.clock import Clock
from ringfence_kit.events import Revision
from ringfence_kit.pages import PageTokens
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringfence_registry.cards.signatures.attestation import CardAttestor
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.counting import AgentCounting
from ringfence_registry.finding.reading import AgentReading
from ringfence_registry.finding.searching import AgentSearch
from ringfence_registry.http.ai_catalog import AiCatalog
from ringfence_registry.http.answers import refusal
from ringfence_registry.http.ard_pages import ArdPages
from ringfence_registry.http.card_pages import CardPages
from ringfence_registry.http.keys import KeyPages
from ringfence_registry.http.pacing import Pacing
from ringfence_registry.http.places import Places
from ringfence_registry.http.published_cards import CardSource, PublishedCards
from ringfence_registry.namespaces.visible import VisibilityReader


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """What the operator says of it."""

    places: Places
    publish_cards: bool
    per_second: int


def http_routes(
    settings: HttpSettings,
    *,
    catalog: AgentCatalog,
    cards: CardSource,
    reading: AgentReading,
    sight: VisibilityReader,
    tokens: PageTokens,
    attestor: CardAttestor,
    newest: Callable[[], Revision],
    loaded: Callable[[], bool],
    clock: Clock,
) -> list[Route]:
    """Return every route. The keys are served in any case: what was signed with them may be anywhere.

    Of agents nothing is said before they are `loaded`: one that is not there yet would be denied.
    """
    routes = KeyPages(attestor).routes()
    if not settings.publish_cards:
        return routes
    places, pacing = settings.places, Pacing(settings.per_second, clock)
    published = PublishedCards(catalog, cards, sight=sight, attestor=attestor)
    ard = ArdPages(
        searching=AgentSearch(catalog, tokens, sight=sight),
        counting=AgentCounting(catalog, sight=sight),
        listing=reading,
        places=places,
        pacing=pacing,
        clock=clock,
    )
    catalog_page = AiCatalog(reading, newest, places=places, pacing=pacing, clock=clock)
    of_agents = [*CardPages(published, places, clock).routes(), *catalog_page.routes(), *ard.routes()]
    return [*routes, *(_once(loaded, route) for route in of_agents)]


def _once(loaded: Callable[[], bool], route: Route) -> Route:
    async def answer(request: Request) -> Response:
        if not loaded():
            return refusal(503, "UNAVAILABLE", "the agents are being loaded", headers={"retry-after": "1"})
        response: Response = await route.endpoint(request)
        return response

    return Route(route.path, answer, methods=sorted(route.methods or ()), name=route.name)
