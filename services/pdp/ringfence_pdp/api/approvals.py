"""`ringfence.pdp.v1.ApprovalService`."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from ringfence.pdp.v1 import approval_pb2 as pb
from ringfence.pdp.v1 import approval_pb2_grpc
from ringfence_kit.callers import current_caller
from ringfence_kit.clock import Clock, Instant
from ringfence_kit.pages import PageTokens
from ringfence_kit.service import Face
from ringfence_kit.state_watch import watch_state
from ringfence_kit.store import Mutation, Writer
from ringfence_kit.watch import EventHub
from ringfence_kit.wire import mutation_of, page_arguments

from ringfence_pdp.approvals import voting
from ringfence_pdp.approvals.approval import APPROVAL, Approval
from ringfence_pdp.approvals.book import ApprovalBook
from ringfence_pdp.approvals.showing import page_of, shown
from ringfence_pdp.approvals.store import ApprovalTx
from ringfence_pdp.approvals.voters import may_see
from ringfence_pdp.convert import approvals as convert


class ApprovalApi(approval_pb2_grpc.ApprovalServiceServicer):
    """Shows approvals and takes votes."""

    def __init__(
        self,
        writer: Writer[ApprovalTx],
        book: ApprovalBook,
        hub: EventHub,
        *,
        clock: Clock,
        moment: Callable[[], Instant],
        tokens: PageTokens,
    ) -> None:
        """`moment` is the time approvals go by, which never goes back."""
        self._writer = writer
        self._book = book
        self._hub = hub
        self._clock = clock
        self._moment = moment
        self._tokens = tokens

    async def GetApproval(self, request: pb.GetApprovalRequest, context: Any) -> pb.GetApprovalResponse:
        """Return one."""
        name = convert.approval_name(request)
        found = shown(self._book, name, caller=current_caller(), now=self._moment())
        return pb.GetApprovalResponse(approval=convert.approval_to_proto(found))

    async def ListApprovals(self, request: pb.ListApprovalsRequest, context: Any) -> pb.ListApprovalsResponse:
        """List those the caller may see, the newest first."""
        query, caller, now = convert.list_approvals(request), current_caller(), self._clock.now()
        arguments, before = page_arguments(request), None
        if query.page_token:
            cursor = self._tokens.open(query.page_token, caller=caller.principal, arguments=arguments, now=now)
            before = convert.read_cursor(cursor)
        page, more = page_of(
            self._book,
            caller=caller,
            wanted=query.scope.covers,
            state=query.state,
            before=before,
            size=query.page_size,
            now=self._moment(),
        )
        response = pb.ListApprovalsResponse(approvals=map(convert.approval_to_proto, page))
        if more:
            last = convert.cursor_of(page[-1])
            response.next_page_token = self._tokens.seal(last, caller=caller.principal, arguments=arguments, now=now)
        return response

    async def WatchApprovals(
        self, request: pb.WatchApprovalsRequest, context: Any
    ) -> AsyncGenerator[pb.WatchApprovalsResponse, None]:
        """Stream changes of those the caller may see."""
        query, caller = convert.watch_approvals(request), current_caller()

        def wanted(approval: Approval) -> bool:
            return query.scope.covers(approval) and may_see(caller, approval)

        watch = watch_state(
            self._hub,
            clock=self._clock,
            standing=(lambda: list(filter(wanted, self._book.open))) if query.send_initial_state else None,
            start_revision=query.start_revision,
            want=lambda event: event.kind == APPROVAL and wanted(convert.approval_in(event)),
        )
        async with aclosing(watch) as items:
            async for item in items:
                yield convert.event_to_proto(item)

    async def Approve(self, request: pb.ApproveRequest, context: Any) -> pb.ApproveResponse:
        """Take a yes."""
        voted = await self._vote(request, convert.approve(request), approve=True)
        return pb.ApproveResponse(approval=convert.approval_to_proto(voted))

    async def Deny(self, request: pb.DenyRequest, context: Any) -> pb.DenyResponse:
        """Take a no."""
        voted = await self._vote(request, convert.deny(request), approve=False)
        return pb.DenyResponse(approval=convert.approval_to_proto(voted))

    async def Cancel(self, request: pb.CancelRequest, context: Any) -> pb.CancelResponse:
        """Call one off."""
        command, caller = convert.cancel(request), current_caller()
        mutation = self._mutation(request, command.request_id, caller.principal)
        cancelled = await voting.cancel(
            self._writer, caller=caller, name=command.name, reason=command.comment, mutation=mutation
        )
        return pb.CancelResponse(approval=convert.approval_to_proto(cancelled))

    async def _vote(
        self, request: pb.ApproveRequest | pb.DenyRequest, ballot: convert.Ballot, *, approve: bool
    ) -> Approval:
        caller = current_caller()
        return await voting.vote(
            self._writer,
            caller=caller,
            name=ballot.name,
            approve=approve,
            comment=ballot.comment,
            binding=ballot.binding,
            mutation=self._mutation(request, ballot.request_id, caller.principal),
        )

    def _mutation(
        self, request: pb.ApproveRequest | pb.DenyRequest | pb.CancelRequest, request_id: str, principal: str
    ) -> Mutation:
        return mutation_of(request, request_id=request_id, principal=principal, now=self._moment())


def approval_face(api: ApprovalApi) -> Face:
    """Return the service as the server takes it."""
    return Face(approval_pb2_grpc.add_ApprovalServiceServicer_to_server, api)
