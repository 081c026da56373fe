"""The filter of patterns: every text of a call, in every reading, against all rules and as what it is written in.

The rules:

- a rule tells once of an argument, where it first matched; how the text was read is told with it;
- what cannot be looked at as a whole is a failure beside whatever was found in what could;
- a matcher that fails is a failure, never silence.

That a call as a whole is too large is not told here: whoever asks several filters tells it once (`looking.py`).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ringfence_pdp.filters.filter_rule import FilterRule, digest_of
from ringfence_pdp.filters.finding import Argument, ArgumentType, Content, Finding, Kind, Severity
from ringfence_pdp.filters.masking import Shown
from ringfence_pdp.filters.proving import Ways
from ringfence_pdp.filters.rule_set import NOTHING_KNOWN, RuleSet
from ringfence_pdp.filters.views import View, readings

FINDINGS_MAX = 64

Analyse = Callable[[Argument, str], Sequence[Finding]]
"""Reads the text of an argument, or a view of it, as what it is written in."""

_HIDDEN = "hidden.text"


class Patterns:
    """Rules and analysers as one filter."""

    def __init__(
        self,
        rules: Iterable[FilterRule],
        analyse: Analyse | None = None,
        *,
        analysed_by: str = "",
        needed: Mapping[str, Ways] = NOTHING_KNOWN,
    ) -> None:
        """`analysed_by` names the version of what analyses; it is part of the digest. `needed`: as of a `RuleSet`."""
        self._rule_set = RuleSet(rules, needed)
        self._analyse = analyse
        told = f"{digest_of(self._rule_set.rules)} {analysed_by}"
        self._digest = f"sha256-{hashlib.sha256(told.encode()).hexdigest()}"

    @property
    def digest(self) -> str:
        """`sha256-` and 64 hex digits over the rules and the version of the analysers."""
        return self._digest

    @property
    def rules(self) -> Sequence[FilterRule]:
        """The rules, the worst first."""
        return self._rule_set.rules

    def findings(self, content: Content) -> Sequence[Finding]:
        """Return what the rules and analysers find, the worst first."""
        found: list[Finding] = []
        told: dict[tuple[object, ...], Sequence[Finding]] = {}
        for argument in content.arguments:
            # Wherever a text is passed again, the same is found in it.
            text = argument.text, argument.type, argument.is_declared
            if text not in told:
                told[text] = self._of(argument)
            found.extend(one._replace(argument=argument.pointer, origin=argument.origin) for one in told[text])
        found.sort(key=lambda finding: -finding.severity)
        return found[:FINDINGS_MAX]

    def _of(self, argument: Argument) -> Sequence[Finding]:
        found: list[Finding] = []
        try:
            found.extend(self._looked(argument))
        except Exception as error:  # noqa: BLE001 - whatever a text does to a matcher or parser, the call is not let through for it
            # Its type only: what it says may hold content.
            found.append(_failure(argument, Severity.HIGH, f"patterns failed over this ({type(error).__name__})"))
        return found

    def _looked(self, argument: Argument) -> Iterator[Finding]:
        read = readings(argument.text, argument.type)
        if read.problem:
            yield _failure(argument, Severity.MEDIUM, f"this could not be looked through: {read.problem}")
        known: set[str] = set()
        for view in read.views:
            shown: Shown | None = None
            for finding in self._in(view, argument):
                if finding.id in known:
                    continue
                known.add(finding.id)
                shown = shown or Shown(view.text)
                yield _told(finding, argument, view, shown, self._digest)

    def _in(self, view: View, argument: Argument) -> Iterator[Finding]:
        if "hidden" in view.steps:
            yield Finding(
                kind=Kind.ANALYSIS,
                id=_HIDDEN,
                category="evasion",
                severity=Severity.MEDIUM,
                message="a message is hidden in characters that nobody sees",
                end=len(view.text),
            )
        for rule, start, end in self._rule_set.matches(view.text, argument.type, view.kind):
            yield Finding(Kind.RULE, rule.id, rule.category, rule.severity, rule.message, start=start, end=end)
        if self._analyse is not None and view.is_whole:
            yield from self._analyse(argument, view.text)


def _told(finding: Finding, argument: Argument, view: View, shown: Shown, digest: str) -> Finding:
    """Return a finding with where it is, in what reading, and what stands there."""
    # A secret in its place is never shown, not even masked: what is around it tells how long it is.
    snippet = "" if argument.type is ArgumentType.SECRET else shown.snippet(finding.start, finding.end)
    return finding._replace(
        argument=argument.pointer,
        argument_type=argument.type,
        views=view.steps,
        snippet=snippet,
        model=digest,
        origin=argument.origin,
    )


def _failure(argument: Argument, severity: Severity, message: str) -> Finding:
    return Finding(
        kind=Kind.FAILURE,
        id="patterns.failed",
        category="failure",
        severity=severity,
        message=message,
        argument=argument.pointer,
        argument_type=argument.type,
        origin=argument.origin,
    )
