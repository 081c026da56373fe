"""`ringfence.pdp.v1.LimitService`."""

from collections.abc import Callable
from typing import Any

from ringfence.pdp.v1 import limit_pb2 as pb
from ringfence.pdp.v1 import limit_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.wire import page_arguments

from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.convert import limits as convert
from ringfence_pdp.facts import Facts
from ringfence_pdp.limits import budgets
from ringfence_pdp.limits.counters import Counters


class LimitApi(limit_pb2_grpc.LimitServiceServicer):
    """Shows limits and how they stand."""

    def __init__(
        self,
        counters: Counters,
        *,
        clock: Clock,
        bundle: Callable[[], CompiledBundle | None],
        facts: Callable[[], Facts],
        tokens: PageTokens,
    ) -> None:
        self._counters = counters
        self._clock = clock
        self._bundle = bundle
        self._facts = facts
        self._tokens = tokens

    async def ListLimits(self, request: pb.ListLimitsRequest, context: Any) -> pb.ListLimitsResponse:
        """List the limits of the active bundle."""
        query, caller, now = convert.list_limits(request), current_caller(), self._clock.now()
        arguments, after = page_arguments(request), b""
        if query.page_token:
            after = self._tokens.open(query.page_token, caller=caller.principal, arguments=arguments, now=now)
        page, more = budgets.page_of(self._bundle(), after=after.decode(), size=query.page_size)
        response = pb.ListLimitsResponse(limits=map(convert.limit_to_proto, page))
        if more:
            last = page[-1].id.encode()
            response.next_page_token = self._tokens.seal(last, caller=caller.principal, arguments=arguments, now=now)
        return response

    async def GetBudget(self, request: pb.GetBudgetRequest, context: Any) -> pb.GetBudgetResponse:
        """Say how a limit stands for a key."""
        question = convert.get_budget(request)
        status = budgets.budget(
            self._counters,
            self._bundle(),
            self._facts(),
            caller=current_caller(),
            limit=question.limit,
            key=question.key,
            now=self._clock.now(),
        )
        return convert.budget_to_proto(status)


def limit_face(api: LimitApi) -> Face:
    """Return the service as the server takes it."""
    return Face(limit_pb2_grpc.add_LimitServiceServicer_to_server, api)
