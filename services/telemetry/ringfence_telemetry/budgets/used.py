"""What was used, by whom it counts for: the form in which budgets take what a roll-up changed.

Only what trusted reporters reported counts. Usage that names no session, team or model counts for none, and what no
agent could be found for counts for everything together only: a budget is somebody's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ringfence_kit.clock import MINUTE, Instant

from ringfence_telemetry.budgets.budget import Budget, Scope, Unit, is_among
from ringfence_telemetry.usage import UNATTRIBUTED, Counts, UsageKey

MODEL_OPERATIONS = frozenset({"chat", "generate_content", "text_completion", "embeddings"})
"""Operations that are one call of a model each."""


@dataclass(slots=True)
class Used:
    """Amounts of everything a budget may be in; a change may be negative."""

    tokens: int = 0
    calls: int = 0
    unknown_cost_calls: int = 0
    cost: dict[str, int] = field(default_factory=dict)
    """Billionths, by currency."""

    def add(self, other: "Used") -> None:
        """Add what another one has."""
        self.tokens += other.tokens
        self.calls += other.calls
        self.unknown_cost_calls += other.unknown_cost_calls
        for currency, nanos in other.cost.items():
            self.cost[currency] = self.cost.get(currency, 0) + nanos

    def of(self, budget: Budget) -> tuple[int, int]:
        """Return how much it is in a budget's unit, and how many calls are of unknown cost."""
        match budget.unit:
            case Unit.TOKENS:
                return self.tokens, 0
            case Unit.CALLS:
                return self.calls, 0
            case Unit.COST:
                return self.cost.get(budget.currency, 0), self.unknown_cost_calls


class UsedBy:
    """What was used, by scope, subject, agent and minute."""

    def __init__(self) -> None:
        self._used: dict[Scope, dict[tuple[str, str, Instant], Used]] = {scope: {} for scope in Scope}

    def add(self, scope: Scope, subject: str, agent: str, at: Instant, used: Used) -> None:
        """Count what `agent` used for a subject; the agent is empty where nobody knows it."""
        if subject or scope is Scope.EVERYTHING:
            self._used[scope].setdefault((subject, agent, at), Used()).add(used)

    def each(self, scope: Scope, agents: Sequence[str] = ()) -> Iterable[tuple[str, Instant, Used]]:
        """Return what the subjects of a scope used through `agents`, named as a budget names them."""
        for (subject, agent, at), used in self._used[scope].items():
            if is_among(agent, agents):
                yield subject, at, used


def used_by(changes: Mapping[UsageKey, Counts]) -> UsedBy:
    """Return what a roll-up changed, by whom it counts for."""
    found = UsedBy()
    for key, counts in changes.items():
        if key.untrusted:
            continue
        at, used = Instant(key.minute * MINUTE), used_of(key, counts)
        agent = "" if key.agent == UNATTRIBUTED else key.agent
        found.add(Scope.AGENT, agent, agent, at, used)
        found.add(Scope.SESSION, key.session, agent, at, used)
        found.add(Scope.TEAM, key.team, agent, at, used)
        found.add(Scope.MODEL, key.model, agent, at, used)
        found.add(Scope.EVERYTHING, "", agent, at, used)
    return found


def hours_of(by_minute: Mapping[int, Used], *, end: int, step: int) -> list[Used]:
    """Return what was used in each step of minutes, from the first with anything until before `end`."""
    return [by_minute.get(minute, Used()) for minute in range(min(by_minute), end, step)]


def used_of(key: UsageKey, counts: Counts) -> Used:
    """Return what counts under one key come to."""
    models = counts.spans if key.operation in MODEL_OPERATIONS else 0
    return Used(
        tokens=counts.input_tokens + counts.output_tokens,
        calls=models + counts.tool_calls,
        unknown_cost_calls=counts.unknown_cost_calls,
        cost={key.currency: counts.cost_nanos} if key.currency else {},
    )
