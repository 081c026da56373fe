"""The use cases of finding over a catalog of agents, without a store: what a test asks, and who asks it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant
from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.pages import PageTokens
from ringfence_registry.cards.model import CardSkill
from ringfence_registry.finding.agent_index import MAX_READ
from ringfence_registry.finding.agent_view import Viewer
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.counting import AgentCounting, FacetCounts, FacetQuery
from ringfence_registry.finding.searching import AgentSearch, Found, SearchPage, SearchQuery, wanted_in
from ringfence_registry.finding.selecting import AgentSelection
from ringfence_registry.finding.similar import SimilarAgents
from ringfence_registry.model import AGENT, Agent
from ringfence_registry.namespaces.visible import EVERYTHING, Visible

from support.registry.agents import SPEC, an_agent

NOW = Instant(1_767_225_600_000)
ADMIN = Caller(principal="spiffe://mesh/admin", roles=frozenset({Role.PLATFORM_ADMIN}))
STRANGER = Caller(principal="oidc:stranger", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"open"}))


class Sight:
    """A `VisibilityReader` steered by the test: what each principal sees; everybody else sees everything."""

    def __init__(self, seen: dict[str, Visible] | None = None) -> None:
        self.seen = seen or {}

    def visible(self, caller: Caller) -> Visible:
        """See `VisibilityReader`."""
        return self.seen.get(caller.principal, EVERYTHING)

    def published(self) -> Visible:
        """See `VisibilityReader`."""
        return EVERYTHING


def an_agent_saying(
    name: str,
    *,
    namespace: str = "open",
    display_name: str = "Agent",
    purpose: str = "Works.",
    description: str = "",
    tags: tuple[str, ...] = (),
    skills: tuple[CardSkill, ...] = (),
    **spec: object,
) -> Agent:
    """An agent whose texts are all the test's."""
    base = an_agent(name, namespace=namespace)
    said = skills or (CardSkill(id="do", name="", tags=tags),)
    facts = replace(base.card, name="", description=description, skills=said, provider="")
    changed = replace(SPEC, display_name=display_name, purpose=purpose, team="", **spec)  # type: ignore[arg-type] # a test's fields
    return replace(base, spec=changed, card=facts)


class Finding:
    """A catalog, and everything that is asked of it."""

    def __init__(
        self,
        agents: Sequence[Agent] = (),
        *,
        sight: Sight | None = None,
        viewer: Viewer | None = None,
        max_read: int = MAX_READ,
    ) -> None:
        self.sight = sight or Sight()
        self.catalog = AgentCatalog(viewer, max_read=max_read)
        self.catalog.fill(agents, now=NOW)
        tokens = PageTokens(lambda: b"k" * 32)
        self.search = AgentSearch(self.catalog, tokens, sight=self.sight)
        self.similar = SimilarAgents(self.catalog, sight=self.sight)
        self.counting = AgentCounting(self.catalog, sight=self.sight)
        self.selection = AgentSelection(self.catalog, sight=self.sight)

    def page(
        self, query: str, *, token: str = "", size: int = 100, caller: Caller = ADMIN, filter_text: str = ""
    ) -> SearchPage:
        """Return one page of a search."""
        asked = SearchQuery(
            namespace=None,
            wanted=wanted_in(query),
            filter=filter_text,
            page_size=size,
            page_token=token,
            arguments=f"{query} {filter_text}".encode(),
        )
        return self.search.search_agents(asked, caller=caller, now=NOW)

    def walk(self, query: str, *, size: int, caller: Caller = ADMIN) -> Iterator[Found]:
        """Yield everything a search finds, page by page."""
        token = ""
        while True:
            page = self.page(query, token=token, size=size, caller=caller)
            yield from page.found
            token = page.next_page_token
            if not token:
                return

    def names(self, query: str, *, caller: Caller = ADMIN, filter_text: str = "") -> list[str]:
        """Return the ids of the agents a search finds, the best first."""
        return [each.view.agent.name.agent for each in self.page(query, caller=caller, filter_text=filter_text).found]

    def apply(self, agent: Agent, change: Change = Change.MODIFIED) -> None:
        """Have an agent changed, added or forgotten."""
        self.catalog.apply(
            Event(
                revision=Revision(1),
                change=change,
                kind=AGENT,
                name=str(agent.name),
                record=records.encode(agent),
                at=NOW,
                actor="spiffe://mesh/ops",
            )
        )

    def facets(
        self, *fields: str, filter_text: str = "", query: str = "", most: int = 1_000, caller: Caller = ADMIN
    ) -> FacetCounts:
        """Count by `fields`."""
        asked = FacetQuery(namespace=None, filter=filter_text, wanted=wanted_in(query), fields=fields, most=most)
        return self.counting.get_facets(asked, caller=caller, now=NOW)
