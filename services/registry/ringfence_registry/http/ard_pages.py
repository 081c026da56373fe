"""Agentic Resource Discovery 0.9 over HTTP: search, facets and lists of published agents, for whoever asks.

Thin over the use cases gRPC has: a request is judged, asked as nobody in particular, and answered as entries. Nobody in
particular sees public namespaces and nothing else, so what is hidden moves no score, no count and no page.

- This registry federates with none: `auto` finds what `none` finds, and there is nobody to refer to.
- A page's token is good for this interface and these arguments, and for nobody else's.
- A score says how well the words were met, never how far somebody is trusted (ARD 0.9 7.2).
"""

import json
from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from ringfence_kit.callers import ANONYMOUS, Caller
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.errors import PageTokenInvalid
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringfence_registry.finding.counting import FacetCounts, FacetQuery
from ringfence_registry.finding.reading import AgentList, AgentQuery
from ringfence_registry.finding.searching import SearchPage, SearchQuery, Wanted, wanted_in
from ringfence_registry.http import ard_requests
from ringfence_registry.http.answers import NOT_GUESSED, Endpoint, refusal, refusing
from ringfence_registry.http.ard_filters import counted_field
from ringfence_registry.http.ard_requests import Exploration, FacetWish
from ringfence_registry.http.bodies import LIMITS, BodyTooLarge, BodyTooSlow, read_object
from ringfence_registry.http.card_pages import CARD_TYPE
from ringfence_registry.http.entries import entry_of
from ringfence_registry.http.pacing import Pacing
from ringfence_registry.http.places import Places

LIST_MAX_AGE_SECONDS = 10

_Counts: TypeAlias = tuple[Sequence[tuple[str, int]], int]
"""Values, each with how many entries have it; and how many entries have one that is not listed."""
_CLOSES = {"connection": "close"}
"""The rest of a body that is not read would be taken for the next request."""


class Searching(Protocol):
    """Finds agents by words."""

    def search_agents(self, query: SearchQuery, *, caller: Caller, now: Instant) -> SearchPage:
        """Return one page of the agents found."""
        ...


class Counting(Protocol):
    """Counts agents."""

    def get_facets(self, query: FacetQuery, *, caller: Caller, now: Instant) -> FacetCounts:
        """Return how many agents have which values."""
        ...


class Listing(Protocol):
    """Lists agents."""

    def list_agents(self, query: AgentQuery, *, caller: Caller, now: Instant) -> AgentList:
        """Return one page of the agents that match."""
        ...


