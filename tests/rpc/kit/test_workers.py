"""A service with workers, seen from outside: an echo service of three processes and its ports."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from ringfence_kit.background import background
from ringfence_kit.clock import SystemClock
from ringfence_kit.errors import Kind
from ringfence_kit.ids import random_ids
from ringfence_kit.listening import hold_port
from ringfence_kit.readiness import Readiness
from ringfence_kit.refusals import PortTaken
from ringfence_kit.server import Server
from ringfence_kit.service import Listener
from support.echo import NAME as ECHO
from support.echo import Echo, echo_service
from support.mesh.ports import free_ports
from support.serving import server_config, serving
from support.workers.running import RunningWorkers, all_ended, environment, running, watched
from support.workers.shared_echo import GRANTS, NAME, face

PORTS = ("standard", "fast")
WORKERS = 2
CONNECTIONS = 200
"""More than enough to meet each of two workers, whom the kernel chooses by a hash of the connection."""


@pytest.fixture(scope="module")
def echo_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorkers]:
    with started(tmp_path_factory.mktemp("workers")) as run:
        yield run


def started(data: Path) -> Any:
    return running(["-m", "support.workers.echo_leader", str(data), str(WORKERS)], data)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """Open a connection that is shared with nobody."""
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        yield channel


def unary(channel: grpc.aio.Channel, method: str) -> Any:
    return channel.unary_unary(
        f"/{NAME}/{method}",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=StringValue.FromString,
    )


def streamed(channel: grpc.aio.Channel, method: str) -> Any:
    return channel.stream_stream(
        f"/{NAME}/{method}",
        request_serializer=StringValue.SerializeToString,
        response_deserializer=StringValue.FromString,
    )


async def who_answers(address: str) -> int:
    async with connected(address) as channel:
        return int((await unary(channel, "Say")(StringValue(), wait_for_ready=True, timeout=30)).value)


async def all_who_answer(address: str) -> set[int]:
    """Return the processes that answer on a port, once each has."""
    met: set[int] = set()
    for _ in range(CONNECTIONS):
        met.add(await who_answers(address))
        if len(met) == WORKERS:
            break
    return met


def as_operator(run: RunningWorkers) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {run.token()}"),)


async def left(channel: grpc.aio.Channel, run: RunningWorkers) -> tuple[int, int]:
    """Return how many calls that never end their callers have left, and how many there were."""
    # Asked as somebody: what nobody in particular may ask is counted, and this is asked as often as it can be.
    said = await unary(channel, "Left")(StringValue(), metadata=as_operator(run))
    gone, _, begun = said.value.partition(" of ")
    return int(gone), int(begun)


async def refusal(call: Any) -> tuple[Any, ...]:
    """Return how a call is refused, all that its caller can see."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    trailers = dict(refused.value.trailing_metadata() or ())
    return refused.value.code(), refused.value.details(), trailers.get("grpc-status-details-bin"), set(trailers)


class TestThePortsAreShared:
    @pytest.mark.parametrize("port", PORTS)
    async def test_by_all_workers_and_by_nobody_else(self, echo_workers: RunningWorkers, port: str) -> None:
        met = await all_who_answer(echo_workers.addresses[port])
        assert len(met) == WORKERS
        assert echo_workers.process.pid not in met

    @pytest.mark.parametrize("port", PORTS)
    async def test_nobody_else_may_have_them(self, echo_workers: RunningWorkers, tmp_path: Path, port: str) -> None:
        host, _, number = echo_workers.addresses[port].partition(":")
        command = ["-m", "support.echo_process", "--dev", "--data", str(tmp_path), "--set"]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(*command, f"echo.listen={host}:{number}"),
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )
        _, errors = await process.communicate()
        assert process.returncode == 3
        assert b"is in use by another process" in errors


