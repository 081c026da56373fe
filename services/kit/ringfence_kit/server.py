"""Runs services: ports, health, interceptors, HTTP faces, and an orderly end.

From start to end, for one service or several in a process:

1. everything that can be judged beforehand is: grants, addresses, certificates, tokens. Nothing has been opened yet;
2. ports open, and answer NOT_SERVING: whoever probes learns that we run, and which of our ports is already taken;
3. each service's `run` is entered, in the order they were added; its calls are let in and its health follows its
   readiness;
4. SIGTERM or SIGINT: NOT_SERVING, no new calls, streams end, calls in progress finish within `server.drain`;
5. all is closed in reverse order, what each `run` opened last of all. A second signal ends the process at once.

Workers (`workers/`) share their ports, and the kernel gives calls to whoever listens. So for them 3 comes before 2:
none of them listens that cannot answer yet.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import structlog

from ringfence_kit import http, listening, ports
from ringfence_kit.address_quotas import AddressQuotas
from ringfence_kit.addresses import Address
from ringfence_kit.admission import Admission
from ringfence_kit.authentication import Authenticator
from ringfence_kit.background import background
from ringfence_kit.clock import Clock
from ringfence_kit.dev_tokens import DevTokens, open_dev_tokens
from ringfence_kit.health import Health
from ringfence_kit.http_calls import HttpCalls
from ringfence_kit.ids import NewId
from ringfence_kit.interceptors import Interceptors
from ringfence_kit.issuers import configured_issuer
from ringfence_kit.metrics import Metrics
from ringfence_kit.observation import Observer
from ringfence_kit.quotas import Quotas, configured_rates
from ringfence_kit.room import Room
from ringfence_kit.running import GrpcServer, Running
from ringfence_kit.server_config import CallLog, ServerConfig
from ringfence_kit.service import Listener, Service, Workers
from ringfence_kit.tls import Certificates
from ringfence_kit.tokens import TokenVerifier
from ringfence_kit.tracing import Tracing
from ringfence_kit.wire_server import WireServer
from ringfence_kit.workers import doors
from ringfence_kit.workers.vouching import VouchedCallers

_log = structlog.get_logger(__name__)

EXIT_ON_SECOND_SIGNAL = 130


class _StopAsked(Exception):  # noqa: N818 - no error: named for what happened
    """A signal came before there was anything to drain."""


class Server:
    """One process: `await Server(config, clock=clock, new_id=new_id).add(service).run()`."""

    def __init__(
        self,
        config: ServerConfig,
        *,
        clock: Clock,
        new_id: NewId,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
        listens_when_ready: bool = False,
    ) -> None:
        """`listens_when_ready`: whether services run and are ready before their ports are opened."""
        self._config = config
        self._listens_when_ready = listens_when_ready
        self._clock = clock
        self._new_id = new_id
        self._metrics = metrics or Metrics()
        self._tracing = tracing or Tracing(config.tracing)
        self._services: list[Service] = []
        self._asked = asyncio.Event()
        # Shared by all services, so that each issuer's keys are fetched once.
        self._issuers = [configured_issuer(issuer, clock) for issuer in config.auth.issuers]

    def add(self, service: Service) -> Self:
        """Take a service in; ValueError when its grants table is not exact. Returns the server, for chaining."""
        ports.check_grants(service)
        self._services.append(service)
        return self

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain and close; a second signal ends at once."""
        asked, loop = self._asked, asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)

        def stop() -> None:
            if asked.is_set():
                _log.warning("ending at once, as asked twice")
                os._exit(EXIT_ON_SECOND_SIGNAL)
            asked.set()

        for number in signals:
            loop.add_signal_handler(number, stop)
        try:
            async with self.serving() as addresses:
                _log.info("serving", **{setting.replace(".", "_"): bound for setting, bound in addresses.items()})
                await asked.wait()
                _log.info("draining", seconds=self._config.drain / 1_000)
            _log.info("stopped")
        except _StopAsked:
            _log.info("stopped before it was ready")
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Mapping[str, str]]:
        """Serve inside the block; yields setting → bound address (`registry.listen` → `127.0.0.1:40123`)."""
        for service in self._services:
            listening.check_addresses(service, self._config)
        dev_tokens = open_dev_tokens(self._config.data) if self._config.dev else None
        addresses: dict[str, str] = {}
        async with AsyncExitStack() as closing:
            closing.push_async_callback(self._tracing.close)
            first = [service for service in self._services if self._listens_when_ready and service.listeners]
            for service in first:
                await closing.enter_async_context(service.run())
            await self._until_ready(first)
            opened = [await self._open(service, dev_tokens, addresses, closing) for service in self._services]
            await closing.enter_async_context(background(*self._key_refreshers()))
            # For a start that fails further on; when all goes well the drain below has been there before.
            closing.push_async_callback(self._drain, opened)
            for running in opened:
                if running.service in first:
                    running.let_in(self._metrics)
                for server in running.servers:
                    await server.start()
                    await closing.enter_async_context(background(stay_up(server, running)))
            for running in opened:
                if running.service not in first:
                    await closing.enter_async_context(running.service.run())
                    running.let_in(self._metrics)
            closing.push_async_callback(self._drain, opened)
            yield addresses

    async def _until_ready(self, services: Sequence[Service]) -> None:
        """Return once all of them are; raise when we are told to stop before."""
        if not services:
            return
        ready = asyncio.gather(*(service.readiness.all_met() for service in services))
        asked = asyncio.ensure_future(self._asked.wait())
        try:
            await asyncio.wait((ready, asked), return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                raise _StopAsked
        finally:
            ready.cancel()
            asked.cancel()

    def _key_refreshers(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Give the tasks that keep the keys of token issuers fresh."""
        for issuer in [*self._issuers, *(issuer for service in self._services for issuer in service.issuers)]:
            yield issuer.keys.keep_fresh()

    async def _drain(self, opened: Sequence[Running]) -> None:
        """Say NOT_SERVING, let nobody in, end streams, wait for calls in progress; then stop HTTP."""
        # Their calls may need the service until the last is answered.
        await asyncio.gather(*(each.service.workers.end() for each in opened if each.service.workers is not None))
        async with asyncio.TaskGroup() as tasks:
            for running in opened:
                running.drain(self._metrics)
                for server in running.servers:
                    tasks.create_task(server.stop(self._config.drain / 1_000))
        # After gRPC, so that the last scrape sees the drained calls; before `run` ends, which routes may read from.
        for running in opened:
            if running.pages is not None:
                await running.pages.stop()

    async def _open(
        self, service: Service, dev_tokens: DevTokens | None, addresses: dict[str, str], closing: AsyncExitStack
    ) -> Running:
        """Bind the ports of a service. gRPC does not answer yet; HTTP does, and says that nothing is ready."""
        tls = service.tls or self._config.tls
        certificates = Certificates(tls) if tls is not None else None
        for collector in service.collectors:
            self._metrics.registry.register(collector)
            closing.callback(self._metrics.registry.unregister, collector)
        running = Running(service=service, room=Room(self._config.limits.max_calls))
        admission = self._admission(service, dev_tokens)
        interceptors = self._interceptors(running, admission, has_tls=certificates is not None)
        for listener in listening.servable(service.listeners):
            if service.workers is not None:
                held, bound = listening.hold_port(listener)
                closing.callback(held.close)
                service.workers.held(listener.setting, bound)
            else:
                server, health, bound = self._bind(service, listener, interceptors, certificates)
                closing.push_async_callback(listening.release, server)
                running.servers.append(server)
                running.health.append(health)
            addresses[listener.setting] = str(bound)
        if service.workers is not None:
            closing.callback(doors.close, service.workers)
            door, health = self._open_door(running, service.workers)
            closing.push_async_callback(listening.release, door)
            running.servers.append(door)
            running.health.append(health)
        if service.http is not None:
            address = listening.address_of(service.http.address, service.http.setting)
            reuse = self._config.reuse_port
            bound_socket = listening.open_http_port(address, service.http.setting, reuse_port=reuse)
            addresses[service.http.setting] = str(Address(address.host, bound_socket.getsockname()[1]))
            calls = self._http_calls(running, admission, in_the_clear=certificates is None and not address.is_loopback)
            serving = http.serving(
                http.application(
                    [*service.http.routes, *map(calls.route, service.http.methods)],
                    metrics=self._metrics,
                    unmet=running.unmet,
                    impaired=lambda: service.readiness.impaired,
                    workers=service.workers,
                ),
                bound_socket,
                tls=certificates.http_context() if certificates is not None else None,
                grace=self._config.drain,
            )
            running.pages = await closing.enter_async_context(serving)
        service.readiness.on_change(lambda: running.tell_health(self._metrics))
        running.tell_health(self._metrics)
        return running

    def _bind(
        self, service: Service, listener: Listener, interceptors: Interceptors, certificates: Certificates | None
    ) -> tuple[GrpcServer, Health, Address]:
        config = self._config
        limit = listener.max_request_bytes or config.limits.max_request_bytes
        port = ports.port_of(
            service, listener, max_request_bytes=limit, reflection=config.reflection, metrics=self._metrics
        )
        handlers = {method.path: interceptors.around(method) for method in port.methods}
        unknown = interceptors.around(ports.unknown_method(service.name, self._metrics))
        address = listening.address_of(listener.address, listener.setting)
        if listener.fast:
            fast, bound = listening.open_fast_port(
                handlers, unknown, address, listener.setting, config=config, limit=limit, certificates=certificates
            )
            self._metrics.show_fast_port(service.name, fast)
            return fast, port.health, bound
        options = listening.channel_options(config.limits, max_request_bytes=limit, reuse_port=config.reuse_port)
        server = WireServer(handlers, unknown, options=options)
        credentials = certificates.grpc_credentials() if certificates is not None else None
        bound = listening.open_grpc_port(
            server, address, listener.setting, credentials=credentials, reuse_port=config.reuse_port
        )
        return server, port.health, bound

    def _open_door(self, running: Running, workers: Workers) -> tuple[GrpcServer, Health]:
        """Serve what the workers pass on: logged and counted as a call by them, and counted as passed on here."""
        config, clock = self._config, self._clock
        inside = doors.inside(running.service)
        admission = Admission(
            authenticator=VouchedCallers(workers.secret, clock=clock),
            # Counted where the call came in, by whom and from where.
            quotas=Quotas({}, clock),
            addresses=AddressQuotas(doors.NO_QUOTAS, clock),
        )
        interceptors = Interceptors(
            admission=admission,
            deadlines=config.deadlines,
            room=running.room,
            observer=Observer(inside.name, CallLog.NONE),
            tracer=self._tracing.server_interceptor(inside.name),
            clock=clock,
            new_id=self._new_id,
            has_tls=False,
        )
        port = ports.port_of(
            inside,
            inside.listeners[0],
            max_request_bytes=doors.LARGEST_MESSAGE,
            reflection=config.reflection,
            metrics=self._metrics,
        )
        handlers = {method.path: interceptors.around(method) for method in port.methods}
        unknown = interceptors.around(ports.unknown_method(inside.name, self._metrics))
        return doors.open_door(handlers, unknown, workers.socket, config.limits), port.health

    def _admission(self, service: Service, dev_tokens: DevTokens | None) -> Admission:
        config = self._config
        return Admission(
            authenticator=Authenticator(
                # A service's own issuers come last and win: it knows its keys better than any configured URL does.
                tokens=TokenVerifier([*self._issuers, *service.issuers]),
                certificates=config.auth.certificates,
                dev_tokens=dev_tokens,
                clock=self._clock,
            ),
            quotas=Quotas(configured_rates(config.quotas), self._clock),
            addresses=AddressQuotas(config.quotas, self._clock),
        )

    def _http_calls(self, running: Running, admission: Admission, *, in_the_clear: bool) -> HttpCalls:
        config, service = self._config, running.service
        return HttpCalls(
            service.name,
            admission=admission,
            room=running.room,
            observer=Observer(service.name, config.log.calls),
            deadlines=config.deadlines,
            metrics=self._metrics,
            new_id=self._new_id,
            takes_tokens=not in_the_clear or config.plaintext_behind_proxy,
        )

    def _interceptors(self, running: Running, admission: Admission, *, has_tls: bool) -> Interceptors:
        config, service = self._config, running.service
        return Interceptors(
            admission=admission,
            deadlines=config.deadlines,
            room=running.room,
            observer=Observer(service.name, config.log.calls),
            tracer=self._tracing.server_interceptor(service.name),
            clock=self._clock,
            new_id=self._new_id,
            has_tls=has_tls,
        )


async def stay_up(server: GrpcServer, running: Running) -> None:
    """Fail when a gRPC server ends that was not asked to: a process without its port had better be restarted."""
    await server.wait_for_termination()
    if not running.room.draining:
        raise RuntimeError(f"the gRPC server of {running.service.name} ended by itself")
