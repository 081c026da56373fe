"""Which rules may apply to a request, found without looking at the others.

A tree of selector tables: environment, then agent, action and tool. A look-up follows the few branches whose selector
covers the request, so it takes the same time over ten rules and over ten thousand. A rule that names several of each
stands at every combination, which is why their number is bounded.
"""

from collections.abc import Collection
from itertools import product

from ringfence_pdp.selector import ANYTHING, SelectorTable

PLACES_MAX = 4_096
"""Combinations at which one rule may stand."""

REMEMBERED = 10_000
"""Look-ups whose answer is kept: agents ask for the same few things again and again."""

_Tools = SelectorTable[list[int]]
_Actions = SelectorTable[_Tools]
_Agents = SelectorTable[_Actions]


class RuleIndex:
    """Ordinals of rules by what the rules select. Built once; what is looked up is remembered."""

    __slots__ = ("_environments", "_found")

    def __init__(self) -> None:
        self._environments: SelectorTable[_Agents] = SelectorTable()
        self._found: dict[tuple[str, str, str, str], list[int]] = {}

    def put(
        self,
        ordinal: int,
        *,
        environments: Collection[str],
        agents: Collection[str],
        actions: Collection[str],
        tools: Collection[str],
    ) -> None:
        """Add a rule at every combination of its selectors; an empty collection selects anything."""
        self._found.clear()
        selected = [part or (ANYTHING,) for part in (environments, agents, actions, tools)]
        for environment, agent, action, tool in product(*selected):
            under_environment: _Agents = self._environments.at(environment, SelectorTable)
            under_agent: _Actions = under_environment.at(agent, SelectorTable)
            under_action: _Tools = under_agent.at(action, SelectorTable)
            under_action.at(tool, list).append(ordinal)

    def candidates(self, *, environment: str, agent: str, action: str, tool: str) -> list[int]:
        """Return the ordinals of the rules whose selectors cover the request, ascending; not to be changed."""
        key = (environment, agent, action, tool)
        found = self._found.get(key)
        if found is None:
            found = self._look_up(environment, agent, action, tool)
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            self._found[key] = found
        return found

    def parts(self) -> list[object]:
        """Return what the index consists of, in pieces none of which is large."""
        return [*self._found.values(), *(part for each in self._environments.values() for part in each.values())]

    def _look_up(self, environment: str, agent: str, action: str, tool: str) -> list[int]:
        leaves = [
            leaf
            for under_environment in self._environments.covering(environment)
            for under_agent in under_environment.covering(agent)
            for under_action in under_agent.covering(action)
            for leaf in under_action.covering(tool)
        ]
        if len(leaves) == 1:
            return leaves[0]
        return sorted({ordinal for leaf in leaves for ordinal in leaf})


def places(*parts: Collection[str]) -> int:
    """Return the number of combinations."""
    total = 1
    for part in parts:
        total *= max(len(part), 1)
    return total
