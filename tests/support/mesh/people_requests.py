"""Requests about approvals and limits that are in order: something waits for people, and they may vote on it."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from grpc import aio
from ringfence.pdp.v1 import approval_pb2 as pb
from ringfence.pdp.v1 import bundle_pb2, decision_pb2, limit_pb2
from ringfence.pdp.v1.approval_pb2_grpc import ApprovalServiceStub
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub

ASKED, GROUP = "read_secrets", "sales-oncall"

POLICY = b"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: sales-people}
spec:
  governs: {agents: ["namespaces/sales/agents/*"]}
  rules:
    - name: secrets
      match: {actions: ["read_secrets"]}
      effect: REQUIRE_APPROVAL
      approval: {min_approvals: 2, approvers: ["group:sales-oncall"], timeout: 24h}
  limits:
    - {name: calls, rate: 100000/1s, per: agent}
    - {name: spend, budget: {tokens: 1G}, window: 1d, per: namespace}
"""
FILE = bundle_pb2.PolicyFile(path="people.yaml", content=POLICY)

FOR_PEOPLE = frozenset({"ApprovalService/Approve", "ApprovalService/Deny"})
"""Methods that are neither the operator's nor a service's."""

KEPT_WAITING = 3
"""Approvals that wait at a time; a test may make two requests before it sends the first."""


@dataclass(slots=True, kw_only=True)
class PeopleRequests:
    """Each asks people something new, and calls off what was asked long ago: how much may wait is bounded."""

    channel: aio.Channel
    agent: str
    numbers: "Iterator[int]"
    waiting: list[str]

    def makers(self) -> dict[str, Callable[[], Awaitable[Message]]]:
        """Return, by method, what makes a request."""
        return {
            "ApprovalService/GetApproval": self._get,
            "ApprovalService/ListApprovals": self._list,
            "ApprovalService/WatchApprovals": self._watch,
            "ApprovalService/Approve": self._approve,
            "ApprovalService/Deny": self._deny,
            "ApprovalService/Cancel": self._cancel,
            "LimitService/ListLimits": self._list_limits,
            "LimitService/GetBudget": self._get_budget,
        }

    async def _asked(self) -> str:
        approvals = ApprovalServiceStub(self.channel)
        while len(self.waiting) >= KEPT_WAITING:
            oldest = self.waiting.pop(0)
            found = await approvals.GetApproval(pb.GetApprovalRequest(name=oldest))
            if found.approval.state in (pb.APPROVAL_STATE_PENDING, pb.APPROVAL_STATE_APPROVED):
                await approvals.Cancel(pb.CancelRequest(name=oldest))
        arguments = Struct()
        arguments.update({"number": next(self.numbers)})
        answer = await DecisionServiceStub(self.channel).Check(
            decision_pb2.CheckRequest(
                subject=decision_pb2.Subject(agent=self.agent),
                action=decision_pb2.Action(name=ASKED, arguments=arguments),
                environment="dev",
            )
        )
        assert answer.approval.approval, answer
        self.waiting.append(answer.approval.approval)
        return answer.approval.approval

    async def _get(self) -> Message:
        return pb.GetApprovalRequest(name=await self._asked())

    async def _list(self) -> Message:
        while len(self.waiting) < KEPT_WAITING - 1:
            await self._asked()
        return pb.ListApprovalsRequest(page_size=1)

    async def _watch(self) -> Message:
        return pb.WatchApprovalsRequest(scope="namespaces/sales", send_initial_state=True)

    async def _approve(self) -> Message:
        return pb.ApproveRequest(name=await self._asked(), comment="It is fine.")

    async def _deny(self) -> Message:
        return pb.DenyRequest(name=await self._asked(), comment="It is not.")

    async def _cancel(self) -> Message:
        return pb.CancelRequest(name=await self._asked(), reason="Nobody needs it.")

    async def _list_limits(self) -> Message:
        return limit_pb2.ListLimitsRequest(page_size=1)

    async def _get_budget(self) -> Message:
        return limit_pb2.GetBudgetRequest(limit="sales-people/calls", key=f"agent:{self.agent}@dev")
