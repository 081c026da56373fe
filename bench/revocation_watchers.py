"""From a revocation to the last of 1,000 watchers, over WatchRevocations.

One identity process on SQLite and one client process with a thousand streams on ten connections, on loopback. The clock
runs from just before Suspend or Reinstate is sent until the last stream has handed its event to the client's code: the
durable commit and the client's own thousand wake-ups are part of it. Every stream must be told the same revision.

    python bench/revocation_watchers.py             prints the median and the worst of the rounds
    python bench/revocation_watchers.py --check     ends with 1 when the worst is over 1 s
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

from enrolling import begin, newcomers, register_sponsors
from identity_process import identity_process
from processes import ServiceProcess
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import identity_pb2_grpc
from ringfence.identity.v1 import revocation_pb2 as rpb

if TYPE_CHECKING:
    from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceAsyncStub  # only its types exist

CEILING_MS = 1_000.0
WATCHERS = 1_000
CONNECTIONS = 10
ROUNDS = 20


class Watchers:
    """Streams that say when the last of them was told."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._told: dict[int, int] = {}
        self._all = asyncio.Event()

    async def told(self) -> int:
        """Wait until all were told of one more revision, and return it."""
        await self._all.wait()
        self._all.clear()
        ((revision, count),) = self._told.items()
        assert count == self._count
        self._told.clear()
        return revision

    async def watch(
        self, stub: "IdentityServiceAsyncStub", who: tuple[tuple[str, str], ...], ready: asyncio.Semaphore
    ) -> None:
        """Follow one stream until cancelled."""
        request = rpb.WatchRevocationsRequest(environment="prod", send_initial_state=True)
        call = stub.WatchRevocations(request, metadata=who)
        async for item in call:
            if item.initial_state_end:
                ready.release()
            elif item.type == rpb.REVOCATION_EVENT_TYPE_REVOKED:
                self._told[item.revision] = self._told.get(item.revision, 0) + 1
                if self._told[item.revision] == self._count:
                    self._all.set()


async def measure(identity: ServiceProcess, watchers: int) -> tuple[list[float], float]:
    """Return milliseconds a round, and the server's CPU milliseconds a round."""
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(identity.own_connection()) for _ in range(CONNECTIONS)]
        channel = await stack.enter_async_context(identity.channel())
        operator: IdentityServiceAsyncStub = identity_pb2_grpc.IdentityServiceStub(channel)
        await register_sponsors(operator)
        (agent,) = newcomers(1)
        did = (await operator.CompleteRegistration(await begin(operator, agent))).identity.did
        told, ready = Watchers(watchers), asyncio.Semaphore(0)
        stubs: list[IdentityServiceAsyncStub] = [identity_pb2_grpc.IdentityServiceStub(channel) for channel in channels]
        who = identity.credential("service")
        streams = [asyncio.ensure_future(told.watch(stubs[n % CONNECTIONS], who, ready)) for n in range(watchers)]
        for _ in range(watchers):
            await ready.acquire()
        taken, used = [], identity.cpu()
        for number in range(ROUNDS):
            began = time.perf_counter()
            if number % 2 == 0:
                await operator.Suspend(pb.SuspendRequest(did=did, reason="bench"))
            else:
                await operator.Reinstate(pb.ReinstateRequest(did=did, reason="bench"))
            await told.told()
            taken.append((time.perf_counter() - began) * 1_000)
        spent = (identity.cpu() - used) * 1_000 / ROUNDS
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    return taken, spent


async def run(watchers: int) -> tuple[list[float], float]:
    with tempfile.TemporaryDirectory() as folder:
        async with identity_process(Path(folder)) as identity:
            return await measure(identity, watchers)


def main() -> int:
    arguments = argparse.ArgumentParser(description="Revocation to every watcher.")
    arguments.add_argument("--watchers", type=int, default=WATCHERS)
    arguments.add_argument("--check", action="store_true", help=f"fail over {CEILING_MS:.0f} ms")
    chosen = arguments.parse_args()
    taken, spent = asyncio.run(run(chosen.watchers))
    print(f"{chosen.watchers} watchers, {len(taken)} revocations")
    print(f"{'median until the last is told, ms':<40}{statistics.median(taken):>8.0f}")
    print(f"{'worst, ms':<40}{max(taken):>8.0f}")
    print(f"{'CPU of the server, ms a revocation':<40}{spent:>8.0f}")
    return 1 if chosen.check and max(taken) > CEILING_MS else 0


if __name__ == "__main__":
    sys.exit(main())
