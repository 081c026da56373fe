"""What happens around every call, in one order, for every kind of method.

The order, from the outside in, and why each step stands where it does:

 1. recovery        nothing raised further in reaches gRPC bare: a Failure becomes its status, anything else INTERNAL
                    with a reference, while the details go to the log, once. Outermost, so that it covers 2 as well.
 2. OpenTelemetry   outside of all that takes time, so that the span shows it; only where spans are exported.
 3. request id      before the first line can be logged, so that every line has it.
 4. access log,     outside of all that may refuse, since refused calls are what they are read for; inside of 2, so
    metrics         that the span is told the outcome too.
 5. deadline        covers all that follows: a caller does not care what its time was spent on.
 6. room            refuses while starting or overloaded, before any work is done for the call.
 7. caller          who it is; not asked of an address whose credentials were refused too often.
 8. grants          whether they may call this method; before 9, so that the uninvited do not spend a quota.
 9. quota           whether they may call it again already; of an open method, by where nobody in particular calls from.
10. decoding        last: a request nobody may make is not worth reading. It arrives as bytes, so too large, malformed
                    and not UTF-8 are said in our words with a reason, where gRPC would say INTERNAL and nothing more.

Field rules are not here: each service's `convert.py` checks them where it builds the model.

Every method is registered with gRPC as taking a stream of bytes. Of a method that takes one message the first is read,
which costs nothing; registered as unary, a client that sends no message at all would be left waiting for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Never, cast

import grpc
import grpc.aio
import structlog

from ringfence_kit.admission import Admission
from ringfence_kit.answering import Context, answer
from ringfence_kit.callers import Caller
from ringfence_kit.calls import REQUEST_ID_KEY, Call, numbered_ids
from ringfence_kit.clock import Clock, Millis
from ringfence_kit.errors import (
    DeadlineExceeded,
    Failure,
    InternalError,
    Unauthenticated,
    Unavailable,
)
from ringfence_kit.ids import NewId
from ringfence_kit.methods import CallDetails, Handler, Method, Requests
from ringfence_kit.observation import OK, Observer, Outcome, outcome_of
from ringfence_kit.room import Room
from ringfence_kit.server_config import DeadlinesConfig
from ringfence_kit.status import code_of, status_of, trailers_of
from ringfence_kit.time_limits import TimeLimits

_log = structlog.get_logger(__name__)


class Interceptors:
    """The steps around the calls of one service, on one of its ports."""

    def __init__(
        self,
        *,
        admission: Admission,
        deadlines: DeadlinesConfig,
        room: Room,
        observer: Observer,
        tracer: grpc.aio.ServerInterceptor | None,
        clock: Clock,
        new_id: NewId,
        has_tls: bool,
    ) -> None:
        self.admission = admission
        """Steps 7 to 9."""
        self._deadlines = deadlines.by_class()
        self._maximum = deadlines.maximum
        self._room = room
        self._observer = observer
        self._tracer = tracer
        self._clock = clock
        self._new_id = new_id
        self._request_id = numbered_ids(new_id)
        self._has_tls = has_tls
        self._limits = TimeLimits()

    def around(self, method: Method) -> Handler:
        """Return the handler to register for a method."""
        may_be_traced = self._tracer is not None and method.traced
        is_hot = method.is_hot

        async def handle(requests: Requests, context: Context) -> bytes | None:
            """Step 1. Cancellation and an abort made further in are gRPC's own and pass."""
            call = Call(method, context.invocation_metadata() or (), context.peer())
            try:
                # On the hot path only for callers that are tracing already.
                if may_be_traced and (not is_hot or call.is_sampled):
                    return await self._trace(call, requests, context)
                return await self._observe(call, requests, context)
            except grpc.aio.AbortError:
                raise
            except Failure as failure:
                await self._refuse(call, failure, context)
            except Exception as error:  # noqa: BLE001 - the last resort, which is the point of this step
                await self._refuse(call, self._internal(call, error), context)

        if method.response_streaming:
            return grpc.stream_stream_rpc_method_handler(handle)
        return grpc.stream_unary_rpc_method_handler(handle)

    async def _refuse(self, call: Call, failure: Failure, context: Context) -> Never:
        trailers = (*trailers_of(failure), (REQUEST_ID_KEY, call.request_id))
        await context.abort(code_of(failure), status_of(failure).message, trailers)

    def _internal(self, call: Call, error: Exception) -> InternalError:
        """Log what happened, all of it and here only, and return what the caller is told."""
        failure = InternalError(reference=self._new_id())
        _log.error("call failed", exc_info=error, reference=failure.metadata["reference"], **call.fields())
        return failure

    async def _trace(self, call: Call, requests: Requests, context: Context) -> bytes | None:
        """Step 2."""
        tracer = cast(grpc.aio.ServerInterceptor, self._tracer)

        async def unary(requests: Requests, context: Context) -> bytes | None:
            return await self._observe(call, requests, context)

        async def stream(requests: Requests, context: Context) -> AsyncIterator[bytes]:
            # Responses are written to the context further in; the generator is only what the interceptor wants to see.
            await self._observe(call, requests, context)
            for response in _NO_RESPONSES:
                yield response

        is_stream = call.method.response_streaming
        plain: Any = (
            grpc.stream_stream_rpc_method_handler(stream) if is_stream else grpc.stream_unary_rpc_method_handler(unary)
        )

        async def found(_details: object) -> Handler:
            return cast(Handler, plain)

        traced: Any = await tracer.intercept_service(found, CallDetails(call.method.name))
        if not is_stream:
            response: bytes | None = await traced.stream_unary(requests, context)
            return response
        async with aclosing(traced.stream_stream(requests, context)) as responses:
            async for _ in responses:
                raise AssertionError("responses are written to the context, not yielded")
        return None

    async def _observe(self, call: Call, requests: Requests, context: Context) -> bytes | None:
        """Steps 3 and 4."""
        call.request_id = call.request_id or self._request_id()
        context.set_trailing_metadata(((REQUEST_ID_KEY, call.request_id),))
        call.method.meter.begin()
        timed = self._while_it_lasts if call.method.is_long else self._in_time
        try:
            response = await timed(call, requests, context)
        except BaseException as error:
            known = isinstance(error, Failure | grpc.aio.AbortError) or not isinstance(error, Exception)
            told = error if known else self._internal(call, error)  # type: ignore[arg-type] # an Exception, as known says
            self._observer.ended(call, _how_it_ended(told, context))
            if told is error:
                raise
            raise told from error
        self._observer.ended(call, OK)
        return response

    async def _in_time(self, call: Call, requests: Requests, context: Context) -> bytes | None:
        """Step 5, of a method that has an end."""
        duration = self._limit(call.method, context)
        if duration is None:
            return await self._admitted(call, requests, context)
        limit = self._limits.limit(duration)
        try:
            with limit:
                return await self._admitted(call, requests, context)
        except TimeoutError:
            if not limit.passed:
                raise
            raise DeadlineExceeded(method=call.method.name, limit=duration) from None

    async def _while_it_lasts(self, call: Call, requests: Requests, context: Context) -> bytes | None:
        """Step 5, of a stream that has no end of its own, but for a caller's; a drain ends it through its timer."""
        timer = asyncio.timeout(None)
        try:
            async with timer:
                self._room.hold(timer)
                return await self._admitted(call, requests, context, timer)
        except TimeoutError:
            if not timer.expired():
                raise
            raise self._ended() from None
        finally:
            self._room.release(timer)

    def _limit(self, method: Method, context: Context) -> Millis | None:
        """Return how long the call may take by our rules. A caller's shorter deadline is gRPC's to keep: it cancels."""
        # The stub leaves out that a call may have no deadline.
        asked = cast("float | None", context.time_remaining())
        if asked is None:
            return self._deadlines[method.grant.method_class]
        return self._maximum if asked * 1_000 > self._maximum else None

    def _ended(self) -> Failure:
        if self._room.draining:
            return Unavailable(problem="it is shutting down; resume on another replica")
        return Unauthenticated(problem="the token expired while the stream was open; resume with a new one")

    async def _admitted(
        self, call: Call, requests: Requests, context: Context, timer: asyncio.Timeout | None = None
    ) -> bytes | None:
        """Steps 6 to 9, then the answer. Health and reflection are answered however busy the service is."""
        method, room = call.method, self._room
        try:
            if not method.always:
                room.enter()
            peer = context.auth_context() if self._has_tls else _NO_PEER
            if not self.admission.admit_at_once(call, peer):
                await self.admission.admit(call, peer)
            if timer is not None:
                self._end_with_token(call.caller, timer)
            try:
                return await answer(method, requests, context)
            except Failure as failure:
                self.admission.count_refused(call, failure)
                raise
        finally:
            if not method.always:
                room.leave()

    def _end_with_token(self, caller: Caller, timer: asyncio.Timeout) -> None:
        """A stream does not outlive the token it was opened with. One that a drain is ending already is left alone."""
        if caller.expires_at is not None and timer.when() is None:
            remaining = (caller.expires_at - self._clock.now()) / 1_000
            timer.reschedule(asyncio.get_running_loop().time() + remaining)


_NO_PEER: Mapping[str, Any] = {}
_NO_RESPONSES: tuple[bytes, ...] = ()


def _how_it_ended(error: BaseException, context: Context) -> Outcome:
    """Tell a caller whose deadline has passed from one that left: gRPC cancels for both."""
    if isinstance(error, asyncio.CancelledError):
        remaining = cast("float | None", context.time_remaining())
        return Outcome("CANCELLED" if remaining is None or remaining > 0 else "DEADLINE_EXCEEDED")
    return outcome_of(error, context.code())
