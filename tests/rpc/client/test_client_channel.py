"""Channels against a real server on loopback. Each story is told for asyncio and, where it differs, for threads."""

import asyncio
import itertools
import socket
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import grpc
import pytest
from ringfence.channel import ChannelOptions, open_aio_channel, open_channel
from ringfence.credentials import ChannelError, Tls, Token
from ringfence.errors import (
    CallCancelledError,
    DeadlineExceededError,
    NotFoundError,
    ResourceExhaustedError,
    RingfenceError,
    UnavailableError,
)
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.retry import RetryPolicy
from ringfence_kit.clock import Millis
from ringfence_kit.errors import EtagMismatch, QuotaExceeded, Unauthenticated, Unavailable
from support.certificates import Authority
from support.scripted_registry import ScriptedRegistry, serving
from support.stepped_pace import SteppedPace

T = TypeVar("T")

GET = pb.GetAgentRequest(name="namespaces/a/agents/b")
RETIRE = pb.RetireAgentRequest(name="namespaces/a/agents/b")
ONCE = RetryPolicy(attempts=1)
AWAY = Unavailable(problem="starting", retry_after=Millis(700))


@pytest.fixture
def registry() -> ScriptedRegistry:
    return ScriptedRegistry()


@pytest.fixture
async def address(registry: ScriptedRegistry) -> AsyncIterator[str]:
    async with serving(registry) as address:
        yield address


@pytest.fixture
def pace() -> SteppedPace:
    return SteppedPace()


class Client:
    """Makes the same calls through an asyncio channel or, in a thread, through a synchronous one."""

    def __init__(self, kind: str, address: str, options: ChannelOptions) -> None:
        self._kind = kind
        self._address = address
        self._options = options

    def at(self, address: str) -> "Client":
        """Return one that makes its calls to another address."""
        return Client(self._kind, address, self._options)

    async def get(self, timeout: float | None = None, headers: tuple[tuple[str, str], ...] = ()) -> pb.GetAgentResponse:  # noqa: ASYNC109 - gRPC's own argument
        if self._kind == "asyncio":
            async with open_aio_channel(self._address, self._options) as channel:
                stub = RegistryServiceStub(channel)
                return await stub.GetAgent(GET, timeout=timeout, metadata=headers)
        return await asyncio.to_thread(
            self._in_thread, lambda stub: stub.GetAgent(GET, timeout=timeout, metadata=headers)
        )

    async def retire(self) -> pb.RetireAgentResponse:
        if self._kind == "asyncio":
            async with open_aio_channel(self._address, self._options) as channel:
                return await RegistryServiceStub(channel).RetireAgent(RETIRE)
        return await asyncio.to_thread(self._in_thread, lambda stub: stub.RetireAgent(RETIRE))

    async def watch(self) -> list[int]:
        if self._kind == "asyncio":
            async with open_aio_channel(self._address, self._options) as channel:
                answers = RegistryServiceStub(channel).WatchAgents(pb.WatchAgentsRequest())
                return [answer.revision async for answer in answers]
        return await asyncio.to_thread(
            self._in_thread, lambda stub: [answer.revision for answer in stub.WatchAgents(pb.WatchAgentsRequest())]
        )

    def _in_thread(self, work: Callable[[RegistryServiceStub], T]) -> T:
        with open_channel(self._address, self._options) as channel:
            return work(RegistryServiceStub(channel))