@pytest.mark.parametrize("port", PORTS)
class TestWhatIsPassedOn:
    """The leader's answers, word for word."""

    async def test_the_caller_is_who_it_is(self, echo_workers: RunningWorkers, port: str) -> None:
        async with connected(echo_workers.addresses[port]) as channel:
            operator = await unary(channel, "WhoAmI")(StringValue(), metadata=as_operator(echo_workers))
            nobody = await unary(channel, "WhoAmI")(StringValue())
        assert (operator.value, nobody.value) == ("dev:operator|platform-admin", "anonymous|")

    async def test_grants_hold(self, echo_workers: RunningWorkers, port: str) -> None:
        async with connected(echo_workers.addresses[port]) as channel:
            code, *_ = await refusal(unary(channel, "Write")(StringValue()))
            assert code is grpc.StatusCode.UNAUTHENTICATED
            written = await unary(channel, "Write")(StringValue(value="x"), metadata=as_operator(echo_workers))
        assert written.value == "x"

    async def test_nobody_becomes_a_worker_by_saying_so(self, echo_workers: RunningWorkers, port: str) -> None:
        async with connected(echo_workers.addresses[port]) as channel:
            claim = (("authorization", "Worker secret e30="),)
            code, *_ = await refusal(unary(channel, "WhoAmI")(StringValue(), metadata=claim))
        assert code is grpc.StatusCode.UNAUTHENTICATED

    @pytest.mark.parametrize("kind", list(Kind))
    async def test_a_refusal_with_all_its_details(
        self, echo_workers: RunningWorkers, tmp_path: Path, port: str, kind: Kind
    ) -> None:
        asked = StringValue(value=f"{kind.name}: it is so, “really”")
        async with connected(echo_workers.addresses[port]) as channel:
            passed_on = await refusal(unary(channel, "Refuse")(asked))
        service = echo_service(Echo(), grants=GRANTS, listeners=[replace(at("127.0.0.1:0"), faces=[face()])])
        async with serving(service, config=server_config(tmp_path)) as mesh:
            itself = await refusal(unary(mesh.channel(), "Refuse")(asked))
        assert passed_on == itself

    async def test_trailers_and_the_request_id(self, echo_workers: RunningWorkers, port: str) -> None:
        async with connected(echo_workers.addresses[port]) as channel:
            sent = (("x-echo-a", "1"), ("x-echo-b-bin", b"\x00\xff"), ("x-request-id", "mine"))
            call = unary(channel, "Mirror")(StringValue(), metadata=sent)
            await call
            trailers = dict(await call.trailing_metadata())
        assert trailers == dict(sent)

    async def test_streams(self, echo_workers: RunningWorkers, port: str) -> None:
        async with connected(echo_workers.addresses[port]) as channel:
            spoken = [StringValue(value=word) for word in ("a", "b", "c")]
            assert [each async for each in streamed(channel, "Chat")(iter(spoken))] == spoken
            repeated = streamed(channel, "Repeat")(iter([StringValue(value="3")]))
            assert [each.value async for each in repeated] == ["0", "1", "2"]
            collected = streamed(channel, "Collect")(iter(spoken))
            assert [each.value async for each in collected] == ["a b c"]

    async def test_no_message_at_all(self, echo_workers: RunningWorkers, port: str) -> None:
        async with connected(echo_workers.addresses[port]) as channel:
            call = streamed(channel, "Repeat")(iter([]))
            code, *_ = await refusal(call.read())
        assert code is grpc.StatusCode.INVALID_ARGUMENT

    async def test_who_leaves_is_left(self, echo_workers: RunningWorkers, port: str) -> None:
        async with connected(echo_workers.addresses[port]) as channel:
            gone = begun = before = (await left(channel, echo_workers))[1]
            while begun == before:  # A leader that is busy may hear of a call only when its time is over.
                code, *_ = await refusal(unary(channel, "Hang")(StringValue(), timeout=0.3))
                assert code is grpc.StatusCode.DEADLINE_EXCEEDED
                _, begun = await left(channel, echo_workers)
            watching = streamed(channel, "Watch")(iter([StringValue(value="here")]))
            assert (await watching.read()).value == "here"
            watching.cancel()
            with_watching = begun + 1
            while not gone == begun >= with_watching:
                gone, begun = await left(channel, echo_workers)

    async def test_what_is_too_large_is_said_here(self, echo_workers: RunningWorkers, port: str) -> None:
        async with connected(echo_workers.addresses[port]) as channel:
            large = StringValue(value="x" * (5 << 20))
            own = await refusal(unary(channel, "Say")(large))
            passed_on = await refusal(unary(channel, "Write")(large, metadata=as_operator(echo_workers)))
        assert own[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert own[:3] == passed_on[:3]


class TestTheDoor:
    async def test_is_for_workers(self, echo_workers: RunningWorkers) -> None:
        (socket,) = (echo_workers.data / "workers").glob("*.sock")
        assert socket.stat().st_mode & 0o777 == 0o600
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        async with connected(f"unix:{socket}") as channel:
            for claim in ((), as_operator(echo_workers), (("authorization", "Worker x e30="),)):
                code, details, *_ = await refusal(unary(channel, "WhoAmI")(StringValue(), metadata=claim))
                assert code is grpc.StatusCode.UNAUTHENTICATED, claim
                assert "the service's own workers" in details


class TestOneScrapeForAll:
    async def test_each_worker_with_its_number(self, echo_workers: RunningWorkers) -> None:
        await all_who_answer(echo_workers.addresses["fast"])
        async with connected(echo_workers.addresses["fast"]) as channel:
            await unary(channel, "WhoAmI")(StringValue())
        found = echo_workers.scrape()
        said = [found["ringfence_calls_total", str(worker), f"OK {NAME}/Say echo"] for worker in range(WORKERS)]
        assert all(count > 0 for count in said)
        assert found["ringfence_calls_total", "", f"OK {NAME}/WhoAmI echo-leader"] > 0
        for worker in ("", "0", "1"):
            assert found["process_resident_memory_bytes", worker, ""] > 0
        assert found["ringfence_worker_up", "0", ""] == 1

    async def test_a_metric_stands_in_it_once(self, echo_workers: RunningWorkers) -> None:
        # Twice, as what is kept from one scrape to the next must not grow.
        assert echo_workers.scrape().keys() == echo_workers.scrape().keys()


class TestLivesAndDeaths:
    async def test_a_worker_that_dies_is_started_again(self, tmp_path: Path) -> None:
        with started(tmp_path) as run:
            address = run.addresses["standard"]
            victim, survivor = sorted(await all_who_answer(address))
            with watched([victim]) as ended:
                os.kill(victim, signal.SIGKILL)
                assert await asyncio.to_thread(all_ended, ended)
            while len(met := await all_who_answer(address)) < WORKERS:
                assert met == {survivor}
            assert victim not in met
            assert sum(run.scrape()["ringfence_worker_ended_total", worker, ""] for worker in ("0", "1")) == 1
            (told,) = run.lines("a worker ended")
            assert told["code"] == -signal.SIGKILL
            await self.drains(run, met)

    async def drains(self, run: RunningWorkers, workers: set[int]) -> None:
        """Its streams are told, then all processes end, workers first, and leave nothing behind."""
        async with connected(run.addresses["fast"]) as channel:
            watching = streamed(channel, "Watch")(iter([StringValue()]))
            await watching.read()
            with watched(sorted(workers)) as ended:
                assert await asyncio.to_thread(run.end) == 0
                assert await asyncio.to_thread(all_ended, ended)
            code, *_ = await refusal(watching.read())
        assert code is grpc.StatusCode.UNAVAILABLE
        assert [line.get("worker", "leader") for line in run.lines("stopped")][-1] == "leader"
        assert len(run.lines("stopped")) == WORKERS + 1
        assert not list((run.data / "workers").glob("*.sock"))

    async def test_workers_end_with_their_leader(self, tmp_path: Path) -> None:
        with started(tmp_path) as run:
            workers = await all_who_answer(run.addresses["standard"])
            with watched(sorted(workers)) as ended:
                run.process.kill()
                assert await asyncio.to_thread(all_ended, ended)


class TestHoldingAPort:
    def test_nobody_else_has_it_though_nobody_listens(self) -> None:
        socket_held, address = hold_port(at("127.0.0.1:0"))
        with socket_held:
            for _ in range(2):
                with pytest.raises(PortTaken):
                    hold_port(at(str(address)))

    def test_a_port_whose_connections_are_ending_can_be_held(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = "{}:{}".format(*server.getsockname())
            with socket.create_connection(server.getsockname()):
                # Whoever closes first keeps the connection for a while.
                server.accept()[0].close()
        socket_held, held = hold_port(at(address))
        socket_held.close()
        assert str(held) == address


def at(address: str) -> Listener:
    return Listener(address=address, setting="echo.listen", faces=[])


def sharing(data: Path) -> Server:
    config = server_config(data, reuse_port=True)
    return Server(config, clock=SystemClock(), new_id=random_ids, listens_when_ready=True)


class TestSharingAPort:
    """Whoever shares a port listens once it can answer, and not before."""

    async def test_nobody_connects_before(self, tmp_path: Path) -> None:
        readiness, address = Readiness(), f"127.0.0.1:{free_ports(1)[0]}"
        readiness.require("facts")
        refused = asyncio.Event()

        async def tries() -> None:
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*address.split(":"))
            refused.set()
            readiness.met("facts")

        service = echo_service(Echo(), port={"address": address}, readiness=readiness)
        server = sharing(tmp_path).add(service)
        async with background(tries()), server.serving(), connected(address) as channel:
            assert refused.is_set()
            say: Any = channel.unary_unary(f"/{ECHO}/Say")
            assert await say(b"") == b""

    async def test_who_is_stopped_before_ends(self, tmp_path: Path) -> None:
        readiness = Readiness()
        readiness.require("facts")
        service = echo_service(Echo(), readiness=readiness)
        server = sharing(tmp_path).add(service)
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        await server.run()
