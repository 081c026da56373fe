"""Evidence that an agent's evaluation plan was run: who says so, of which card, when, and what it showed.

- Whoever is measured does not write down the result: an approver, a service or the platform does.
- Evidence counts for the card it was made with; so a card can be evaluated before it is registered, and a rollback
  finds the evidence of the card it goes back to.
- Of two runs of one plan with one card the later run counts, in whatever order they are recorded.
"""

from dataclasses import replace

from ringfence_kit.callers import Caller, Role
from ringfence_kit.names import AgentName
from ringfence_kit.store import Mutation

from ringfence_registry.access import require_decider
from ringfence_registry.agents.changes import AgentChanges
from ringfence_registry.agents.lifecycle import require_changeable
from ringfence_registry.model import Agent, Evaluation
from ringfence_registry.store import AgentTx

MOST_KEPT = 16
"""Results kept beside an agent, those recorded last."""


class Evaluations:
    """Writes results down."""

    def __init__(self, changes: AgentChanges) -> None:
        self._changes = changes

    async def record_evaluation(
        self, name: AgentName, evaluation: Evaluation, *, etag: str, caller: Caller, mutation: Mutation
    ) -> Agent:
        """Keep `evaluation` beside the agent; one without a digest is of the card of the moment.

        Raises `NotPermitted`, `AgentNotFound`, `AgentRetired`, `EtagMismatch`.
        """
        if not caller.has(Role.SERVICE):
            require_decider(caller, name.namespace)

        def change(_tx: AgentTx, agent: Agent) -> Agent:
            require_changeable(agent)
            digest = evaluation.card_sha256 or agent.card.sha256
            return with_evaluation(agent, replace(evaluation, card_sha256=digest, recorder=caller.principal))

        return await self._changes.change(name, change, etag=etag, mutation=mutation)


def with_evaluation(agent: Agent, new: Evaluation) -> Agent:
    """Return `agent` with what is known after `new` was recorded."""
    of_same = [each for each in agent.evaluations if (each.plan, each.card_sha256) == (new.plan, new.card_sha256)]
    if any(each.evaluated_at > new.evaluated_at for each in of_same):
        return agent
    others = tuple(each for each in agent.evaluations if each not in of_same)
    return replace(agent, evaluations=(new, *others)[:MOST_KEPT])
