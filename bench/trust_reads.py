"""Reading trust: what one score costs, and that it does not cost more when there are more agents.

Per number of agents four lines, each part of the next but the last:

- `score`: the arithmetic alone, score and ring from what is stored;
- `trust`: the look-up of the agent, the wall between environments, and the arithmetic: our part of GetTrust;
- `answer`: the same with the request and the response as messages; no transport;
- `explain`: everything behind one score, in sentences; shown for its size, not asserted.

Beside them `yardstick`: a look-up and a power of two, the least that any such reading must do. All sizes and lines take
turns, round by round, in one process; times are CPU of this thread, a ratio is the median over the rounds. Microseconds
depend on the machine; ratios are what is asserted.

    python bench/trust_reads.py             prints the table
    python bench/trust_reads.py --check     ends with 1 when `trust` costs more than 20 yardsticks, or 1.5 times as much
                                            among 100,000 agents as alone
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ringfence.identity.v1 import trust_pb2 as pb
from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.convert.trust import get_trust, trust_to_proto
from ringfence_identity.directory import Directory, trust_at
from ringfence_identity.environments import Environments
from ringfence_identity.model import AgentIdentity
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.store import Loaded
from ringfence_identity.trust.caps import TrustLedger
from ringfence_identity.trust.explanation import explain
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import DAY, Instant
from ringfence_kit.trust_decay import MICRO, TrustState

SIZES = (1, 1_000, 100_000)
GROWTH = 1.5
YARDSTICKS = 20.0

NOW = Instant(1_767_225_600_000)
ASKING = Caller(principal="bench", roles=frozenset({Role.SERVICE}))

Line = Callable[[], object]


def agents_of(size: int) -> tuple[AgentIdentity, ...]:
    """Return agents that earned something and have been idle for five days, so that a power is to be computed."""
    state = TrustState(earned=400 * MICRO, last_positive_at=Instant(NOW - 5 * DAY), stored_ring=1)
    first = AgentIdentity(
        uid="u",
        agent="",
        environment="prod",
        did="",
        key="z6Mk",
        did_version_id="1-Qm",
        content=BirthContent(ring_ceiling=1),
        certificate_serial=1,
        certificate_hash="h",
        trust=TrustLedger(state=state),
        created_at=NOW,
        updated_at=NOW,
        revision=1,
    )
    host = "prod.id.ringfence.internal"
    return tuple(
        replace(first, agent=f"namespaces/data/agents/a{n}", did=f"did:webvh:Qm{n:044}:{host}:agents:Qm{n:044}")
        for n in range(size)
    )


def lines_of(size: int) -> dict[str, Line]:
    """Return the lines among that many agents; the one that is asked for stands in the middle."""
    agents = agents_of(size)
    asked = agents[size // 2]
    snapshot = IdentitySnapshot()
    snapshot.fill(Loaded(identities=agents, sponsors=()))
    directory = Directory(Environments([]), snapshot)
    request = pb.GetTrustRequest(did=asked.did)
    by_did: dict[str, Any] = {agent.did: agent.trust.state.last_positive_at for agent in agents}

    def answer() -> pb.GetTrustResponse:
        trust = directory.trust(get_trust(request), caller=ASKING, now=NOW)
        return pb.GetTrustResponse(trust=trust_to_proto(trust))

    return {
        "yardstick": lambda: math.exp2((by_did[asked.did] - NOW) / DAY),
        "score": lambda: trust_at(asked, NOW),
        "trust": lambda: directory.trust(asked.did, caller=ASKING, now=NOW),
        "answer": answer,
        "explain": lambda: explain(asked, now=NOW),
    }


def timed(line: Line, calls: int) -> float:
    """Return microseconds of this thread's CPU per call."""
    begin = time.thread_time_ns()
    for _ in range(calls):
        line()
    return (time.thread_time_ns() - begin) / calls / 1_000


def measure(rounds: int, calls: int) -> dict[tuple[str, int], list[float]]:
    """Return what each line took among each number of agents, a time a round."""
    turns = {(name, size): line for size in SIZES for name, line in lines_of(size).items()}
    times: dict[tuple[str, int], list[float]] = {turn: [] for turn in turns}
    for _ in range(rounds):
        for turn, line in turns.items():
            times[turn].append(timed(line, calls))
    return times


def ratio(times: dict[tuple[str, int], list[float]], one: tuple[str, int], other: tuple[str, int]) -> float:
    """Return the median over the rounds of how much more one turn took than the other."""
    return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))


def main() -> int:
    """Print the table; with --check, also judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--check", action="store_true", help="end with 1 when a ratio exceeds its floor")
    arguments = parser.parse_args()
    times = measure(arguments.rounds, arguments.calls)
    most, least = SIZES[-1], SIZES[0]
    print(f"{'µs CPU':>10}" + "".join(f"{size:>10,}" for size in SIZES) + f"{'growth':>10}{'yardsticks':>12}")
    for name in dict.fromkeys(name for name, _ in times):
        medians = "".join(f"{statistics.median(times[name, size]):>10.2f}" for size in SIZES)
        growth = ratio(times, (name, most), (name, least))
        print(f"{name:>10}{medians}{growth:>9.2f}x{ratio(times, (name, least), ('yardstick', least)):>12.1f}")
    growth = ratio(times, ("trust", most), ("trust", least))
    yardsticks = ratio(times, ("trust", least), ("yardstick", least))
    if arguments.check and (growth > GROWTH or yardsticks > YARDSTICKS):
        print(f"trust grew {growth:.2f}x and costs {yardsticks:.1f} yardsticks", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
