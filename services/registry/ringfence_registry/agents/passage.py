"""The ways of an agent through its states, each a method of its own: who may, what is asked, what is written down.

Whoever may stop an agent is asked nothing more; whoever lets one serve is asked for every gate of its environments.
"""

from dataclasses import dataclass, replace

from ringfence_kit import records
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.errors import InvalidRequest, NotPermitted, Violation
from ringfence_kit.events import Change
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation, Writer

from ringfence_registry.access import require_decider, require_owner, require_stopper
from ringfence_registry.agents.acceptance import AcceptedAgents
from ringfence_registry.agents.changes import AgentChange, AgentChanges, Decision, existing, later, require_etag, stored
from ringfence_registry.agents.lifecycle import Step, take_step, target_of
from ringfence_registry.agents.revisions import GetAgent
from ringfence_registry.errors import AgentNotDeleted, AgentNotFound
from ringfence_registry.model import AGENT, Agent, Deprecation
from ringfence_registry.namespaces.policy import PolicyReader
from ringfence_registry.store import AgentTx


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What a deletion found."""

    agent: Agent | None
    """None when there was nothing to delete."""


class Passage:
    """Takes agents from state to state."""

    def __init__(self, changes: AgentChanges, *, policies: PolicyReader, readiness: AcceptedAgents) -> None:
        self._changes = changes
        self._policies = policies
        self._readiness = readiness

    async def submit_agent(self, name: AgentName, *, etag: str, caller: Caller, mutation: Mutation) -> Agent:
        """Hand a draft in for review.

        Raises `NotPermitted`, `AgentNotFound`, `IllegalStateTransition`, `EtagMismatch`.
        """
        require_owner(caller, name.namespace)

        def change(_tx: AgentTx, agent: Agent) -> Agent:
            submitted = take_step(agent, Step.SUBMIT, now=mutation.at)
            return replace(submitted, submitted_by=caller.principal)

        return await self._changes.change(name, change, etag=etag, mutation=mutation)

    async def approve_agent(
        self, name: AgentName, *, reason: str = "", etag: str, caller: Caller, mutation: Mutation
    ) -> Agent:
        """Let an agent serve that was handed in, when every gate of its environments is met.

        Raises what `submit_agent` raises; `ReadinessNotMet`; `NotPermitted` also for who submitted it, where the policy
        asks for another.
        """
        require_decider(caller, name.namespace)
        distinct = self._policies.policy_of(name.namespace).distinct_approver_required

        async def plan(seen: Agent) -> Decision:
            target_of(seen, Step.APPROVE)
            if distinct and seen.submitted_by == caller.principal:
                raise NotPermitted(
                    principal=caller.principal, action=f"approve {name}", needed="not to be who submitted it"
                )
            await self._readiness.require_ready(seen, mutation.at)
            return Decision(_step(Step.APPROVE, reason, mutation.at))

        return await self._changes.decide(name, plan, etag=etag, mutation=mutation)

    async def reject_agent(
        self, name: AgentName, *, reason: str, etag: str, caller: Caller, mutation: Mutation
    ) -> Agent:
        """Send an agent back that was handed in. Raises what `submit_agent` raises."""
        require_decider(caller, name.namespace)
        return await self._changes.change(name, _step(Step.REJECT, reason, mutation.at), etag=etag, mutation=mutation)

    async def suspend_agent(
        self, name: AgentName, *, reason: str, etag: str, caller: Caller, mutation: Mutation
    ) -> Agent:
        """Stop a serving agent for now. Raises what `submit_agent` raises."""
        require_stopper(caller, name.namespace)
        return await self._changes.change(name, _step(Step.SUSPEND, reason, mutation.at), etag=etag, mutation=mutation)

    async def resume_agent(
        self, name: AgentName, *, reason: str, etag: str, caller: Caller, mutation: Mutation
    ) -> Agent:
        """Let a suspended agent serve again, where it was. Raises what `approve_agent` raises."""
        require_decider(caller, name.namespace)

        async def plan(seen: Agent) -> Decision:
            target_of(seen, Step.RESUME)
            await self._readiness.require_ready(seen, mutation.at)
            return Decision(_step(Step.RESUME, reason, mutation.at))

        return await self._changes.decide(name, plan, etag=etag, mutation=mutation)

    async def retire_agent(self, name: AgentName, *, etag: str, caller: Caller, mutation: Mutation) -> Agent:
        """End the agent for good and return it. It stays readable.

        Raises `NotPermitted`, `AgentNotFound`, `AgentRetired`, `EtagMismatch`.
        """
        require_owner(caller, name.namespace)
        return await self._changes.change(name, _step(Step.RETIRE, "", mutation.at), etag=etag, mutation=mutation)


class Deprecating:
    """Says that agents will end."""

    def __init__(self, changes: AgentChanges, get_agent: GetAgent) -> None:
        self._changes = changes
        self._get_agent = get_agent

    async def deprecate_agent(
        self, name: AgentName, deprecation: Deprecation, *, etag: str, caller: Caller, mutation: Mutation
    ) -> Agent:
        """Say that a serving agent will end, and what takes its place, which the caller has to see.

        Raises `NotPermitted`, `InvalidRequest`, `AgentNotFound`, `IllegalStateTransition`, `EtagMismatch`.
        """
        require_owner(caller, name.namespace)

        async def plan(seen: Agent) -> Decision:
            target_of(seen, Step.DEPRECATE)
            self._require_successor(name, deprecation.replaced_by, caller)

            def change(_tx: AgentTx, agent: Agent) -> Agent:
                ending = take_step(agent, Step.DEPRECATE, reason=deprecation.reason, now=mutation.at)
                return replace(ending, deprecation=deprecation)

            return Decision(change)

        return await self._changes.decide(name, plan, etag=etag, mutation=mutation)

    def _require_successor(self, name: AgentName, replaced_by: str, caller: Caller) -> None:
        successor = AgentName.parse(replaced_by)
        if successor is None:
            return
        try:
            found = self._get_agent(successor, caller=caller)
        except (AgentNotFound, NotPermitted):
            found = None
        if found is None or found.deleted or found.name == name:
            raise InvalidRequest(Violation("deprecation.replaced_by", "must be another agent, one that you see"))


class Deleting:
    """Takes agents out of sight, and brings them back."""

    def __init__(self, writer: Writer[AgentTx], *, policies: PolicyReader, kept: Millis) -> None:
        """`kept`: how long a deleted agent can be brought back."""
        self._writer = writer
        self._policies = policies
        self._kept = kept

    async def delete_agent(
        self, name: AgentName, *, etag: str, allow_missing: bool, caller: Caller, mutation: Mutation
    ) -> Deletion:
        """Take a draft or a retired agent out of sight, to be forgotten after a while.

        Raises `NotPermitted`, `IllegalStateTransition`, `EtagRequired`, `EtagMismatch`; `AgentNotFound` also for one
        that is deleted already, unless `allow_missing`.
        """
        require_owner(caller, name.namespace)
        self._policies.policy_of(name.namespace).require_etag(str(name), etag)

        def work(tx: AgentTx) -> Deletion:
            known = tx.agent(name)
            if allow_missing and (known is None or known.deleted):
                return Deletion(agent=known)
            agent = existing(tx, name)
            require_etag(agent, etag)
            take_step(agent, Step.DELETE, now=mutation.at)
            now = later(agent, mutation.at)
            gone = replace(agent, deleted_at=now, purge_at=Instant(now + self._kept))
            return Deletion(agent=stored(tx, agent, Decision(lambda *_: gone), mutation=mutation))

        return await self._writer.write(work, mutation=mutation, result=Deletion)

    async def undelete_agent(self, name: AgentName, *, etag: str, caller: Caller, mutation: Mutation) -> Agent:
        """Bring a deleted agent back as it was.

        Raises `NotPermitted`, `AgentNotFound`, `AgentNotDeleted`, `EtagMismatch`.
        """
        require_owner(caller, name.namespace)

        def work(tx: AgentTx) -> Agent:
            agent = tx.agent(name)
            # At its purge time it is gone, whether somebody has got round to forgetting it or not.
            if agent is None or (agent.purge_at is not None and agent.purge_at <= mutation.at):
                raise AgentNotFound(name=str(name))
            require_etag(agent, etag)
            if not agent.deleted:
                raise AgentNotDeleted(name=str(name))
            back = replace(agent, deleted_at=None, purge_at=None)
            return stored(tx, agent, Decision(lambda *_: back), mutation=mutation, recorded=Change.ADDED)

        return await self._writer.write(work, mutation=mutation, result=Agent)


def purge_due(tx: AgentTx, now: Instant, limit: int) -> int:
    """Forget up to `limit` deleted agents whose time is over; return how many."""
    due = tx.due_for_purge(now, limit)
    for name in due:
        agent = tx.agent(name)
        if agent is not None:
            tx.purge(name)
            tx.record(Change.DELETED, AGENT, str(name), records.encode(agent))
    return len(due)


def _step(step: Step, reason: str, now: Instant) -> AgentChange:
    def change(_tx: AgentTx, agent: Agent) -> Agent:
        return take_step(agent, step, reason=reason, now=later(agent, now))

    return change
