"""Methods on the HTTP port that need a caller: the callers, grants, quotas and room that gRPC has, in the same order.

The rules:

- a caller is known by its bearer token; certificates are not asked for here. Where a token would cross a network in the
  clear, none is taken;
- a body is read after the caller was let in, whole or not at all, within the deadline of the method's class;
- a failure becomes one JSON object with its reason and what is wrong with which field, unless the method's protocol has
  a form of its own; `x-request-id` comes back on every answer, the caller's own where it sent a usable one.
"""

import asyncio

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ringfence_kit.admission import Admission
from ringfence_kit.calls import REQUEST_ID_KEY, Call, numbered_ids
from ringfence_kit.errors import DeadlineExceeded, Failure, InternalError, Unauthenticated
from ringfence_kit.http_bodies import read_body
from ringfence_kit.http_methods import HttpCall, HttpMethod
from ringfence_kit.ids import NewId
from ringfence_kit.methods import Method
from ringfence_kit.metrics import Metrics
from ringfence_kit.observation import OK, Observer, outcome_of
from ringfence_kit.room import Room
from ringfence_kit.server_config import DeadlinesConfig

_log = structlog.get_logger(__name__)


class HttpCalls:
    """The steps around the calls of one service's HTTP methods."""

    def __init__(
        self,
        service: str,
        *,
        admission: Admission,
        room: Room,
        observer: Observer,
        deadlines: DeadlinesConfig,
        metrics: Metrics,
        new_id: NewId,
        takes_tokens: bool,
    ) -> None:
        """`takes_tokens` is False where a token would cross a network in the clear."""
        self._service = service
        self._admission = admission
        self._room = room
        self._observer = observer
        self._deadlines = deadlines.by_class()
        self._metrics = metrics
        self._new_id = new_id
        self._request_id = numbered_ids(new_id)
        self._takes_tokens = takes_tokens

    def route(self, method: HttpMethod) -> Route:
        """Return the route to serve a method by."""
        served = self._served(method)

        def refused(failure: Failure, request: Request) -> Response:
            return method.refused(failure, request.headers.get("content-type", ""))

        async def handle(request: Request) -> Response:
            call = Call(served, _metadata(request), _peer(request))
            call.request_id = call.request_id or self._request_id()
            try:
                response = await self._observe(call, method, request)
            except Failure as failure:
                response = refused(failure, request)
            except Exception as error:  # noqa: BLE001 - the last resort: what happened is in the log, once
                internal = InternalError(reference=self._new_id())
                _log.error("call failed", exc_info=error, reference=internal.metadata["reference"], **call.fields())
                response = refused(internal, request)
            response.headers[REQUEST_ID_KEY] = call.request_id
            return response

        return Route(method.path, handle, methods=["POST"])

    async def _observe(self, call: Call, method: HttpMethod, request: Request) -> Response:
        call.method.meter.begin()
        try:
            response = await self._in_time(call, method, request)
        except BaseException as error:
            self._observer.ended(call, outcome_of(error, None))
            raise
        self._observer.ended(call, OK)
        return response

    async def _in_time(self, call: Call, method: HttpMethod, request: Request) -> Response:
        limit = self._deadlines[method.grant.method_class]
        timer = asyncio.timeout(limit / 1_000)
        try:
            async with timer:
                return await self._admitted(call, method, request)
        except TimeoutError:
            if not timer.expired():
                raise
            raise DeadlineExceeded(method=method.name, limit=limit) from None

    async def _admitted(self, call: Call, method: HttpMethod, request: Request) -> Response:
        try:
            self._room.enter()
            if not self._takes_tokens:
                problem = "this port has no TLS, and a token would cross the network in the clear; see [server.tls]"
                raise Unauthenticated(problem=problem)
            await self._admission.admit(call, {})
            body = await read_body(request, method)
            content_type = request.headers.get("content-type", "")
            return await method.answer(HttpCall(call.caller, body, content_type, request.path_params))
        finally:
            self._room.leave()

    def _served(self, method: HttpMethod) -> Method:
        return Method(
            path=f"/{method.name}",
            grant=method.grant,
            behavior=_answered_here,
            decode=None,
            encode=None,
            request_streaming=False,
            response_streaming=False,
            max_request_bytes=method.max_body_bytes,
            meter=self._metrics.meter(self._service, method.name, is_stream=False),
            traced=False,
        )


async def _answered_here(_request: object, _context: object) -> object:
    raise AssertionError("a method of the HTTP port is not called through gRPC")


def _metadata(request: Request) -> list[tuple[str, str | bytes]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]


def _peer(request: Request) -> str:
    """Return where the call comes from, as gRPC writes it."""
    if request.client is None:
        return "unknown:"
    host, port = request.client.host, request.client.port
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
