"""Certificates that are replaced while a channel is open, seen by a server that names whom it was shown."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from ringfence.channel import ChannelOptions, open_aio_channel, open_channel
from ringfence.credentials import ChannelError, Tls
from ringfence.errors import UnavailableError
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.renewed_channel import RenewedChannel
from ringfence.renewed_sync_channel import RenewedSyncChannel
from ringfence.retry import RetryPolicy
from ringfence.tls_files import LOOK_EVERY_S, TlsFiles
from ringfence_kit.clock import Millis
from ringfence_kit.errors import Unavailable
from support.certificates import Authority
from support.scripted_registry import AnyContext, ScriptedRegistry, serving
from support.stepped_pace import SteppedPace

GET = pb.GetAgentRequest(name="namespaces/a/agents/b")
ONCE = RetryPolicy(attempts=1)


@dataclass
class Doorman(ScriptedRegistry):
    """Answers with the name in the caller's certificate."""

    met: list[str] = field(default_factory=list)

    async def GetAgent(self, request: pb.GetAgentRequest, context: AnyContext) -> pb.GetAgentResponse:
        await super().GetAgent(request, context)
        return pb.GetAgentResponse(agent=pb.Agent(name=_shown(context)))

    async def WatchAgents(
        self, request: pb.WatchAgentsRequest, context: AnyContext
    ) -> AsyncIterator[pb.WatchAgentsResponse]:
        self.met.append(_shown(context))
        async for answer in super().WatchAgents(request, context):
            yield answer


def _shown(context: AnyContext) -> str:
    (name,) = context.auth_context()["x509_common_name"]
    return name.decode()


class Mesh:
    """A server that asks for certificates, and a client whose own is replaced."""

    def __init__(self, folder: Path, doorman: Doorman) -> None:
        self._folder = folder
        self.authority = Authority()
        self.doorman = doorman
        self.pace = SteppedPace()
        ca_file = folder / "ca.pem"
        ca_file.write_bytes(self.authority.certificate)
        files = self.authority.issue(name="first").write(folder, "client")
        self.tls = Tls(ca_file=ca_file, cert_file=files.cert_file, key_file=files.key_file)
        self.options = ChannelOptions(tls=self.tls, pace=self.pace.pace(), retry=ONCE)
        self.address = ""

    @asynccontextmanager
    async def served(self) -> AsyncIterator["Mesh"]:
        pair = self.authority.issue(dns=["localhost"])
        credentials = grpc.ssl_server_credentials([(pair.key, pair.certificate)], self.authority.certificate, True)
        async with serving(self.doorman, credentials, address="localhost:0") as self.address:
            yield self

    def replace(self, name: str, *, authority: Authority | None = None) -> None:
        """Put another certificate in the place of the client's, and let it be time to look."""
        (authority or self.authority).issue(name=name).write(self._folder, "client")
        self.pace.now += LOOK_EVERY_S


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    doorman = Doorman(answers=[pb.WatchAgentsResponse(revision=1)])
    async with Mesh(tmp_path, doorman).served() as mesh:
        yield mesh


def _counting(channels: list[Any], open_with: Callable[[grpc.ChannelCredentials], Any]) -> Callable[[Any], Any]:
    def opened(credentials: grpc.ChannelCredentials) -> Any:
        channels.append(open_with(credentials))
        return channels[-1]

    return opened


