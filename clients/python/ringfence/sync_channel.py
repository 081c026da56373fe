"""A channel for threads whose calls follow the rules of `ringfence.calls`.

The rules:

- it stands around gRPC's channel instead of in its interceptors, which look a method up again at each call: on a
  channel that another thread has closed meanwhile that crashes the interpreter (grpcio 1.85). Here a method is looked
  up once, when the stub is made, and a call on a closed channel is an exception;
- a future is one attempt and raises what gRPC raises: whoever takes one wants to wait in his own way;
- calls that send many requests go through as they are; the mesh has none.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, Self, TypeVar

import grpc

from ringfence.calls import HEADER, CallRules
from ringfence.credentials import ChannelError, bearer
from ringfence.errors import from_rpc_error
from ringfence.retry import made_repeatable

Q = TypeVar("Q")
R = TypeVar("R")

Headers = Any
"""What callers pass as metadata: pairs of text, in whatever collection."""


class SyncChannel(grpc.Channel):
    """A channel and the rules of its calls."""

    def __init__(self, channel: grpc.Channel, rules: CallRules) -> None:
        self._channel = channel
        self._rules = rules
        self._closed = False
        self._closing = threading.Lock()

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the method as `UnaryCalls`."""
        return UnaryCalls(self._look_up(self._channel.unary_unary, method, *args, **kwargs), self._rules)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return the method as `Streams`."""
        return Streams(self._look_up(self._channel.unary_stream, method, *args, **kwargs), self._rules)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return gRPC's own callable."""
        return self._look_up(self._channel.stream_unary, method, *args, **kwargs)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Return gRPC's own callable."""
        return self._look_up(self._channel.stream_stream, method, *args, **kwargs)

    def subscribe(self, callback: Callable[[grpc.ChannelConnectivity], None], try_to_connect: bool = False) -> None:
        """Hear of changes of the connection."""
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        """Hear of them no more."""
        self._channel.unsubscribe(callback)

    def close(self) -> None:
        """Cancel the calls in progress, and let no other begin."""
        with self._closing:
            self._closed = True
            self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look_up(self, kind: Callable[..., Any], method: str, *args: Any, **kwargs: Any) -> Any:
        with self._closing:
            if self._closed:
                raise ChannelError(f"the channel is closed; {method} needs an open one")
            return kind(method, *args, **kwargs)


class UnaryCalls(Generic[Q, R]):
    """One method with one request and one answer."""

    def __init__(self, inner: "grpc.UnaryUnaryMultiCallable[Q, R]", rules: CallRules) -> None:
        self._inner = inner
        self._rules = rules

    def __call__(self, request: Q, timeout: float | None = None, metadata: Headers = None, **options: Any) -> R:
        """Return the answer, as `with_call` does."""
        return self.with_call(request, timeout, metadata, **options)[0]

    def with_call(
        self, request: Q, timeout: float | None = None, metadata: Headers = None, **options: Any
    ) -> tuple[R, grpc.Call]:
        """Make the call, again where that is safe, until it answers or fails for good."""
        rules = self._rules
        request, repeatable = made_repeatable(request)
        attempts = rules.attempts(timeout, repeatable=repeatable)
        while True:
            headers = _headers(rules, metadata)
            try:
                answered = self._inner.with_call(request, attempts.time_left(rules.pace.now()), headers, **options)
            except grpc.RpcError as raw:
                error = from_rpc_error(raw)
                wait = attempts.wait_after(error, rules.pace.now())
                if wait is None:
                    raise error from raw
                rules.pace.sleep(wait)
            else:
                rules.budget.succeeded()
                return answered

    def future(self, request: Q, timeout: float | None = None, metadata: Headers = None, **options: Any) -> Any:
        """Begin one attempt and return gRPC's future."""
        timeout = self._rules.policy.timeout if timeout is None else timeout
        return self._inner.future(request, timeout, _headers(self._rules, metadata), **options)


class Streams(Generic[Q, R]):
    """One method with one request and many answers."""

    def __init__(self, inner: "grpc.UnaryStreamMultiCallable[Q, R]", rules: CallRules) -> None:
        self._inner = inner
        self._rules = rules

    def __call__(
        self, request: Q, timeout: float | None = None, metadata: Headers = None, **options: Any
    ) -> "TypedAnswers[R]":
        """Open the stream; what it raises is typed."""
        return TypedAnswers(self._inner(request, timeout, _headers(self._rules, metadata), **options))


class TypedAnswers(Generic[R]):
    """The answers of a stream, and its call: everything but reading goes to that."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Iterator[R]:
        return self

    def __next__(self) -> R:
        try:
            answer: R = next(self._call)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


def _headers(rules: CallRules, given: Headers) -> tuple[tuple[str, str | bytes], ...]:
    headers = tuple(given or ())
    if rules.token is None or any(key == HEADER for key, _ in headers):
        return headers
    token = rules.token() if callable(rules.token) else rules.token
    if not isinstance(token, str):
        raise ChannelError("a synchronous channel needs a token source that returns the token, not an awaitable")
    return (*headers, (HEADER, bearer(token)))
