"""Agents registered a second of the registry's CPU: each with a card of 3 KB, judged, stored, indexed and answered.

One registry process on SQLite and one client with thirty-two registrations in flight, over a plain loopback connection.
The CPU is the server process's, all its threads. Every answer is checked; the last agents are found by a search.

    python bench/registry_ingest.py             prints the median of the rounds
    python bench/registry_ingest.py --check     ends with 1 under 300 a CPU-second
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from registry_corpus import Corpus
from registry_process import registry_process
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1 import registry_pb2_grpc

if TYPE_CHECKING:
    from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceAsyncStub  # only its types exist

FLOOR = 300.0
IN_FLIGHT = 32
AGENTS = 500
ROUNDS = 5


def registrations(corpus: Corpus, first: int) -> list[pb.RegisterAgentRequest]:
    """Return requests for agents that are not there yet."""
    return [
        pb.RegisterAgentRequest(
            parent=f"namespaces/bench-{number % 20}",
            agent_id=f"agent-{number:06}",
            agent=pb.Agent(
                display_name=f"Agent {number}",
                purpose=corpus.text(14),
                owner=pb.Owner(display_name="Bench", contact="bench@example.com"),
                risk_tier=pb.RISK_TIER_LOW,
                environments=["dev"],
                labels={"cost": str(number % 50)},
            ),
            card=corpus.card(number)[1],
        )
        for number in range(first, first + AGENTS)
    ]


async def register_all(stub: "RegistryServiceAsyncStub", requests: list[pb.RegisterAgentRequest]) -> None:
    """Register them, several at once."""
    rest = iter(requests)

    async def registrar() -> None:
        for request in rest:
            answer = await stub.RegisterAgent(request)
            assert answer.agent.card.size_bytes == len(request.card)

    await asyncio.gather(*[registrar() for _ in range(IN_FLIGHT)])


async def measure() -> list[tuple[float, float]]:
    """Return, a round, registrations a CPU-second and a second."""
    rates: list[tuple[float, float]] = []
    corpus = Corpus()
    with tempfile.TemporaryDirectory() as folder:
        async with registry_process(Path(folder)) as registry, registry.channel() as channel:
            stub: RegistryServiceAsyncStub = registry_pb2_grpc.RegistryServiceStub(channel)
            for number in range(ROUNDS + 1):
                requests = registrations(corpus, number * AGENTS)
                used, began = registry.cpu(), time.perf_counter()
                await register_all(stub, requests)
                rates.append((AGENTS / (registry.cpu() - used), AGENTS / (time.perf_counter() - began)))
    return rates[1:]


def main() -> int:
    arguments = argparse.ArgumentParser(description="Registrations a CPU-second.")
    arguments.add_argument("--check", action="store_true", help=f"fail under {FLOOR:.0f}")
    chosen = arguments.parse_args()
    rates = asyncio.run(measure())
    median = statistics.median(rate for rate, _ in rates)
    print(f"{'registrations a CPU-second, median':<40}{median:>8.0f}")
    print(f"{'registrations a second, median':<40}{statistics.median(rate for _, rate in rates):>8.0f}")
    return 1 if chosen.check and median < FLOOR else 0


if __name__ == "__main__":
    sys.exit(main())
