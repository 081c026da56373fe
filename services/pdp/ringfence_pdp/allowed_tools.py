"""Which tools an agent could call now: what a gateway answers `tools/list` with, before anybody names an argument.

The decision is the one Check makes, on rules that are given the benefit of the doubt: a condition that looks at
arguments, the resource or the context may turn out either way, so what permits is taken to hold and what restricts is
not. That is the most Check would say; `depends_on_arguments` says that it could say less.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ringfence_pdp.case import Basis, Case
from ringfence_pdp.cel.condition import Condition
from ringfence_pdp.cel.syntax import Name
from ringfence_pdp.compiled import CompiledBundle, CompiledRule
from ringfence_pdp.decide import decide
from ringfence_pdp.filter_stage import filters_of
from ringfence_pdp.filters.heard import NOBODY_OBJECTS
from ringfence_pdp.limits.spending import overspent
from ringfence_pdp.model import CheckRequest, Decision, Effect

EXAMINED_MAX: Final = 2_000
"""Tools looked at for one page: each takes as long as a decision."""

_SENT_LATER: Final = frozenset({"args", "resource", "context"})
"""What conditions can look at that is not known before a call."""


class AllowedTool(NamedTuple):
    """A tool, and the most that would be said to calling it."""

    name: str
    schema_hash: str
    decision: Decision
    depends_on_arguments: bool


class ToolPage(NamedTuple):
    """Some of the tools, in order."""

    tools: Sequence[AllowedTool]
    last: str
    """The last one that was looked at; empty when there are no more."""


class AllowedTools:
    """Looks tools over; remembers the rules with the benefit of the doubt for the bundle in force."""

    def __init__(self) -> None:
        self._kept: tuple[CompiledBundle, Sequence[CompiledBundle]] | None = None

    def page(
        self, basis: Basis, asked: Callable[[str], CheckRequest], names: Sequence[str], *, size: int, show_denied: bool
    ) -> ToolPage:
        """Return up to `size` of the tools in `names`, which are in order; `asked` gives the question about one."""
        bases = [basis._replace(bundle=bundle) for bundle in self._hopeful(basis.bundle)]
        found: list[AllowedTool] = []
        # Limits that count calls here say nothing until there is one; a budget that is used up says it beforehand.
        spent = overspent(basis, asked(names[0])) if names else None
        for place, name in enumerate(names, start=1):
            tool = basis.facts.tools.get(name)
            # Classifiers elsewhere are not asked about a call that nobody makes yet.
            request = asked(name)._replace(
                tool_schema_hash=tool.schema_hash if tool is not None else None, heard=NOBODY_OBJECTS
            )
            decision = max((decide(hopeful, request) for hopeful in bases), key=lambda one: one.effect)
            if spent is not None and decision.effect is not Effect.DENY:
                decision = decision._replace(verdict=spent.verdict)
            if show_denied or decision.effect is not Effect.DENY:
                depends = decision.effect is not Effect.DENY and _depends(basis, request)
                found.append(AllowedTool(name, tool.schema_hash if tool is not None else "", decision, depends))
            if (len(found) == size or place == EXAMINED_MAX) and place < len(names):
                return ToolPage(found, name)
        return ToolPage(found, "")

    def _hopeful(self, bundle: CompiledBundle | None) -> Sequence[CompiledBundle | None]:
        """Return the bundle as nobody would ask for approval, and as everybody would: one of them says the most.

        The index goes by ordinal, so every rule keeps its place.
        """
        if bundle is None:
            return (None,)
        if self._kept is None or self._kept[0] is not bundle:
            hoped = [
                replace(bundle, rules=tuple(_hoped(rule, asking=asking) for rule in bundle.rules))
                for asking in (False, True)
            ]
            self._kept = bundle, hoped
        return self._kept[1]


def _hoped(rule: CompiledRule, *, asking: bool) -> CompiledRule:
    if not looks_at_what_is_sent(rule.condition):
        return rule
    holds = rule.effect is Effect.ALLOW or (asking and rule.effect is Effect.REQUIRE_APPROVAL)
    return replace(rule, evaluate=_holds if holds else _does_not_hold)


def looks_at_what_is_sent(condition: Condition | None) -> bool:
    """Say whether a condition looks at arguments, the resource or the context."""
    if condition is None:
        return False
    return any(isinstance(node, Name) and node.name in _SENT_LATER for node in condition.checked.fields)


def _depends(basis: Basis, request: CheckRequest) -> bool:
    if any(looks_at_what_is_sent(rule.condition) for rule in _covering(basis, request)):
        return True
    return bool(filters_of(Case(basis, request)))


def _covering(basis: Basis, request: CheckRequest) -> Iterator[CompiledRule]:
    """Yield the rules whose selectors cover the request, for whichever side of it."""
    bundle, identity = basis.bundle, basis.facts.identity(request.did, request.agent, request.environment)
    if bundle is None or identity is None:
        return
    parties = {identity.resource_name, *([str(request.target.agent)] if request.target is not None else [])}
    for party in parties:
        for ordinal in bundle.index.candidates(
            environment=request.environment, agent=party, action=request.action, tool=request.tool or ""
        ):
            yield bundle.rules[ordinal]


def _holds(_scope: Any) -> bool:
    return True


def _does_not_hold(_scope: Any) -> bool:
    return False
