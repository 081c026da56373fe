"""Which of several agents to call now: weights from what is known of each, and the draw. Values in, values out.

A weight is a product of factors, each between 0 and 1 and each with its reason, so whoever asks why an agent was chosen
can be told. What is not known is neither held against an agent nor counted for it: it has the weight of a middling one.
Chance comes in as an argument, so the same dice make the same choice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ringfence_registry.cards.model import CardInterface
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.views import Circuit, Health, Order, Slo, Trust
from ringfence_registry.model import Agent, AgentState

UNKNOWN = 0.7
"""The factor of what nobody knows."""
LEAST = 0.02
"""No single factor takes more than this away: an agent that recovers has to be tried to be known to have."""

_BY_SLO = {Slo.MET: 1.0, Slo.AT_RISK: 0.5, Slo.BREACHED: 0.1}
_HALF_OPEN = 0.02
"""A few probes, and no more: one call in fifty of a healthy one's."""
_BY_ORDER = {
    Order.PREFER_ALTERNATE: 0.3,
    Order.HEDGE: 0.3,
    Order.REDUCE_SCOPE: 0.2,
    Order.SHED: 0.1,
    Order.FAIL_FAST: 0.02,
    Order.ESCALATE_HUMAN: 0.02,
}
"""Work goes to equals first; the graver the order, the less is left for the one it is about."""
_DEPRECATED = 0.5


class Dice(Protocol):
    """Chance: `random.Random` and its like."""

    def random(self) -> float:
        """Return a number from 0 to below 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """One part of a weight."""

    name: str
    multiplier: float
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An agent to call."""

    view: AgentView
    number: int
    """Of the revision to call."""
    interface: CardInterface | None
    """Where to call it; None when its card names no place."""
    weight: float
    """Its share of the calls; the weights of all candidates add up to 1."""
    factors: tuple[Factor, ...]


def ranked(
    views: Sequence[AgentView], bindings: Sequence[str], dice: Dice, *, skill: str = ""
) -> tuple[Candidate, ...]:
    """Return a candidate for each of `views`, to be called for `skill`, the heaviest first, ties by name."""
    fastest = min((p95 for view in views if (p95 := _latency(view.health))), default=None)
    by_name = sorted(views, key=lambda view: str(view.agent.name))
    weighed = [(view, factors_of(view, fastest, skill=skill)) for view in by_name]
    total = sum(_product(factors) for _, factors in weighed)
    candidates: list[Candidate] = []
    for view, factors in weighed:
        number, canary = revision_to_call(view.agent, dice)
        candidates.append(
            Candidate(
                view=view,
                number=number,
                interface=interface_for(view.agent, bindings),
                weight=_product(factors) / total,
                factors=factors if canary is None else (*factors, canary),
            )
        )
    return tuple(sorted(candidates, key=lambda each: -each.weight))


def better_of_two(candidates: Sequence[Candidate], dice: Dice) -> Candidate:
    """Return the heavier of two drawn by weight (Mitzenmacher 2001): many callers do not all run to the same agent."""
    first, second = _drawn(candidates, dice), _drawn(candidates, dice)
    return max(first, second, key=lambda each: each.weight)


def _drawn(candidates: Sequence[Candidate], dice: Dice) -> Candidate:
    left = dice.random() * sum(each.weight for each in candidates)
    for candidate in candidates:
        left -= candidate.weight
        if left < 0:
            return candidate
    return candidates[-1]


def interface_for(agent: Agent, bindings: Sequence[str]) -> CardInterface | None:
    """Return the first interface of `agent` that speaks one of `bindings`; without bindings, the first."""
    wanted = {binding.casefold() for binding in bindings}
    return next(
        (each for each in agent.card.interfaces if not wanted or each.protocol_binding.casefold() in wanted), None
    )


def revision_to_call(agent: Agent, dice: Dice) -> tuple[int, Factor | None]:
    """Return the revision that gets this call, and why when a canary is under way."""
    rollout = agent.rollout
    if rollout is None:
        return agent.aliases.get("stable", agent.number), None
    goes = dice.random() * 100 < rollout.percent
    number = rollout.canary if goes else rollout.stable
    said = f"{rollout.percent} of 100 calls go to revision {rollout.canary}; this one goes to {number}"
    return number, Factor(name="canary", multiplier=1.0, explanation=said)


def factors_of(view: AgentView, fastest: float | None, *, skill: str = "") -> tuple[Factor, ...]:
    """Return what the weight of an agent is made of, `fastest` being the best latency among those it is chosen from."""
    health = view.health
    factors = [
        _by_latency(health, fastest),
        _by_errors(health),
        _by_slo(health),
        _by_trust(view.trust),
    ]
    if health is not None and Circuit.HALF_OPEN in (health.circuit, health.circuit_of(skill)):
        factors.append(Factor(name="circuit", multiplier=_HALF_OPEN, explanation="its circuit is being tried again"))
    if health is not None and health.order is not None and health.order in _BY_ORDER:
        said = f"telemetry asks for {health.order.name}: its error budget is being used up too fast"
        factors.append(Factor(name="order", multiplier=_BY_ORDER[health.order], explanation=said))
    if view.agent.state is AgentState.DEPRECATED:
        factors.append(Factor(name="state", multiplier=_DEPRECATED, explanation="it is deprecated"))
    return tuple(factors)


def _by_latency(health: Health | None, fastest: float | None) -> Factor:
    p95 = _latency(health)
    if p95 is None or fastest is None:
        return Factor(name="latency", multiplier=UNKNOWN, explanation="its latency is not known")
    said = f"95 of 100 calls are answered within {p95:g} ms; the fastest candidate needs {fastest:g} ms"
    return Factor(name="latency", multiplier=max(LEAST, fastest / p95), explanation=said)


def _by_errors(health: Health | None) -> Factor:
    if health is None or health.error_rate is None:
        return Factor(name="errors", multiplier=UNKNOWN, explanation="its error rate is not known")
    said = f"{health.error_rate:.2%} of {health.calls} calls failed"
    # To the fourth: 1 % of failures costs 4 % of the calls, 50 % costs nearly all.
    return Factor(name="errors", multiplier=max(LEAST, (1 - health.error_rate) ** 4), explanation=said)


def _by_slo(health: Health | None) -> Factor:
    if health is None or health.slo is None:
        return Factor(name="slo", multiplier=UNKNOWN, explanation="whether it keeps its objective is not known")
    said = {Slo.MET: "it keeps its objective", Slo.AT_RISK: "its error budget is being used up too fast"}
    return Factor(
        name="slo",
        multiplier=_BY_SLO[health.slo],
        explanation=said.get(health.slo, "its error budget is used up"),
    )


def _by_trust(trust: Trust | None) -> Factor:
    if trust is None:
        return Factor(name="trust", multiplier=UNKNOWN / 2, explanation="identity does not know it")
    said = f"its trust score is {trust.score} of 1000, ring {trust.ring}"
    return Factor(name="trust", multiplier=max(LEAST, 0.2 + 0.8 * trust.score / 1000), explanation=said)


def _latency(health: Health | None) -> float | None:
    return None if health is None or not health.latency_p95_ms else health.latency_p95_ms


def _product(factors: Iterable[Factor]) -> float:
    product = 1.0
    for factor in factors:
        product *= factor.multiplier
    return product
