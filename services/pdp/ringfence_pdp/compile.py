"""A bundle of files to what decides: rules with compiled conditions, in an index.

All or nothing: either everything a bundle says makes sense, or `BundleInvalid` lists what does not. The order files and
rules come in leaves no trace: rules are ordered by effect and name, and that order only says which of several is named.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from ringfence_pdp.breathing import nothing_more, uncollected
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.cel.condition import Condition
from ringfence_pdp.cel.reads import reads
from ringfence_pdp.compile_file import CompiledFile, compile_file
from ringfence_pdp.compiled import CompiledBundle, CompiledLimit, CompiledRule
from ringfence_pdp.errors import BundleInvalid
from ringfence_pdp.fields import Problem, Report
from ringfence_pdp.filters.engines import Engines
from ringfence_pdp.filters.filtering import CompiledFilter
from ringfence_pdp.index import RuleIndex
from ringfence_pdp.lints import findings_together
from ringfence_pdp.policy import Algorithm, Policies, Policy, together
from ringfence_pdp.policy_filters import FilterUse
from ringfence_pdp.policy_tests.written import TESTS_MAX
from ringfence_pdp.rings import RingGate

__all__ = ["BundleCompiler", "CompiledBundle", "CompiledLimit", "CompiledRule", "Examined", "compile_files"]

BUNDLE_COST_MAX = 20_000_000
"""Units all conditions of a bundle may cost together, so that no request can meet more than that."""

BUNDLE_PLACES_MAX = 500_000
"""Places in the index, for bounding memory."""

BUNDLE_PATTERNS_MAX = 1_000
"""Regular expressions in a bundle, each of which may take memory of its own."""

LARGE = 256 << 10
"""Bytes from which on a bundle is so many objects that they are not looked through for garbage."""


class BundleCompiler:
    """Compiles bundles, and remembers of the last one what the next may have in common with it.

    May be called from several threads at once: what is remembered is replaced whole, and never changed.
    """

    def __init__(self, breathe: Callable[[], Callable[[], None]] = lambda: nothing_more) -> None:
        """`breathe` makes what is called every now and then while compiling."""
        self._breathe = breathe
        self._known = _Known({}, {})

    def compile_files(self, files: Sequence[PolicyFile]) -> CompiledBundle:
        """Return the bundle ready to decide; raise BundleInvalid with everything that is wrong."""
        examined = self.examine(files)
        if examined.bundle is None:
            raise BundleInvalid([problem.as_violation() for problem in examined.problems])
        return examined.bundle

    def examine(self, files: Sequence[PolicyFile]) -> "Examined":
        """Return everything that is wrong with a bundle, and the bundle when nothing is."""
        large = sum(len(file.content) for file in files) > LARGE
        with uncollected() if large else nullcontext():
            return self._examined(files, self._breathe())

    def _examined(self, files: Sequence[PolicyFile], breathe: Callable[[], None]) -> "Examined":
        known = self._known
        conditions = dict(known.conditions)
        parts: dict[PolicyFile, CompiledFile] = {}
        for file in files:
            breathe()
            part = known.files.get(file) or compile_file(file, conditions, breathe)
            conditions.update(part.conditions)
            parts[file] = part
        examined = _together(list(parts.values()), breathe)
        self._known = _Known(parts, {text: one for part in parts.values() for text, one in part.conditions.items()})
        return examined


class Examined(NamedTuple):
    """What came of a bundle: everything that is wrong with it, or the bundle."""

    problems: tuple[Problem, ...]
    bundle: CompiledBundle | None


class _Known(NamedTuple):
    """What the last bundle consisted of."""

    files: Mapping[PolicyFile, CompiledFile]
    conditions: Mapping[str, Condition]


def compile_files(files: Sequence[PolicyFile]) -> CompiledBundle:
    """Return the bundle ready to decide; raise BundleInvalid with everything that is wrong."""
    return BundleCompiler().compile_files(files)


def _together(parts: Sequence[CompiledFile], breathe: Callable[[], None]) -> Examined:
    report = Report()
    for part in parts:
        for problem in part.problems:
            report.note(problem)
    policies = together([part.policies for part in parts], report)
    _check_bounds(parts, policies.policies, report)
    if report.problems:
        return Examined(tuple(sorted(report.problems)), None)
    return Examined((), _bundle(parts, policies, breathe))


def _bundle(parts: Sequence[CompiledFile], policies: Policies, breathe: Callable[[], None]) -> CompiledBundle:
    rules = tuple(sorted((rule for part in parts for rule in part.rules), key=lambda rule: (rule.effect, rule.id)))
    ordered = tuple(sorted(policies.policies, key=lambda policy: policy.name))
    limits = _limits(ordered)
    filters, filter_indexes = _filters(ordered)
    engines = Engines([rule for part in parts for rule in part.policies.filter_rules])
    # Made here, in the compiler's thread, so that no decision waits for it.
    for name in sorted({one.engine for one in filters if one.engine}):
        breathe()
        engines.warm_up(name)
    alone = (finding for part in parts for finding in part.findings)
    return CompiledBundle(
        rules=rules,
        index=_rule_index(rules, breathe, of_boundaries=False),
        boundary_index=_rule_index(rules, breathe, of_boundaries=True),
        policies=ordered,
        limits=limits,
        gate=RingGate(policies.ring_requirements),
        policy_count=len(ordered),
        findings=tuple(sorted([*alone, *findings_together(ordered, rules, breathe), *_broken(ordered, engines)])),
        policy_index=_policy_index(ordered, breathe, of_boundaries=False),
        boundary_policy_index=_policy_index(ordered, breathe, of_boundaries=True),
        limit_index=_limit_index(limits),
        has_obligations=any(rule.obligations for rule in rules),
        has_caller_rings=any(policy.min_caller_ring is not None for policy in ordered),
        has_boundaries=any(policy.governs.boundaries for policy in ordered),
        has_history=any("session" in reads(one.checked) for part in parts for one in part.conditions.values()),
        tests=tuple(test for part in parts for test in part.tests),
        has_algorithms=any(policy.algorithm is not Algorithm.DENY_OVERRIDES for policy in ordered),
        filters=filters,
        filter_index=filter_indexes[False],
        boundary_filter_index=filter_indexes[True],
        asks_classifiers=any(one.written.use is FilterUse.REMOTE for one in filters),
        reads_intent=any(one.written.use is FilterUse.INTENT for one in filters),
        engines=engines,
    )


def _check_bounds(parts: Sequence[CompiledFile], policies: Sequence[Policy], report: Report) -> None:
    patterns = {text: condition.checked.patterns for part in parts for text, condition in part.conditions.items()}
    for total, most, what in (
        (sum(part.cost for part in parts), BUNDLE_COST_MAX, "units its conditions can cost"),
        (sum(part.places for part in parts), BUNDLE_PLACES_MAX, "combinations of selectors"),
        (sum(map(len, patterns.values())), BUNDLE_PATTERNS_MAX, "regular expressions"),
        (sum(len(part.tests) for part in parts), TESTS_MAX, "tests"),
    ):
        if total > most:
            places = [policy.place for policy in policies] or [test.place for part in parts for test in part.tests]
            report.add(places[-1], f"the bundle has {total} {what}, {most} are allowed")


def _limits(policies: Iterable[Policy]) -> tuple[CompiledLimit, ...]:
    limits = [
        CompiledLimit(
            id=f"{policy.name}/{written.limit.name}",
            limit=written.limit,
            side=policy.governs.side,
            needs_tool=bool(written.match.tools),
            policy=policy,
            match=written.match,
        )
        for policy in policies
        for written in policy.limits
    ]
    return tuple(sorted(limits, key=lambda limit: limit.id))


def _filters(policies: Iterable[Policy]) -> tuple[tuple[CompiledFilter, ...], Mapping[bool, RuleIndex]]:
    """Return the filters, and two indexes of them: by agents, and by boundaries (True)."""
    named = sorted(
        ((f"{policy.name}/{written.name}", policy, written) for policy in policies for written in policy.filters),
        key=lambda named: named[0],
    )
    indexes = {False: RuleIndex(), True: RuleIndex()}
    filters: list[CompiledFilter] = []
    for ordinal, (id_, policy, written) in enumerate(named):
        governs, match = policy.governs, written.match
        side = None if governs.boundaries else governs.side
        filters.append(CompiledFilter(id=id_, written=written, side=side, needs_tool=bool(match.tools)))
        indexes[bool(governs.boundaries)].put(
            ordinal,
            environments=governs.environments,
            agents=governs.boundaries or governs.agents,
            actions=match.actions,
            tools=match.tools,
        )
    return tuple(filters), indexes


def _broken(policies: Iterable[Policy], engines: Engines) -> Iterator[Problem]:
    """Yield the filters that cannot look: the bundle decides all the same, closed as their `on_error` says."""
    places = [written.place for policy in policies for written in policy.filters]
    for problem in engines.problems():
        yield Problem(places[0], problem, "on_error holds for every call it would look at")


def _rule_index(rules: Iterable[CompiledRule], breathe: Callable[[], None], *, of_boundaries: bool) -> RuleIndex:
    index = RuleIndex()
    for ordinal, rule in enumerate(rules):
        breathe()
        governs = rule.policy.governs
        if bool(governs.boundaries) is of_boundaries:
            index.put(
                ordinal,
                environments=governs.environments,
                agents=governs.boundaries or governs.agents,
                actions=rule.rule.actions,
                tools=rule.rule.tools,
            )
    return index


def _policy_index(policies: Iterable[Policy], breathe: Callable[[], None], *, of_boundaries: bool) -> RuleIndex:
    index = RuleIndex()
    for ordinal, policy in enumerate(policies):
        breathe()
        governs = policy.governs
        if bool(governs.boundaries) is of_boundaries and not policy.only_filters:
            governed = governs.boundaries or governs.agents
            index.put(ordinal, environments=governs.environments, agents=governed, actions=(), tools=())
    return index


def _limit_index(limits: Iterable[CompiledLimit]) -> RuleIndex:
    index = RuleIndex()
    for ordinal, limit in enumerate(limits):
        governs, match = limit.policy.governs, limit.match
        index.put(
            ordinal,
            environments=governs.environments,
            agents=governs.agents,
            actions=match.actions,
            tools=match.tools,
        )
    return index
