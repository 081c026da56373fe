"""`ringfence.telemetry.v1.AlertService`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message
from ringfence.telemetry.v1 import alert_pb2 as pb
from ringfence.telemetry.v1 import alert_pb2_grpc
from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.store import Mutation
from ringfence_kit.wire import mutation_of, page_arguments

from ringfence_telemetry.alerts.alert import Alert
from ringfence_telemetry.alerts.desk import AlertDesk, sees
from ringfence_telemetry.alerts.feed import AlertFeed
from ringfence_telemetry.convert import alerts as convert


class AlertApi(alert_pb2_grpc.AlertServiceServicer):
    """What somebody should look at."""

    def __init__(self, desk: AlertDesk, feed: AlertFeed, *, tokens: PageTokens, clock: Clock) -> None:
        self._desk = desk
        self._feed = feed
        self._tokens = tokens
        self._clock = clock

    async def WatchAlerts(self, request: pb.WatchAlertsRequest, context: Any) -> AsyncIterator[pb.WatchAlertsResponse]:
        """Stream what happens."""
        wanted, caller = convert.watch_alerts(request), current_caller()

        def want(alert: Alert) -> bool:
            return wanted.agent in ("", alert.agent) and sees(caller, alert.agent)

        items = self._feed.watch(
            from_sequence=wanted.from_sequence,
            send_firing=wanted.send_firing,
            want=want,
            silenced=wanted.show_silenced,
        )
        async with aclosing(items):
            async for item in items:
                yield convert.watched(item)

    async def ListAlerts(self, request: pb.ListAlertsRequest, context: Any) -> pb.ListAlertsResponse:
        """List alerts, the newest first."""
        question, caller, now = convert.list_alerts(request), current_caller(), self._clock.now()
        before, arguments = None, page_arguments(request)
        if question.page_token:
            cursor = self._tokens.open(question.page_token, caller=caller.principal, arguments=arguments, now=now)
            before = convert.before_of(cursor)
        found = await self._desk.alerts(question.query(caller, before))
        page = found[: question.page_size]
        response = pb.ListAlertsResponse(alerts=map(convert.alert_message, page))
        if len(found) > len(page):
            cursor = convert.alert_cursor(page[-1])
            response.next_page_token = self._tokens.seal(cursor, caller=caller.principal, arguments=arguments, now=now)
        return response

    async def AckAlert(self, request: pb.AckAlertRequest, context: Any) -> pb.AckAlertResponse:
        """Note who looks at it."""
        command, caller = convert.ack_alert(request), current_caller()
        mutation = self._mutation(request, command.request_id, caller)
        alert = await self._desk.acknowledge(command.number, caller=caller, mutation=mutation)
        return pb.AckAlertResponse(alert=convert.alert_message(alert))

    async def CreateSilence(self, request: pb.CreateSilenceRequest, context: Any) -> pb.CreateSilenceResponse:
        """Keep alerts quiet."""
        command, caller = convert.create_silence(request), current_caller()
        mutation = self._mutation(request, command.request_id, caller)
        silence = await self._desk.create_silence(command.silence, caller=caller, mutation=mutation)
        return pb.CreateSilenceResponse(silence=convert.silence_message(silence))

    async def DeleteSilence(self, request: pb.DeleteSilenceRequest, context: Any) -> pb.DeleteSilenceResponse:
        """End a silence."""
        command, caller = convert.delete_silence(request), current_caller()
        mutation = self._mutation(request, command.request_id, caller)
        await self._desk.delete_silence(command.name, caller=caller, mutation=mutation)
        return pb.DeleteSilenceResponse()

    async def ListSilences(self, request: pb.ListSilencesRequest, context: Any) -> pb.ListSilencesResponse:
        """List the silences that are not over."""
        question, caller, now = convert.list_silences(request), current_caller(), self._clock.now()
        after, arguments = b"", page_arguments(request)
        if question.page_token:
            after = self._tokens.open(question.page_token, caller=caller.principal, arguments=arguments, now=now)
        page, more = await self._desk.silences(caller=caller, at=now, after=after.decode(), size=question.page_size)
        response = pb.ListSilencesResponse(silences=map(convert.silence_message, page))
        if more:
            cursor = page[-1].name.encode()
            response.next_page_token = self._tokens.seal(cursor, caller=caller.principal, arguments=arguments, now=now)
        return response

    def _mutation(self, request: Message, request_id: str, caller: Caller) -> Mutation:
        return mutation_of(request, request_id=request_id, principal=caller.principal, now=self._clock.now())


def alert_face(api: AlertApi) -> Face:
    """Return the API as the server registers it."""
    return Face(alert_pb2_grpc.add_AlertServiceServicer_to_server, api)
