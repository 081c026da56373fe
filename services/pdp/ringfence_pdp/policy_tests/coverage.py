"""Which rules and filters no test would miss: each is taken away in turn, and the tests that met it are run again."""

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
    """Of rules and filters."""
    unkilled: tuple[str, ...] | None
    """Rules and filters, as `policy/name`, that could be taken away; None when that was not asked."""

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
    behind = len(bundle.rules)  # filters are counted on behind the rules
    noted = replace(
        bundle,
        index=_NotingIndex(bundle.index, finding),
        boundary_index=_NotingIndex(bundle.boundary_index, finding),
        filter_index=_NotingIndex(bundle.filter_index, finding, behind),
        boundary_filter_index=_NotingIndex(bundle.boundary_filter_index, finding, behind),
    )
    for test in sorted(tests, key=lambda test: test.place):
        breathe()
        finding.clear()
        result = run(test, noted)
        results.append(result)
        for ordinal in finding if result.passed else ():
            met.setdefault(ordinal, []).append(test)
    unkilled = _unkilled(bundle, met, breathe) if coverage else None
    return Report(results=tuple(results), rule_count=bundle.rule_count + len(bundle.filters), unkilled=unkilled)


def _unkilled(bundle: CompiledBundle, met: dict[int, list[PolicyTest]], breathe: Callable[[], None]) -> tuple[str, ...]:
    runs = 0
    unkilled: list[str] = []
    ids = [*(rule.id for rule in bundle.rules), *(one.id for one in bundle.filters)]
    for ordinal, id_ in enumerate(ids):
        tests = met.get(ordinal, [])
        runs += len(tests)
        without = _without(bundle, ordinal) if tests and runs <= RUNS_MAX else bundle
        if without is bundle or all(_passes(test, without, breathe) for test in tests):
            unkilled.append(id_)
    return tuple(sorted(unkilled))


def _passes(test: PolicyTest, bundle: CompiledBundle, breathe: Callable[[], None]) -> bool:
    breathe()
    return run(test, bundle).passed


def _without(bundle: CompiledBundle, ordinal: int) -> CompiledBundle:
    """The bundle with one rule that never holds, or one filter that is not found."""
    if ordinal >= len(bundle.rules):
        return _without_filter(bundle, ordinal - len(bundle.rules))
    rules = list(bundle.rules)
    rules[ordinal] = replace(rules[ordinal], evaluate=_never)
    return replace(bundle, rules=tuple(rules))


def _without_filter(bundle: CompiledBundle, ordinal: int) -> CompiledBundle:
    return replace(
        bundle,
        filter_index=_LackingIndex(bundle.filter_index, ordinal),
        boundary_filter_index=_LackingIndex(bundle.boundary_filter_index, ordinal),
    )


def _never(_: Any) -> bool:
    return False


class _NotingIndex(RuleIndex):
    """An index that notes which rules it finds."""

    __slots__ = ("_begin", "_index", "_met")

    def __init__(self, index: RuleIndex, met: set[int], begin: int = 0) -> None:
        super().__init__()
        self._begin = begin
        self._index = index
        self._met = met

    def candidates(self, *, environment: str, agent: str, action: str, tool: str) -> list[int]:
        """Return what the index finds."""
        found = self._index.candidates(environment=environment, agent=agent, action=action, tool=tool)
        self._met.update(self._begin + ordinal for ordinal in found)
        return found


class _LackingIndex(RuleIndex):
    """An index that does not find one thing."""

    __slots__ = ("_index", "_lacking")

    def __init__(self, index: RuleIndex, lacking: int) -> None:
        super().__init__()
        self._index = index
        self._lacking = lacking

    def candidates(self, *, environment: str, agent: str, action: str, tool: str) -> list[int]:
        """Return what the index finds otherwise."""
        found = self._index.candidates(environment=environment, agent=agent, action=action, tool=tool)
        return [ordinal for ordinal in found if ordinal != self._lacking]
