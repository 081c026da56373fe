"""Registrations a second of the server's CPU: both calls of an enrolment, its durable commit included.

One identity process on SQLite and one client with sixty-four enrolments in flight, over a plain loopback connection.
The CPU is the server process's, all its threads; what the agent does itself, making a key and signing, is the client's.
Every answer is checked.

    python bench/registration.py             prints the median of the rounds
    python bench/registration.py --check     ends with 1 under 300 a CPU-second
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from enrolling import Newcomer, begin, newcomers, register_sponsors
from identity_process import identity_process
from ringfence.identity.v1 import identity_pb2_grpc

if TYPE_CHECKING:
    from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceAsyncStub  # only its types exist

FLOOR = 300.0
IN_FLIGHT = 64
ENROLMENTS = 512
ROUNDS = 5


async def enrol_all(stub: "IdentityServiceAsyncStub", agents: list[Newcomer]) -> None:
    """Enrol them, several at once."""
    rest = iter(agents)

    async def enroller() -> None:
        for agent in rest:
            enrolled = await stub.CompleteRegistration(await begin(stub, agent))
            assert enrolled.identity.agent.endswith(agent.name)
            assert enrolled.birth_certificate_credential

    await asyncio.gather(*[enroller() for _ in range(IN_FLIGHT)])


async def measure() -> list[tuple[float, float]]:
    """Return, a round, enrolments a CPU-second and a second."""
    rates: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with identity_process(Path(folder)) as identity, identity.channel() as channel:
            stub: IdentityServiceAsyncStub = identity_pb2_grpc.IdentityServiceStub(channel)
            await register_sponsors(stub)
            for number in range(ROUNDS + 1):
                agents = newcomers(ENROLMENTS, after=number * ENROLMENTS)
                used, began = identity.cpu(), time.perf_counter()
                await enrol_all(stub, agents)
                rates.append((ENROLMENTS / (identity.cpu() - used), ENROLMENTS / (time.perf_counter() - began)))
    return rates[1:]


def main() -> int:
    arguments = argparse.ArgumentParser(description="Registrations.")
    arguments.add_argument("--check", action="store_true", help=f"fail under {FLOOR:.0f} a CPU-second")
    chosen = arguments.parse_args()
    rates = asyncio.run(measure())
    a_cpu_second = statistics.median(rate for rate, _ in rates)
    print(f"{'registrations a CPU-second of the server':<44}{a_cpu_second:>8.0f}")
    print(f"{'registrations a second, client beside it':<44}{statistics.median(rate for _, rate in rates):>8.0f}")
    return 1 if chosen.check and a_cpu_second < FLOOR else 0


if __name__ == "__main__":
    sys.exit(main())
