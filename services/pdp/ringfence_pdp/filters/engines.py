"""The filters themselves, made when a bundle first uses them: what no policy asks for is neither loaded nor paid for.

One that cannot be made (its rules do not compile here, its model is not what its hash says) is no reason to stop
deciding: it is a filter that says of everything that it failed, so the policy's `on_error` holds, with the reason.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from ringfence_pdp.filters.filter_rule import FilterRule
from ringfence_pdp.filters.finding import Content, Filter, Finding, Kind, Severity
from ringfence_pdp.filters.origins import Origins

PATTERNS: Final = "patterns"
INTENT: Final = "intent"
ORIGIN: Final = "origin"
STRICT_ORIGIN: Final = "origin-strict"
"""What nobody said the origin of is untrusted there."""

PROBLEM_MAX: Final = 400
"""Characters of why a filter cannot be loaded: it is in every answer the filter would look at."""

Make = Callable[[tuple[FilterRule, ...]], Filter]


class Looked(NamedTuple):
    """Content, and what a filter found in it."""

    content: Content
    findings: Sequence[Finding]


class Engines:
    """The filters of one bundle, by name."""

    def __init__(self, rules: Sequence[FilterRule] = (), *, made: Mapping[str, Filter] | None = None) -> None:
        """`rules` are those of the bundle's own packs; `made` are used instead of what would be made."""
        self.rules = tuple(rules)
        """Of the bundle's own packs."""
        self.last: dict[str, Looked] = {}
        """What each filter looked through last: a decision that waits for somebody is made twice over one content."""
        self._made = dict(made or {})

    def is_made(self, name: str) -> bool:
        """Say whether a filter was made already: the first time takes seconds."""
        return name in self._made

    def named(self, name: str) -> Filter:
        """Return a filter, made now if nobody asked for it before."""
        found = self._made.get(name)
        if found is None:
            found = self._made[name] = _made(name, self.rules)
        return found

    def warm_up(self, name: str) -> None:
        """Make a filter, and load what its first look would wait for: for a thread, because it takes a second."""
        self.named(name)
        if name == PATTERNS:
            from ringfence_pdp.filters.analysers import analysing  # noqa: PLC0415 - as the filters themselves, below

            analysing.warm_up()

    def problems(self) -> Sequence[str]:
        """Return why filters could not be made, of those that were asked for."""
        return [found.problem for found in self._made.values() if isinstance(found, Broken)]


class Broken:
    """A filter that could not be made."""

    def __init__(self, name: str, problem: str) -> None:
        self.problem = problem
        self.digest = f"sha256-{hashlib.sha256(f'broken:{name}'.encode()).hexdigest()}"
        self._finding = failure(name, problem)

    def findings(self, content: Content) -> Sequence[Finding]:  # noqa: ARG002 - the Protocol's
        """Return why it cannot look."""
        return (self._finding,)


def failure(name: str, problem: str) -> Finding:
    """Return the finding that says that a filter could not look. `problem` names no content."""
    return Finding(kind=Kind.FAILURE, id=f"{name}.failed", category="failure", severity=Severity.HIGH, message=problem)


def _made(name: str, rules: tuple[FilterRule, ...]) -> Filter:
    try:
        return _loaded(name, rules)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with rules or a model, decisions go on, closed
        return Broken(name, f"the filter {name} cannot be loaded: {(str(error) or type(error).__name__)[:PROBLEM_MAX]}")


@lru_cache(maxsize=16)
def _loaded(name: str, rules: tuple[FilterRule, ...]) -> Filter:
    # Bundles that follow one another mostly have the same packs. What could not be made is tried again.
    return _MAKERS[name](rules)


def _patterns(rules: tuple[FilterRule, ...]) -> Filter:
    # Here and below imported when first used: the rules and the model take memory that most pdps never need.
    from ringfence_pdp.filters.builtin import patterns  # noqa: PLC0415 - see above

    return patterns(rules)


def _intent(_: tuple[FilterRule, ...]) -> Filter:
    from ringfence_pdp.filters.intent.classifier import intent  # noqa: PLC0415 - see above

    return intent()


_MAKERS: Final[Mapping[str, Make]] = {
    PATTERNS: _patterns,
    INTENT: _intent,
    ORIGIN: lambda _: Origins(),
    STRICT_ORIGIN: lambda _: Origins(unknown_is_untrusted=True),
}