class TestAsyncio:
    async def test_calls_show_the_newest_and_a_watch_goes_on(self, mesh: Mesh) -> None:
        mesh.doorman.hold = asyncio.Event()
        async with open_aio_channel(mesh.address, mesh.options) as channel:
            stub: Any = RegistryServiceStub(channel)
            watching = stub.WatchAgents(pb.WatchAgentsRequest())
            assert (await anext(aiter(watching))).revision == 1
            mesh.replace("second")
            asked = asyncio.ensure_future(stub.GetAgent(GET))
            await mesh.doorman.arrived(2)
            mesh.doorman.hold.set()
            assert (await asked).agent.name == "second"
            assert [answer async for answer in watching] == []
        assert mesh.doorman.met == ["first"]

    async def test_it_is_one_channel_until_something_is_replaced(self, mesh: Mesh) -> None:
        channels = list[grpc.aio.Channel]()
        async with self.renewed(mesh, channels) as channel:
            stub: Any = RegistryServiceStub(channel)
            for _ in range(5):
                mesh.pace.now += LOOK_EVERY_S
                assert (await stub.GetAgent(GET)).agent.name == "first"
        assert len(channels) == 1

    async def test_an_old_one_is_closed_when_the_last_of_its_calls_is_over(self, mesh: Mesh) -> None:
        channels = list[grpc.aio.Channel]()
        async with self.renewed(mesh, channels) as channel:
            stub: Any = RegistryServiceStub(channel)
            await channel.channel_ready()
            held = mesh.doorman.hold = asyncio.Event()
            asked = asyncio.ensure_future(stub.GetAgent(GET))
            await mesh.doorman.arrived(1)
            mesh.replace("second")
            mesh.doorman.hold = None
            assert (await stub.GetAgent(GET)).agent.name == "second"
            assert channels[0].get_state() is grpc.ChannelConnectivity.READY
            held.set()
            assert (await asked).agent.name == "first"
            await self.shut(channels[0])
            assert (await stub.GetAgent(GET)).agent.name == "second"

    async def test_one_without_calls_is_closed_at_once(self, mesh: Mesh) -> None:
        channels = list[grpc.aio.Channel]()
        async with self.renewed(mesh, channels) as channel:
            stub: Any = RegistryServiceStub(channel)
            for name in ("first", "second", "third"):
                assert (await stub.GetAgent(GET)).agent.name == name
                mesh.replace({"first": "second", "second": "third", "third": "fourth"}[name])
            for old in channels[:2]:
                await self.shut(old)
            assert channel.get_state() is grpc.ChannelConnectivity.IDLE

    async def test_a_call_that_fails_is_over_too(self, mesh: Mesh) -> None:
        channels = list[grpc.aio.Channel]()
        mesh.doorman.script = [Unavailable(problem="starting", retry_after=Millis(5))]
        async with self.renewed(mesh, channels) as channel:
            stub: Any = RegistryServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.GetAgent(GET)
            mesh.replace("second")
            assert (await stub.GetAgent(GET)).agent.name == "second"
            await self.shut(channels[0])

    async def test_retries_stay_where_they_began(self, mesh: Mesh) -> None:
        options = ChannelOptions(tls=mesh.tls, pace=mesh.pace.pace())
        mesh.doorman.script = [Unavailable(problem="starting", retry_after=Millis(5_000))] * 2
        async with open_aio_channel(mesh.address, options) as channel:
            stub: Any = RegistryServiceStub(channel)
            asked = stub.GetAgent(GET)
            mesh.replace("second")
            other = stub.GetAgent(GET)
            assert ((await asked).agent.name, (await other).agent.name) == ("first", "second")

    async def test_a_certificate_of_somebody_else_is_refused_by_the_server_alone(self, mesh: Mesh) -> None:
        """It is a good pair, so it is shown: what it is worth is for the server."""
        async with open_aio_channel(mesh.address, mesh.options) as channel:
            stub: Any = RegistryServiceStub(channel)
            await stub.GetAgent(GET)
            mesh.replace("stranger", authority=Authority("another"))
            with pytest.raises(UnavailableError):
                await stub.GetAgent(GET)
            mesh.replace("back")
            assert (await stub.GetAgent(GET)).agent.name == "back"

    async def test_closing_closes_all(self, mesh: Mesh) -> None:
        channels = list[grpc.aio.Channel]()
        mesh.doorman.hold = asyncio.Event()
        async with self.renewed(mesh, channels) as channel:
            stub: Any = RegistryServiceStub(channel)
            asked = asyncio.ensure_future(stub.GetAgent(GET))
            await mesh.doorman.arrived(1)
            mesh.replace("second")
            await channel.close()
            with pytest.raises(asyncio.CancelledError):
                await asked
        for each in channels:
            await self.shut(each)

    def renewed(self, mesh: Mesh, channels: list[grpc.aio.Channel]) -> RenewedChannel:
        def open_with(credentials: grpc.ChannelCredentials) -> grpc.aio.Channel:
            return grpc.aio.secure_channel(mesh.address, credentials)

        return RenewedChannel(TlsFiles(mesh.tls, mesh.pace.pace().now), _counting(channels, open_with))

    async def shut(self, channel: grpc.aio.Channel) -> None:
        """Return once a channel is closed."""
        while (state := channel.get_state()) is not grpc.ChannelConnectivity.SHUTDOWN:
            await channel.wait_for_state_change(state)


