"""The catalog at the well-known address (AI Catalog 1.0, ARD 0.9 6.1): this registry, and the agents published here.

- It is discoverable (level 2): it says whose it is. Entries with something attested carry a trust manifest (level 3).
- It is one document, so it holds the first thousand agents by name; all of them are found through the registry, which
  is its first entry.
- It is made anew when something changed since it was last asked for, and kept until then.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable

from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import Clock
from ringfence_kit.events import Revision
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringfence_registry.finding.reading import AgentQuery
from ringfence_registry.http.answers import document, refusing
from ringfence_registry.http.ard_filters import SERVING
from ringfence_registry.http.ard_pages import Listing
from ringfence_registry.http.entries import Entry, entry_of, registry_entry
from ringfence_registry.http.pacing import Pacing
from ringfence_registry.http.places import Places

CATALOG_TYPE = "application/ai-catalog+json"
MAX_AGE_SECONDS = 60
MAX_AGENTS = 1_000
_PAGE = 100


class AiCatalog:
    """Serves it."""

    def __init__(
        self, listing: Listing, newest: Callable[[], Revision], *, places: Places, pacing: Pacing, clock: Clock
    ) -> None:
        self._listing = listing
        self._newest = newest
        self._places = places
        self._pacing = pacing
        self._clock = clock
        self._made: tuple[tuple[Revision, str], bytes] | None = None

    def routes(self) -> list[Route]:
        """Return what the HTTP face has to serve."""
        return [Route("/.well-known/ai-catalog.json", refusing(self.catalog))]

    async def catalog(self, request: Request) -> Response:
        """Answer with the catalog."""
        self._pacing.take(request)
        base = self._places.base_url(request.scope)
        state = (self._newest(), base)
        if self._made is None or self._made[0] != state:
            body = json.dumps(await self._document(base), ensure_ascii=False, separators=(",", ":")).encode()
            self._made = (state, body)
        body = self._made[1]
        return document(
            request,
            body,
            media_type=CATALOG_TYPE,
            digest=hashlib.sha256(body).hexdigest(),
            max_age_seconds=MAX_AGE_SECONDS,
        )

    async def _document(self, base: str) -> dict[str, object]:
        entries: list[Entry] = [registry_entry(self._places, base)]
        token = ""
        while len(entries) <= MAX_AGENTS:
            query = AgentQuery(
                namespace=None,
                filter=SERVING,
                show_retired=False,
                page_size=min(_PAGE, MAX_AGENTS + 1 - len(entries)),
                page_token=token,
                arguments=b"ai-catalog",
            )
            page = self._listing.list_agents(query, caller=ANONYMOUS, now=self._clock.now())
            entries += [entry_of(view, self._places, base) for view in page.agents]
            token = page.next_page_token
            if not token:
                break
            await asyncio.sleep(0)  # others get their turn between two pages
        return {
            "specVersion": "1.0",
            "host": {"displayName": self._places.publisher, "identifier": self._places.publisher},
            "entries": entries,
        }
