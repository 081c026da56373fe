"""Every breaker, as calls and people make them, and what has to be written down of it.

The rules:

- a breaker comes into being with the first call of an agent and skill, or when somebody says something about it;
- never more than half of the agents that do a skill are open, so at least one stays; calls that name no skill have
  nobody in their place, so each agent is judged by itself. What somebody opens by hand counts, and is not held up;
- what changes by itself is written soon after and told to other replicas; of two versions the higher one is the truth;
- breakers are bounded: of agents and skills beyond, nothing is judged.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ringfence_kit import records
from ringfence_kit.clock import EPOCH, MINUTE, Instant, Millis
from ringfence_kit.events import Event

from ringfence_telemetry.breakers.machine import Breaker, Circuit, CircuitMachine, Override, most_open
from ringfence_telemetry.health_window import AgentCall

BREAKER = "breaker"
"""The kind of events that say what became of a breaker."""
BREAKERS_MAX = 20_000
FORGOTTEN_AFTER = Millis(10 * MINUTE)
"""How long after its last call an agent still counts as one that does a skill."""

SlowAfter = Callable[[str, str], Millis | None]
"""Says after how long a call of an agent and skill is slow; None when nobody promised a time."""


class BreakerKey(NamedTuple):
    """Whose breaker it is."""

    agent: str
    skill: str


class BreakerBook:
    """All breakers, in memory."""

    def __init__(self, *, slow_after: SlowAfter, breakers_max: int = BREAKERS_MAX) -> None:
        self._slow_after = slow_after
        self._breakers_max = breakers_max
        self._machines: dict[BreakerKey, CircuitMachine] = {}
        self._of_skill: dict[str, set[BreakerKey]] = {}
        self._of_agent: dict[str, set[BreakerKey]] = {}
        self._unwritten: dict[BreakerKey, None] = {}

    def fill(self, kept: Iterable[Breaker]) -> None:
        """Begin with what is kept."""
        for breaker in kept:
            self._adopt(breaker)

    def apply(self, event: Event) -> None:
        """Take over what somebody said, or what another replica found out."""
        self._adopt(records.decode(event.record, Breaker))

    def saw(self, calls: Iterable[AgentCall]) -> None:
        """Count calls."""
        for call in calls:
            key = BreakerKey(call.agent, call.skill)
            machine = self._machine(key)
            if machine is None:
                continue
            slow_after = self._slow_after(call.agent, call.skill)
            slow = slow_after is not None and call.duration_micros > slow_after * 1_000
            may_open = self._may_open(key, call.received_at)
            if machine.saw(at=call.received_at, failed=call.is_error, slow=slow, may_open=may_open):
                self._unwritten[key] = None

    def pass_time(self, now: Instant) -> None:
        """Do what time alone brings about, and forget breakers there is nothing to say of."""
        gone = []
        for key, machine in self._machines.items():
            if machine.pass_time(now):
                self._unwritten[key] = None
            elif not machine.breaker.version and now - machine.last_at >= FORGOTTEN_AFTER:
                gone.append(key)
        for key in gone:
            self._forget(key)

    def take_unwritten(self) -> list[Breaker]:
        """Return what has changed by itself since this was asked last."""
        changed = [self._machines[key].breaker for key in self._unwritten if key in self._machines]
        self._unwritten.clear()
        return changed

    def still_unwritten(self, breakers: Iterable[Breaker]) -> None:
        """Note that they could not be written."""
        for breaker in breakers:
            self._unwritten[BreakerKey(breaker.agent, breaker.skill)] = None

    def breaker(self, agent: str, skill: str) -> Breaker | None:
        """Return a breaker, or None when nothing is known of it."""
        machine = self._machines.get(BreakerKey(agent, skill))
        return None if machine is None else machine.breaker

    def of_agent(self, agent: str) -> Sequence[Breaker]:
        """Return an agent's breakers, by skill."""
        return [self._machines[key].breaker for key in sorted(self._of_agent.get(agent, ()))]

    def all(self) -> Sequence[Breaker]:
        """Return every breaker, by agent and skill."""
        return [self._machines[key].breaker for key in sorted(self._machines)]

    def notable(self) -> Iterable[Breaker]:
        """Return those that are not as if nothing had happened."""
        return [
            each.breaker
            for each in self._machines.values()
            if each.breaker.shown is not Circuit.CLOSED or each.breaker.override is not Override.NONE
        ]

    def _may_open(self, key: BreakerKey, now: Instant) -> bool:
        if not key.skill:
            return True
        providers = [self._machines[each] for each in self._of_skill[key.skill]]
        known = [each for each in providers if _does_it(each, now) or each.breaker.agent == key.agent]
        is_open = sum(each.breaker.shown is not Circuit.CLOSED for each in known if each.breaker.agent != key.agent)
        return is_open < most_open(len(known))

    def _machine(self, key: BreakerKey) -> CircuitMachine | None:
        machine = self._machines.get(key)
        if machine is None and len(self._machines) < self._breakers_max:
            machine = self._put(key, Breaker(agent=key.agent, skill=key.skill))
        return machine

    def _adopt(self, breaker: Breaker) -> None:
        key = BreakerKey(breaker.agent, breaker.skill)
        machine = self._machines.get(key)
        if machine is None:
            self._put(key, breaker)
        elif machine.breaker.version < breaker.version:
            machine.adopt(breaker)

    def _put(self, key: BreakerKey, breaker: Breaker) -> CircuitMachine:
        machine = self._machines[key] = CircuitMachine(breaker)
        machine.last_at = breaker.changed_at if breaker.version else EPOCH
        self._of_skill.setdefault(key.skill, set()).add(key)
        self._of_agent.setdefault(key.agent, set()).add(key)
        return machine

    def _forget(self, key: BreakerKey) -> None:
        del self._machines[key]
        self._of_skill[key.skill].discard(key)
        agents = self._of_agent[key.agent]
        agents.discard(key)
        if not agents:
            del self._of_agent[key.agent]


def _does_it(machine: CircuitMachine, now: Instant) -> bool:
    return now - machine.last_at < FORGOTTEN_AFTER or machine.breaker.shown is not Circuit.CLOSED
