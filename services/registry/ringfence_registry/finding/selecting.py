"""SelectAgent: whoever can do what is asked and can be called now, by weight, and why the others were left out.

An agent is left out for the first thing against it, in the order of the checks, so that the counts add up: candidates
and exclusions together are the agents of that skill the caller sees. Nothing is said of any other.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant

from ringfence_registry.access import require_sight
from ringfence_registry.finding.asking import asked
from ringfence_registry.finding.bits import NONE, Bits
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.fields import Value
from ringfence_registry.finding.selection import Candidate, Dice, better_of_two, ranked
from ringfence_registry.finding.views import Circuit
from ringfence_registry.model import AgentState, Liveness, RiskTier
from ringfence_registry.namespaces.visible import VisibilityReader

NAMED = 10
"""How many agents an exclusion names."""
WEIGHED = 100
"""How many candidates are weighed: the most trusted, then by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What somebody wants to call."""

    namespace: str | None
    environment: str
    dice: Dice
    skill: str = ""
    tags: tuple[str, ...] = ()
    max_risk_tier: RiskTier | None = None
    min_trust_score: int = 0
    region: str = ""
    data_classes: tuple[str, ...] = ()
    bindings: tuple[str, ...] = ()
    filter: str = ""
    two_choices: bool = False
    limit: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """Why agents were left out."""

    reason: str
    count: int
    agents: tuple[str, ...]
    """Some of them, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The answer."""

    candidates: tuple[Candidate, ...]
    exclusions: tuple[Exclusion, ...]


class AgentSelection:
    """Picks agents."""

    def __init__(self, catalog: AgentCatalog, *, sight: VisibilityReader) -> None:
        self._catalog = catalog
        self._sight = sight

    def select_agent(self, wanted: Selection, *, caller: Caller, now: Instant) -> Selected:
        """Return whom to call, the best first, and why others were left out. Raises `NotPermitted`, `FilterInvalid`."""
        visible = self._sight.visible(caller)
        if wanted.namespace is not None:
            require_sight(caller, visible, wanted.namespace)
        seen = self._catalog.in_sight(self._catalog.seen_by(visible, wanted.namespace), retired=True)
        # The filter is asked first: a wrong one is refused even when nobody is left to hold against it.
        passing = asked(self._catalog, wanted.filter, seen, now=now)
        left = self._able(wanted, seen)
        exclusions: list[Exclusion] = []
        for reason, fitting in self._checks(wanted, passing):
            out = left & ~fitting(left)
            if out:
                names = tuple(islice(self._catalog.by_name(out), NAMED))
                exclusions.append(Exclusion(reason=reason, count=out.bit_count(), agents=names))
                left &= ~out
        candidates = self._weighed(wanted, left, now) if left else ()
        return Selected(candidates=candidates, exclusions=tuple(exclusions))

    def _able(self, wanted: Selection, among: Bits) -> Bits:
        if wanted.skill:
            among = self._having("skills.id", wanted.skill, among)
        return self._all_of("skills.tags", wanted.tags, among)

    def _checks(self, wanted: Selection, passing: Bits) -> Iterator[tuple[str, Callable[[Bits], Bits]]]:
        serving = [state.name for state in AgentState if state.serves]
        yield "NOT_SERVING", lambda left: self._any_of("state", serving, left)
        yield "ENVIRONMENT", lambda left: self._having("environments", wanted.environment, left)
        if wanted.filter:
            yield "FILTER", lambda left: left & passing
        if wanted.max_risk_tier is not None:
            tiers = list(RiskTier)
            allowed = [tier.name for tier in tiers[: tiers.index(wanted.max_risk_tier) + 1]]
            yield "RISK_TOO_HIGH", lambda left: self._any_of("risk_tier", allowed, left)
        if wanted.region:
            place = f"{wanted.environment}/{wanted.region}"
            yield "REGION", lambda left: self._having("deployments.place", place, left)
        if wanted.data_classes:
            yield "DATA_CLASS", lambda left: self._all_of("data_classes", wanted.data_classes, left)
        if wanted.bindings:
            spoken = {binding.casefold() for binding in wanted.bindings}
            yield (
                "PROTOCOL",
                lambda left: self._where(
                    "interfaces.protocol_binding", lambda binding: binding.casefold() in spoken, left
                ),
            )
        yield "IDENTITY_NOT_ACTIVE", lambda left: left & ~self._having("trust.active", False, left)
        if wanted.min_trust_score:
            least = wanted.min_trust_score
            yield "TRUST_TOO_LOW", lambda left: self._where("trust.score", lambda score: score >= least, left)
        yield "LEASE_EXPIRED", lambda left: left & ~self._having("liveness", Liveness.EXPIRED.name, left)
        yield "CIRCUIT_OPEN", lambda left: left & ~self._open(wanted.skill, left)

    def _open(self, skill: str, left: Bits) -> Bits:
        """Return those that are not to be called at all, or not for this."""
        is_open = self._having("health.circuit", Circuit.OPEN.name, left)
        return is_open | self._having("health.open_skills", skill, left) if skill else is_open

    def _weighed(self, wanted: Selection, left: Bits, now: Instant) -> tuple[Candidate, ...]:
        views = [self._catalog.view_of_name(name, now) for name in self._most_trusted(left)]
        candidates = ranked(views, wanted.bindings, wanted.dice, skill=wanted.skill)
        return (better_of_two(candidates, wanted.dice),) if wanted.two_choices else candidates[: wanted.limit]

    def _most_trusted(self, left: Bits) -> Iterator[str]:
        if left.bit_count() <= WEIGHED:
            return self._catalog.by_name(left)
        scored = (
            (-1 if score is None else score, name) for score, name in self._catalog.values_of("trust.score", left)
        )
        return (name for _, name in heapq.nsmallest(WEIGHED, ((-score, name) for score, name in scored)))

    def _having(self, field: str, value: Value, among: Bits) -> Bits:
        return self._catalog.index.equal(field, value, among)

    def _all_of(self, field: str, values: Iterable[Value], among: Bits) -> Bits:
        for value in values:
            among = self._having(field, value, among)
        return among

    def _any_of(self, field: str, values: Iterable[Value], among: Bits) -> Bits:
        found = NONE
        for value in values:
            found |= self._having(field, value, among)
        return found

    def _where(self, field: str, test: Callable[[Any], bool], among: Bits) -> Bits:
        return self._catalog.index.where(field, test, among)
