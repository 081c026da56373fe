"""A request for every method of the life of an agent that is answered, each about an agent made for it."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence_kit.clock import DAY, HOUR, Instant, SystemClock
from ringfence_kit.wire import to_timestamp

from support.mesh.story import EXAMPLE_CARD, NAMESPACE

if TYPE_CHECKING:
    from grpc.aio import Channel
    from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceAsyncStub


@dataclass(frozen=True, slots=True)
class AgentLifeRequests:
    """Requests about agents that are made for them."""

    channel: "Channel"
    numbers: "itertools.count[int]"
    kept: dict[str, str]

    def makers(self) -> dict[str, Callable[[], Awaitable[Message]]]:
        """Return what makes a request, for each method."""
        return {
            "RegistryService/DeleteAgent": self._delete,
            "RegistryService/UndeleteAgent": self._undelete,
            "RegistryService/SubmitAgent": self._submit,
            "RegistryService/ApproveAgent": self._approve,
            "RegistryService/SuspendAgent": self._suspend,
            "RegistryService/ResumeAgent": self._resume,
            "RegistryService/DeprecateAgent": self._deprecate,
            "RegistryService/RenewLease": self._renew,
            "RegistryService/ListAgentRevisions": self._list_revisions,
            "RegistryService/TagRevision": self._tag,
            "RegistryService/RollbackAgent": self._rollback,
            "RegistryService/SetRollout": self._set_rollout,
            "RegistryService/CompareRevisions": self._compare,
            "RegistryService/CheckReadiness": self._check_readiness,
            "RegistryService/RecordEvaluation": self._record_evaluation,
        }

    @property
    def _registry(self) -> "RegistryServiceAsyncStub":
        return RegistryServiceStub(self.channel)

    async def _agent(self, *, draft: bool = False) -> str:
        request = pb.RegisterAgentRequest(
            parent=NAMESPACE,
            agent_id=f"life-{next(self.numbers)}",
            agent=pb.Agent(
                purpose="Answers questions.",
                owner=pb.Owner(display_name="Sales", contact="https://example.com/sales"),
                risk_tier=pb.RISK_TIER_LOW,
                environments=["dev"],
            ),
            card=EXAMPLE_CARD.read_bytes(),
            as_draft=draft,
        )
        return (await self._registry.RegisterAgent(request)).agent.name

    async def _two_revisions(self) -> str:
        name = await self._agent()
        await self._registry.UpdateAgent(pb.UpdateAgentRequest(agent=pb.Agent(name=name, team="sales")))
        return name

    async def _delete(self) -> Message:
        return pb.DeleteAgentRequest(name=await self._agent(draft=True))

    async def _undelete(self) -> Message:
        name = await self._agent(draft=True)
        await self._registry.DeleteAgent(pb.DeleteAgentRequest(name=name))
        return pb.UndeleteAgentRequest(name=name)

    async def _submit(self) -> Message:
        return pb.SubmitAgentRequest(name=await self._agent(draft=True))

    async def _approve(self) -> Message:
        name = await self._agent(draft=True)
        await self._registry.SubmitAgent(pb.SubmitAgentRequest(name=name))
        return pb.ApproveAgentRequest(name=name, reason="Looks good.")

    async def _suspend(self) -> Message:
        return pb.SuspendAgentRequest(name=await self._agent(), reason="It answers nonsense.")

    async def _resume(self) -> Message:
        name = await self._agent()
        await self._registry.SuspendAgent(pb.SuspendAgentRequest(name=name, reason="It answers nonsense."))
        return pb.ResumeAgentRequest(name=name, reason="It was mended.")

    async def _deprecate(self) -> Message:
        ends = to_timestamp(Instant(SystemClock().now() + DAY))
        successor = await self._agent()
        return pb.DeprecateAgentRequest(
            name=await self._agent(),
            deprecation=pb.Deprecation(reason="It is replaced.", end_of_life_time=ends, replaced_by=successor),
        )

    async def _renew(self) -> Message:
        return pb.RenewLeaseRequest(name=await self._agent(), ttl=Duration(seconds=600))

    async def _list_revisions(self) -> Message:
        if "revised" not in self.kept:  # a page token is good for one question, so each asks about the same agent
            self.kept["revised"] = await self._two_revisions()
        return pb.ListAgentRevisionsRequest(parent=self.kept["revised"], page_size=1)

    async def _tag(self) -> Message:
        return pb.TagRevisionRequest(name=f"{await self._agent()}/revisions/1", alias="stable")

    async def _rollback(self) -> Message:
        return pb.RollbackAgentRequest(name=await self._two_revisions(), revision="1", reason="It was better.")

    async def _set_rollout(self) -> Message:
        return pb.SetRolloutRequest(
            name=await self._two_revisions(), canary_revision="2", stable_revision="1", canary_percent=5
        )

    async def _compare(self) -> Message:
        return pb.CompareRevisionsRequest(name=await self._two_revisions(), before="1", after="2")

    async def _check_readiness(self) -> Message:
        return pb.CheckReadinessRequest(name=await self._agent(), environment="prod")

    async def _record_evaluation(self) -> Message:
        ran = to_timestamp(Instant(SystemClock().now() - HOUR))
        evaluation = pb.Evaluation(plan="suite-7", passed=True, report="https://example.com/r/7", evaluate_time=ran)
        return pb.RecordEvaluationRequest(name=await self._agent(), evaluation=evaluation)
