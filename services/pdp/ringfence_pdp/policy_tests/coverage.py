"""Which rules no test would miss: each is taken away in turn, and the tests that met it are run again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from ringfence_pdp.breathing import nothing_more
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.index import RuleIndex
from ringfence_pdp.policy_tests.running import Result, run
from ringfence_pdp.policy_tests.written import PolicyTest

RUNS_MAX = 200_000
"""Runs of tests that coverage may take; a rule that is not reached by then counts as not missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How tests went."""

    results: tuple[Result, ...]
    rule_count: int
    unkilled: tuple[str, ...] | None
    """Rules, as `policy/rule`, that could be taken away; None when that was not asked."""

    @property
    def failed(self) -> int:
        """How many tests failed."""
        return sum(not result.passed for result in self.results)


def run_tests(
    tests: Iterable[PolicyTest],
    bundle: CompiledBundle,
    *,
    coverage: bool = False,
    breathe: Callable[[], None] = nothing_more,
) -> Report:
    """Run tests, in the order of files and lines."""
    results: list[Result] = []
    met: dict[int, list[PolicyTest]] = {}
    finding: set[int] = set()
    noted = replace(
        bundle,
        index=_NotingIndex(bundle.index, finding),
        boundary_index=_NotingIndex(bundle.boundary_index, finding),
    )
    for test in sorted(tests, key=lambda test: test.place):
        breathe()
        finding.clear()
        result = run(test, noted)
        results.append(result)
        for ordinal in finding if result.passed else ():
            met.setdefault(ordinal, []).append(test)
    unkilled = _unkilled(bundle, met, breathe) if coverage else None
    return Report(results=tuple(results), rule_count=bundle.rule_count, unkilled=unkilled)


def _unkilled(bundle: CompiledBundle, met: dict[int, list[PolicyTest]], breathe: Callable[[], None]) -> tuple[str, ...]:
    runs = 0
    unkilled: list[str] = []
    for ordinal, rule in enumerate(bundle.rules):
        tests = met.get(ordinal, [])
        runs += len(tests)
        without = _without(bundle, ordinal) if tests and runs <= RUNS_MAX else bundle
        if without is bundle or all(_passes(test, without, breathe) for test in tests):
            unkilled.append(rule.id)
    return tuple(sorted(unkilled))


def _passes(test: PolicyTest, bundle: CompiledBundle, breathe: Callable[[], None]) -> bool:
    breathe()
    return run(test, bundle).passed


def _without(bundle: CompiledBundle, ordinal: int) -> CompiledBundle:
    """The bundle with one rule that never holds, at the place it has in the index."""
    rules = list(bundle.rules)
    rules[ordinal] = replace(rules[ordinal], evaluate=_never)
    return replace(bundle, rules=tuple(rules))


def _never(_: Any) -> bool:
    return False


class _NotingIndex(RuleIndex):
    """An index that notes which rules it finds."""

    __slots__ = ("_index", "_met")

    def __init__(self, index: RuleIndex, met: set[int]) -> None:
        super().__init__()
        self._index = index
        self._met = met

    def candidates(self, *, environment: str, agent: str, action: str, tool: str) -> list[int]:
        """Return what the index finds."""
        found = self._index.candidates(environment=environment, agent=agent, action=action, tool=tool)
        self._met.update(found)
        return found