@pytest.fixture(params=["asyncio", "threads"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(kind: str, address: str, pace: SteppedPace) -> Client:
    return Client(kind, address, ChannelOptions(pace=pace.pace()))


class TestErrors:
    async def test_a_failure_of_a_service_is_typed(self, client: Client, registry: ScriptedRegistry) -> None:
        registry.script = [EtagMismatch(name="n", expected="1", current="2")]
        with pytest.raises(RingfenceError) as caught:
            await client.get()
        assert (caught.value.code, caught.value.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
        assert caught.value.metadata["current_etag"] == "2"
        assert isinstance(caught.value.__cause__, grpc.RpcError)

    async def test_a_bare_status_is_typed(self, client: Client, registry: ScriptedRegistry) -> None:
        registry.script = [grpc.StatusCode.NOT_FOUND]
        with pytest.raises(NotFoundError, match="said by no service") as caught:
            await client.get()
        assert caught.value.reason == ""

    async def test_a_stream_that_fails_is_typed_after_what_it_sent(
        self, client: Client, registry: ScriptedRegistry
    ) -> None:
        registry.answers = [pb.WatchAgentsResponse(revision=n) for n in (1, 2)]
        registry.script = [QuotaExceeded(principal="p", method_class="watch", retry_after=Millis(5))]
        with pytest.raises(ResourceExhaustedError, match="QUOTA_EXCEEDED"):
            await client.watch()

    async def test_a_stream_that_ends_well_has_no_error(self, client: Client, registry: ScriptedRegistry) -> None:
        registry.answers = [pb.WatchAgentsResponse(revision=n) for n in (1, 2)]
        assert await client.watch() == [1, 2]

    async def test_nobody_at_the_address(self, kind: str, pace: SteppedPace) -> None:
        options = ChannelOptions(pace=pace.pace(), retry=RetryPolicy(attempts=2))
        with pytest.raises(UnavailableError):
            await Client(kind, "127.0.0.1:1", options).get()
        assert len(pace.waits) == 1


class TestConnecting:
    async def test_a_server_that_is_slow_to_greet_is_waited_for(self, client: Client, address: str) -> None:
        host, port = address.rsplit(":", 1)

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, here = await asyncio.open_connection(host, int(port))
            await asyncio.gather(pass_on(reader, here), pass_on(there, writer))

        async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(1 << 16):
                writer.write(data)
            writer.close()

        with socket.create_server(("127.0.0.1", 0)) as busy:
            # It is listened on, so the client has its connection, and nobody there speaks yet.
            called = asyncio.ensure_future(client.at(f"127.0.0.1:{busy.getsockname()[1]}").get())
            answered, _ = await asyncio.wait({called}, timeout=0.5)
            assert not answered
            async with await asyncio.start_server(relay, sock=busy):
                assert (await called).agent.name == GET.name


class TestRetries:
    async def test_a_service_that_is_away_is_asked_again_when_it_said(
        self, client: Client, registry: ScriptedRegistry, pace: SteppedPace
    ) -> None:
        registry.script = [AWAY, AWAY]
        assert (await client.get()).agent.name == GET.name
        assert len(registry.calls) == 3
        assert pace.waits == [0.7, 0.7]

    async def test_a_status_without_a_wait_is_retried_after_a_growing_one(
        self, client: Client, registry: ScriptedRegistry, pace: SteppedPace
    ) -> None:
        registry.script = [grpc.StatusCode.UNAVAILABLE] * 3
        await client.get()
        assert 0.05 <= pace.waits[0] <= 0.1 <= pace.waits[1] <= 0.2 <= pace.waits[2] <= 0.4

    async def test_it_gives_up_after_the_last_attempt(
        self, client: Client, registry: ScriptedRegistry, pace: SteppedPace
    ) -> None:
        registry.script = [AWAY] * 9
        with pytest.raises(UnavailableError, match="starting"):
            await client.get()
        assert len(registry.calls) == 4
        assert len(pace.waits) == 3

    async def test_what_waiting_does_not_mend_is_not_retried(
        self, client: Client, registry: ScriptedRegistry, pace: SteppedPace
    ) -> None:
        registry.script = [Unauthenticated(problem="expired")]
        with pytest.raises(RingfenceError, match="UNAUTHENTICATED"):
            await client.get()
        assert (len(registry.calls), pace.waits) == (1, [])

    async def test_all_attempts_share_the_callers_deadline(
        self, client: Client, registry: ScriptedRegistry, pace: SteppedPace
    ) -> None:
        registry.script = [AWAY] * 9
        with pytest.raises(UnavailableError):
            await client.get(timeout=1.0)
        assert pace.waits == [0.7]
        first, second = (call.time_left for call in registry.calls)
        assert first is not None
        assert second is not None
        assert second <= 0.3 + 0.01 < first <= 1.01

    async def test_a_call_without_a_deadline_gets_one(self, client: Client, registry: ScriptedRegistry) -> None:
        await client.get()
        (call,) = registry.calls
        assert call.time_left is not None
        assert 25 < call.time_left <= 30.1

    async def test_a_deadline_that_passes_is_typed_and_not_retried(
        self, client: Client, registry: ScriptedRegistry, pace: SteppedPace
    ) -> None:
        registry.hold = asyncio.Event()
        with pytest.raises(DeadlineExceededError):
            await client.get(timeout=0.05)
        assert pace.waits == []

    async def test_every_attempt_of_a_mutation_carries_one_request_id(
        self, client: Client, registry: ScriptedRegistry
    ) -> None:
        registry.script = [AWAY, grpc.StatusCode.UNAVAILABLE]
        await client.retire()
        await client.retire()
        ids = [call.request.request_id for call in registry.calls if isinstance(call.request, pb.RetireAgentRequest)]
        assert len(ids) == 4
        assert ids[0] == ids[1] == ids[2] != ids[3] != ""


class TestToken:
    async def test_a_token_is_sent(self, kind: str, address: str, registry: ScriptedRegistry) -> None:
        await Client(kind, address, ChannelOptions(token="abc")).get()
        assert registry.calls[0].headers["authorization"] == "Bearer abc"

    async def test_a_source_is_asked_before_each_attempt(
        self, kind: str, address: str, registry: ScriptedRegistry, pace: SteppedPace
    ) -> None:
        tokens = iter(["one", "two"])
        registry.script = [AWAY]
        await Client(kind, address, ChannelOptions(token=lambda: next(tokens), pace=pace.pace())).get()
        assert [call.headers["authorization"] for call in registry.calls] == ["Bearer one", "Bearer two"]

    async def test_a_callers_own_header_is_kept(self, kind: str, address: str, registry: ScriptedRegistry) -> None:
        headers = (("authorization", "Bearer mine"), ("x-other", "kept"))
        await Client(kind, address, ChannelOptions(token="abc")).get(headers=headers)
        assert registry.calls[0].headers["authorization"] == "Bearer mine"
        assert registry.calls[0].headers["x-other"] == "kept"

    async def test_a_watch_is_authenticated_too(self, kind: str, address: str, registry: ScriptedRegistry) -> None:
        await Client(kind, address, ChannelOptions(token="abc")).watch()
        assert registry.calls[0].headers["authorization"] == "Bearer abc"

    async def test_an_asynchronous_source(self, address: str, registry: ScriptedRegistry) -> None:
        async def source() -> str:
            await asyncio.sleep(0)
            return "later"

        await Client("asyncio", address, ChannelOptions(token=source)).get()
        assert registry.calls[0].headers["authorization"] == "Bearer later"

    async def test_an_asynchronous_source_is_refused_by_a_synchronous_channel(self, address: str) -> None:
        waiting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        with pytest.raises(ChannelError, match="returns the token, not an awaitable"):
            await Client("threads", address, ChannelOptions(token=lambda: waiting)).get()

    @pytest.mark.parametrize("token", ["line\nbreak", lambda: "two words"])
    async def test_a_broken_token_never_reaches_the_wire(
        self, kind: str, address: str, registry: ScriptedRegistry, token: Token
    ) -> None:
        with pytest.raises(ChannelError):
            await Client(kind, address, ChannelOptions(token=token)).get()
        assert registry.calls == []


class TestTls:
    """The server's certificate is for `localhost`, and for the name of its service in the mesh."""

    @pytest.fixture
    def authority(self) -> Authority:
        return Authority()

    @pytest.fixture
    def ca_file(self, authority: Authority, tmp_path: Path) -> Path:
        file = tmp_path / "ca.pem"
        file.write_bytes(authority.certificate)
        return file

    def server(self, authority: Authority, *, mutual: bool = False) -> grpc.ServerCredentials:
        pair = authority.issue(dns=["localhost", "registry.mesh.internal"])
        return grpc.ssl_server_credentials(
            [(pair.key, pair.certificate)], authority.certificate if mutual else None, mutual
        )

    async def test_a_server_of_our_authority_is_trusted_with_the_token(
        self, kind: str, registry: ScriptedRegistry, authority: Authority, ca_file: Path
    ) -> None:
        async with serving(registry, self.server(authority), address="localhost:0") as address:
            await Client(kind, address, ChannelOptions(tls=Tls(ca_file=ca_file), token="abc")).get()
        assert registry.calls[0].headers["authorization"] == "Bearer abc"

    async def test_a_server_of_another_authority_gets_nothing(
        self, kind: str, registry: ScriptedRegistry, ca_file: Path
    ) -> None:
        async with serving(registry, self.server(Authority("another")), address="localhost:0") as address:
            options = ChannelOptions(tls=Tls(ca_file=ca_file), token="abc", retry=ONCE)
            with pytest.raises(UnavailableError):
                await Client(kind, address, options).get()
        assert registry.calls == []

    async def test_mutual_tls(
        self, kind: str, registry: ScriptedRegistry, authority: Authority, ca_file: Path, tmp_path: Path
    ) -> None:
        files = authority.issue(uris=["spiffe://mesh.internal/agent/a"]).write(tmp_path, "client")
        async with serving(registry, self.server(authority, mutual=True), address="localhost:0") as address:
            tls = Tls(ca_file=ca_file, cert_file=files.cert_file, key_file=files.key_file)
            await Client(kind, address, ChannelOptions(tls=tls)).get()
            bare = ChannelOptions(tls=Tls(ca_file=ca_file), retry=ONCE)
            with pytest.raises(UnavailableError):
                await Client(kind, address, bare).get()

    async def test_the_servers_name_may_differ_from_the_address(
        self, kind: str, registry: ScriptedRegistry, authority: Authority, ca_file: Path
    ) -> None:
        async with serving(registry, self.server(authority)) as address:
            tls = Tls(ca_file=ca_file, server_name="registry.mesh.internal")
            await Client(kind, address, ChannelOptions(tls=tls)).get()
            wrong = Tls(ca_file=ca_file, server_name="identity.mesh.internal")
            with pytest.raises(UnavailableError):
                await Client(kind, address, ChannelOptions(tls=wrong, retry=ONCE)).get()


class TestClosing:
    """A channel for threads that is closed by one of them."""

    def test_no_stub_is_made_on_a_closed_channel(self) -> None:
        channel = open_channel("127.0.0.1:1")
        channel.close()
        with pytest.raises(ChannelError, match="the channel is closed"):
            RegistryServiceStub(channel)

    async def test_closing_while_others_call_is_an_exception_to_them(self, address: str) -> None:
        channel = open_channel(address)
        stub = RegistryServiceStub(channel)

        def call_until_closed() -> int:
            for made in itertools.count():
                try:
                    stub.GetAgent(GET)
                except (ValueError, CallCancelledError):
                    return made
            raise AssertionError("counting does not end")

        callers = [asyncio.ensure_future(asyncio.to_thread(call_until_closed)) for _ in range(4)]
        await asyncio.to_thread(stub.GetAgent, GET)
        await asyncio.to_thread(channel.close)
        assert all(made >= 0 for made in await asyncio.gather(*callers))

    async def test_closing_ends_a_call_in_progress(self, address: str, registry: ScriptedRegistry) -> None:
        registry.hold = asyncio.Event()
        channel = open_channel(address)
        calling = asyncio.ensure_future(asyncio.to_thread(RegistryServiceStub(channel).GetAgent, GET))
        await registry.arrived(1)
        await asyncio.to_thread(channel.close)
        with pytest.raises(CallCancelledError):
            await calling


class TestPlainGrpc:
    """What stubs offer beside a plain call."""

    async def test_a_future_is_one_attempt_of_grpcs_own(self, address: str, registry: ScriptedRegistry) -> None:
        registry.script = [None, grpc.StatusCode.UNAVAILABLE]
        with open_channel(address, ChannelOptions(token="abc")) as channel:
            stub = RegistryServiceStub(channel)
            assert (await asyncio.to_thread(stub.GetAgent.future(GET).result)).agent.name == GET.name
            with pytest.raises(grpc.RpcError):
                await asyncio.to_thread(stub.GetAgent.future(GET).result)
        assert len(registry.calls) == 2
        assert registry.calls[0].headers["authorization"] == "Bearer abc"
        assert registry.calls[0].time_left is not None

    async def test_with_call_shows_the_call_too(self, address: str) -> None:
        with open_channel(address) as channel:
            answer, call = await asyncio.to_thread(RegistryServiceStub(channel).GetAgent.with_call, GET)
        assert (answer.agent.name, call.code()) == (GET.name, grpc.StatusCode.OK)

    async def test_a_stream_can_be_cancelled_by_its_reader(self, address: str, registry: ScriptedRegistry) -> None:
        registry.hold = asyncio.Event()
        with open_channel(address) as channel:
            answers = RegistryServiceStub(channel).WatchAgents(pb.WatchAgentsRequest())
            answers.cancel()
            with pytest.raises(CallCancelledError):
                await asyncio.to_thread(next, answers)

    async def test_the_connection_can_be_watched(self, address: str) -> None:
        heard = threading.Event()
        with open_channel(address) as channel:
            channel.subscribe(lambda _: heard.set(), try_to_connect=True)
            assert await asyncio.to_thread(heard.wait, 10)
            channel.unsubscribe(print)

    async def test_calls_with_many_requests_go_through_as_they_are(self, address: str) -> None:
        with open_channel(address) as channel:
            with pytest.raises(grpc.RpcError) as one_answer:
                await asyncio.to_thread(channel.stream_unary("/none/None"), iter([]))
            with pytest.raises(grpc.RpcError) as many_answers:
                await asyncio.to_thread(list, channel.stream_stream("/none/None")(iter([])))
        assert one_answer.value.code() is many_answers.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_cancelled_call_is_cancelled_on_the_way_and_not_retried(
    address: str, registry: ScriptedRegistry, pace: SteppedPace
) -> None:
    async with open_aio_channel(address, ChannelOptions(pace=pace.pace())) as channel:
        call = RegistryServiceStub(channel).GetAgent(GET)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert pace.waits == []