class ArdPages:
    """Serves them."""

    def __init__(
        self,
        *,
        searching: Searching,
        counting: Counting,
        listing: Listing,
        places: Places,
        pacing: Pacing,
        clock: Clock,
    ) -> None:
        self._searching = searching
        self._counting = counting
        self._listing = listing
        self._places = places
        self._pacing = pacing
        self._clock = clock

    def routes(self) -> list[Route]:
        """Return what the HTTP face has to serve."""
        served: list[tuple[str, str, Endpoint]] = [
            ("/search", "POST", self.search),
            ("/explore", "POST", self.explore),
            ("/agents", "GET", self.list_agents),
        ]
        return [Route(path, refusing(self._paced(serve)), methods=[method]) for path, method, serve in served]

    async def search(self, request: Request) -> Response:
        """Answer `POST /search` (ARD 0.9 7.2)."""
        asked = ard_requests.search(await read_object(request), self._places)
        answer: dict[str, Any] = {"results": []}
        if asked.referrals:
            answer["referrals"] = []
        if not asked.narrowed.possible:
            _refuse_token(asked.page_token)
            return _json(answer)
        query = SearchQuery(
            namespace=None,
            wanted=wanted_in(asked.text),
            filter=asked.narrowed.filter,
            page_size=asked.page_size,
            page_token=asked.page_token,
            arguments=_arguments("search", asked.text, asked.narrowed.filter),
        )
        page = self._searching.search_agents(query, caller=ANONYMOUS, now=self._clock.now())
        base = self._places.base_url(request.scope)
        answer["results"] = [
            entry_of(found.view, self._places, base) | {"score": score_of(found.relevance), "source": f"{base}/"}
            for found in page.found
        ]
        if page.next_page_token:
            answer["pageToken"] = page.next_page_token
        return _json(answer)

    async def explore(self, request: Request) -> Response:
        """Answer `POST /explore` (ARD 0.9 7.3)."""
        asked = ard_requests.exploration(await read_object(request), self._places)
        total, counts = self._counted(asked)
        return _json(
            {
                "resultType": "facets",
                "facets": {
                    wish.field: _buckets(wish, counts.get(wish.field, ((), 0)), total, self._places)
                    for wish in asked.facets
                },
            }
        )

    async def list_agents(self, request: Request) -> Response:
        """Answer `GET /agents` (ARD 0.9 7.4)."""
        asked = ard_requests.listing(request.query_params.multi_items(), self._places)
        headers = {"cache-control": f"public, max-age={LIST_MAX_AGE_SECONDS}"}
        if not asked.narrowed.possible:
            _refuse_token(asked.page_token)
            return _json({"items": []}, headers)
        query = AgentQuery(
            namespace=None,
            filter=asked.narrowed.filter,
            show_retired=False,
            page_size=asked.page_size,
            page_token=asked.page_token,
            arguments=_arguments("agents", asked.order.field, str(asked.order.descending), asked.narrowed.filter),
            order=asked.order,
        )
        page = self._listing.list_agents(query, caller=ANONYMOUS, now=self._clock.now())
        base = self._places.base_url(request.scope)
        answer: dict[str, Any] = {"items": [entry_of(view, self._places, base) for view in page.agents]}
        if page.next_page_token:
            answer["pageToken"] = page.next_page_token
        return _json(answer, headers)

    def _counted(self, asked: Exploration) -> tuple[int, dict[str, _Counts]]:
        """Return how many entries match, and the counts of each field that is counted."""
        wanted = wanted_in(asked.text)
        # A text without a word in it finds nothing, in a search as here; no text at all leaves everything in.
        empty = bool(asked.text.strip()) and not (wanted.words or wanted.quoted)
        if empty or not asked.narrowed.possible:
            return 0, {}
        total, counts = 0, dict[str, _Counts]()
        for limit in {wish.limit for wish in asked.facets}:
            wishes = [wish for wish in asked.facets if wish.limit == limit]
            total, some = self._counted_to(limit, wishes, asked.narrowed.filter, wanted)
            counts |= some
        return total, counts

    def _counted_to(
        self, limit: int, wishes: Sequence[FacetWish], narrowed: str, wanted: Wanted
    ) -> tuple[int, dict[str, _Counts]]:
        fields = {wish.field: field for wish in wishes if (field := counted_field(wish.field)) is not None}
        query = FacetQuery(namespace=None, filter=narrowed, wanted=wanted, fields=tuple(fields.values()), most=limit)
        answer = self._counting.get_facets(query, caller=ANONYMOUS, now=self._clock.now())
        # The fields keep their order, whatever names they are called by.
        counted = zip(fields, answer.facets, strict=True)
        return answer.total, {wished: (facet.values, facet.other) for wished, facet in counted}

    def _paced(self, serve: Endpoint) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            self._pacing.take(request)
            try:
                return await serve(request)
            except BodyTooLarge:
                # Closing spares us the rest of it.
                why = f"the body is larger than {LIMITS.size} bytes"
                return refusal(413, "INVALID_ARGUMENT", why, headers={"connection": "close"})
            except BodyTooSlow:
                return refusal(
                    408, "INVALID_ARGUMENT", "the body did not come in time", headers={"connection": "close"}
                )

        return endpoint


def score_of(relevance: float) -> int:
    """Return a relevance above 0, at most 1, as ARD's whole number; what was found at all is above 0."""
    return max(1, min(100, round(relevance * 100)))


def _buckets(wish: FacetWish, counted: _Counts, total: int, places: Places) -> dict[str, Any]:
    values, other = counted
    if (wish.is_type or wish.is_publisher) and total:
        values = ((CARD_TYPE if wish.is_type else places.publisher, total),)
    listed = [{"value": value, "count": count} for value, count in values if count >= wish.least]
    return {"buckets": listed, "otherCount": other}


def _arguments(*parts: str) -> bytes:
    # JSON keeps the parts apart, and the prefix keeps them from being the bytes of a message.
    return b"ard:" + json.dumps(parts).encode()


def _refuse_token(token: str) -> None:
    if token:
        raise PageTokenInvalid(problem="it was not made here for these arguments")


def _json(answer: Any, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(answer, headers={"cache-control": "no-store", **NOT_GUESSED, **(headers or {})})
