"""Whether the fast port takes more memory the longer it serves: by default 1,000,000 requests and 10,000 connections.

The handler is empty and everything the kit does around a call is done (`fast_transport.py`, `around`). The requests
come over four connections that stay; each of the others is opened, asks once, and is gone without a goodbye. Memory is
read after each of twenty parts: what it grows by after the first four, which fill caches and pools, must stay below
`MAY_GROW` in all. It ends when all is asked, or after `LONGEST_S`, and then says how far it came.

python bench/fast_soak.py [REQUESTS [CONNECTIONS]]
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from empty_server import ANSWER, METHOD
from grpc_load import Call, Load
from processes import accepts, cpu_of, free_address, memory_of, running
from ringfence_kit.dev_tokens import open_dev_tokens, token_path

PARTS, FILLING = 20, 4
AT_ONCE = 50
"""Connections that are open together."""
MAY_GROW = 4 << 20
"""Bytes; a hundred for each connection would be less, and four for each request."""
LONGEST_S = 1_800.0
SLICE_S = 0.1


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[int, str]]:
    """Run the server; yield its process and its address."""
    address, script = free_address(), str(Path(__file__).with_name("fast_transport.py"))
    async with running([sys.executable, script, "serve", "around", address, str(folder)]) as pid:
        await accepts(address)
        yield pid, address


async def soak(requests: int, connections: int) -> Sequence[tuple[int, int, int]]:
    """Ask; return after each part how many requests and connections there were, and the bytes of memory."""
    found: list[tuple[int, int, int]] = []
    ends = time.monotonic() + LONGEST_S
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        open_dev_tokens(folder)
        token = ("authorization", f"Bearer {token_path(folder, 'service').read_text().strip()}")
        call = Call(method=METHOD, requests=[b""], is_right=ANSWER.__eq__, headers=[token])
        async with served(folder) as (pid, address):
            staying = await Load.open(address, call)
            asked = connected = 0
            while len(found) < PARTS and time.monotonic() < ends:
                asked += await _ask(staying, requests // PARTS)
                connected += await _come_and_go(address, call, connections // PARTS)
                found.append((asked, connected, memory_of(pid)))
                print(f"{asked:10,}{connected:8,}{found[-1][2] / 1e6:9.1f} MB", flush=True)
            staying.close()
            print(
                f"{cpu_of(pid) / (asked + connected) * 1e6:.1f} us of CPU for a request, its share of connections too"
            )
    return found


async def _ask(load: Load, requests: int) -> int:
    """Ask until there were so many answers; return how many there were."""
    answered = 0
    while answered < requests:
        answered += (await load.run(SLICE_S)).calls
    return answered


async def _come_and_go(address: str, call: Call, connections: int) -> int:
    """Open so many, a few together, and ask once on each."""
    came = 0
    while came < connections:
        load = await Load.open(address, call, connections=min(AT_ONCE, connections - came), streams=1)
        came += (await load.during(asyncio.sleep(0))).calls
        load.close()
    return came


def main(arguments: Sequence[str]) -> int:
    """Print what was found; 1 when memory grows, 2 when there was not enough time."""
    requests, connections = (*map(int, arguments), *(1_000_000, 10_000)[len(arguments) :])
    found = asyncio.run(soak(requests, connections))
    if len(found) < PARTS:
        print(f"stopped after {LONGEST_S:g} s")
        return 2
    grown = found[-1][2] - found[FILLING - 1][2]
    print(f"{grown / 1e6:+.2f} MB after the first {found[FILLING - 1][0]:,} requests; {MAY_GROW / 1e6:.2f} are allowed")
    return int(grown > MAY_GROW)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
