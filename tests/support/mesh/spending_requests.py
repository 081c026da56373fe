"""A request for every method of BudgetService and AlertService."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import grpc.aio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from ringfence.telemetry.v1 import alert_pb2, telemetry_pb2
from ringfence.telemetry.v1 import budget_pb2 as pb
from ringfence.telemetry.v1.alert_pb2_grpc import AlertServiceStub
from ringfence.telemetry.v1.budget_pb2_grpc import BudgetServiceStub
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub

from support.mesh.spans import one_trace


@dataclass(frozen=True, slots=True)
class SpendingRequests:
    """Requests about what the agent with this DID may spend, and who is told of it."""

    did: str
    channel: grpc.aio.Channel
    """To telemetry, as someone who may set budgets."""
    numbers: "itertools.count[int]"

    def makers(self) -> dict[str, Callable[[], Awaitable[Message]]]:
        """Return what makes a request, for each method."""
        return {
            "BudgetService/CreateBudget": self._create,
            "BudgetService/GetBudget": self._get,
            "BudgetService/ListBudgets": self._list,
            "BudgetService/UpdateBudget": self._update,
            "BudgetService/DeleteBudget": self._delete,
            "BudgetService/WatchBudgets": _always(pb.WatchBudgetsRequest(send_initial_state=True)),
            "AlertService/WatchAlerts": _always(alert_pb2.WatchAlertsRequest(send_firing=True)),
            "AlertService/ListAlerts": self._list_alerts,
            "AlertService/AckAlert": self._ack,
            "AlertService/CreateSilence": self._silence,
            "AlertService/DeleteSilence": self._delete_silence,
            "AlertService/ListSilences": self._list_silences,
        }

    async def _create(self) -> pb.CreateBudgetRequest:
        budget = pb.Budget(
            display_name="Sound",
            scope=pb.BUDGET_SCOPE_AGENT,
            subjects=[self.did],
            unit=pb.BUDGET_UNIT_COST_NANOS,
            currency="EUR",
            amount=10**15,
            period=Duration(seconds=86_400),
            soft_levels=[0.5],
        )
        return pb.CreateBudgetRequest(budget_id=f"sound-{next(self.numbers)}", budget=budget)

    async def _made(self) -> pb.Budget:
        budget: pb.Budget = (await BudgetServiceStub(self.channel).CreateBudget(await self._create())).budget
        return budget

    async def _get(self) -> Message:
        return pb.GetBudgetRequest(name=(await self._made()).name, subject=self.did)

    async def _list(self) -> Message:
        for _ in range(2):  # so that there is a second page
            await self._made()
        return pb.ListBudgetsRequest(page_size=1)

    async def _update(self) -> Message:
        made = await self._made()
        return pb.UpdateBudgetRequest(budget=pb.Budget(name=made.name, amount=10**15 + 1), etag=made.etag)

    async def _delete(self) -> Message:
        return pb.DeleteBudgetRequest(name=(await self._made()).name)

    async def _fired(self) -> str:
        """Set a budget that is used up already, and return the name of the alert that follows."""
        await TraceServiceStub(self.channel).Export(one_trace(self.did))  # type: ignore[no-untyped-call]  # no types
        await UsageServiceStub(self.channel).GetUsage(telemetry_pb2.GetUsageRequest())  # waits for what was exported
        budget = pb.Budget(scope=pb.BUDGET_SCOPE_EVERYTHING, unit=pb.BUDGET_UNIT_TOKENS, amount=1)
        budget_id = f"sound-{next(self.numbers)}"
        await BudgetServiceStub(self.channel).CreateBudget(pb.CreateBudgetRequest(budget_id=budget_id, budget=budget))
        request = alert_pb2.ListAlertsRequest(firing_only=True, kinds=[alert_pb2.ALERT_KIND_BUDGET], page_size=1_000)
        found = (await AlertServiceStub(self.channel).ListAlerts(request)).alerts
        return next(alert.name for alert in found if alert.subject == f"budgets/{budget_id}")

    async def _list_alerts(self) -> Message:
        for _ in range(2):  # as above
            await self._fired()
        return alert_pb2.ListAlertsRequest(kinds=[alert_pb2.ALERT_KIND_BUDGET], page_size=1)

    async def _ack(self) -> Message:
        return alert_pb2.AckAlertRequest(name=await self._fired())

    async def _silence(self) -> alert_pb2.CreateSilenceRequest:
        silence = alert_pb2.Silence(agent=f"did:web:nobody-{next(self.numbers)}", reason="A sound reason.")
        return alert_pb2.CreateSilenceRequest(silence=silence, duration=Duration(seconds=3_600))

    async def _silenced(self) -> str:
        answer = await AlertServiceStub(self.channel).CreateSilence(await self._silence())
        return str(answer.silence.name)

    async def _delete_silence(self) -> Message:
        return alert_pb2.DeleteSilenceRequest(name=await self._silenced())

    async def _list_silences(self) -> Message:
        for _ in range(2):  # as above
            await self._silenced()
        return alert_pb2.ListSilencesRequest(page_size=1)


def _always(message: Message) -> Callable[[], Awaitable[Message]]:
    async def make() -> Message:
        return message

    return make
