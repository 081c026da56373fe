"""`ringfence.pdp.v1.KillSwitchService`."""

from collections.abc import Callable

import grpc.aio
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence.pdp.v1 import bundle_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.ids import NewId
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.store import Writer
from ringfence_kit.wire import mutation_of, page_arguments

from ringfence_pdp import kill_switches
from ringfence_pdp.convert import kill_switches as convert
from ringfence_pdp.kill_switch import KillSwitches
from ringfence_pdp.store import PolicyTx


class KillSwitchApi(bundle_pb2_grpc.KillSwitchServiceServicer):
    """Engages, releases and lists kill switches."""

    def __init__(
        self,
        writer: Writer[PolicyTx],
        *,
        clock: Clock,
        new_id: NewId,
        engaged: Callable[[], KillSwitches],
        tokens: PageTokens,
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._new_id = new_id
        self._engaged = engaged
        self._tokens = tokens

    async def EngageKillSwitch(
        self,
        request: pb.EngageKillSwitchRequest,
        context: grpc.aio.ServicerContext[pb.EngageKillSwitchRequest, pb.EngageKillSwitchResponse],
    ) -> pb.EngageKillSwitchResponse:
        """Stop a target."""
        command, caller, now = convert.engage_kill_switch(request), current_caller(), self._clock.now()
        switch = await kill_switches.engage_kill_switch(
            self._writer,
            caller=caller,
            target=command.target,
            reason=command.reason,
            switch_id=self._new_id(),
            mutation=mutation_of(request, request_id=command.request_id, principal=caller.principal, now=now),
        )
        return pb.EngageKillSwitchResponse(kill_switch=convert.kill_switch_to_proto(switch))

    async def ReleaseKillSwitch(
        self,
        request: pb.ReleaseKillSwitchRequest,
        context: grpc.aio.ServicerContext[pb.ReleaseKillSwitchRequest, pb.ReleaseKillSwitchResponse],
    ) -> pb.ReleaseKillSwitchResponse:
        """Let a target go again."""
        command, caller, now = convert.release_kill_switch(request), current_caller(), self._clock.now()
        await kill_switches.release_kill_switch(
            self._writer,
            caller=caller,
            name=command.name,
            reason=command.reason,
            mutation=mutation_of(request, request_id=command.request_id, principal=caller.principal, now=now),
        )
        return pb.ReleaseKillSwitchResponse()

    async def ListKillSwitches(
        self,
        request: pb.ListKillSwitchesRequest,
        context: grpc.aio.ServicerContext[pb.ListKillSwitchesRequest, pb.ListKillSwitchesResponse],
    ) -> pb.ListKillSwitchesResponse:
        """List what is engaged and lies within the caller's reach."""
        query, caller, now = convert.list_kill_switches(request), current_caller(), self._clock.now()
        arguments = page_arguments(request)
        after = b""
        if query.page_token:
            after = self._tokens.open(query.page_token, caller=caller.principal, arguments=arguments, now=now)
        page, more = kill_switches.page_of(self._engaged(), caller=caller, after=after.decode(), size=query.page_size)
        response = pb.ListKillSwitchesResponse(kill_switches=map(convert.kill_switch_to_proto, page))
        if more:
            last = page[-1].name.encode()
            response.next_page_token = self._tokens.seal(last, caller=caller.principal, arguments=arguments, now=now)
        return response


def kill_switch_face(api: KillSwitchApi) -> Face:
    """Return the service as the server takes it."""
    return Face(bundle_pb2_grpc.add_KillSwitchServiceServicer_to_server, api)
