"""The HTTP port of a service: metrics, liveness, readiness, and the documents the outside world fetches.

The rules:

- it runs on the same event loop, opens the socket it is given, and takes no signal from the process;
- `/healthz` says the loop turns, `/readyz` says whether the service can work and, if not, why;
- nothing secret is served here: callers of routes are not authenticated, so they serve public documents only. What
  needs a caller is a method (`http_calls.py`).
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ringfence_kit.background import background
from ringfence_kit.clock import Millis
from ringfence_kit.metrics import Metrics
from ringfence_kit.service import Workers

MAX_CONNECTIONS = 1_000
KEEPALIVE_SECONDS = 5
TICK_SECONDS = 0.1
MAX_HEADER_BYTES = 16 << 10


def application(
    routes: Sequence[BaseRoute],
    *,
    metrics: Metrics,
    unmet: Callable[[], Mapping[str, str]],
    impaired: Callable[[], Mapping[str, str]] = dict,
    workers: Workers | None = None,
) -> Starlette:
    """Return the application: the routes every service has, then its own.

    `unmet` says what keeps the service from being ready, `impaired` what is missing all the same. What `workers` count
    is shown beside what the process does.
    """

    async def scrape(_request: Request) -> Response:
        body, content_type = metrics.render({} if workers is None else await workers.scraped())
        return Response(body, headers={"content-type": content_type})

    async def alive(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def ready(_request: Request) -> Response:
        missing = dict(unmet())
        answer = {"ready": not missing, "unmet": missing, "impaired": dict(impaired())}
        return JSONResponse(answer, status_code=503 if missing else 200)

    common = [Route("/metrics", scrape), Route("/healthz", alive), Route("/readyz", ready)]
    app = Starlette(routes=[*common, *routes])
    app.router.redirect_slashes = False  # a redirect would lead to whatever host the client named
    return app


class HttpServer(uvicorn.Server):
    """Uvicorn as one task among others: it leaves the process's signals alone and says when it is up and down."""

    def __init__(self, app: Starlette, *, tls: ssl.SSLContext | None, grace: Millis) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            ws="none",
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEPALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, grace // 1_000),
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        )
        config.load()
        config.ssl = tls
        super().__init__(config)
        self.up = asyncio.Event()
        self._asked_to_stop = asyncio.Event()
        self._down = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: ending is the process's decision."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.up.set()

    async def main_loop(self) -> None:
        """Tick ten times a second, which keeps the Date header true, and stop without waiting for a tick."""
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked_to_stop.wait(), TICK_SECONDS)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until stopped, and say when that is."""
        try:
            await super().serve(sockets)
        finally:
            self._down.set()

    async def stop(self) -> None:
        """Take no more requests, and wait for those in progress for as long as the grace allows."""
        self.should_exit = True
        self._asked_to_stop.set()
        await self._down.wait()


@asynccontextmanager
async def serving(
    app: Starlette, listening: socket.socket, *, tls: ssl.SSLContext | None, grace: Millis
) -> AsyncIterator[HttpServer]:
    """Serve `app` on a bound socket until `stop` is called or the block ends."""
    server = HttpServer(app, tls=tls, grace=grace)
    async with background(server.serve(sockets=[listening])):
        await server.up.wait()
        try:
            yield server
        finally:
            await server.stop()
