"""`ringfence.telemetry.v1.BudgetService`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message
from ringfence.telemetry.v1 import budget_pb2 as pb
from ringfence.telemetry.v1 import budget_pb2_grpc
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.store import Mutation
from ringfence_kit.watch import EventHub
from ringfence_kit.wire import mutation_of, page_arguments

from ringfence_telemetry.budgets.board import BudgetBoard
from ringfence_telemetry.budgets.desk import BudgetDesk
from ringfence_telemetry.convert import budgets as convert


class BudgetApi(budget_pb2_grpc.BudgetServiceServicer):
    """What agents may spend."""

    def __init__(
        self, desk: BudgetDesk, board: BudgetBoard, hub: EventHub, *, tokens: PageTokens, clock: Clock
    ) -> None:
        self._desk = desk
        self._board = board
        self._hub = hub
        self._tokens = tokens
        self._clock = clock

    async def CreateBudget(self, request: pb.CreateBudgetRequest, context: Any) -> pb.CreateBudgetResponse:
        """Set a budget."""
        command, caller = convert.create_budget(request), current_caller()
        mutation = self._mutation(request, command.request_id, caller)
        budget = await self._desk.create(command.budget_id, command.spec, caller=caller, mutation=mutation)
        return pb.CreateBudgetResponse(budget=convert.budget_message(budget))

    async def GetBudget(self, request: pb.GetBudgetRequest, context: Any) -> pb.GetBudgetResponse:
        """Return a budget and how it stands."""
        budget_id, subject = convert.get_budget(request)
        budget, viewed = await self._desk.get(budget_id, subject=subject, caller=current_caller())
        statuses = map(convert.status_message, viewed)
        return pb.GetBudgetResponse(budget=convert.budget_message(budget), statuses=statuses)

    async def ListBudgets(self, request: pb.ListBudgetsRequest, context: Any) -> pb.ListBudgetsResponse:
        """List budgets and how they stand."""
        question, caller, now = convert.list_budgets(request), current_caller(), self._clock.now()
        after, arguments = b"", page_arguments(request)
        if question.page_token:
            after = self._tokens.open(question.page_token, caller=caller.principal, arguments=arguments, now=now)
        page, nearest, more = await self._desk.page(caller=caller, after=after.decode(), size=question.page_size)
        response = pb.ListBudgetsResponse(
            budgets=map(convert.budget_message, page), statuses=map(convert.status_message, nearest)
        )
        if more:
            last = page[-1].id.encode()
            response.next_page_token = self._tokens.seal(last, caller=caller.principal, arguments=arguments, now=now)
        return response

    async def UpdateBudget(self, request: pb.UpdateBudgetRequest, context: Any) -> pb.UpdateBudgetResponse:
        """Change a budget."""
        command, caller = convert.update_budget(request), current_caller()
        mutation = self._mutation(request, command.request_id, caller)
        budget = await self._desk.update(
            command.budget_id, command.patch, etag=command.etag, caller=caller, mutation=mutation
        )
        return pb.UpdateBudgetResponse(budget=convert.budget_message(budget))

    async def DeleteBudget(self, request: pb.DeleteBudgetRequest, context: Any) -> pb.DeleteBudgetResponse:
        """Delete a budget."""
        command, caller = convert.delete_budget(request), current_caller()
        mutation = self._mutation(request, command.request_id, caller)
        await self._desk.delete(command.budget_id, etag=command.etag, caller=caller, mutation=mutation)
        return pb.DeleteBudgetResponse()

    async def WatchBudgets(
        self, request: pb.WatchBudgetsRequest, context: Any
    ) -> AsyncIterator[pb.WatchBudgetsResponse]:
        """Stream how budgets stand."""
        wanted = convert.watch_budgets(request)
        items = self._board.watch(
            self._hub,
            send_state=wanted.send_state,
            start_revision=wanted.start_revision,
            hard_only=wanted.hard_only,
        )
        async with aclosing(items):
            async for item in items:
                yield convert.watched(item)

    def _mutation(self, request: Message, request_id: str, caller: Caller) -> Mutation:
        return mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())


def budget_face(api: BudgetApi) -> Face:
    """Return the API as the server registers it."""
    return Face(budget_pb2_grpc.add_BudgetServiceServicer_to_server, api)
