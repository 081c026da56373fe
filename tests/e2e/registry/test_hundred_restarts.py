"""A hundred forced restarts of the registry and of who follows it: no event lost, none twice, all in order.

Both are processes, killed by their ids in the middle of their work, on one data directory and one diary.
"""

import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.channel import ChannelOptions, open_channel
from ringfence.credentials import token_file
from ringfence.errors import RingfenceError
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from support.registry.lives import EAGER, Diary, Life, follow_registry, nursery, serve_registry
from support.registry.served import registration

KILLS_OF_EACH = 50
AGENTS = 8
PATIENCE_S = 30.0


@contextmanager
def operator(address: str, token: Path, *, patience: float = PATIENCE_S) -> Iterator[RegistryServiceStub]:
    """Give the operator's stub, once the registry listens."""
    host, _, port = address.partition(":")
    until(lambda: listens(host, int(port)), patience)
    with open_channel(address, ChannelOptions(token=token_file(token), extra=EAGER)) as channel:
        stub = RegistryServiceStub(channel)
        until(lambda: answers(stub), patience)
        yield stub


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def answers(stub: RegistryServiceStub) -> bool:
    try:
        stub.ListAgents(pb.ListAgentsRequest(parent="namespaces/-", page_size=1), timeout=5)
    except RingfenceError:
        return False
    return True


def until(done: Callable[[], bool], patience: float = PATIENCE_S) -> None:
    """Wait for another process: there is nothing of it to await."""
    deadline = time.monotonic() + patience
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def history(stub: RegistryServiceStub, count: int) -> list[str]:
    """Return the first `count` events as the registry tells them to who was never cut."""
    stream = stub.WatchAgents(pb.WatchAgentsRequest(parent="namespaces/-", start_revision=1), timeout=60)
    lines: list[str] = []
    for event in stream:
        if event.type != pb.WATCH_EVENT_TYPE_BOOKMARK:
            what = pb.WatchEventType.Name(event.type).removeprefix("WATCH_EVENT_TYPE_")
            lines.append(f"{event.revision} {what} {event.agent.name} {event.agent.team}")
        if len(lines) == count:
            break
    stream.cancel()
    return lines


@pytest.mark.timeout(300)
def test_a_hundred_forced_restarts_lose_and_repeat_nothing(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    context, chance = nursery(), random.Random(5)
    token, diary = tmp_path / "dev" / "operator.token", Diary(tmp_path / "diary")
    registry = Life(context, serve_registry, tmp_path, address)
    follower = Life(context, follow_registry, address, token, tmp_path / "diary")

    registry.begin()
    with operator(address, token, patience=90) as stub:
        for number in range(AGENTS):
            stub.RegisterAgent(registration(f"agent-{number}"))
    follower.begin()
    until(lambda: bool(diary.lines()), 90)

    written = AGENTS
    for _ in range(KILLS_OF_EACH):
        seen = len(diary.lines())
        with operator(address, token) as stub:
            for _ in range(3):
                name = f"namespaces/finance/agents/agent-{chance.randrange(AGENTS)}"
                changed = pb.Agent(name=name, team=f"team-{written}")
                stub.UpdateAgent(pb.UpdateAgentRequest(agent=changed, update_mask=FieldMask(paths=["team"])))
                written += 1
        registry.kill()
        registry.begin()
        until(lambda before=seen: len(diary.lines()) > before)  # type: ignore[misc]  # a default binds it
        follower.kill()
        follower.begin()
    assert registry.kills + follower.kills == 2 * KILLS_OF_EACH

    with operator(address, token) as stub:
        told = history(stub, written)
    until(lambda: int(diary.lines()[-1].split()[0]) == written)
    lines = diary.lines()
    follower.kill()
    registry.kill()

    state, *changes = lines
    revision, what, agents = state.split(" ", 2)
    assert what == "STATE"
    assert agents.split(",") == sorted(line.split()[2] for line in told[: int(revision)] if " ADDED " in line)
    assert changes == told[int(revision) :]
    assert [int(line.split()[0]) for line in told] == list(range(1, written + 1))
