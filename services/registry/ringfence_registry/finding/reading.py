"""Reading agents: one, its card, or all that match. Answered from the catalog; only a body just replaced is fetched."""

from collections.abc import Callable
from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.events import Revision
from ringfence_kit.names import AgentName
from ringfence_kit.pages import PageTokens

from ringfence_registry.access import require_agent_reader, require_namespace_reader
from ringfence_registry.cards.model import Card
from ringfence_registry.errors import AgentNotFound, FilterInvalid
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.compiler import Filter, compile_filter
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.model import Agent, AgentState
from ringfence_registry.store import CardReader


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentList:
    """One page of an answer."""

    agents: tuple[Agent, ...]
    next_page_token: str
    revision: Revision
    """The revision the page was read at."""


class AgentReading:
    """Answers questions about agents."""

    def __init__(
        self, catalog: AgentCatalog, cards: CardReader, tokens: PageTokens, newest: Callable[[], Revision]
    ) -> None:
        self._catalog = catalog
        self._cards = cards
        self._tokens = tokens
        self._newest = newest

    def get_agent(self, name: AgentName, *, caller: Caller) -> Agent:
        """Return the agent called `name`, also a retired one, or raise `NotPermitted` or `AgentNotFound`."""
        agent = self._catalog.agent(str(name))
        require_agent_reader(caller, name, agent)
        if agent is None:
            raise AgentNotFound(name=str(name))
        return agent

    async def get_card(self, name: AgentName, *, caller: Caller) -> Card:
        """Return the card of the agent called `name`, byte for byte as it came."""
        return await self._card_of(self.get_agent(name, caller=caller))

    async def published_card(self, name: AgentName) -> Card | None:
        """Return the card of an agent that serves, for anybody; None for agents that do not, or do not exist."""
        agent = self._catalog.agent(str(name))
        return None if agent is None or agent.state is AgentState.RETIRED else await self._card_of(agent)

    def list_agents(self, query: AgentQuery, *, caller: Caller, now: Instant) -> AgentList:
        """Return one page of the agents that match, by name.

        Raises `NotPermitted`, `FilterInvalid` and `PageTokenInvalid`. A page may be short, even empty, before the last.
        """
        require_namespace_reader(caller, query.namespace)
        want = _wanted(query)
        after = ""
        if query.page_token:
            cursor = self._tokens.open(query.page_token, caller=caller.principal, arguments=query.arguments, now=now)
            after = cursor.decode()
        page = self._catalog.page(want, prefix=prefix_of(query.namespace), after=after, limit=query.page_size)
        token = ""
        if page.cursor:
            token = self._tokens.seal(page.cursor.encode(), caller=caller.principal, arguments=query.arguments, now=now)
        return AgentList(agents=page.agents, next_page_token=token, revision=self._newest())

    async def _card_of(self, agent: Agent) -> Card:
        name, digest = str(agent.name), agent.card.sha256
        body = self._catalog.card(name)
        if body is None:
            body = await self._cards.card(digest)
            if body is None:
                raise AssertionError(f"the card of {name} is lost: no body has digest {digest}")
            self._catalog.keep_card(name, digest, body)
        return Card(body=body, facts=agent.card)


def prefix_of(namespace: str | None) -> str:
    """Return what the names of a namespace's agents begin with; None means every namespace."""
    return "" if namespace is None else f"namespaces/{namespace}/agents/"


def _wanted(query: AgentQuery) -> Filter[Agent]:
    try:
        compiled = compile_filter(query.filter, AGENT_FIELDS)
    except FilterError as error:
        raise FilterInvalid(column=error.column, problem=error.problem) from None
    if query.show_retired:
        return compiled
    return Filter(
        lambda agent: agent.state is not AgentState.RETIRED and compiled.matches(agent),
        compiled.needs,
        compiled.terms + 1,
    )
