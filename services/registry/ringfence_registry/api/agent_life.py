"""The life of an agent, over gRPC: the part of RegistryService that changes agents. Convert, call, convert."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.quotas import Rate, TokenBucket
from ringfence_kit.store import Mutation
from ringfence_kit.wire import mutation_of, to_timestamp

from ringfence_registry.agents.assembly import AgentLives
from ringfence_registry.agents.gates import Gate
from ringfence_registry.convert import agent_answers, agent_life, requests, responses
from ringfence_registry.convert.agent_views import agent_message
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.similar import SimilarAgents
from ringfence_registry.model import Agent

COMPARED = Rate(per_second=2, burst=32)
"""New agents that are compared with those there are; comparing one takes as long as registering ten."""


class AgentLifeApi:
    """What changes agents, and what they were. The caller is read here, once, and passed on."""

    def __init__(
        self, lives: AgentLives, look: Callable[[Agent, Instant], AgentView], similar: SimilarAgents, clock: Clock
    ) -> None:
        self._lives = lives
        self._look = look
        self._alike = similar
        self._life_clock = clock
        self._comparisons = TokenBucket(COMPARED, clock.now())

    async def RegisterAgent(self, request: pb.RegisterAgentRequest, context: Any) -> pb.RegisterAgentResponse:
        """Register an agent from its card."""
        wanted, request_id = requests.register_agent(request)
        caller, mutation = self._asked(request, request_id)
        agent = await self._lives.registration.register_agent(
            wanted, caller=caller, mutation=mutation, validate_only=request.validate_only
        )
        # Who loads a catalog does not read of each agent whom it resembles, and everybody waits while it is found.
        wait = self._comparisons.take(self._life_clock.now())
        similar = () if wait else self._alike.similar_to(agent, caller=caller)
        return responses.registered(
            self._seen(agent), similar=similar, unmet=self._unmet(agent), validate_only=request.validate_only
        )

    async def UpdateAgent(self, request: pb.UpdateAgentRequest, context: Any) -> pb.UpdateAgentResponse:
        """Change what the mask names."""
        wanted = requests.update_agent(request)
        caller, mutation = self._asked(request, wanted.request_id)
        agent = await self._lives.amendment.update_agent(
            wanted.name,
            wanted.patch,
            etag=wanted.etag,
            caller=caller,
            mutation=mutation,
            validate_only=request.validate_only,
        )
        return responses.updated(self._seen(agent), validate_only=request.validate_only)

    async def SubmitAgent(self, request: pb.SubmitAgentRequest, context: Any) -> pb.SubmitAgentResponse:
        """Hand a draft in for review."""
        wanted = agent_life.named(request)
        caller, mutation = self._asked(request, wanted.request_id)
        agent = await self._lives.passage.submit_agent(wanted.name, etag=wanted.etag, caller=caller, mutation=mutation)
        return pb.SubmitAgentResponse(
            agent=self._answer(agent), unmet_gates=map(agent_answers.gate, self._unmet(agent))
        )

    async def ApproveAgent(self, request: pb.ApproveAgentRequest, context: Any) -> pb.ApproveAgentResponse:
        """Let an agent serve, or send it back."""
        wanted = agent_life.approve(request)
        caller, mutation = self._asked(request, wanted.request_id)
        decide = self._lives.passage.reject_agent if request.reject else self._lives.passage.approve_agent
        agent = await decide(wanted.name, reason=wanted.reason, etag=wanted.etag, caller=caller, mutation=mutation)
        return pb.ApproveAgentResponse(agent=self._answer(agent))

    async def SuspendAgent(self, request: pb.SuspendAgentRequest, context: Any) -> pb.SuspendAgentResponse:
        """Stop an agent for now."""
        wanted = agent_life.reasoned(request)
        caller, mutation = self._asked(request, wanted.request_id)
        agent = await self._lives.passage.suspend_agent(
            wanted.name, reason=wanted.reason, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.SuspendAgentResponse(agent=self._answer(agent))

    async def ResumeAgent(self, request: pb.ResumeAgentRequest, context: Any) -> pb.ResumeAgentResponse:
        """Let a suspended agent serve again."""
        wanted = agent_life.reasoned(request)
        caller, mutation = self._asked(request, wanted.request_id)
        agent = await self._lives.passage.resume_agent(
            wanted.name, reason=wanted.reason, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.ResumeAgentResponse(agent=self._answer(agent))

    async def DeprecateAgent(self, request: pb.DeprecateAgentRequest, context: Any) -> pb.DeprecateAgentResponse:
        """Say that an agent will end."""
        wanted = agent_life.deprecate(request, now=self._life_clock.now())
        caller, mutation = self._asked(request, wanted.request_id)
        agent = await self._lives.deprecating.deprecate_agent(
            wanted.name, wanted.deprecation, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.DeprecateAgentResponse(agent=self._answer(agent))

    async def RetireAgent(self, request: pb.RetireAgentRequest, context: Any) -> pb.RetireAgentResponse:
        """End an agent for good."""
        wanted = agent_life.named(request)
        caller, mutation = self._asked(request, wanted.request_id)
        agent = await self._lives.passage.retire_agent(wanted.name, etag=wanted.etag, caller=caller, mutation=mutation)
        return pb.RetireAgentResponse(agent=self._answer(agent))

    async def DeleteAgent(self, request: pb.DeleteAgentRequest, context: Any) -> pb.DeleteAgentResponse:
        """Take an agent out of sight."""
        wanted = agent_life.named(request)
        caller, mutation = self._asked(request, wanted.request_id)
        deletion = await self._lives.deleting.delete_agent(
            wanted.name, etag=wanted.etag, allow_missing=request.allow_missing, caller=caller, mutation=mutation
        )
        return pb.DeleteAgentResponse(agent=None if deletion.agent is None else self._answer(deletion.agent))

    async def UndeleteAgent(self, request: pb.UndeleteAgentRequest, context: Any) -> pb.UndeleteAgentResponse:
        """Bring a deleted agent back."""
        wanted = agent_life.named(request)
        caller, mutation = self._asked(request, wanted.request_id)
        agent = await self._lives.deleting.undelete_agent(
            wanted.name, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.UndeleteAgentResponse(agent=self._answer(agent))

    async def RenewLease(self, request: pb.RenewLeaseRequest, context: Any) -> pb.RenewLeaseResponse:
        """Take an agent's word that it is alive."""
        wanted = agent_life.renew_lease(request)
        caller, mutation = self._asked(request, wanted.request_id)
        lease = await self._lives.leases.renew_lease(wanted.name, wanted.ttl, caller=caller, mutation=mutation)
        return pb.RenewLeaseResponse(expire_time=to_timestamp(lease.expires_at))

    async def ListAgentRevisions(
        self, request: pb.ListAgentRevisionsRequest, context: Any
    ) -> pb.ListAgentRevisionsResponse:
        """Return one page of what an agent was."""
        query = agent_life.list_revisions(request)
        found = await self._lives.revisions.list_revisions(query, caller=current_caller(), now=self._life_clock.now())
        return agent_answers.revision_list(found)

    async def GetCard(self, request: pb.GetCardRequest, context: Any) -> pb.GetCardResponse:
        """Return a card as it came, of the agent or of a revision."""
        name, revision = agent_life.card_name(request)
        return responses.card(await self._lives.revisions.get_card(name, revision, caller=current_caller()))

    async def TagRevision(self, request: pb.TagRevisionRequest, context: Any) -> pb.TagRevisionResponse:
        """Give a revision an alias, or take it."""
        wanted = agent_life.tag_revision(request)
        caller, mutation = self._asked(request, wanted.request_id)
        agent = await self._lives.tags.tag_revision(
            wanted.name,
            wanted.revision,
            wanted.alias,
            remove=request.remove,
            etag=wanted.etag,
            caller=caller,
            mutation=mutation,
        )
        return pb.TagRevisionResponse(agent=self._answer(agent))

    async def RollbackAgent(self, request: pb.RollbackAgentRequest, context: Any) -> pb.RollbackAgentResponse:
        """Go back to an earlier revision."""
        wanted = agent_life.rollback(request)
        caller, mutation = self._asked(request, wanted.request_id)
        agent = await self._lives.amendment.rollback_agent(
            wanted.name, wanted.revision, reason=wanted.reason, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.RollbackAgentResponse(agent=self._answer(agent))

    async def SetRollout(self, request: pb.SetRolloutRequest, context: Any) -> pb.SetRolloutResponse:
        """Begin, change or end a rollout."""
        wanted = agent_life.set_rollout(request)
        caller, mutation = self._asked(request, wanted.request_id)
        agent = await self._lives.rollouts.set_rollout(
            wanted.name,
            canary=wanted.canary,
            stable=wanted.stable,
            percent=wanted.percent,
            etag=wanted.etag,
            caller=caller,
            mutation=mutation,
        )
        return pb.SetRolloutResponse(agent=self._answer(agent))

    async def CompareRevisions(self, request: pb.CompareRevisionsRequest, context: Any) -> pb.CompareRevisionsResponse:
        """Say what callers have to expect."""
        wanted = agent_life.compare_revisions(request)
        compared = await self._lives.comparison.compare_revisions(
            wanted.name, wanted.before, wanted.after, caller=current_caller()
        )
        return agent_answers.comparison(compared)

    async def CheckReadiness(self, request: pb.CheckReadinessRequest, context: Any) -> pb.CheckReadinessResponse:
        """Say what an agent lacks."""
        wanted = agent_life.check_readiness(request)
        gates = await self._lives.readiness_check.check_readiness(
            wanted.name, wanted.environment, caller=current_caller(), now=self._life_clock.now()
        )
        return agent_answers.readiness(gates)

    async def RecordEvaluation(self, request: pb.RecordEvaluationRequest, context: Any) -> pb.RecordEvaluationResponse:
        """Keep evidence."""
        wanted = agent_life.record_evaluation(request, now=self._life_clock.now())
        caller, mutation = self._asked(request, wanted.request_id)
        agent = await self._lives.evaluations.record_evaluation(
            wanted.name, wanted.evaluation, etag=wanted.etag, caller=caller, mutation=mutation
        )
        return pb.RecordEvaluationResponse(agent=self._answer(agent))

    def _asked(self, request: Message, request_id: str) -> tuple[Caller, Mutation]:
        caller = current_caller()
        now = self._life_clock.now()
        return caller, mutation_of(request, request_id=request_id, principal=caller.principal, now=now)

    def _seen(self, agent: Agent) -> AgentView:
        return self._look(agent, self._life_clock.now())

    def _answer(self, agent: Agent) -> pb.Agent:
        return agent_message(self._seen(agent))

    def _unmet(self, agent: Agent) -> tuple[Gate, ...]:
        return self._lives.readiness.unmet(agent, self._life_clock.now())
