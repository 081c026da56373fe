"""From a change of an agent to the last of 1,000 watchers, over WatchAgents.

One registry process on SQLite and one client process with a thousand streams on ten connections, on loopback. The clock
runs from just before UpdateAgent is sent until the last stream has handed its event to the client's code: the durable
commit and the client's own thousand wake-ups are part of it. Every stream must be told the same revision.

    python bench/registry_watchers.py             prints the median and the worst of the rounds
    python bench/registry_watchers.py --check     ends with 1 when the worst is over 250 ms
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from processes import ServiceProcess
from registry_corpus import Corpus
from registry_process import registry_process
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1 import registry_pb2_grpc

if TYPE_CHECKING:
    from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceAsyncStub  # only its types exist

CEILING_MS = 250.0
WATCHERS = 1_000
CONNECTIONS = 10
ROUNDS = 20
NAME = "namespaces/bench/agents/watched"


class Watchers:
    """Streams that say when the last of them was told."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._told: dict[int, int] = {}
        self._all = asyncio.Event()

    async def told(self) -> None:
        """Wait until all were told of one more revision, and of no other."""
        await self._all.wait()
        self._all.clear()
        assert list(self._told.values()) == [self._count]
        self._told.clear()

    async def watch(
        self, stub: "RegistryServiceAsyncStub", who: tuple[tuple[str, str], ...], ready: asyncio.Semaphore
    ) -> None:
        """Follow one stream until cancelled."""
        request = pb.WatchAgentsRequest(parent="namespaces/-", send_initial_state=True)
        async for item in stub.WatchAgents(request, metadata=who):
            if item.initial_state_end:
                ready.release()
            elif item.type == pb.WATCH_EVENT_TYPE_MODIFIED:
                self._told[item.revision] = self._told.get(item.revision, 0) + 1
                if self._told[item.revision] == self._count:
                    self._all.set()


async def measure(registry: ServiceProcess, watchers: int) -> tuple[list[float], float]:
    """Return milliseconds a round, and the server's CPU milliseconds a round."""
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(registry.own_connection()) for _ in range(CONNECTIONS)]
        channel = await stack.enter_async_context(registry.channel())
        operator: RegistryServiceAsyncStub = registry_pb2_grpc.RegistryServiceStub(channel)
        await operator.RegisterAgent(registration())
        told, ready = Watchers(watchers), asyncio.Semaphore(0)
        stubs: list[RegistryServiceAsyncStub] = [registry_pb2_grpc.RegistryServiceStub(each) for each in channels]
        who = registry.credential()
        streams = [asyncio.ensure_future(told.watch(stubs[n % CONNECTIONS], who, ready)) for n in range(watchers)]
        for _ in range(watchers):
            await ready.acquire()
        taken, used = [], registry.cpu()
        for number in range(ROUNDS):
            began = time.perf_counter()
            await operator.UpdateAgent(pb.UpdateAgentRequest(agent=pb.Agent(name=NAME, team=f"team-{number}")))
            await told.told()
            taken.append((time.perf_counter() - began) * 1_000)
        spent = (registry.cpu() - used) * 1_000 / ROUNDS
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    return taken, spent


def registration() -> pb.RegisterAgentRequest:
    """Return an agent to be watched, with a card of the usual size."""
    _, card = Corpus().card(1)
    return pb.RegisterAgentRequest(
        parent="namespaces/bench",
        agent_id="watched",
        agent=pb.Agent(
            purpose="Is watched.",
            owner=pb.Owner(display_name="Bench", contact="bench@example.com"),
            risk_tier=pb.RISK_TIER_LOW,
            environments=["dev"],
        ),
        card=card,
    )


async def run(watchers: int) -> tuple[list[float], float]:
    with tempfile.TemporaryDirectory() as folder:
        async with registry_process(Path(folder)) as registry:
            return await measure(registry, watchers)


def main() -> int:
    arguments = argparse.ArgumentParser(description="A change of an agent to every watcher.")
    arguments.add_argument("--watchers", type=int, default=WATCHERS)
    arguments.add_argument("--check", action="store_true", help=f"fail over {CEILING_MS:.0f} ms")
    chosen = arguments.parse_args()
    taken, spent = asyncio.run(run(chosen.watchers))
    print(f"{chosen.watchers} watchers, {len(taken)} changes")
    print(f"{'median until the last is told, ms':<40}{statistics.median(taken):>8.0f}")
    print(f"{'worst, ms':<40}{max(taken):>8.0f}")
    print(f"{'CPU of the server, ms a change':<40}{spent:>8.0f}")
    return 1 if chosen.check and max(taken) > CEILING_MS else 0


if __name__ == "__main__":
    sys.exit(main())
