"""What is accepted in a bundle and still worth a look, because of what its rules say together.

- a rule that can never let anything through, because another one denies all that it selects, whatever the request;
- a bundle of which no rule lets anything through, so that every answer is no.

What one rule says by itself is looked at where it is compiled (`compile_file.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product

from ringfence_pdp.compiled import CompiledRule
from ringfence_pdp.fields import Problem
from ringfence_pdp.index import RuleIndex
from ringfence_pdp.model import Effect
from ringfence_pdp.policy import Algorithm, Policy
from ringfence_pdp.selector import ANYTHING

LOOKUPS_MAX = 50_000
"""Combinations of selectors that are looked at; beyond that a bundle says too much to be looked through."""


def findings_together(
    policies: Sequence[Policy], rules: Sequence[CompiledRule], breathe: Callable[[], None]
) -> Iterator[Problem]:
    """Yield what is worth a look in a bundle."""
    if policies and not any(rule.grants for rule in rules):
        problem = "no rule of the bundle lets anything through, so every answer is DENY"
        yield Problem(policies[0].place, problem, "allow something, e.g. with the preset read_only")
    yield from _shadowed(rules, breathe)


def _shadowed(rules: Sequence[CompiledRule], breathe: Callable[[], None]) -> Iterator[Problem]:
    walls = [rule for rule in rules if _always_denies(rule)]
    if not walls:
        return
    index = RuleIndex()
    for ordinal, wall in enumerate(walls):
        governs = wall.policy.governs
        index.put(
            ordinal,
            environments=governs.environments,
            agents=governs.agents,
            actions=wall.rule.actions,
            tools=wall.rule.tools,
        )
    looked = 0
    for rule in rules:
        if rule.effect is Effect.DENY or rule.policy.governs.boundaries:
            continue
        breathe()
        combinations = list(product(*_selectors(rule)))
        looked += len(combinations)
        if looked > LOOKUPS_MAX:
            return
        shadow = _covering(rule, combinations, walls, index)
        if shadow is not None:
            problem = f"the rule never lets anything through: {shadow.id} denies all that it selects"
            yield Problem(rule.rule.place, problem, "take one of the two away, or narrow the denial")


def _always_denies(rule: CompiledRule) -> bool:
    """Say whether a rule denies whatever it selects; an algorithm may let others of its policy override it."""
    governs = rule.policy.governs
    return (
        rule.effect is Effect.DENY
        and rule.evaluate is None
        and not governs.boundaries
        and rule.policy.algorithm is Algorithm.DENY_OVERRIDES
    )


def _selectors(rule: CompiledRule) -> list[Sequence[str]]:
    governs = rule.policy.governs
    parts = (governs.environments, governs.agents, rule.rule.actions, rule.rule.tools)
    return [part or (ANYTHING,) for part in parts]


def _covering(
    rule: CompiledRule,
    combinations: Sequence[tuple[str, ...]],
    walls: Sequence[CompiledRule],
    index: RuleIndex,
) -> CompiledRule | None:
    """Return a denial that covers every combination; a selector is covered by what covers it as if it were a name."""
    left = {ordinal for ordinal, wall in enumerate(walls) if wall.side in (None, rule.side)}
    for environment, agent, action, tool in combinations:
        left &= set(index.candidates(environment=environment, agent=agent, action=action, tool=tool))
        left = {ordinal for ordinal in left if rule.needs_tool or not walls[ordinal].needs_tool}
        if not left:
            return None
    return walls[min(left)]