class TestThreads:
    async def test_calls_show_the_newest_and_a_watch_goes_on(self, mesh: Mesh) -> None:
        mesh.doorman.hold = asyncio.Event()
        with open_channel(mesh.address, mesh.options) as channel:
            stub: Any = RegistryServiceStub(channel)
            watching = stub.WatchAgents(pb.WatchAgentsRequest())
            assert (await asyncio.to_thread(next, watching)).revision == 1
            mesh.replace("second")
            asked = asyncio.create_task(asyncio.to_thread(stub.GetAgent, GET))
            await mesh.doorman.arrived(2)
            mesh.doorman.hold.set()
            assert (await asked).agent.name == "second"
            assert await asyncio.to_thread(list, watching) == []
        assert mesh.doorman.met == ["first"]

    async def test_an_old_one_is_closed_when_the_last_of_its_calls_is_over(self, mesh: Mesh) -> None:
        channels, closed = list[grpc.Channel](), list[int]()
        with self.renewed(mesh, channels, closed) as channel:
            stub: Any = RegistryServiceStub(channel)
            held = mesh.doorman.hold = asyncio.Event()
            asked = asyncio.create_task(asyncio.to_thread(stub.GetAgent, GET))
            future = stub.GetAgent.future(GET)
            await mesh.doorman.arrived(2)
            mesh.replace("second")
            mesh.doorman.hold = None
            assert (await asyncio.to_thread(stub.GetAgent, GET)).agent.name == "second"
            assert closed == []
            held.set()
            assert (await asked).agent.name == "first"
            assert (await asyncio.to_thread(future.result)).agent.name == "first"
            assert (await asyncio.to_thread(stub.GetAgent, GET)).agent.name == "second"
            assert closed == [0]
        assert sorted(closed) == [0, 1]

    async def test_one_without_calls_is_closed_at_once(self, mesh: Mesh) -> None:
        channels, closed = list[grpc.Channel](), list[int]()
        with self.renewed(mesh, channels, closed) as channel:
            stub: Any = RegistryServiceStub(channel)
            for name in ("second", "third"):
                mesh.replace(name)
                assert (await asyncio.to_thread(stub.GetAgent, GET)).agent.name == name
            assert closed == [0, 1]

    async def test_after_closing_nothing_is_looked_up(self, mesh: Mesh) -> None:
        channels, closed = list[grpc.Channel](), list[int]()
        channel = self.renewed(mesh, channels, closed)
        stub: Any = RegistryServiceStub(channel)
        mesh.replace("second")
        await asyncio.to_thread(stub.GetAgent, GET)
        channel.close()
        with pytest.raises(ChannelError, match="closed"):
            stub.GetCard(pb.GetCardRequest())
        with pytest.raises(ChannelError, match="closed"):
            RegistryServiceStub(channel)
        with pytest.raises(ValueError, match="closed"):
            stub.GetAgent(GET)

    async def test_who_listens_hears_of_the_newest_connection(self, mesh: Mesh) -> None:
        heard, ready = list[grpc.ChannelConnectivity](), threading.Event()

        def listens(state: grpc.ChannelConnectivity) -> None:
            heard.append(state)
            if state is grpc.ChannelConnectivity.READY:
                ready.set()

        with open_channel(mesh.address, mesh.options) as channel:
            stub: Any = RegistryServiceStub(channel)
            channel.subscribe(listens)
            for name in ("second", "third"):
                mesh.replace(name)
                ready.clear()
                await asyncio.to_thread(stub.GetAgent, GET)
                assert await asyncio.to_thread(ready.wait, 60)
            channel.unsubscribe(listens)
        assert heard.count(grpc.ChannelConnectivity.READY) == 2

    async def test_many_threads_call_while_it_is_replaced(self, mesh: Mesh) -> None:
        channels, closed = list[grpc.Channel](), list[int]()
        with self.renewed(mesh, channels, closed) as channel:
            stub: Any = RegistryServiceStub(channel)

            def calls() -> set[str]:
                return {stub.GetAgent(GET).agent.name for _ in range(20)}

            running = [asyncio.create_task(asyncio.to_thread(calls)) for _ in range(4)]
            names = {"first"}
            for number in range(5):
                names.add(f"number {number}")
                mesh.replace(f"number {number}")
                await asyncio.sleep(0)
            assert set().union(*await asyncio.gather(*running)) <= names
        assert sorted(closed) == list(range(len(channels)))

    def renewed(self, mesh: Mesh, channels: list[grpc.Channel], closed: list[int]) -> RenewedSyncChannel:
        def open_with(credentials: grpc.ChannelCredentials) -> grpc.Channel:
            channel = grpc.secure_channel(mesh.address, credentials)
            number, close = len(channels), channel.close

            def told() -> None:
                closed.append(number)
                close()

            channel.close = told  # type: ignore[method-assign]  # gRPC tells nobody that a channel is closed
            return channel

        return RenewedSyncChannel(TlsFiles(mesh.tls, mesh.pace.pace().now), _counting(channels, open_with))
