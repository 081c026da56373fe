"""A bundle ready to decide: rules, limits and filters in indexes, immutable.

Everything here is looked up by what a request says, in the same time over ten policies and over ten thousand.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ringfence_pdp.cel.condition import Condition
from ringfence_pdp.fields import Problem
from ringfence_pdp.filters.engines import Engines
from ringfence_pdp.filters.filtering import CompiledFilter
from ringfence_pdp.index import RuleIndex
from ringfence_pdp.limit import Limit
from ringfence_pdp.model import Approval, Effect, Obligation, Side, Verdict
from ringfence_pdp.policy import Policy, Rule
from ringfence_pdp.policy_fields import Selected
from ringfence_pdp.policy_tests.written import PolicyTest
from ringfence_pdp.rings import RingGate
from ringfence_pdp.routine import Routine

HintKey: TypeAlias = tuple[str, int, str, str | None, Side] | Routine
"""A DID, its ring, an action, a tool and a side; or the routine that says them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRule:
    """One rule, ready to decide."""

    id: str
    """`policy/rule`."""
    effect: Effect
    evaluate: Callable[[Any], bool] | None
    """The condition; None when there is none. Raises EvaluationError."""
    grants: bool
    """Whether a match permits something. A rule that asks for approval because an agent is trusted less, or left
    something out, only restricts what another rule permits: otherwise it would open what is closed to the others."""
    side: Side | None
    needs_tool: bool
    approval: Approval | None
    obligations: tuple[Obligation, ...]
    """What has to be done with a call that this rule lets through, ordered by type and id."""
    verdict: Verdict
    """What the rules stage says when this rule alone settles it."""
    condition: Condition | None
    rule: Rule
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledLimit:
    """One limit, ready to be found."""

    id: str
    """`policy/limit`."""
    limit: Limit
    side: Side | None
    needs_tool: bool
    match: Selected
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledBundle:
    """Everything a bundle says, immutable."""

    rules: tuple[CompiledRule, ...]
    """Ordered: denials first, then approvals, then permissions, each by id."""
    index: RuleIndex
    """The rules of policies that govern agents."""
    boundary_index: RuleIndex
    """The rules of policies that govern boundaries; a boundary's name stands where an agent's does."""
    policies: tuple[Policy, ...]
    """Ordered by name."""
    limits: tuple[CompiledLimit, ...]
    """Ordered by id."""
    gate: RingGate
    policy_count: int
    findings: tuple[Problem, ...]
    policy_index: RuleIndex
    """Which policies govern an agent, by ordinal; without those that only filter."""
    boundary_policy_index: RuleIndex
    """Which policies govern a boundary, by ordinal."""
    limit_index: RuleIndex
    """Which limits may count a call, by ordinal."""
    has_obligations: bool
    """Whether any rule obliges to anything."""
    has_caller_rings: bool
    """Whether any policy says in which ring a caller has to be."""
    has_boundaries: bool
    """Whether any policy governs boundaries."""
    has_history: bool
    """Whether any condition asks what a session did before."""
    tests: tuple[PolicyTest, ...]
    """In the order of files and lines."""
    has_algorithms: bool
    """Whether the rules of any policy can override one another."""
    filters: tuple[CompiledFilter, ...] = ()
    """Ordered by id."""
    filter_index: RuleIndex = field(default_factory=RuleIndex)
    """Which filters look at a call, by ordinal: those of policies that govern agents."""
    boundary_filter_index: RuleIndex = field(default_factory=RuleIndex)
    """The same, of policies that govern boundaries."""
    asks_classifiers: bool = False
    """Whether any filter is a classifier elsewhere."""
    reads_intent: bool = False
    """Whether any filter is that of intent, which may be in doubt."""
    engines: Engines = field(default_factory=Engines, compare=False)
    """What looks, with the rules of the bundle's own packs."""
    hints: dict[HintKey, Any] = field(default_factory=dict, compare=False)
    """What `cacheable.py` found out, for who asks again; which grows."""

    clearances: dict[Any, Any] = field(default_factory=dict, init=False, compare=False)
    """What `clearance.py` remembers: of this very bundle, not of one that is made from it."""

    @property
    def is_composed(self) -> bool:
        """Whether more than the rules for the agent that acts may have to be asked."""
        return self.has_obligations or self.has_caller_rings

    @property
    def rule_count(self) -> int:
        """How many rules there are."""
        return len(self.rules)

    def selecting(
        self, index: RuleIndex, *, environment: str, governed: str, action: str, tool: str | None, side: Side
    ) -> Iterator[CompiledRule]:
        """Yield the rules of `index` about `governed` on `side` that select what is done, in the order of `rules`."""
        for ordinal in index.candidates(environment=environment, agent=governed, action=action, tool=tool or ""):
            rule = self.rules[ordinal]
            if rule.side in (None, side) and not (rule.needs_tool and tool is None):
                yield rule

    def governing(self, agent: str, environment: str, side: Side) -> list[Policy]:
        """Return the policies that govern an agent on one side of a call, by name."""
        found = self.policy_index.candidates(environment=environment, agent=agent, action="", tool="")
        policies = (self.policies[ordinal] for ordinal in found)
        return [policy for policy in policies if policy.governs.side in (None, side)]

    def governs_boundary(self, boundary: str, environment: str) -> bool:
        """Say whether any policy governs what crosses a boundary."""
        asked = self.boundary_policy_index
        return bool(asked.candidates(environment=environment, agent=boundary, action="", tool=""))

    def min_caller_ring(self, agent: str, environment: str) -> int | None:
        """Return the least trusted ring in which a caller of `agent` may be; None when no policy says."""
        if not self.has_caller_rings:
            return None
        asked = (policy.min_caller_ring for policy in self.governing(agent, environment, Side.CALLEE))
        return min((ring for ring in asked if ring is not None), default=None)

    def counting(
        self, *, environment: str, agent: str, action: str, tool: str | None, side: Side
    ) -> list[CompiledLimit]:
        """Return the limits that count a call of `agent`, by id."""
        if not self.limits:
            return []
        found = self.limit_index.candidates(environment=environment, agent=agent, action=action, tool=tool or "")
        limits = (self.limits[ordinal] for ordinal in found)
        return [limit for limit in limits if limit.side in (None, side) and not (limit.needs_tool and tool is None)]

    def filtering(
        self, *, environment: str, party: str, action: str, tool: str | None, side: Side
    ) -> list[CompiledFilter]:
        """Return the filters that look at a call in which `party` has a say on `side`, by id."""
        if not self.filters:
            return []
        index = self.boundary_filter_index if side is Side.BOUNDARY else self.filter_index
        found = index.candidates(environment=environment, agent=party, action=action, tool=tool or "")
        filters = (self.filters[ordinal] for ordinal in found)
        return [one for one in filters if one.side in (None, side) and not (one.needs_tool and tool is None)]
