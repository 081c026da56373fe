"""What is judged of agents, put together for those who call them: circuits and objectives in one answer.

The rules:

- of an agent's objectives the worst state, the gravest order and the least budget left are told;
- the circuit of an agent is that of calls that name no skill; without such calls it is open when every skill's is;
- where the circuit is open, the order is to fail fast, unless a person has to be asked;
- the version grows with every change of circuit or order.
"""

from collections.abc import Iterable, Mapping, Sequence

from ringfence_kit.clock import Instant, Millis

from ringfence_telemetry.breakers.book import BreakerBook
from ringfence_telemetry.breakers.machine import Breaker, Circuit
from ringfence_telemetry.health_board import NOTHING_JUDGED, Judged, Subject
from ringfence_telemetry.health_window import AgentCall
from ringfence_telemetry.slo.book import SloBook
from ringfence_telemetry.slo.ratios import decimal
from ringfence_telemetry.slo.standing import Order, Standing, State

SLO_WORDS: Mapping[State, str] = {
    State.NO_DATA: "NO_DATA",
    State.HEALTHY: "MET",
    State.AT_RISK: "AT_RISK",
    State.BURNING: "BURNING",
    State.EXHAUSTED: "BREACHED",
}
_WORST = tuple(State)
_PLACES = 6


class JudgedAgents:
    """What the health board asks."""

    def __init__(self, slos: SloBook, *, born: Instant) -> None:
        """Count versions from `born` on: above all that an older process can have given out."""
        self._born = born
        self.breakers = BreakerBook(slow_after=self.slow_after)
        self._slos = slos
        self._standings: Mapping[str, Standing] = {}
        self._versions: dict[Subject, tuple[tuple[str, int], int]] = {}

    def closed(self, standings: Mapping[str, Standing]) -> None:
        """Take how objectives stand, now that a minute was closed."""
        self._standings = standings

    def saw(self, calls: Sequence[AgentCall]) -> None:
        """Count calls for their breakers."""
        self.breakers.saw(calls)

    def judged(self, subject: Subject) -> Judged:
        """Return what is judged of an agent, or of one of its skills."""
        if subject.revision:
            return NOTHING_JUDGED
        circuit = self._circuit(subject)
        standings = self._standings_of(subject)
        if not circuit and not standings:
            return NOTHING_JUDGED
        order = max((standing.order for standing in standings), default=Order.NORMAL)
        if circuit == Circuit.OPEN:
            order = max(order, Order.FAIL_FAST)
        left = [standing.left for standing in standings if standing.left is not None]
        return Judged(
            circuit=circuit,
            slo=SLO_WORDS[max((each.state for each in standings), key=_WORST.index)] if standings else "",
            order=order.value,
            budget_left=decimal(min(left), _PLACES) if left else "",
            version=self._version(subject, circuit, order),
        )

    def slow_after(self, agent: str, skill: str) -> Millis | None:
        """Return the shortest time an agent promises for a skill."""
        found: Millis | None = None
        for name in self._slos.names(agent=agent):
            objective = self._slos.objective(name)
            if objective is not None and objective.latency is not None and objective.operation in ("", skill):
                found = objective.latency if found is None else min(found, objective.latency)
        return found

    def notable(self) -> Iterable[Subject]:
        """Return whom callers should know of: circuits that are not closed, and orders above normal."""
        for breaker in self.breakers.notable():
            yield Subject(breaker.agent, skill=breaker.skill)
            yield Subject(breaker.agent)
        for name, standing in self._standings.items():
            objective = self._slos.objective(name)
            if objective is not None and standing.order is not Order.NORMAL:
                yield Subject(objective.agent)

    def _circuit(self, subject: Subject) -> str:
        if subject.skill:
            breaker = self.breakers.breaker(subject.agent, subject.skill)
            return "" if breaker is None else breaker.shown.value
        breakers = self.breakers.of_agent(subject.agent)
        of_any = [each for each in breakers if not each.skill]
        return _together(of_any or breakers) if breakers else ""

    def _standings_of(self, subject: Subject) -> list[Standing]:
        found = []
        for name in self._slos.names(agent=subject.agent):
            objective, standing = self._slos.objective(name), self._standings.get(name)
            if objective is None or standing is None:
                continue
            if not subject.skill or objective.operation in ("", subject.skill):
                found.append(standing)
        return found

    def _version(self, subject: Subject, circuit: str, order: Order) -> int:
        said = circuit, order.value
        before, version = self._versions.get(subject, (said, self._born))
        version += before != said
        self._versions[subject] = said, version
        return version


def _together(breakers: Sequence[Breaker]) -> str:
    """Return the circuit of all together: the most open one only when none is less."""
    shown = {each.shown for each in breakers}
    for circuit in (Circuit.CLOSED, Circuit.HALF_OPEN):
        if circuit in shown:
            return circuit.value
    return Circuit.OPEN.value
