"""The use case of decisions over a world that a test can change."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant, ManualClock, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.ids import counting_ids
from ringfence_kit.spool import SpoolFull
from ringfence_pdp.answer import Answer
from ringfence_pdp.approvals.approval import Approval, Asked, Question
from ringfence_pdp.approvals.desk import Said
from ringfence_pdp.compile import CompiledBundle, compile_files
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.decision_record import DecisionRecords
from ringfence_pdp.decisions import Decisions
from ringfence_pdp.evidence import EvidenceKeeper
from ringfence_pdp.facts import Facts
from ringfence_pdp.filters.finding import Content, Finding
from ringfence_pdp.filters.remote import failed
from ringfence_pdp.limits.memory_counters import MemoryCounters
from ringfence_pdp.limits.metering import Metering
from ringfence_pdp.masks import Masks
from ringfence_pdp.model import CheckRequest
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.reckoning import Reckoning
from ringfence_pdp.rollout.trial import Trials

from support.pdp.world import NOW, ask, bundle, facts_of, policy

ADMIN = Caller(principal="dev:operator", roles=frozenset({Role.PLATFORM_ADMIN}))


@dataclass
class Agents:
    """What is known, as a test says it is."""

    facts: Facts = field(default_factory=facts_of)
    age: Millis | None = Millis(200)

    def identity_age(self, now: Instant) -> Millis | None:
        return self.age


class Tray:
    """A spool that keeps what it is offered in a list, until a test says that it is full or broken."""

    def __init__(self) -> None:
        self.items: list[tuple[str, bytes]] = []
        self.facts: list[tuple[str, bytes]] = []
        """What decisions stood on, apart from them."""
        self.full = False
        self.breaks: Unavailable | None = None
        self.log: DecisionLog | None = None
        """Who hears what becomes of the items."""

    @property
    def undelivered(self) -> int:
        return len(self.items)

    @property
    def used_bytes(self) -> int:
        return sum(len(body) for _, body in self.items)

    def post(self, item_id: str, payload: bytes) -> None:
        if self.full:
            raise SpoolFull(used_bytes=10, max_bytes=10)
        if self.breaks is None:
            (self.facts if b'"type":"fact"' in payload else self.items).append((item_id, payload))
        asyncio.get_running_loop().call_soon(self._tell, self.breaks)

    def _tell(self, broken: Unavailable | None) -> None:
        """As a spool tells by its hooks, a turn later."""
        if self.log is not None and broken is not None:
            self.log.refused(broken)
        elif self.log is not None:
            self.log.kept(1)


class Absent:
    """People who say what a test lets them, and otherwise cannot be asked."""

    def __init__(self) -> None:
        self.says: Said = Said(None, "nobody is there")
        self.heard: list[tuple[Question, Asked, str]] = []
        self.rests: Millis | None = None
        """For how long their no stands."""
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens while they are asked."""
        self.reached = asyncio.Event()
        """Set unless they cannot be reached, and whoever asks waits."""
        self.reached.set()

    async def put(self, question: Question, asked: Asked, *, named: str = "") -> Said:
        self.heard.append((question, asked, named))
        await asyncio.sleep(0)
        await self.reached.wait()
        self.meanwhile()
        return self.says

    def peek(self, question: Question) -> Approval | None:
        return self.says.approval

    def refusing(self, approval: Approval) -> Millis | None:
        return self.rests


class Elsewhere:
    """Classifiers that say what a test lets them, and remember what they were asked."""

    def __init__(self) -> None:
        self.says: dict[str, Sequence[Finding]] = {}
        """By name; of any other, that it is not configured."""
        self.asked: list[tuple[str, Content]] = []

    async def ask(self, name: str, content: Content) -> Sequence[Finding]:
        self.asked.append((name, content))
        await asyncio.sleep(0)
        return self.says.get(name, [failed(name, "nobody configured it")])


class Desk:
    """The use case over a world a test can change."""

    def __init__(
        self,
        *,
        stops_when_full: bool = False,
        ring_rates: Collection[str] = (),
        allow_rate: float = 1.0,
        masks: Sequence[str] = (),
        inputs: bool = True,
        reads_again: bool = False,
    ) -> None:
        self.agents = Agents()
        self.tray = Tray()
        self.log = DecisionLog(stops_when_full=stops_when_full)
        self.log.attach(self.tray)
        self.tray.log = self.log
        self.policy: PolicyState[CompiledBundle] = PolicyState(compile_files)
        compiled = bundle(policy("{name: read, match: {actions: ['read_*', 'write_*']}, effect: ALLOW}"))
        self.policy.current = replace(self.policy.current, compiled=compiled)
        self.clock = ManualClock(NOW)
        self.people = Absent()
        self.elsewhere = Elsewhere()
        self.counters = MemoryCounters()
        self.metering = Metering(self.counters, ring_rates=ring_rates)
        self.decisions = Decisions(
            policy=self.policy,
            trials=Trials(self.policy),
            agents=self.agents,
            log=DecisionRecords(
                self.log,
                EvidenceKeeper(self.log, release="1"),
                key=lambda: bytes(32),
                kept=self.policy.find,
                masks=Masks.of(masks),
                inputs=inputs,
                allow_rate=allow_rate,
            ),
            reckoning=Reckoning(self.metering, self.people, clock=self.clock),
            gated_environments=frozenset(),
            classifiers=self.elsewhere,
            reads_again=reads_again,
            clock=self.clock,
            new_id=counting_ids(),
        )

    def let_decide(self, *texts: str) -> None:
        """Let these policies decide from now on."""
        self.let(bundle(*texts))

    def let(self, compiled: CompiledBundle) -> None:
        """Let this bundle decide from now on."""
        self.policy.current = replace(self.policy.current, compiled=compiled)

    def check(self, request: CheckRequest | None = None, caller: Caller = ADMIN) -> Answer:
        """Ask what no people have a say in."""
        answer = self.decisions.sitting().check(request or ask(), caller, b"asked")
        assert isinstance(answer, Answer)
        return answer

    async def ask(self, request: CheckRequest | None = None, caller: Caller = ADMIN) -> Answer:
        """Ask, and wait for people where they have a say."""
        sitting = self.decisions.sitting()
        answer = sitting.check(request or ask(), caller, b"asked")
        return answer if isinstance(answer, Answer) else await sitting.settled(answer)
