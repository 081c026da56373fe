"""A `grpc.aio` server that a request line cannot stop, and that spends less on each call.

grpcio's own loop takes every call whose method it does not know by name, decodes the path as UTF-8, and ends, with the
whole server, when it is not: one packet from anybody who can reach the port (seen in 1.85.1, tests/rpc/kit/
test_raw_http2.py). It also makes one task more for each call than it needs, and waits on all methods anew. The rules:

- every method we serve is registered with gRPC core, which compares bytes; whatever is not one of them is answered by
  one handler, and its path is never looked at;
- each method has one task that takes its calls for as long as the server runs; core's shutdown ends it;
- what is used of grpcio beyond its public interface stands in this module alone, is looked for at start, and holds for
  one minor version, to which pyproject.toml pins it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined] # compiled, and published without types

from ringfence_kit.methods import Handler
from ringfence_kit.refusals import StartRefused

UNKNOWN = "unknown"

_WAIT_SECONDS = 3_600.0

_NEEDED = ("AioServer", "_MethodResolver", "_handle_rpc", "_schedule_rpc_coro")
_NEEDED_OF_SERVER = ("_make_request_call_future", "_request_call", "_request_registered_call")


class WireServer:
    """Serves `handlers` by path, and everything else by `unknown`. Made on the event loop that it runs on."""

    def __init__(
        self, handlers: Mapping[str, Handler], unknown: Handler, *, options: Sequence[tuple[str, Any]]
    ) -> None:
        check_grpcio()
        self._core = _core_server(dict(handlers), unknown, tuple(options))

    def add_port(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Bind a port, in clear without credentials; return its number, or 0 when it cannot be bound."""
        if credentials is None:
            return int(self._core.add_insecure_port(address.encode()))
        return int(self._core.add_secure_port(address.encode(), credentials))

    async def start(self) -> None:
        """Take calls."""
        await self._core.start()

    async def stop(self, grace: float | None) -> None:
        """Take no more calls; those in progress have `grace` seconds to finish, and are cancelled then."""
        await self._core.shutdown(grace)

    async def wait_for_termination(self) -> None:
        """Return once the server has ended, or raise what ended it."""
        # With a limit core's future is shielded; without one, whoever stops waiting would cancel it for all.
        while await self._core.wait_for_termination(_WAIT_SECONDS):
            pass


class _Everything(grpc.GenericRpcHandler):
    """Answers whatever it is asked about with one handler."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def service(self, _details: grpc.HandlerCallDetails) -> Handler:
        """Return the handler."""
        return self._handler


def check_grpcio() -> None:
    """Raise StartRefused unless the installed grpcio has the parts that are used here."""
    missing = [name for name in _NEEDED if not hasattr(cygrpc, name)]
    missing += [name for name in _NEEDED_OF_SERVER if not hasattr(getattr(cygrpc, "AioServer", None), name)]
    if missing:
        raise StartRefused(f"grpcio {grpc.__version__} is not supported (no {', '.join(missing)}); install 1.85")


def _core_server(handlers: dict[str, Handler], unknown: Handler, options: tuple[tuple[str, Any], ...]) -> Any:
    loop = asyncio.get_running_loop()
    resolver = cygrpc._MethodResolver([_Everything(unknown)], handlers)  # noqa: SLF001 - see the module's third rule
    # The loop holds tasks weakly, and calls outlast the takers when the server drains.
    calls: set[asyncio.Task[None]] = set()

    class _CoreServer(cygrpc.AioServer):  # type: ignore[misc] # its base is known at run time only
        """Core's server, with a taker of calls for each method in place of one loop for all."""

        def _make_request_call_future(self, method: bytes | None) -> asyncio.Task[None]:
            return loop.create_task(self._take_calls(method))

        async def _take_calls(self, method: bytes | None) -> None:
            name = UNKNOWN if method is None else method.decode()
            while True:
                if method is None:
                    state = await self._request_call()
                else:
                    state = await self._request_registered_call(method)
                answer = cygrpc._handle_rpc(name, resolver, (), state, loop, False)  # noqa: SLF001 - as above
                call = loop.create_task(cygrpc._schedule_rpc_coro(answer, state, loop, name))  # noqa: SLF001 - as above
                calls.add(call)
                call.add_done_callback(calls.discard)

    core = _CoreServer(loop, None, [], (), options, None)
    core.add_registered_method_handlers(handlers)
    return core
