"""Changing what an agent is: new facts or another card by `update_agent`, an earlier revision by `rollback_agent`.

Both are judged alike: the card by what the namespace admits, callers of the present card by what it asks, and an agent
that serves where gates are kept may not lose what it needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ringfence_kit.callers import Caller
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation

from ringfence_registry.access import require_owner
from ringfence_registry.agents.acceptance import AcceptedAgents
from ringfence_registry.agents.changes import AgentChanges, Decision
from ringfence_registry.agents.comparing import RevisionComparison
from ringfence_registry.agents.content import AdmittedCard, CardAdmission, remarked
from ringfence_registry.agents.lifecycle import require_changeable
from ringfence_registry.agents.revisions import RevisionReading, number_of
from ringfence_registry.cards.display_name import default_display_name
from ringfence_registry.cards.model import Card
from ringfence_registry.model import Agent, ApprovedTool, Deployment, EscalationStep, RiskTier
from ringfence_registry.namespaces.policy import PolicyReader
from ringfence_registry.store import AgentTx


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentPatch:
    """What is to be different; None leaves a fact as it is."""

    display_name: str | None = None
    """Empty goes back to the card's name."""
    purpose: str | None = None
    owner_display_name: str | None = None
    owner_contact: str | None = None
    team: str | None = None
    on_call: str | None = None
    risk_tier: RiskTier | None = None
    data_classes: tuple[str, ...] | None = None
    environments: tuple[str, ...] | None = None
    approved_tools: tuple[ApprovedTool, ...] | None = None
    did: str | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    policies: tuple[str, ...] | None = None
    evaluation_plan: str | None = None
    slo: str | None = None
    deployments: tuple[Deployment, ...] | None = None
    escalation_path: tuple[EscalationStep, ...] | None = None
    card: Card | None = None


_PLAIN = (
    *("purpose", "team", "on_call", "risk_tier", "data_classes", "environments", "approved_tools", "did"),
    *("labels", "annotations", "policies", "evaluation_plan", "slo", "deployments", "escalation_path"),
)
"""Facts that a patch and an agent's spec call by the same name."""


class Amendment:
    """Changes agents."""

    def __init__(
        self,
        changes: AgentChanges,
        *,
        policies: PolicyReader,
        admission: CardAdmission,
        comparison: RevisionComparison,
        readiness: AcceptedAgents,
        revisions: RevisionReading,
    ) -> None:
        self._changes = changes
        self._policies = policies
        self._admission = admission
        self._comparison = comparison
        self._readiness = readiness
        self._revisions = revisions

    async def update_agent(
        self,
        name: AgentName,
        patch: AgentPatch,
        *,
        etag: str,
        caller: Caller,
        mutation: Mutation,
        validate_only: bool = False,
    ) -> Agent:
        """Apply `patch` and return the agent as it is then.

        Raises `NotPermitted`, `AgentNotFound`, `AgentRetired`, `EtagRequired`; `EtagMismatch` when `etag` is not empty
        and not current; what `CardAdmission.admit` raises; `CardIncompatible`, `LookAlikeName`, `ReadinessNotMet`.
        """
        require_owner(caller, name.namespace)
        self._policies.policy_of(name.namespace).require_etag(str(name), etag)

        async def plan(seen: Agent) -> Decision:
            require_changeable(seen)
            admitted = None
            if patch.card is not None:
                admitted = await self._admission.admit(patch.card, name, now=mutation.at)
            return await self._judged(seen, patched(seen, patch), admitted, mutation)

        return await self._changes.decide(name, plan, etag=etag, mutation=mutation, validate_only=validate_only)

    async def rollback_agent(
        self, name: AgentName, revision: str, *, reason: str, etag: str, caller: Caller, mutation: Mutation
    ) -> Agent:
        """Give the agent the content of an earlier `revision`, by number or alias, as a new one; return the agent.

        Raises what `update_agent` raises, and `RevisionNotFound`.
        """
        require_owner(caller, name.namespace)
        self._policies.policy_of(name.namespace).require_etag(str(name), etag)

        async def plan(seen: Agent) -> Decision:
            require_changeable(seen)
            then = await self._revisions.revision(seen, number_of(seen, revision))
            card = await self._revisions.card_of(then)
            admitted = await self._admission.admit(card, name, now=mutation.at, first_seen_at=then.created_at)
            decision = await self._judged(seen, replace(seen, spec=then.spec, card=card.facts), admitted, mutation)
            return replace(decision, rollback_of=then.number, reason=reason)

        return await self._changes.decide(name, plan, etag=etag, mutation=mutation)

    async def _judged(self, seen: Agent, after: Agent, admitted: AdmittedCard | None, mutation: Mutation) -> Decision:
        """Decide to make `after` of the agent, or raise what speaks against it."""
        admission = self._policies.policy_of(seen.name.namespace).admission
        if admitted is not None and admitted.card.facts.sha256 != seen.card.sha256:
            after = replace(after, signatures=admitted.signatures)
            if admission.refuse_breaking_changes:
                await self._comparison.require_compatible(seen, admitted.card)
        await self._readiness.require_still_ready(seen, after, mutation.at)

        def change(tx: AgentTx, agent: Agent) -> Agent:
            if admitted is not None:
                tx.put_card(admitted.card)
            # Leases run beside; they are as they are now.
            changed = replace(after, lease_expires_at=agent.lease_expires_at, lease_expired=agent.lease_expired)
            return remarked(tx, agent, changed, admission)

        return Decision(change)


def patched(agent: Agent, patch: AgentPatch) -> Agent:
    """Return `agent` with the facts of `patch`; revision and times are left as they are."""
    card = agent.card if patch.card is None else patch.card.facts
    spec, owner = agent.spec, agent.spec.owner
    changed: dict[str, Any] = {name: value for name in _PLAIN if (value := getattr(patch, name)) is not None}
    if patch.display_name is not None:
        changed["display_name"] = patch.display_name or default_display_name(agent.name, card)
    changed["owner"] = replace(
        owner,
        display_name=owner.display_name if patch.owner_display_name is None else patch.owner_display_name,
        contact=owner.contact if patch.owner_contact is None else patch.owner_contact,
    )
    return replace(agent, card=card, spec=replace(spec, **changed))
