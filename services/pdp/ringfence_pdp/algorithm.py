"""How the rules of one policy are combined, for policies that come from engines in which order or specificity counts.

An algorithm only says which rules of its own policy are overridden by others of it. What is left is judged as all rules
are: any denial of any policy denies. So no algorithm reaches beyond its policy, and across policies it is always the
meet.

A rule whose condition cannot be evaluated is taken both ways, and the lower answer holds: a denial that errs overrides
as if it matched, a request for approval that errs is asked and overrides nothing, a permission that errs is nothing.

| algorithm | what is overridden |
| --- | --- |
| deny_overrides | nothing; every policy has it that does not say otherwise |
| allow_overrides | denials and approvals, by a permission that matches |
| priority_first_match | what has a lower `priority` than the highest that matches |
| most_specific_wins | what selects less specifically than the most specific that matches |

Among rules of one rank nothing is overridden, so that the order they stand in never counts.
"""

from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.compiled import CompiledRule
from ringfence_pdp.model import Effect
from ringfence_pdp.policy import Algorithm
from ringfence_pdp.selector import covers

EXACT = 1_000
"""How specific a whole name is; the beginning of one is as specific as it is long, which is less."""

Holds: TypeAlias = Callable[[CompiledRule], bool | EvaluationError]


def prevailing(
    rules: Iterable[CompiledRule], *, action: str, tool: str | None, holds: Holds
) -> tuple[CompiledRule, ...]:
    """Return those of `rules`, all of which select the request, that their own policy does not override."""
    ranked = [(rule, _rank(rule, action, tool)) for rule in rules]
    least: dict[str, int] = {}
    for rule, rank in ranked:
        name = rule.policy.name
        orders = rule.policy.algorithm is not Algorithm.DENY_OVERRIDES
        if orders and rank > least.get(name, _LOWEST) and _overrides(rule, holds(rule)):
            least[name] = rank
    return tuple(rule for rule, rank in ranked if rank >= least.get(rule.policy.name, _LOWEST))


_LOWEST = -(1 << 31)


def _overrides(rule: CompiledRule, truth: bool | EvaluationError) -> bool:
    if rule.policy.algorithm is Algorithm.ALLOW_OVERRIDES and rule.effect is not Effect.ALLOW:
        return False
    if rule.effect is Effect.DENY:
        return truth is not False
    # One that grants nothing by itself only adds to what another rule permits.
    return truth is True and rule.grants


def _rank(rule: CompiledRule, action: str, tool: str | None) -> int:
    match rule.policy.algorithm:
        case Algorithm.DENY_OVERRIDES:
            return 0
        case Algorithm.ALLOW_OVERRIDES:
            return int(rule.effect is Effect.ALLOW)
        case Algorithm.PRIORITY_FIRST_MATCH:
            return rule.rule.priority
        case Algorithm.MOST_SPECIFIC_WINS:
            return _specificity(rule.rule.actions, action) + _specificity(rule.rule.tools, tool or "")


def _specificity(selectors: Collection[str], name: str) -> int:
    found = [selector for selector in selectors if covers(selector, name)]
    return max((len(selector) - 1 if selector.endswith("*") else EXACT for selector in found), default=0)
