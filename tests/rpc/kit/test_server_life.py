"""From start to end: what is refused before anything opens, what health says when, and how a server drains."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from grpc_channelz.v1.channelz_pb2 import GetServerRequest, GetServersRequest
from grpc_channelz.v1.channelz_pb2_grpc import ChannelzStub
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse, HealthListRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import Millis, SystemClock
from ringfence_kit.grants import Grants
from ringfence_kit.ids import random_ids
from ringfence_kit.readiness import Readiness
from ringfence_kit.refusals import (
    AddressUnusable,
    FileUnusable,
    NoAuthentication,
    NotLoopback,
    PlaintextTokens,
    PortTaken,
    StartRefused,
)
from ringfence_kit.server import Server
from ringfence_kit.server_config import AuthConfig, CertificateBinding, IssuerConfig, ServerConfig
from ringfence_kit.service import Face, HttpFace, Listener, Service
from support.certificates import Authority
from support.echo import GRANTS, NAME, Echo, add_echo_to_server, echo_service
from support.serving import OPERATOR, SERVICE, Mesh, server_config, serving
from support.wire import TEXT, messages, raw_stream, refusal, text_method

pytestmark = pytest.mark.usefixtures("either_port")

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
ISSUER = IssuerConfig(name="corp", issuer="https://corp", audience="mesh", jwks_url="https://corp/jwks")


@pytest.fixture
def echo() -> Echo:
    return Echo()


async def health_of(mesh: Mesh, name: str = NAME) -> int:
    answer = await HealthStub(mesh.channel(ANONYMOUS)).Check(HealthCheckRequest(service=name))
    return int(answer.status)


def server_of(service: Service, config: ServerConfig) -> Server:
    return Server(config, clock=SystemClock(), new_id=random_ids).add(service)


class TestHealth:
    async def test_each_name_and_the_whole(self, echo: Echo, tmp_path: Path) -> None:
        async with serving(echo_service(echo), config=server_config(tmp_path)) as mesh:
            assert await health_of(mesh) == SERVING
            assert await health_of(mesh, "") == SERVING
            stub = HealthStub(mesh.channel(ANONYMOUS))
            listed = await stub.List(HealthListRequest())
            assert {name: answer.status for name, answer in listed.statuses.items()} == {"": SERVING, NAME: SERVING}
            assert (await refusal(stub.Check(HealthCheckRequest(service="no.such")))).code == "NOT_FOUND"
            watch = stub.Watch(HealthCheckRequest(service="no.such"))
            assert (await watch.read()).status == HealthCheckResponse.SERVICE_UNKNOWN

    async def test_not_serving_until_run_has_been_entered(self, echo: Echo, tmp_path: Path) -> None:
        opened, may_open = asyncio.Event(), asyncio.Event()

        @asynccontextmanager
        async def run() -> AsyncIterator[None]:
            opened.set()
            await may_open.wait()
            yield

        started: asyncio.Future[Mesh] = asyncio.get_running_loop().create_future()
        ended = asyncio.Event()
        port = free_port()
        listener = Listener(address=f"127.0.0.1:{port}", setting="echo.listen", faces=[Face(add_echo_to_server, echo)])
        service = echo_service(echo, listeners=[listener], run=run, http=None)

        async def life() -> None:
            async with server_of(service, server_config(tmp_path)).serving():
                started.set_result(None)  # type: ignore[arg-type] # only that it happened
                await ended.wait()

        async with asyncio.TaskGroup() as tasks, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            tasks.create_task(life())
            await opened.wait()
            watch = HealthStub(channel).Watch(HealthCheckRequest(service=NAME))
            assert (await watch.read()).status == NOT_SERVING
            refused = await refusal(text_method(channel, "Say")(StringValue()))
            assert (refused.code, refused.reason) == ("UNAVAILABLE", "UNAVAILABLE")
            assert "starting" in refused.message
            may_open.set()
            await started
            assert (await watch.read()).status == SERVING
            assert await text_method(channel, "Say")(StringValue()) == StringValue()
            ended.set()

    async def test_health_follows_readiness(self, echo: Echo, tmp_path: Path) -> None:
        readiness = Readiness()
        readiness.require("feed from identity")
        async with serving(echo_service(echo, readiness=readiness), config=server_config(tmp_path)) as mesh:
            watch = HealthStub(mesh.channel(ANONYMOUS)).Watch(HealthCheckRequest())
            assert (await watch.read()).status == NOT_SERVING
            readiness.met("feed from identity")
            assert (await watch.read()).status == SERVING
            readiness.lost("feed from identity", why="no heartbeat for 15 s")
            assert (await watch.read()).status == NOT_SERVING
            # What is not ready still answers: whether it can is for the service to say.
            assert await text_method(mesh.channel(), "Say")(StringValue()) == StringValue()


class TestDescription:
    async def list_services(self, mesh: Mesh, version: str) -> list[str]:
        ask: Any = mesh.channel(ANONYMOUS).stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString,
        )
        answer = await ask(iter([ServerReflectionRequest(list_services="")])).read()
        return [service.name for service in answer.list_services_response.service]

    @pytest.mark.parametrize("version", ["v1alpha", "v1"])
    async def test_reflection_lists_what_is_served(self, echo: Echo, tmp_path: Path, version: str) -> None:
        async with serving(echo_service(echo), config=server_config(tmp_path)) as mesh:
            names = await self.list_services(mesh, version)
            assert set(names) == {NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}

    async def test_reflection_can_be_left_out(self, echo: Echo, tmp_path: Path) -> None:
        async with serving(echo_service(echo), config=server_config(tmp_path, reflection=False)) as mesh:
            ask = raw_stream(mesh.channel(ANONYMOUS), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
            assert (await refusal(ask(messages([b""])).read())).reason == "METHOD_UNKNOWN"

    async def test_channelz_is_for_operators(self, echo: Echo, tmp_path: Path) -> None:
        async with serving(echo_service(echo, port={"fast": False}), config=server_config(tmp_path)) as mesh:
            answer = await ChannelzStub(mesh.channel(OPERATOR)).GetServers(GetServersRequest())
            assert len(answer.server) >= 1
            for caller in (ANONYMOUS, SERVICE):
                refused = await refusal(ChannelzStub(mesh.channel(caller)).GetServers(GetServersRequest()))
                assert refused.reason in ("UNAUTHENTICATED", "NOT_PERMITTED")

    async def test_what_channelz_does_not_find_is_not_a_defect(self, echo: Echo, tmp_path: Path) -> None:
        async with serving(echo_service(echo, port={"fast": False}), config=server_config(tmp_path)) as mesh:
            call = ChannelzStub(mesh.channel(OPERATOR)).GetServer(GetServerRequest(server_id=10**9))
            assert (await refusal(call)).code == "NOT_FOUND"

    async def test_a_port_that_grpc_core_does_not_serve_has_no_channelz(self, echo: Echo, tmp_path: Path) -> None:
        async with serving(echo_service(echo, port={"fast": True}), config=server_config(tmp_path)) as mesh:
            refused = await refusal(ChannelzStub(mesh.channel(OPERATOR)).GetServers(GetServersRequest()))
            assert refused.reason == "METHOD_UNKNOWN"


class TestGrantsAreExact:
    @pytest.mark.parametrize(
        ("grants", "problem"),
        [
            (Grants({path: grant for path, grant in GRANTS.items() if not path.endswith("/Say")}), "Say is served and"),
            (GRANTS | Grants.of(NAME, {"Gone": GRANTS[f"/{NAME}/Say"]}), "Gone has a grant and is not served"),
        ],
    )
    def test_a_table_that_does_not_fit(self, echo: Echo, tmp_path: Path, grants: Grants, problem: str) -> None:
        with pytest.raises(ValueError, match=problem):
            server_of(echo_service(echo, grants=grants), server_config(tmp_path))

    def test_a_method_nobody_implemented(self, tmp_path: Path) -> None:
        class Unfinished(Echo):
            def Say(self, request: Any, context: Any) -> Any:  # as the generated default is: not a coroutine
                raise NotImplementedError

        with pytest.raises(TypeError, match="EchoService/Say is not implemented"):
            server_of(echo_service(Unfinished()), server_config(tmp_path))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def refused_start(service: Service, config: ServerConfig) -> StartRefused:
    with pytest.raises(StartRefused) as caught:
        async with server_of(service, config).serving():
            pass
    return caught.value


def listening_on(echo: Echo, address: str, http: str = "127.0.0.1:0") -> Service:
    listener = Listener(address=address, setting="echo.listen", faces=[Face(add_echo_to_server, echo)])
    return echo_service(echo, listeners=[listener], http=HttpFace(address=http, setting="echo.http_listen"))


class TestRefusedStarts:
    async def test_a_taken_grpc_port(self, echo: Echo, tmp_path: Path) -> None:
        async with serving(echo_service(echo), config=server_config(tmp_path)) as mesh:
            address = mesh.address()
            refused = await refused_start(listening_on(echo, address), server_config(tmp_path))
            assert isinstance(refused, PortTaken)
            for part in (address, "--set echo.listen=", "key echo.listen", "RINGFENCE_ECHO_LISTEN"):
                assert part in str(refused)
            # The first is not harmed by the second's attempt.
            assert await text_method(mesh.channel(), "Say")(StringValue()) == StringValue()

    async def test_a_taken_http_port(self, echo: Echo, tmp_path: Path) -> None:
        async with serving(echo_service(echo), config=server_config(tmp_path)) as mesh:
            taken = mesh.address("echo.http_listen")
            refused = await refused_start(listening_on(echo, "127.0.0.1:0", taken), server_config(tmp_path))
            assert isinstance(refused, PortTaken)
            assert "RINGFENCE_ECHO_HTTP_LISTEN" in str(refused)

    async def test_a_port_is_free_again_after_a_refused_start(self, echo: Echo, tmp_path: Path) -> None:
        port = free_port()
        async with serving(echo_service(echo), config=server_config(tmp_path)) as mesh:
            taken = mesh.address("echo.http_listen")
            await refused_start(listening_on(echo, f"127.0.0.1:{port}", taken), server_config(tmp_path))
        async with server_of(listening_on(echo, f"127.0.0.1:{port}"), server_config(tmp_path)).serving() as addresses:
            assert addresses["echo.listen"] == f"127.0.0.1:{port}"

    async def test_two_copies_share_a_port_when_asked_to(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, reuse_port=True)
        first = server_of(listening_on(echo, f"127.0.0.1:{free_port()}"), config)
        async with first.serving() as addresses:
            second = server_of(listening_on(echo, addresses["echo.listen"], addresses["echo.http_listen"]), config)
            async with second.serving() as again:
                assert again == addresses

    @pytest.mark.parametrize(
        ("address", "problem"),
        [
            ("nonsense", "it is not HOST:PORT"),
            ("127.0.0.1", "it is not HOST:PORT"),
            ("127.0.0.1:70000", "it is not HOST:PORT"),
            ("::1:80", "it is not HOST:PORT"),
            (":7401", "it is not HOST:PORT"),
        ],
    )
    async def test_what_is_not_an_address(self, echo: Echo, tmp_path: Path, address: str, problem: str) -> None:
        refused = await refused_start(listening_on(echo, address), server_config(tmp_path))
        assert isinstance(refused, AddressUnusable)
        assert problem in str(refused)

    async def test_an_address_that_is_not_ours(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, dev=False, auth=AuthConfig(issuers=(ISSUER,)), plaintext_behind_proxy=True)
        refused = await refused_start(listening_on(echo, "192.0.2.1:0"), config)
        assert isinstance(refused, AddressUnusable)
        assert "Cannot assign requested address" in str(refused)

    @pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "mesh.example:0"])
    async def test_development_mode_beyond_loopback(self, echo: Echo, tmp_path: Path, address: str) -> None:
        assert isinstance(await refused_start(listening_on(echo, address), server_config(tmp_path)), NotLoopback)
        http = listening_on(echo, "127.0.0.1:0", address)
        assert isinstance(await refused_start(http, server_config(tmp_path)), NotLoopback)

    async def test_beyond_loopback_without_authentication(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, dev=False)
        assert isinstance(await refused_start(listening_on(echo, "0.0.0.0:0"), config), NoAuthentication)
        bound = replace(config, auth=AuthConfig(certificates=(CertificateBinding(identity="dns:a", roles=()),)))
        assert isinstance(await refused_start(listening_on(echo, "0.0.0.0:0"), bound), NoAuthentication)

    async def test_tokens_in_clear_beyond_loopback(self, echo: Echo, tmp_path: Path) -> None:
        config = server_config(tmp_path, dev=False, auth=AuthConfig(issuers=(ISSUER,)))
        assert isinstance(await refused_start(listening_on(echo, "0.0.0.0:0"), config), PlaintextTokens)
        allowed = replace(config, plaintext_behind_proxy=True)
        async with server_of(listening_on(echo, "0.0.0.0:0"), allowed).serving() as addresses:
            assert addresses["echo.listen"].startswith("0.0.0.0:")

    async def test_a_certificate_that_cannot_be_used(self, echo: Echo, tmp_path: Path) -> None:
        tls = replace(Authority().issue().write(tmp_path, "echo"), cert_file=tmp_path / "none.crt")
        refused = await refused_start(echo_service(echo), server_config(tmp_path, tls=tls))
        assert isinstance(refused, FileUnusable)
        assert str(tls.cert_file) in str(refused)

    async def test_a_service_that_cannot_open_leaves_nothing_behind(self, echo: Echo, tmp_path: Path) -> None:
        closed: list[str] = []

        @asynccontextmanager
        async def first() -> AsyncIterator[None]:
            try:
                yield
            finally:
                closed.append("first")

        def second() -> AbstractAsyncContextManager[None]:
            raise FileUnusable(what="the store", path="x", problem="is locked")

        port = free_port()
        server = server_of(echo_service(echo, run=first), server_config(tmp_path))
        server.add(replace(listening_on(echo, f"127.0.0.1:{port}"), name="other", run=second))
        with pytest.raises(FileUnusable, match="the store x: is locked"):
            async with server.serving():
                pass
        assert closed == ["first"]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


class Life:
    """Notes when a service's `run` is entered and left."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self._name = name
        self._notes = notes

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        self._notes.append(f"{self._name} opens")
        yield
        self._notes.append(f"{self._name} closes")


