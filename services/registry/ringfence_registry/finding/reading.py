"""Reading agents: one, its card, or all that match. Answered from the catalog; only a body just replaced is fetched."""

from collections.abc import Callable
from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.events import Event, Revision
from ringfence_kit.names import AgentName
from ringfence_kit.pages import PageTokens

from ringfence_registry.access import require_sight, require_sight_of_agent
from ringfence_registry.cards.model import Card
from ringfence_registry.errors import AgentNotFound
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.asking import asked
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.orders import BY_NAME, Order
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.visible import VisibilityReader
from ringfence_registry.store import CardReader

PAGE_BYTES = 2_000_000
"""Stored bytes one page may hold: gRPC clients refuse messages over 4 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentQuery:
    """Which agents somebody wants listed, and which page of them."""

    namespace: str | None
    """None means every namespace."""
    filter: str
    show_retired: bool
    page_size: int
    page_token: str
    arguments: bytes
    """What a page token is bound to."""
    show_deleted: bool = False
    order: Order = BY_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceList:
    """One page of an answer, as the places in which the catalog keeps the agents."""

    places: tuple[int, ...]
    next_page_token: str
    revision: Revision
    """The revision the page was read at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentList:
    """One page of an answer."""

    agents: tuple[AgentView, ...]
    next_page_token: str
    revision: Revision
    """The revision the page was read at."""


class AgentReading:
    """Answers questions about agents."""

    def __init__(
        self,
        catalog: AgentCatalog,
        cards: CardReader,
        tokens: PageTokens,
        *,
        sight: VisibilityReader,
        newest: Callable[[], Revision],
        page_bytes: int = PAGE_BYTES,
    ) -> None:
        self._catalog = catalog
        self._cards = cards
        self._tokens = tokens
        self._sight = sight
        self._newest = newest
        self._page_bytes = page_bytes

    def get_agent(self, name: AgentName, *, caller: Caller) -> Agent:
        """Return the agent called `name`, also a retired or deleted one, or raise `NotPermitted` or `AgentNotFound`."""
        return self._catalog.agent_at(self.place_of_agent(name, caller=caller))

    def place_of_agent(self, name: AgentName, *, caller: Caller) -> int:
        """Return where the catalog keeps the agent called `name`; raises what `get_agent` raises."""
        require_sight_of_agent(caller, self._sight.visible(caller), name, self._catalog.agent)
        text = str(name)
        slot = self._catalog.slot(text)
        if slot is None:
            raise AgentNotFound(name=text)
        return slot

    def look(self, agent: Agent, now: Instant) -> AgentView:
        """Return `agent`, whom the caller has just been given, as it is seen at `now`."""
        return self._catalog.view_of(agent, now)

    def view_at(self, event: Event) -> AgentView:
        """Return the agent an event is about as it was seen when it happened, as far as is known today."""
        return self._catalog.view_at(event)

    async def get_card(self, name: AgentName, *, caller: Caller) -> Card:
        """Return the card of the agent called `name`, byte for byte as it came."""
        return await self._card_of(self.get_agent(name, caller=caller))

    def list_agents(self, query: AgentQuery, *, caller: Caller, now: Instant) -> AgentList:
        """Return one page as `list_places` does, of agents as they are seen at `now`."""
        page = self.list_places(query, caller=caller, now=now)
        return AgentList(
            agents=tuple(self._catalog.view_of(self._catalog.agent_at(place), now) for place in page.places),
            next_page_token=page.next_page_token,
            revision=page.revision,
        )

    def list_places(self, query: AgentQuery, *, caller: Caller, now: Instant) -> PlaceList:
        """Return one page of the agents that match, of those the caller sees.

        Raises `NotPermitted`, `FilterInvalid` and `PageTokenInvalid`. A page may be short before the last.
        """
        visible = self._sight.visible(caller)
        if query.namespace is not None:
            require_sight(caller, visible, query.namespace)
        after = b""
        if query.page_token:
            after = self._tokens.open(query.page_token, caller=caller.principal, arguments=query.arguments, now=now)
        among = self._catalog.in_sight(
            self._catalog.seen_by(visible, query.namespace), retired=query.show_retired, deleted=query.show_deleted
        )
        matching = asked(self._catalog, query.filter, among, now=now)
        found: list[int] = []
        size, cursor = 0, b""
        for name, behind in query.order.walk(self._catalog, matching, after, query.page_size + 1):
            if len(found) == query.page_size or size > self._page_bytes:
                token = self._tokens.seal(cursor, caller=caller.principal, arguments=query.arguments, now=now)
                return PlaceList(places=tuple(found), next_page_token=token, revision=self._newest())
            found.append(self._catalog.place(name))
            size, cursor = size + self._catalog.size(name), behind
        return PlaceList(places=tuple(found), next_page_token="", revision=self._newest())

    async def _card_of(self, agent: Agent) -> Card:
        digest = agent.card.sha256
        body = self._catalog.card(digest)
        if body is None:
            body = await self._cards.card(digest)
            if body is None:
                raise AssertionError(f"the card of {agent.name} is lost: no body has digest {digest}")
            self._catalog.keep_card(digest, body)
        return Card(body=body, facts=agent.card)


def prefix_of(namespace: str | None) -> str:
    """Return what the names of a namespace's agents begin with; None means every namespace."""
    return "" if namespace is None else f"namespaces/{namespace}/agents/"
