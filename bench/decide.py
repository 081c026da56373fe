"""The decision: what it costs, and that it does not cost more when there are more rules.

Per size of the bundle three lines, each part of the next:

- `rules`: the index and the conditions of the rules it finds;
- `decide`: the whole decision, from the look-up of the agent to the verdict;
- `bytes`: a request's bytes in, the response's bytes out, with the decision's audit document; no transport, no disk.

All sizes and lines take turns, round by round, in one process; times are CPU of this thread, a ratio is the median over
the rounds. Microseconds depend on the machine; ratios are what is asserted.

    python bench/decide.py             prints the table
    python bench/decide.py --check     ends with 1 when 10,000 rules cost more than 1.5 times what one does
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle

from ringfence.pdp.v1 import decision_pb2 as pb
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import EPOCH, Instant, ManualClock, Millis
from ringfence_kit.events import Revision
from ringfence_kit.ids import random_ids
from ringfence_kit.names import AgentName
from ringfence_kit.trust_decay import MICRO, TrustState
from ringfence_pdp.api.decisions import check_bytes
from ringfence_pdp.approvals.approval import Approval, Asked, Question
from ringfence_pdp.approvals.desk import Said
from ringfence_pdp.bundle import Bundle, PolicyFile, digest_of
from ringfence_pdp.case import Basis, Case
from ringfence_pdp.compile import CompiledBundle, compile_files
from ringfence_pdp.convert.decisions import check_request
from ringfence_pdp.decide import decide
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.decision_record import DecisionRecords
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.evidence import EvidenceKeeper
from ringfence_pdp.facts import AgentIdentity, Facts, IdentityStatus, RegisteredAgent, RegisteredTool
from ringfence_pdp.limits.memory_counters import MemoryCounters
from ringfence_pdp.limits.metering import Metering
from ringfence_pdp.model import Effect
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.reckoning import Reckoning
from ringfence_pdp.rollout.rollout import Rollout
from ringfence_pdp.rollout.trial import Trials
from ringfence_pdp.rules import judged_by_rules
from ringfence_pdp.store import StoredPolicy

SIZES = (1, 1_000, 10_000)
RULES_PER_POLICY = 10
FLOOR = 1.5

RESOURCES = 1_000
"""What is asked about in turn, each in a session of its own: an answer to one question is not an answer to the next."""

CLOCK = ManualClock()
AGENT = AgentName("data", "analyst-0-a")
ASKING = Caller(principal="bench", roles=frozenset({Role.SERVICE}))

Line = Callable[[], object]


def bundle_of(rules: int) -> list[PolicyFile]:
    """Return policies for as many groups of agents; each rule has an action of its own and three comparisons."""
    files = []
    for group in range(max(1, rules // RULES_PER_POLICY)):
        lines = [
            f"    - {{name: r{rule}, match: {{actions: ['read_{rule}*']}}, effect: ALLOW, when: \"agent.ring <= 2 && "
            f"agent.trust >= {group % 300} && resource.data_class in ['public', 'internal']\"}}\n"
            for rule in range(min(rules, RULES_PER_POLICY))
        ]
        head = f"apiVersion: ringfence.dev/v1\nkind: Policy\nmetadata: {{name: p{group}}}\nspec:\n"
        governs = f"  governs: {{agents: ['ns/data/agents/analyst-{group}-*'], environments: [prod]}}\n  rules:\n"
        files.append(PolicyFile(path=f"p{group}.yaml", content=(head + governs + "".join(lines)).encode()))
    return files


class Nobody:
    """People who are never asked: nothing here needs an approval."""

    async def put(self, question: Question, asked: Asked, *, named: str = "") -> Said:
        raise AssertionError(question, asked, named)

    def peek(self, question: Question) -> Approval | None:
        raise AssertionError(question)

    def refusing(self, approval: Approval) -> Millis | None:
        raise AssertionError(approval)


class Known:
    """One agent, as identity and registry would have told."""

    def __init__(self) -> None:
        now = CLOCK.now()
        tools = {"warehouse.query": ""}
        trust = TrustState(stored_ring=2, earned=300 * MICRO, last_positive_at=Instant(now - 5 * 86_400_000))
        self.facts = Facts()
        self.facts.put_identity(
            AgentIdentity(
                did="did:webvh:QmBench:prod.id.ringfence.internal:agents:QmBench",
                name=AGENT,
                resource_name=str(AGENT),
                environment="prod",
                status=IdentityStatus.ACTIVE,
                trust=trust,
                ring_ceiling=1,
                approved_tools=tools,
            )
        )
        self.facts.registered[str(AGENT)] = RegisteredAgent(
            name=AGENT, retired=False, environments=frozenset({"prod"}), approved_tools=tools, risk_tier="low"
        )
        self.facts.tools["warehouse.query"] = RegisteredTool(
            name="warehouse.query", schema_hash=f"sha256-{'0' * 64}", enabled=True, systems_trusted=True
        )

    def identity_age(self, now: Instant) -> Millis | None:  # noqa: ARG002 - named by the protocol
        return Millis(200)


class NoDisk:
    """Takes every item and forgets it: the spool has a bench of its own."""

    undelivered = 0
    used_bytes = 0

    def post(self, *_item: object) -> None: ...


def lines_of(compiled: CompiledBundle, files: Sequence[PolicyFile]) -> dict[str, Line]:
    """Return the three lines over one bundle."""
    known = Known()
    state = PolicyState[CompiledBundle](lambda _: compiled)
    stored = Bundle(
        digest=digest_of(files),
        files=tuple(files),
        policy_count=compiled.policy_count,
        rule_count=compiled.rule_count,
        author="bench",
        pushed_at=EPOCH,
        revision=1,
    )
    state.fill(StoredPolicy(bundles=(stored,), rollout=Rollout(active=stored.digest)), Revision(1))
    log = DecisionLog(stops_when_full=False)
    log.attach(NoDisk())
    decisions = Decisions(
        policy=state,
        trials=Trials(state),
        agents=known,
        log=DecisionRecords(log, EvidenceKeeper(log, release="bench"), kept=state.find, key=lambda: bytes(32)),
        reckoning=Reckoning(Metering(MemoryCounters()), Nobody(), clock=CLOCK),
        gated_environments=frozenset(),
        clock=CLOCK,
        new_id=random_ids,
    )
    asked = [
        pb.CheckRequest(
            subject=pb.Subject(agent=str(AGENT)),
            action=pb.Action(name="read_0_table", tool="warehouse.query"),
            resource=pb.Resource(type="table", id=f"orders/{number}", data_class="internal"),
            environment="prod",
            session=f"session-{number}",
        )
        for number in range(RESOURCES)
    ]
    bodies, request = cycle([one.SerializeToString() for one in asked]), check_request(asked[0])
    basis = Basis(
        bundle=compiled,
        kill_switches=state.current.kill_switches,
        facts=known.facts,
        now=CLOCK.now(),
        identity_age=Millis(200),
        gated_environments=frozenset(),
    )
    case = Case(basis, request)
    decision = decide(basis, request)
    if decision.effect is not Effect.ALLOW:
        raise AssertionError(decision.verdict.message)
    return {
        "rules": lambda: judged_by_rules(case),
        "decide": lambda: decide(basis, request),
        "bytes": lambda: check_bytes(decisions, next(bodies), ASKING),
    }


def timed(line: Line, calls: int) -> float:
    """Return microseconds of this thread's CPU per call."""
    begin = time.thread_time_ns()
    for _ in range(calls):
        line()
    return (time.thread_time_ns() - begin) / calls / 1_000


