"""What a check costs the server, against an empty handler and against Cerbos 0.55 on the same work.

All servers are up at once and take turns, a second each, round by round; a figure is CPU of the server's process (all
its threads) for each check, a ratio the median over the rounds. Every answer is looked at. Ours has everything on:
callers are authenticated, every decision goes to the audit log of a telemetry process (and is waited for there, since
that is part of its cost), metrics are counted. Cerbos has audit and telemetry off. Both hold 1,000 rules with three
comparisons each.

    python bench/pdp_against_cerbos.py                prints the table
    python bench/pdp_against_cerbos.py --check        ends with 1 when a floor is missed
    python bench/pdp_against_cerbos.py --no-cerbos    leaves Cerbos out
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cerbos_process import BATCH, METHOD, CerbosProcess, cerbos_process
from empty_server import ANSWER
from empty_server import METHOD as EMPTY
from grpc_load import Call, Load
from pdp_process import cpu_of, memory_of, pdp_process, question
from ringfence.pdp.v1 import bundle_pb2, decision_pb2

RULES = 1_000
RULES_PER_POLICY = 10
BATCHED = 64
ROUNDS = 7
SLICE_S = 1.0


@dataclass(slots=True, kw_only=True)
class Contender:
    """One server under one kind of call, and what it took in each round."""

    pid: int
    load: Load
    checks: int
    settled: Callable[[], Awaitable[None]]
    """Returns once nothing is left to do of what was answered."""
    micros: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)

    async def take_turn(self) -> None:
        """Answer for one slice."""
        used = cpu_of(self.pid)
        slice_ = await self.load.run(SLICE_S)
        await self.settled()
        self.micros.append((cpu_of(self.pid) - used) / (slice_.calls * self.checks) * 1e6)
        self.p50.append(statistics.median(slice_.latencies) * 1e3)


@dataclass(frozen=True, slots=True)
class Floor:
    """A ratio between two contenders that is not to be passed."""

    name: str
    of: str
    against: str
    at_most: float


FLOORS = (
    Floor("unary Check on the fast port, everything on, to an empty handler", "fast", "empty", 0.13),
    Floor("unary Check on the fast port to Cerbos' unary", "fast", "cerbos", 1 / 6),
    Floor(
        "a check in a batch of 64 on the fast port to one in Cerbos' batch",
        f"fast batch {BATCHED}",
        f"cerbos batch {BATCH}",
        1 / 5,
    ),
    Floor("unary Check, everything on, to an empty handler", "ringfence", "empty", 1.35),
    Floor(
        "a check in a batch of 64 to one in Cerbos' batch", f"ringfence batch {BATCHED}", f"cerbos batch {BATCH}", 1 / 3
    ),
)


def policies() -> list[bundle_pb2.PolicyFile]:
    """Return 1,000 rules in a hundred policies, one of which governs the agent that asks."""
    files = []
    for group in range(RULES // RULES_PER_POLICY):
        rules = "".join(
            f"    - {{name: r{rule}, match: {{actions: ['read_{rule}*']}}, effect: ALLOW, when: \"agent.ring <= 3 && "
            f"agent.trust >= {group} && resource.data_class in ['public', 'internal']\"}}\n"
            for rule in range(RULES_PER_POLICY)
        )
        head = f"apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {{name: p{group}}}\nspec:\n"
        governs = f"  governs: {{agents: ['ns/bench/agents/agent{group}'], environments: [dev]}}\n  rules:\n"
        files.append(bundle_pb2.PolicyFile(path=f"p{group}.yaml", content=(head + governs + rules).encode()))
    return files


@asynccontextmanager
async def contenders(folder: Path, *, with_cerbos: bool) -> AsyncIterator[dict[str, Contender]]:
    """Start the servers and connect to each."""
    async with AsyncExitStack() as stack:
        made: dict[str, Contender] = {}

        async def enter(
            name: str, pid: int, address: str, call: Call, settled: Callable[[], Awaitable[None]] = _at_once
        ) -> None:
            load = await Load.open(address, call)
            stack.callback(load.close)
            made[name] = Contender(pid=pid, load=load, checks=call.checks, settled=settled)

        empty = await stack.enter_async_context(_empty_process())
        await enter("empty", empty[0], empty[1], Call(method=EMPTY, request=b"", is_right=lambda body: body == ANSWER))
        pdp = await stack.enter_async_context(pdp_process(folder, policies()))
        one, many = question().SerializeToString(), _batch().SerializeToString()
        for name, address, method, request, right, checks in (
            ("ringfence", pdp.address, "Check", one, _allowed, 1),
            (f"ringfence batch {BATCHED}", pdp.address, "BatchCheck", many, _all_allowed, BATCHED),
            ("fast", pdp.fast, "Check", one, _allowed, 1),
            (f"fast batch {BATCHED}", pdp.fast, "BatchCheck", many, _all_allowed, BATCHED),
        ):
            call = Call(
                method=f"/ringfence.pdp.v1.DecisionService/{method}",
                request=request,
                is_right=right,
                checks=checks,
                credential=pdp.credential,
            )
            await enter(name, pdp.pid, address, call, pdp.has_told_its_log)
        if with_cerbos:
            cerbos: CerbosProcess = await stack.enter_async_context(cerbos_process(folder / "cerbos", RULES))
            for name, request, checks in (("cerbos", cerbos.one, 1), (f"cerbos batch {BATCH}", cerbos.batch, BATCH)):
                call = Call(method=METHOD, request=request, is_right=cerbos.allows(checks), checks=checks)
                await enter(name, cerbos.pid, cerbos.address, call)
        yield made


async def _at_once() -> None:
    """Have nothing left to do."""


@asynccontextmanager
async def _empty_process() -> AsyncIterator[tuple[int, str]]:
    port = 21_357
    script = str(Path(__file__).with_name("empty_server.py"))
    process = await asyncio.create_subprocess_exec(sys.executable, script, str(port))
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                break
        yield process.pid, f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def _batch() -> decision_pb2.BatchCheckRequest:
    return decision_pb2.BatchCheckRequest(requests=map(question, range(BATCHED)))


def _allowed(body: bytes) -> bool:
    return decision_pb2.CheckResponse.FromString(body).effect == decision_pb2.EFFECT_ALLOW


def _all_allowed(body: bytes) -> bool:
    results = decision_pb2.BatchCheckResponse.FromString(body).results
    return len(results) == BATCHED and all(each.response.effect == decision_pb2.EFFECT_ALLOW for each in results)


def ratio(left: Contender, right: Contender) -> float:
    """Return the median over the rounds of what the left took to what the right did."""
    return statistics.median(ours / theirs for ours, theirs in zip(left.micros, right.micros, strict=True))


async def measure(*, with_cerbos: bool, rounds: int) -> bool:
    """Print the table; say whether every floor that could be looked at is kept."""
    with tempfile.TemporaryDirectory() as folder:
        async with contenders(Path(folder), with_cerbos=with_cerbos) as servers:
            for round_ in range(rounds + 1):
                for server in servers.values():
                    await server.take_turn()
                    if round_ == 0:  # the first second of each only warms it up
                        server.micros.clear()
                        server.p50.clear()
            print(f"{'':24} {'µs a check':>11} {'to empty':>9} {'p50 ms':>8} {'MB':>5}")
            for name, server in servers.items():
                print(
                    f"{name:24} {statistics.median(server.micros):11.1f} {ratio(server, servers['empty']):9.3f} "
                    f"{statistics.median(server.p50):8.2f} {memory_of(server.pid) / 1e6:5.0f}"
                )
            return _report(servers)


def _report(servers: dict[str, Contender]) -> bool:
    kept = True
    for floor in FLOORS:
        if floor.against in servers:
            found = ratio(servers[floor.of], servers[floor.against])
            kept = kept and found <= floor.at_most
            print(f"{floor.name}: {found:.3f} (at most {floor.at_most:.3f})")
    if "cerbos" in servers:
        memory = memory_of(servers["ringfence"].pid) / memory_of(servers["cerbos"].pid)
        kept = kept and memory <= 0.7
        print(f"memory to Cerbos': {memory:.2f} (at most 0.70)")
    return kept


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description="What a check costs, against an empty handler and Cerbos.")
    parser.add_argument("--check", action="store_true", help="end with 1 when a floor is missed")
    parser.add_argument("--no-cerbos", action="store_true", help="leave Cerbos out")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    kept = asyncio.run(measure(with_cerbos=not arguments.no_cerbos, rounds=arguments.rounds))
    sys.exit(0 if kept or not arguments.check else 1)


if __name__ == "__main__":
    main()
