"""Registering an agent: the card and what people say about it become one agent, under a name of its own.

It serves at once where nothing asks for more; else it begins as a draft (`lifecycle.py`). A name that was given is
never given again, also when its agent is deleted or forgotten.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.errors import Failure
from ringfence_kit.events import Change
from ringfence_kit.ids import NewId
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.access import require_owner
from ringfence_registry.agents.changes import revision_of
from ringfence_registry.agents.content import AdmittedCard, CardAdmission, remarked
from ringfence_registry.agents.lifecycle import initial_state
from ringfence_registry.agents.readiness import ReadinessGates
from ringfence_registry.cards.display_name import default_display_name
from ringfence_registry.cards.model import Card
from ringfence_registry.errors import AgentAlreadyExists
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import AGENT, LEASE, Agent, AgentSpec, AgentState, Lease
from ringfence_registry.namespaces.policy import Admission, PolicyReader
from ringfence_registry.store import AgentTx


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAgent:
    """What somebody asks to have registered, judged and complete."""

    name: AgentName
    spec: AgentSpec
    card: Card
    as_draft: bool = False
    lease_ttl: Millis | None = None


class Registration:
    """Takes agents in."""

    def __init__(
        self,
        writer: Writer[AgentTx],
        catalog: AgentCatalog,
        new_id: NewId,
        *,
        policies: PolicyReader,
        admission: CardAdmission,
        readiness: ReadinessGates,
    ) -> None:
        self._writer = writer
        self._catalog = catalog
        self._new_id = new_id
        self._policies = policies
        self._admission = admission
        self._readiness = readiness

    async def register_agent(
        self, wanted: NewAgent, *, caller: Caller, mutation: Mutation, validate_only: bool = False
    ) -> Agent:
        """Register `wanted` and return the agent.

        Raises `NotPermitted` when the caller does not own the namespace; `AgentAlreadyExists`, also for a retired one;
        what `CardAdmission.admit` raises; `LookAlikeName`.
        """
        namespace = wanted.name.namespace
        require_owner(caller, namespace)
        policy = self._policies.policy_of(namespace)
        state = initial_state(
            gated=bool(self._readiness.gated_among(wanted.spec.environments)),
            review_required=policy.review_required,
            as_draft=wanted.as_draft,
        )
        judged = await self._judged(wanted, mutation.at)
        agent = await self._writer.write(
            _registering(
                wanted, judged, state=state, uid=self._new_id(), admission=policy.admission, mutation=mutation
            ),
            mutation=mutation,
            result=Agent,
            validate_only=validate_only,
        )
        self._catalog.keep_card(wanted.card.facts.sha256, wanted.card.body)
        return agent

    async def _judged(self, wanted: NewAgent, now: Instant) -> AdmittedCard | Failure:
        try:
            return await self._admission.admit(wanted.card, wanted.name, now=now)
        except Failure as failure:
            return failure  # raised inside, after a repetition of the request was answered


def _registering(
    wanted: NewAgent,
    judged: AdmittedCard | Failure,
    *,
    state: AgentState,
    uid: str,
    admission: Admission,
    mutation: Mutation,
) -> Callable[[AgentTx], Agent]:
    def work(tx: AgentTx) -> Agent:
        _require_free(tx, wanted.name)
        if isinstance(judged, Failure):
            raise judged
        shown = wanted.spec.display_name or default_display_name(wanted.name, wanted.card.facts)
        now = mutation.at
        agent = Agent(
            name=wanted.name,
            uid=uid,
            revision=tx.next_revision,
            spec=replace(wanted.spec, display_name=shown),
            card=wanted.card.facts,
            signatures=judged.signatures,
            state=state,
            created_at=now,
            updated_at=now,
            lease_expires_at=None if wanted.lease_ttl is None else Instant(now + wanted.lease_ttl),
        )
        agent = remarked(tx, None, agent, admission)
        tx.put_card(wanted.card)
        tx.add_revision(revision_of(agent, actor=mutation.principal))
        tx.record(Change.ADDED, AGENT, str(agent.name), tx.add(agent))
        if agent.lease_expires_at is not None:
            lease = Lease(agent=str(agent.name), uid=uid, expires_at=agent.lease_expires_at)
            tx.record(Change.ADDED, LEASE, lease.agent, records.encode(lease))
        return agent

    return work


def _require_free(tx: AgentTx, name: AgentName) -> None:
    known = tx.agent(name)
    if known is not None:
        raise AgentAlreadyExists(name=str(name), state="DELETED" if known.deleted else known.state.value)
    if tx.was_purged(name):
        raise AgentAlreadyExists(name=str(name), state="DELETED")
