"""What callers of one revision of an agent have to expect of another, or of a card that is not registered yet."""

from dataclasses import dataclass

from ringfence_kit.callers import Caller
from ringfence_kit.names import AgentName

from ringfence_registry.agents.revisions import GetAgent, RevisionReading, number_of
from ringfence_registry.cards.comparison.comparing import compare_cards
from ringfence_registry.cards.comparison.model import CardComparison, Compatibility
from ringfence_registry.cards.model import Card
from ringfence_registry.cards.reading import read_whole_card
from ringfence_registry.cards.strict_json import JsonFault
from ringfence_registry.errors import CardIncompatible
from ringfence_registry.model import Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRevisions:
    """What was compared, and how it came out."""

    comparison: CardComparison
    before: str
    """The revision, by name."""
    after: str
    """The revision compared with, by name; empty for a card."""


class RevisionComparison:
    """Compares."""

    def __init__(self, get_agent: GetAgent, revisions: RevisionReading) -> None:
        self._get_agent = get_agent
        self._revisions = revisions

    async def compare_revisions(
        self, name: AgentName, before: str, after: str | Card, *, caller: Caller
    ) -> ComparedRevisions:
        """Return what a caller of `before` has to expect of `after`: numbers or aliases, or a card.

        Raises `NotPermitted`, `AgentNotFound` and `RevisionNotFound`.
        """
        agent = self._get_agent(name, caller=caller)
        first = number_of(agent, before)
        if isinstance(after, Card):
            comparison = _compared(await self._body(agent, first), after.body)
            return ComparedRevisions(comparison=comparison, before=f"{name}/revisions/{first}", after="")
        second = number_of(agent, after)
        comparison = _compared(await self._body(agent, first), await self._body(agent, second))
        return ComparedRevisions(
            comparison=comparison, before=f"{name}/revisions/{first}", after=f"{name}/revisions/{second}"
        )

    async def require_compatible(self, agent: Agent, card: Card) -> None:
        """Raise `CardIncompatible` when `card` breaks callers of the card `agent` has."""
        comparison = _compared(await self._revisions.body(agent.card.sha256), card.body)
        if comparison.compatibility is Compatibility.BREAKING:
            breaking = [each for each in comparison.differences if each.compatibility is Compatibility.BREAKING]
            raise CardIncompatible(
                name=str(agent.name), differences=[JsonFault(each.pointer, each.problem) for each in breaking]
            )

    async def _body(self, agent: Agent, number: int) -> bytes:
        if number == agent.number:
            return await self._revisions.body(agent.card.sha256)
        return await self._revisions.body((await self._revisions.revision(agent, number)).card_sha256)


def _compared(before: bytes, after: bytes) -> CardComparison:
    return compare_cards(read_whole_card(before).content, read_whole_card(after).content)
