"""Before an agent is built: is there one already? Also asked at registration, as a warning.

Those that say the most telling words of the wanted one are compared with it field by field, and only those: two agents
that share no telling word are not alike. What a word tells is worked out among what the caller sees, as in a search.
"""

import heapq
from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.names import AgentName

from ringfence_registry.access import require_sight, require_sight_of_agent
from ringfence_registry.cards.model import CardFacts
from ringfence_registry.errors import AgentNotFound
from ringfence_registry.finding.bits import NONE, Bits
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.ranking import Scores
from ringfence_registry.finding.searching import worth_of
from ringfence_registry.finding.similarity import Features, features_of, features_of_card, features_of_purpose, likeness
from ringfence_registry.finding.words import kin_of, words_of
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.visible import VisibilityReader

WORDS_COMPARED = 24
"""The most telling words, by which candidates are found."""
CANDIDATES = 50
"""How many are compared field by field."""
MIN_SCORE = 0.2
AT_REGISTRATION = 0.5
"""A warning is worth reading when half of everything agrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarAgent:
    """An agent that resembles the wanted one."""

    agent: Agent
    score: float
    agreeing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarQuery:
    """Like what, where, and how many."""

    namespace: str | None
    like: AgentName | CardFacts | str
    """A registered agent, a card, or a purpose in words."""
    limit: int
    min_score: float


class SimilarAgents:
    """Answers what resembles what."""

    def __init__(self, catalog: AgentCatalog, *, sight: VisibilityReader) -> None:
        self._catalog = catalog
        self._sight = sight

    def find_similar_agents(self, query: SimilarQuery, *, caller: Caller) -> tuple[SimilarAgent, ...]:
        """Return the agents most like the wanted one, the most similar first, ties by name.

        Raises `NotPermitted`, and `AgentNotFound` when a registered agent is named that is not there.
        """
        visible = self._sight.visible(caller)
        if query.namespace is not None:
            require_sight(caller, visible, query.namespace)
        among = self._catalog.in_sight(self._catalog.seen_by(visible, query.namespace))
        wanted = self._wanted(query.like, caller)
        return self._like(wanted, among, but=query.like, limit=query.limit, min_score=query.min_score)

    def similar_to(self, agent: Agent, *, caller: Caller, limit: int = 5) -> tuple[SimilarAgent, ...]:
        """Return the agents most like `agent`, which may be registered or about to be, of those the caller sees."""
        among = self._catalog.in_sight(self._catalog.seen_by(self._sight.visible(caller)))
        return self._like(features_of(agent), among, but=agent.name, limit=limit, min_score=AT_REGISTRATION)

    def _wanted(self, like: AgentName | CardFacts | str, caller: Caller) -> Features:
        match like:
            case str():
                return features_of_purpose(like)
            case CardFacts():
                return features_of_card(like)
            case AgentName():
                require_sight_of_agent(caller, self._sight.visible(caller), like, self._catalog.agent)
                agent = self._catalog.agent(str(like))
                if agent is None:
                    raise AgentNotFound(name=str(like))
                return features_of(agent)

    def _like(
        self, wanted: Features, among: Bits, *, but: object, limit: int, min_score: float
    ) -> tuple[SimilarAgent, ...]:
        slot = self._catalog.slot(str(but)) if isinstance(but, AgentName) else None
        if slot is not None:
            among &= ~(1 << slot)
        found: list[SimilarAgent] = []
        for name in self._candidates(wanted, among):
            agent = self._catalog.agent(name)
            if agent is None:
                continue
            alike = likeness(wanted, features_of(agent))
            if alike.score >= min_score:
                found.append(SimilarAgent(agent=agent, score=alike.score, agreeing=alike.agreeing))
        return tuple(heapq.nsmallest(limit, found, key=lambda each: (-each.score, str(each.agent.name))))

    def _candidates(self, wanted: Features, among: Bits) -> list[str]:
        words = self._catalog.words
        kin = {kin_of(word) for values in wanted.values() for value in values for word in words_of(value)}
        said = {each: has for each in kin if (has := words.saying(words.kin(each)) & among)}
        everybody = among.bit_count()
        worth = {each: worth_of(has.bit_count(), everybody) for each, has in said.items()}
        telling = heapq.nsmallest(WORDS_COMPARED, worth, key=lambda each: (-worth[each], each))
        scores, some = Scores(), NONE
        for each in telling:
            some |= said[each]
            scores.add((said[each],), times=worth[each])
        best = scores.best(some, CANDIDATES)
        names = list(self._catalog.by_name(best.sure))
        tied = self._catalog.by_name(best.tied)
        return names + [name for name, _ in zip(tied, range(best.wanted), strict=False)]
