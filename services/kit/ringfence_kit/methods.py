"""The methods of a face, taken from what its generated code registers, with the grant and limits each is served under.

The rules:

- generated code is asked, not repeated: paths, message types and streaming are what it registered;
- a method its servicer does not implement is refused here, at start; the generated default would be found by a caller;
- streams answer from async generators, everything else from coroutines.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
from google.protobuf import descriptor_pool

from ringfence_kit.grants import Grant, MethodClass
from ringfence_kit.metrics import MethodMeter, Metrics
from ringfence_kit.service import Face

Behavior: TypeAlias = Callable[[Any, Any], Any]
"""(request or its stream, context) → an awaitable response, or an async generator of them."""

Requests: TypeAlias = AsyncIterator[bytes]

if TYPE_CHECKING:
    Handler: TypeAlias = grpc.RpcMethodHandler[Any, Any]
else:
    # Generic in its stub only.
    Handler = grpc.RpcMethodHandler


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method as it is served."""

    path: str
    """`/ringfence.pdp.v1.PolicyDecisionService/Check`, as on the wire."""
    grant: Grant
    behavior: Behavior
    decode: Callable[[bytes], Any] | None
    """None hands the servicer the bytes."""
    encode: Callable[[Any], bytes] | None
    """None takes bytes from the servicer."""
    request_streaming: bool
    response_streaming: bool
    max_request_bytes: int
    meter: MethodMeter
    traced: bool
    """Whether spans are made of its calls; not of health checks, nor of telemetry's own intake, which would feed
    itself."""
    always: bool = False
    """Answered while the service starts and however busy it is: health and reflection."""
    name: str = field(init=False)
    """The path without its leading slash, for people."""
    is_hot: bool = field(init=False)
    """Whether microseconds matter."""
    is_long: bool = field(init=False)
    """Whether it has no end of its own: a watch, or another long-lived stream."""

    def __post_init__(self) -> None:
        # Asked with every call, and always the same.
        object.__setattr__(self, "name", self.path[1:])
        object.__setattr__(self, "is_hot", self.grant.method_class is MethodClass.DECIDE)
        object.__setattr__(self, "is_long", self.grant.method_class is MethodClass.STREAM)


@dataclass(slots=True)
class CallDetails:
    """What gRPC's own interfaces ask about a call."""

    method: str
    invocation_metadata: tuple[tuple[str, str | bytes], ...] = ()


class _Recorder:
    """Stands where generated code expects a server, and keeps what it registers."""

    def __init__(self) -> None:
        self.registered: dict[str, Handler] = {}
        self._generic: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self._generic += handlers

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        self.registered |= {f"/{service}/{method}": handler for method, handler in handlers.items()}

    def handlers(self) -> dict[str, Handler]:
        if not self.registered:
            # Code of generators before 1.64, such as OTLP's, registers this way only.
            self.registered = {path: handler for generic in self._generic for path, handler in _listed(generic)}
        return self.registered


def _listed(generic: grpc.GenericRpcHandler) -> Iterator[tuple[str, Handler]]:
    """Ask a generic handler for every method its service's descriptor has."""
    if not isinstance(generic, grpc.ServiceRpcHandler):
        raise TypeError(f"{generic!r} does not say which service it serves")
    service = generic.service_name()
    for method in descriptor_pool.Default().FindServiceByName(service).methods:
        path = f"/{service}/{method.name}"
        handler = generic.service(CallDetails(path))
        if handler is not None:
            yield path, handler


def handlers_of(face: Face) -> Mapping[str, Handler]:
    """Return path → handler of a face; TypeError when a method is not implemented or is not asynchronous."""
    recorder = _Recorder()
    face.add(face.servicer, recorder)  # type: ignore[arg-type] # the two methods generated code calls are there
    handlers = recorder.handlers()
    for path, handler in handlers.items():
        behavior = behavior_of(handler)
        fits = inspect.isasyncgenfunction if handler.response_streaming else inspect.iscoroutinefunction
        if not fits(behavior):
            kind = "an async generator" if handler.response_streaming else "a coroutine function"
            raise TypeError(f"{path} is not implemented: {behavior.__qualname__} is not {kind}")
    return handlers


def behavior_of(handler: Handler) -> Behavior:
    """Return the servicer's method behind a handler."""
    found = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    if found is None:
        raise TypeError("the handler has no behaviour")
    return found


def served_method(
    path: str,
    handler: Handler,
    *,
    service: str,
    grant: Grant,
    max_request_bytes: int,
    metrics: Metrics,
    traced: bool,
    always: bool,
    decode: Callable[[bytes], Any] | None = None,
) -> Method:
    """Return the method with everything it is served under. `decode` takes the place of the generated one."""
    is_stream = handler.response_streaming or grant.method_class is MethodClass.STREAM
    return Method(
        path=path,
        grant=grant,
        behavior=behavior_of(handler),
        decode=decode or handler.request_deserializer,
        encode=handler.response_serializer,
        request_streaming=handler.request_streaming,
        response_streaming=handler.response_streaming,
        max_request_bytes=max_request_bytes,
        meter=metrics.meter(service, path[1:], is_stream=is_stream),
        traced=traced and grant.method_class is not MethodClass.INGEST,
        always=always,
    )
