"""What an analyser says about a place in a text: a judgement, which is a finding once it stands somewhere.

Judgements are constants of the analyser that makes them; `analysing.JUDGEMENTS` are all of them, and each has cases in
tests/golden/pdp/filters/analysers.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from ringfence_pdp.filters.finding import Argument, Finding, Kind, Severity

HIGH: Final = Severity.HIGH
MEDIUM: Final = Severity.MEDIUM
LOW: Final = Severity.LOW


class Judgement(NamedTuple):
    """A kind of thing an analyser finds."""

    id: str
    category: str
    severity: Severity
    message: str

    def at(self, start: int, end: int) -> "Hit":
        """Say that it stands there."""
        return Hit(self, start, end)

    def less(self, severity: Severity) -> "Judgement":
        """Return the same, at most as bad as `severity`."""
        return self._replace(severity=min(self.severity, severity))


class Hit(NamedTuple):
    """A judgement about a part of a text."""

    judgement: Judgement
    start: int
    end: int


def findings_of(hits: Iterable[Hit], argument: Argument) -> list[Finding]:
    """Return the findings, the worst first; of one kind the worst and first alone."""
    ordered = sorted(hits, key=lambda hit: (-hit.judgement.severity, hit.start, hit.judgement.id))
    once = {hit.judgement.id: hit for hit in reversed(ordered)}
    return [
        Finding(
            kind=Kind.ANALYSIS,
            id=hit.judgement.id,
            category=hit.judgement.category,
            severity=hit.judgement.severity,
            message=hit.judgement.message,
            argument=argument.pointer,
            argument_type=argument.type,
            start=hit.start,
            end=hit.end,
            origin=argument.origin,
        )
        for hit in ordered
        if once[hit.judgement.id] is hit
    ]
