"""`ringfence.telemetry.v1.BreakerService`."""

from typing import Any

from ringfence.telemetry.v1 import slo_pb2 as pb
from ringfence.telemetry.v1 import slo_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.wire import mutation_of, page_arguments

from ringfence_telemetry.breakers.desk import BreakerDesk
from ringfence_telemetry.convert import breakers as convert
from ringfence_telemetry.health_board import RELIED_ON


class BreakerApi(slo_pb2_grpc.BreakerServiceServicer):
    """Which agents are called at all."""

    def __init__(self, desk: BreakerDesk, *, tokens: PageTokens, clock: Clock) -> None:
        self._desk = desk
        self._tokens = tokens
        self._clock = clock

    async def ListBreakers(self, request: pb.ListBreakersRequest, context: Any) -> pb.ListBreakersResponse:
        """List breakers by agent and skill."""
        question, caller, now = convert.list_breakers(request), current_caller(), self._clock.now()
        after, arguments = b"", page_arguments(request)
        if question.page_token:
            after = self._tokens.open(question.page_token, caller=caller.principal, arguments=arguments, now=now)
        page, last = self._desk.page(
            agent=question.agent,
            not_closed=question.not_closed,
            after=convert.breaker_key_of(after),
            size=question.page_size,
            caller=caller,
        )
        until = Instant(now + RELIED_ON)
        response = pb.ListBreakersResponse(breakers=[convert.breaker_message(each, until=until) for each in page])
        if last is not None:
            cursor = convert.breaker_cursor(last)
            response.next_page_token = self._tokens.seal(cursor, caller=caller.principal, arguments=arguments, now=now)
        return response

    async def OverrideBreaker(self, request: pb.OverrideBreakerRequest, context: Any) -> pb.OverrideBreakerResponse:
        """Open, disable or free a breaker."""
        command, caller, now = convert.override_breaker(request), current_caller(), self._clock.now()
        mutation = mutation_of(request, request_id=command.request_id, principal=caller.principal, now=now)
        breaker = await self._desk.override(
            command.key, command.override, reason=command.reason, caller=caller, mutation=mutation
        )
        return pb.OverrideBreakerResponse(breaker=convert.breaker_message(breaker, until=Instant(now + RELIED_ON)))


def breaker_face(api: BreakerApi) -> Face:
    """Return the API as the server registers it."""
    return Face(slo_pb2_grpc.add_BreakerServiceServicer_to_server, api)
