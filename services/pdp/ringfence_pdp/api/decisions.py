"""`ringfence.pdp.v1.DecisionService`."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence.pdp.v1 import decision_pb2_grpc
from ringfence_kit.callers import Caller, Role, current_caller
from ringfence_kit.clock import Clock
from ringfence_kit.errors import Failure, NotPermitted
from ringfence_kit.pages import PageTokens
from ringfence_kit.quotas import current_quota
from ringfence_kit.service import Face
from ringfence_kit.status import status_of
from ringfence_kit.wire import page_arguments

from ringfence_pdp.api.asking import answered, checked
from ringfence_pdp.api.streams import CheckStreams
from ringfence_pdp.convert import decisions as convert
from ringfence_pdp.convert import overviews
from ringfence_pdp.convert.answer_bytes import batch_bytes, response_bytes, result_bytes
from ringfence_pdp.convert.question_bytes import Asked, asked, asked_batch
from ringfence_pdp.convert.stream_bytes import asked_on_stream
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.reckoning import Unsettled
from ringfence_pdp.sitting import Sitting


class DecisionApi(decision_pb2_grpc.DecisionServiceServicer):
    """Answers questions."""

    def __init__(
        self,
        decisions: Decisions,
        *,
        streams: CheckStreams,
        tokens: PageTokens,
        clock: Clock,
    ) -> None:
        self._decisions = decisions
        self._streams = streams
        self._tokens = tokens
        self._clock = clock

    async def Check(self, request: Any, context: Any) -> Any:
        """Decide one request, `Asked`; the response is given as its bytes."""
        return response_bytes(await answered(self._decisions.sitting(), request, current_caller()))

    async def BatchCheck(self, request: Any, context: Any) -> Any:
        """Decide up to 256 requests, each `Asked`, on one basis; the response is given as its bytes."""
        caller, sitting = current_caller(), self._decisions.sitting()
        return batch_bytes(await _results(sitting, request, caller))

    async def Explain(self, request: pb.ExplainRequest, context: Any) -> pb.ExplainResponse:
        """Decide one request and show the work."""
        question = convert.explain_request(request)
        answer, explanation = await self._decisions.sitting().explained(question, current_caller())
        return convert.explanation_to_proto(answer, explanation)

    async def CheckStream(self, request: AsyncIterator[Any], context: Any) -> AsyncGenerator[Any, None]:
        """Decide what is asked on a stream, each `AskedOnStream`, and say when that does not hold any more."""
        async with aclosing(self._streams.answers(request, current_caller(), current_quota())) as answers:
            async for answer in answers:
                yield answer

    async def ListAllowedTools(self, request: pb.ListAllowedToolsRequest, context: Any) -> pb.ListAllowedToolsResponse:
        """Say which tools an agent could call now."""
        query, caller, now = overviews.tool_query(request), current_caller(), self._clock.now()
        if query.show_denied and not caller.has(Role.PLATFORM_ADMIN, Role.AUDITOR, Role.SERVICE):
            needed = "role platform-admin, auditor or service"
            raise NotPermitted(principal=caller.principal, action="see the tools that are denied", needed=needed)
        arguments, after = page_arguments(request), b""
        if query.page_token:
            after = self._tokens.open(query.page_token, caller=caller.principal, arguments=arguments, now=now)
        page = self._decisions.tools(
            query.subject,
            caller,
            asked=query.asked,
            after=after.decode(),
            size=query.page_size,
            show_denied=query.show_denied,
        )
        response = pb.ListAllowedToolsResponse(tools=map(overviews.allowed_tool_to_proto, page.tools))
        if page.last:
            last = page.last.encode()
            response.next_page_token = self._tokens.seal(last, caller=caller.principal, arguments=arguments, now=now)
        return response

    async def WatchDecisions(
        self, request: pb.WatchDecisionsRequest, context: Any
    ) -> AsyncGenerator[pb.WatchDecisionsResponse, None]:
        """Stream decisions as they are made."""
        async with aclosing(self._decisions.watch.watch(overviews.watched(request))) as decisions:
            async for seen in decisions:
                if seen is None:
                    yield pb.WatchDecisionsResponse(heartbeat=pb.Heartbeat(epoch=self._decisions.epoch))
                else:
                    yield pb.WatchDecisionsResponse(decision=overviews.seen_to_proto(seen))


def check_bytes(decisions: Decisions, sent: bytes, caller: Caller) -> bytes:
    """Decide the request in `sent` and return the response's bytes: the whole of Check without a transport.

    People are not asked: what needs them is answered as it stands before. Raises DecodeError for bytes that are no
    request, and the failures of Check.
    """
    answer = checked(decisions.sitting(), asked(sent), caller)
    if isinstance(answer, Unsettled):
        answer = answer.answer
    return response_bytes(answer)


async def _results(sitting: Sitting, items: Iterable[Asked], caller: Caller) -> list[bytes]:
    results: list[bytes] = []
    for item in items:
        # The one servicer with a `try`: an item's failure is part of the answer (AIP-193 in a batch), not of the call.
        try:
            answer = checked(sitting, item, caller)
            if isinstance(answer, Unsettled):
                answer = await sitting.settled(answer)
            results.append(result_bytes(response_bytes(answer)))
        except Failure as failure:
            results.append(pb.BatchCheckResult(error=status_of(failure)).SerializeToString())
    return results


def decision_face(api: DecisionApi) -> Face:
    """Return the service as the server takes it."""
    readers: Mapping[str, Callable[[bytes], Any]] = {
        "Check": asked,
        "BatchCheck": asked_batch,
        "CheckStream": asked_on_stream,
    }
    return Face(decision_pb2_grpc.add_DecisionServiceServicer_to_server, api, readers)
