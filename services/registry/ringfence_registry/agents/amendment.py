"""Changing a registered agent: new facts by `update_agent`, the end by `retire_agent`.

A change is made to the agent as it is stored at that moment, inside the transaction, so of two at once both count. The
etag says which state the caller decided on. A change that changes nothing is not an event.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import EtagMismatch
from ringfence_kit.events import Change
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.access import require_owner
from ringfence_registry.agents.lifecycle import Step, require_changeable, take_step
from ringfence_registry.cards.admission import require_admissible
from ringfence_registry.cards.display_name import default_display_name
from ringfence_registry.cards.model import Card
from ringfence_registry.errors import AgentNotFound
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.model import AGENT, Agent, ApprovedTool, RiskTier
from ringfence_registry.namespaces.policy import DEFAULT_POLICY
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
    card: Card | None = None


_PLAIN = (
    *("purpose", "team", "on_call", "risk_tier", "data_classes", "environments", "approved_tools", "did"),
    *("labels", "annotations"),
)
"""Facts that a patch and an agent's spec call by the same name."""


class Amendment:
    """Changes agents, and ends them."""

    def __init__(self, writer: Writer[AgentTx], catalog: AgentCatalog) -> None:
        self._writer = writer
        self._catalog = catalog

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

        Raises `NotPermitted`, `AgentNotFound`, `AgentRetired`; `EtagMismatch` when `etag` is not empty and not current.
        """
        require_owner(caller, name.namespace)
        if patch.card is not None:
            require_admissible(patch.card.facts, DEFAULT_POLICY.admission)

        def work(tx: AgentTx) -> Agent:
            agent = _found(tx, name)
            require_changeable(agent)
            _require_etag(agent, etag)
            after = patched(agent, patch)
            if after == agent:
                return agent
            if patch.card is not None:
                tx.put_card(patch.card)
            after = replace(after, revision=tx.next_revision, updated_at=_later(agent, mutation.at))
            return _modified(tx, after)

        agent = await self._writer.write(work, mutation=mutation, result=Agent, validate_only=validate_only)
        if patch.card is not None:
            self._catalog.keep_card(str(name), patch.card.facts.sha256, patch.card.body)
        return agent

    async def retire_agent(self, name: AgentName, *, etag: str, caller: Caller, mutation: Mutation) -> Agent:
        """End the agent for good and return it. It stays readable.

        Raises `NotPermitted`, `AgentNotFound`, `AgentRetired`; `EtagMismatch` when `etag` is not empty and not current.
        """
        require_owner(caller, name.namespace)

        def work(tx: AgentTx) -> Agent:
            agent = _found(tx, name)
            require_changeable(agent)
            _require_etag(agent, etag)
            now = _later(agent, mutation.at)
            after = take_step(agent, Step.RETIRE, now=now)
            return _modified(tx, replace(after, revision=tx.next_revision, updated_at=now))

        return await self._writer.write(work, mutation=mutation, result=Agent)


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


def _found(tx: AgentTx, name: AgentName) -> Agent:
    agent = tx.agent(name)
    if agent is None:
        raise AgentNotFound(name=str(name))
    return agent


def _require_etag(agent: Agent, etag: str) -> None:
    if etag and etag != agent.etag:
        raise EtagMismatch(name=str(agent.name), expected=etag, current=agent.etag)


def _modified(tx: AgentTx, agent: Agent) -> Agent:
    tx.put(agent)
    tx.record(Change.MODIFIED, AGENT, str(agent.name), records.encode(agent))
    return agent


def _later(agent: Agent, now: Instant) -> Instant:
    """Return `now`, or the agent's last change when a clock was set back: an agent is not changed before it was."""
    return max(agent.updated_at, now)
