"""The registry's own signature on the card of an agent that serves: now, or in a revision it has had.

Who registers a card can write any name into it, so nothing is signed that nobody let serve: neither drafts nor what is
suspended, retired or deleted.
"""

from dataclasses import dataclass

from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.card_attestation import Attested
from ringfence_kit.callers import Caller
from ringfence_kit.names import AgentName

from ringfence_registry.agents.revisions import LATEST, GetAgent, RevisionReading, number_of
from ringfence_registry.cards.signatures.attestation import CardAttestor, HeldCard
from ringfence_registry.errors.cards import CardNotAttestable


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedCard:
    """The registry's signature, and which card it is on."""

    attestation: JsonObject
    """An entry of `signatures`."""
    card_sha256: str
    """In lower-case hex."""


class CardAttesting:
    """Attests cards for whoever sees the agent."""

    def __init__(self, attestor: CardAttestor, revisions: RevisionReading, get_agent: GetAgent) -> None:
        self._attestor = attestor
        self._revisions = revisions
        self._get_agent = get_agent

    async def attest_card(self, name: AgentName, revision: str, *, caller: Caller) -> AttestedCard:
        """Return the signature on the card of a revision, of the present one when `revision` is empty.

        Raises `NotPermitted`, `AgentNotFound`, `RevisionNotFound` and `CardNotAttestable`.
        """
        agent = self._get_agent(name, caller=caller)
        if agent.deleted or not agent.state.serves:
            raise CardNotAttestable(name=str(name), why="the agent does not serve")
        number = number_of(agent, revision or LATEST)
        card = await self._revisions.get_card(name, str(number), caller=caller)
        held = HeldCard(body=card.body, says=Attested(agent=str(name), revision=number))
        return AttestedCard(attestation=self._attestor.attest(held), card_sha256=card.facts.sha256)
