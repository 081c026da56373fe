"""What agents were: every content an agent has had, numbered 1, 2, 3 …, never changed, found by number or alias.

`latest` is the newest and given to none; every other alias is a tag, moved as people please (AIP-162). Aliases of one
agent are at most 16, so that they fit beside it. Old cards are read from their kept bytes, not from what was once read.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.names import AgentName
from ringfence_kit.pages import PageTokens
from ringfence_kit.store import Mutation

from ringfence_registry.access import require_owner
from ringfence_registry.agents.changes import AgentChanges, Decision
from ringfence_registry.agents.lifecycle import require_changeable
from ringfence_registry.agents.readiness import ReadinessGates
from ringfence_registry.cards.model import Card
from ringfence_registry.cards.reading import read_card
from ringfence_registry.errors import RevisionNotFound
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import Agent, AgentRevision
from ringfence_registry.store import AgentStore, AgentTx

LATEST = "latest"
MAX_ALIASES = 16

GetAgent = Callable[..., Agent]
"""`get_agent(name, caller=…)`: the agent, when the caller sees it; else a failure that tells nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionQuery:
    """Which page of whose revisions somebody wants."""

    name: AgentName
    page_size: int
    page_token: str
    arguments: bytes
    """What a page token is bound to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRevision:
    """A revision, what its card says, and what it is called now."""

    revision: AgentRevision
    card: Card
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionList:
    """One page of an answer, the newest first."""

    revisions: tuple[ShownRevision, ...]
    next_page_token: str


def number_of(agent: Agent, revision: str) -> int:
    """Return the number of the revision called `revision`: a number, `latest`, or an alias. Or raise."""
    if revision == LATEST:
        return agent.number
    number = agent.aliases.get(revision)
    if number is None and revision.isascii() and revision.isdecimal() and not revision.startswith("0"):
        number = int(revision[:20])
    if number is None or number > agent.number:
        raise RevisionNotFound(name=str(agent.name), revision=revision)
    return number


def aliases_of(agent: Agent, number: int) -> tuple[str, ...]:
    """Return what a revision is called, `latest` among it."""
    tags = [alias for alias, tagged in agent.aliases.items() if tagged == number]
    return tuple(sorted([*tags, LATEST] if number == agent.number else tags))


class RevisionReading:
    """Answers questions about what agents were."""

    def __init__(self, get_agent: GetAgent, catalog: AgentCatalog, store: AgentStore, tokens: PageTokens) -> None:
        self._get_agent = get_agent
        self._catalog = catalog
        self._store = store
        self._tokens = tokens

    async def list_revisions(self, query: RevisionQuery, *, caller: Caller, now: Instant) -> RevisionList:
        """Return one page of an agent's revisions. Raises `NotPermitted`, `AgentNotFound` and `PageTokenInvalid`."""
        agent = self._get_agent(query.name, caller=caller)
        before = None
        if query.page_token:
            cursor = self._tokens.open(query.page_token, caller=caller.principal, arguments=query.arguments, now=now)
            before = int(cursor)
        found = await self._store.agent_revisions(query.name, before=before, limit=query.page_size + 1)
        shown = found[: query.page_size]
        token = ""
        if len(found) > len(shown):
            cursor = str(shown[-1].number).encode()
            token = self._tokens.seal(cursor, caller=caller.principal, arguments=query.arguments, now=now)
        return RevisionList(revisions=tuple([await self._shown(agent, each) for each in shown]), next_page_token=token)

    async def get_card(self, name: AgentName, revision: str, *, caller: Caller) -> Card:
        """Return the card of a revision, byte for byte, or of the agent as it is when `revision` is empty.

        Raises `NotPermitted`, `AgentNotFound` and `RevisionNotFound`.
        """
        agent = self._get_agent(name, caller=caller)
        if not revision or number_of(agent, revision) == agent.number:
            return Card(body=await self.body(agent.card.sha256), facts=agent.card)
        return await self.card_of(await self.revision(agent, number_of(agent, revision)))

    async def revision(self, agent: Agent, number: int) -> AgentRevision:
        """Return what `agent` was; `number` is one it has had."""
        found = await self._store.agent_revision(agent.name, number)
        if found is None:
            raise RevisionNotFound(name=str(agent.name), revision=str(number))
        return found

    async def card_of(self, revision: AgentRevision) -> Card:
        """Return the card of a revision, read anew from its bytes."""
        return read_card(await self.body(revision.card_sha256))

    async def body(self, digest: str) -> bytes:
        """Return the bytes of a card that a revision has."""
        body = self._catalog.card(digest)
        if body is None:
            body = await self._store.card(digest)
        if body is None:
            raise AssertionError(f"a card is lost: no body has digest {digest}")
        self._catalog.keep_card(digest, body)
        return body

    async def _shown(self, agent: Agent, revision: AgentRevision) -> ShownRevision:
        return ShownRevision(
            revision=revision, card=await self.card_of(revision), aliases=aliases_of(agent, revision.number)
        )


class RevisionTags:
    """Gives revisions names, and takes them away."""

    def __init__(self, changes: AgentChanges, readiness: ReadinessGates) -> None:
        self._changes = changes
        self._readiness = readiness

    async def tag_revision(
        self,
        name: AgentName,
        revision: str,
        alias: str,
        *,
        remove: bool = False,
        etag: str,
        caller: Caller,
        mutation: Mutation,
    ) -> Agent:
        """Let `alias` mean `revision`, whatever it meant before, or nothing any more; return the agent.

        Raises `NotPermitted`, `AgentNotFound`, `AgentRetired`, `RevisionNotFound`, `EtagMismatch`; `ReadinessNotMet`
        when a serving agent would lose what it goes back to.
        """
        require_owner(caller, name.namespace)

        async def plan(seen: Agent) -> Decision:
            require_changeable(seen)
            aliases = _tagged(seen, number_of(seen, revision), alias, remove=remove)
            self._readiness.require_still_ready(seen, replace(seen, aliases=aliases), mutation.at)

            def change(_tx: AgentTx, agent: Agent) -> Agent:
                return replace(agent, aliases=aliases)

            return Decision(change)

        return await self._changes.decide(name, plan, etag=etag, mutation=mutation)


def _tagged(agent: Agent, number: int, alias: str, *, remove: bool) -> dict[str, int]:
    if not remove:
        aliases = {**agent.aliases, alias: number}
        if len(aliases) > MAX_ALIASES:
            raise InvalidRequest(Violation("alias", f"would be the agent's {len(aliases)}th; at most {MAX_ALIASES}"))
        return aliases
    if agent.aliases.get(alias) != number:
        raise RevisionNotFound(name=str(agent.name), revision=alias)
    return {each: tagged for each, tagged in agent.aliases.items() if each != alias}
