"""Calls a worker cannot answer by itself, passed on to its leader: bytes as they came, for the caller as established.

The rules:

- what the leader answers is what the caller gets: messages, status, details and trailers, byte for byte;
- the caller's deadline goes with the call, and when the caller leaves, the leader is told;
- the credential stays here: the worker has looked at it, and names the caller instead;
- that a leader cannot be reached is said in our words; where its socket lies is nobody's business.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, Self, cast

import grpc
import grpc.aio

from ringfence_kit.callers import Caller, current_caller
from ringfence_kit.calls import REQUEST_ID_KEY
from ringfence_kit.errors import Unavailable
from ringfence_kit.methods import Handler
from ringfence_kit.service import Face
from ringfence_kit.workers.vouching import vouch

_KEPT_HERE: Final = frozenset({"authorization", "user-agent", "content-type", "te"})
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
    # A leader that was busy for a moment is not waited for longer than that.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


class Leader:
    """The leader, as a worker reaches it inside `async with`."""

    def __init__(self, socket: Path, secret: str) -> None:
        self._secret = secret
        self.channel: grpc.aio.Channel = grpc.aio.insecure_channel(f"unix:{socket}", options=_OPTIONS)
        """For calls of the worker's own, made as `metadata`."""
        self.passed_on = 0
        """Calls that were."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()

    def metadata(self, caller: Caller) -> tuple[tuple[str, str], ...]:
        """Return what makes a call one of `caller`'s."""
        return (("authorization", vouch(self._secret, caller)),)

    async def ask(self, path: str, request: bytes, caller: Caller) -> bytes:
        """Return the leader's answer to a call that `caller` makes within another. Raises AioRpcError."""
        self.passed_on += 1
        ask: Any = self.channel.unary_unary(path)
        response: bytes = await ask(request, metadata=self.metadata(caller))
        return response

    async def answer(self, path: str, request: bytes, context: Any) -> bytes:
        """Return the leader's answer to a call of a method that gives one; what it refuses with ends the call."""
        self.passed_on += 1
        ask: Any = self.channel.unary_unary(path)
        call: grpc.aio.UnaryUnaryCall[bytes, bytes] = ask(
            request, metadata=self._metadata(context), timeout=context.time_remaining()
        )
        try:
            response: bytes = await call
        except grpc.aio.AioRpcError as error:
            await _refuse(error, context)
        context.set_trailing_metadata(tuple(await call.trailing_metadata()))
        return response

    async def answers(self, path: str, requests: AsyncIterator[bytes], context: Any) -> AsyncGenerator[bytes, None]:
        """Yield the leader's answers to a call of a method that takes or gives a stream."""
        self.passed_on += 1
        unreadable: list[Exception] = []

        async def read() -> AsyncIterator[bytes]:
            try:
                async for request in requests:
                    yield request
            except Exception as error:
                # gRPC would make a cancellation of it.
                unreadable.append(error)
                raise

        ask: Any = self.channel.stream_stream(path)
        call: grpc.aio.StreamStreamCall[bytes, bytes] = ask(
            read(), metadata=self._metadata(context), timeout=context.time_remaining()
        )
        try:
            async for response in call:
                yield response
            context.set_trailing_metadata(tuple(await call.trailing_metadata()))
        except grpc.aio.AioRpcError as error:
            if unreadable:
                raise unreadable[0] from None
            await _refuse(error, context)
        finally:
            call.cancel()

    def _metadata(self, context: Any) -> tuple[tuple[str, str | bytes], ...]:
        sent = [
            (key, value)
            for key, value in context.invocation_metadata() or ()
            if key not in _KEPT_HERE and not key.startswith((":", "grpc-")) and key != REQUEST_ID_KEY
        ]
        # The one the call has here, which may not be its caller's.
        known = [(key, value) for key, value in context.trailing_metadata() or () if key == REQUEST_ID_KEY]
        return (*sent, *known, *self.metadata(current_caller()))


def passed_on(leader: Leader, methods: Mapping[str, bool]) -> Face:
    """Return the face of methods the leader answers, by path: whether they take or give streams."""
    handlers: dict[str, dict[str, Handler]] = {}
    for path, streams in methods.items():
        _, service, name = path.split("/")
        made = _streamed(leader, path) if streams else _answered(leader, path)
        handlers.setdefault(service, {})[name] = made

    def add(_servicer: object, server: grpc.aio.Server) -> None:
        for service, of_service in handlers.items():
            server.add_registered_method_handlers(service, of_service)

    return Face(add, leader)


def _answered(leader: Leader, path: str) -> Handler:
    async def answer(request: bytes, context: Any) -> bytes:
        return await leader.answer(path, request, context)

    return grpc.unary_unary_rpc_method_handler(cast("Callable[[Any, Any], Any]", answer))


def _streamed(leader: Leader, path: str) -> Handler:
    async def answers(requests: AsyncIterator[bytes], context: Any) -> AsyncGenerator[bytes, None]:
        async for response in leader.answers(path, requests, context):
            yield response

    return grpc.stream_stream_rpc_method_handler(cast("Callable[[Any, Any], Any]", answers))


async def _refuse(error: grpc.aio.AioRpcError, context: Any) -> NoReturn:
    trailers = tuple(error.trailing_metadata() or ())
    if not any(key == REQUEST_ID_KEY for key, _ in trailers) and error.code() is grpc.StatusCode.UNAVAILABLE:
        # Not the leader's words: it says of every call which one it was.
        raise Unavailable(problem="what it needs for this is being restarted") from None
    abort: Callable[..., Awaitable[NoReturn]] = context.abort
    await abort(error.code(), error.details() or "", trailers)
    raise AssertionError("abort raises")