class TestDraining:
    async def test_services_close_in_reverse_order(self, tmp_path: Path) -> None:
        notes: list[str] = []
        names: Sequence[str] = ("a", "b", "c")
        services = [
            echo_service(
                Echo(),
                name=name,
                http=None,
                run=Life(name, notes),
                listeners=[
                    Listener(address="", setting=f"{name}.listen", faces=[Face(add_echo_to_server, Echo())]),
                ],
            )
            for name in names
        ]
        async with serving(*services, config=server_config(tmp_path)) as mesh:
            assert sorted(mesh.addresses) == ["a.listen", "b.listen", "c.listen"]
            for name in names:
                channel = mesh.channel(setting=f"{name}.listen")
                assert await text_method(channel, "Say")(StringValue()) == StringValue()
        assert notes == ["a opens", "b opens", "c opens", "c closes", "b closes", "a closes"]

    async def test_calls_finish_streams_end_and_health_says_so_first(self, echo: Echo, tmp_path: Path) -> None:
        running = serving(echo_service(echo), config=server_config(tmp_path, drain=Millis(30_000)))
        mesh = await running.__aenter__()
        channel = grpc.aio.insecure_channel(mesh.address())
        health = HealthStub(channel).Watch(HealthCheckRequest(service=NAME))
        assert (await health.read()).status == SERVING
        watch: Any = channel.unary_stream(f"/{NAME}/Watch", **TEXT)
        watching = watch(StringValue(value="x"))
        assert (await watching.read()).value == "x"
        hanging = text_method(channel, "Hang")(StringValue(value="finishes"))
        await echo.hanging.wait()
        ending = asyncio.create_task(end(running))
        assert (await health.read()).status == NOT_SERVING
        refused = await refusal(watching.read())
        assert (refused.code, refused.reason, refused.retry_after) == ("UNAVAILABLE", "UNAVAILABLE", 500)
        assert "shutting down" in refused.message
        assert (await refusal(text_method(channel, "Say")(StringValue()))).code == "UNAVAILABLE"
        assert not ending.done()
        echo.released.set()
        assert (await hanging).value == "finishes"
        await ending
        await channel.close()

    async def test_a_stream_whose_first_message_is_on_its_way_is_told_why_it_ends(self, tmp_path: Path) -> None:
        writing = asyncio.Event()

        class Writing(Echo):
            async def Watch(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:
                # Heard of once the message has been handed to gRPC, which cannot send it all before it is read.
                asyncio.get_running_loop().call_soon(writing.set)
                yield StringValue(value="x" * 3 * 2**20)
                await self.released.wait()

        running = serving(echo_service(Writing()), config=server_config(tmp_path, drain=Millis(30_000)))
        mesh = await running.__aenter__()
        channel = grpc.aio.insecure_channel(mesh.address())
        health = HealthStub(channel).Watch(HealthCheckRequest(service=NAME))
        assert (await health.read()).status == SERVING
        watch: Any = channel.unary_stream(f"/{NAME}/Watch", **TEXT)
        watching = watch(StringValue())
        await writing.wait()
        ending = asyncio.create_task(end(running))
        assert (await health.read()).status == NOT_SERVING
        refused = await refusal(anext(each async for each in watching if not each.value))
        assert (refused.code, refused.reason) == ("UNAVAILABLE", "UNAVAILABLE")
        assert "shutting down" in refused.message
        await ending
        await channel.close()

    async def test_the_limit_is_hard(self, echo: Echo, tmp_path: Path) -> None:
        running = serving(echo_service(echo), config=server_config(tmp_path, drain=Millis(50)))
        mesh = await running.__aenter__()
        channel = grpc.aio.insecure_channel(mesh.address())
        hanging = text_method(channel, "Hang")(StringValue())
        await echo.hanging.wait()
        await running.__aexit__(None, None, None)
        assert (await refusal(hanging)).code in ("UNAVAILABLE", "CANCELLED")
        await echo.cancelled.wait()
        await channel.close()

    async def test_a_service_whose_task_fails_ends_the_server(self, echo: Echo, tmp_path: Path) -> None:
        fail = asyncio.Event()

        async def feed() -> None:
            await fail.wait()
            raise RuntimeError("the feed broke")

        @asynccontextmanager
        async def run() -> AsyncIterator[None]:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(feed())
                yield

        async def life() -> None:
            async with server_of(echo_service(echo, run=run), server_config(tmp_path)).serving():
                fail.set()
                await asyncio.Event().wait()

        with pytest.raises(ExceptionGroup) as caught:
            await life()
        assert "the feed broke" in repr(caught.value.exceptions)


async def end(running: AbstractAsyncContextManager[Mesh]) -> None:
    await running.__aexit__(None, None, None)


class Things(Collector):
    """A service's own metric."""

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("ringfence_echo_things", "Things.", value=3)


class TestMetrics:
    async def test_a_services_own_metrics_are_shown_while_it_is_open(self, echo: Echo, tmp_path: Path) -> None:
        service = replace(echo_service(echo), collectors=[Things()])
        async with serving(service, config=server_config(tmp_path)) as mesh:
            assert b"ringfence_echo_things 3.0" in mesh.metrics.render()[0]
        assert b"ringfence_echo_things" not in mesh.metrics.render()[0]
