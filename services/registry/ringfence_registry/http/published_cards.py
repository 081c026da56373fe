"""Which cards the outside world sees: those of agents that serve, in namespaces that are public, of no canary.

- A rollout tries a revision on those who were chosen for it; who asks for the agent's card gets the stable one. So does
  who asks while the present revision is tagged `canary`; when nothing is stable then, nothing is published.
- What is hidden, retired, misspelt or was never there is the same to who asks: there is no card.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from ringfence.proofs.card_attestation import Attested
from ringfence_kit.clock import Instant
from ringfence_kit.names import AgentName

from ringfence_registry.cards.signatures.attestation import HeldCard
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import Agent
from ringfence_registry.namespaces.visible import VisibilityReader
from ringfence_registry.store import CardReader
from ringfence_registry.store.revisions import RevisionReader

STABLE = "stable"
CANARY = "canary"

_ATTESTED_KEPT = 256
"""Attested cards kept: making one costs a signature, and everybody who asks for one asks for the same few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedCard:
    """A card as it is sent."""

    body: bytes
    digest: str
    """SHA-256 of `body`, in lower-case hex."""
    changed_at: Instant
    """Not before the card was last another."""


class CardSource(CardReader, RevisionReader, Protocol):
    """Reads bodies of cards, and which revision has which."""


class Attesting(Protocol):
    """Puts the registry's own signature on cards."""

    def attested_bytes(self, held: HeldCard) -> bytes:
        """Return the card with the registry's signature among its own; as it is when it cannot be signed."""
        ...


class PublishedCards:
    """Reads cards for whoever asks."""

    def __init__(
        self, catalog: AgentCatalog, source: CardSource, *, sight: VisibilityReader, attestor: Attesting
    ) -> None:
        self._catalog = catalog
        self._source = source
        self._sight = sight
        self._attestor = attestor
        self._attested: OrderedDict[tuple[str, str, int], PublishedCard] = OrderedDict()

    async def verbatim(self, name: AgentName) -> PublishedCard | None:
        """Return an agent's card byte for byte, or None when there is none to see."""
        found = await self._found(name)
        if found is None:
            return None
        agent, _, digest, body = found
        return PublishedCard(body=body, digest=digest, changed_at=agent.updated_at)

    async def attested(self, name: AgentName) -> PublishedCard | None:
        """Return an agent's card with the registry's signature among its own, or None when there is none to see."""
        found = await self._found(name)
        if found is None:
            return None
        agent, number, digest, body = found
        key = (agent.uid, digest, number)
        known = self._attested.get(key)
        if known is None:
            held = HeldCard(body=body, says=Attested(agent=str(name), revision=number))
            signed = self._attestor.attested_bytes(held)
            sent = hashlib.sha256(signed).hexdigest()
            known = PublishedCard(body=signed, digest=sent, changed_at=agent.updated_at)
        self._attested[key] = known
        self._attested.move_to_end(key)
        if len(self._attested) > _ATTESTED_KEPT:
            self._attested.popitem(last=False)
        return known

    async def _found(self, name: AgentName) -> tuple[Agent, int, str, bytes] | None:
        if not self._sight.published().sees(name.namespace):
            return None
        agent = self._catalog.agent(str(name))
        number = None if agent is None else published_number(agent)
        if agent is None or number is None:
            return None
        digest = agent.card.sha256
        if number != agent.number:
            revision = await self._source.agent_revision(name, number)
            if revision is None:
                return None  # forgotten while we asked
            digest = revision.card_sha256
        body = self._catalog.card(digest) or await self._source.card(digest)
        if body is None:
            return None  # likewise
        self._catalog.keep_card(digest, body)
        return agent, number, digest, body


def published_number(agent: Agent) -> int | None:
    """Return the number of the revision whose card is published; None when none is."""
    if agent.deleted or not agent.state.serves:
        return None
    if agent.rollout is not None:
        return agent.rollout.stable
    if agent.aliases.get(CANARY) != agent.number:
        return agent.number
    stable = agent.aliases.get(STABLE)
    return stable if stable != agent.number else None
