"""Registering an agent: the card and what people say about it become one agent, ACTIVE, under a name of its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.events import Change
from ringfence_kit.ids import NewId
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.access import require_owner
from ringfence_registry.cards.admission import require_admissible
from ringfence_registry.cards.display_name import default_display_name
from ringfence_registry.cards.model import Card
from ringfence_registry.errors import AgentAlreadyExists
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import AGENT, Agent, AgentSpec, AgentState
from ringfence_registry.namespaces.policy import DEFAULT_POLICY
from ringfence_registry.store import AgentTx


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAgent:
    """What somebody asks to have registered, judged and complete."""

    name: AgentName
    spec: AgentSpec
    card: Card


class Registration:
    """Takes agents in."""

    def __init__(self, writer: Writer[AgentTx], catalog: AgentCatalog, new_id: NewId) -> None:
        self._writer = writer
        self._catalog = catalog
        self._new_id = new_id

    async def register_agent(
        self, wanted: NewAgent, *, caller: Caller, mutation: Mutation, validate_only: bool = False
    ) -> Agent:
        """Register `wanted` and return the agent.

        Raises `NotPermitted` when the caller does not own the namespace; `AgentAlreadyExists`, also for a retired one.
        """
        require_owner(caller, wanted.name.namespace)
        require_admissible(wanted.card.facts, DEFAULT_POLICY.admission)
        work = _registering(wanted, uid=self._new_id(), mutation=mutation)
        agent = await self._writer.write(work, mutation=mutation, result=Agent, validate_only=validate_only)
        self._catalog.keep_card(str(agent.name), wanted.card.facts.sha256, wanted.card.body)
        return agent


def _registering(wanted: NewAgent, *, uid: str, mutation: Mutation) -> Callable[[AgentTx], Agent]:
    def work(tx: AgentTx) -> Agent:
        known = tx.agent(wanted.name)
        if known is not None:
            raise AgentAlreadyExists(name=str(wanted.name), state=known.state.value)
        shown = wanted.spec.display_name or default_display_name(wanted.name, wanted.card.facts)
        agent = Agent(
            name=wanted.name,
            uid=uid,
            revision=tx.next_revision,
            spec=replace(wanted.spec, display_name=shown),
            card=wanted.card.facts,
            state=AgentState.ACTIVE,
            created_at=mutation.at,
            updated_at=mutation.at,
        )
        tx.put_card(wanted.card)
        tx.put(agent)
        tx.record(Change.ADDED, AGENT, str(agent.name), records.encode(agent))
        return agent

    return work