def measure(rounds: int, calls: int) -> tuple[dict[tuple[str, int], float], dict[str, float]]:
    """Return the median time of each line and size, and the median growth of each line from the least to the most."""
    turns: dict[tuple[str, int], Line] = {}
    for size in SIZES:
        files = bundle_of(size)
        begin = time.thread_time()
        compiled = compile_files(files)
        print(f"{size:>6} rules compiled in {time.thread_time() - begin:.2f} s", file=sys.stderr)
        turns |= {(name, size): line for name, line in lines_of(compiled, files).items()}
    times: dict[tuple[str, int], list[float]] = {turn: [] for turn in turns}
    for _ in range(rounds):
        for turn, line in turns.items():
            times[turn].append(timed(line, calls))
    names = [name for name, size in turns if size == SIZES[0]]
    growth = {
        name: statistics.median(
            most / least for most, least in zip(times[name, SIZES[-1]], times[name, SIZES[0]], strict=True)
        )
        for name in names
    }
    return {turn: statistics.median(taken) for turn, taken in times.items()}, growth


def main() -> int:
    """Print the table; with --check, also judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--check", action="store_true", help="end with 1 when growth exceeds the floor")
    arguments = parser.parse_args()
    medians, growth = measure(arguments.rounds, arguments.calls)
    print(f"{'µs CPU':>10}" + "".join(f"{size:>10,}" for size in SIZES) + f"{'growth':>10}")
    for name, factor in growth.items():
        print(f"{name:>10}" + "".join(f"{medians[name, size]:>10.2f}" for size in SIZES) + f"{factor:>9.2f}x")
    too_much = [name for name, factor in growth.items() if factor > FLOOR]
    if arguments.check and too_much:
        print(f"grew by more than {FLOOR}: {', '.join(too_much)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
