"""Says what the filters make of a text, and counts it: how much of what is meant ill is stopped, and of what is not."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from ringfence_pdp.filters.arguments import content_of_text
from ringfence_pdp.filters.builtin import patterns
from ringfence_pdp.filters.finding import ArgumentType, Filter, Finding, Kind, Rating, Severity

from training.texts import BENIGN, CORE, Text

_RARE: Final = {Severity.HIGH: 1e-4, Severity.MEDIUM: 5e-3, Severity.LOW: 2e-2}
"""Where a finding without a p-value stands among those that have one; only to rank texts."""


class Verdict(NamedTuple):
    """What one detector makes of one text."""

    severity: Severity | None
    weight: float
    """The more, the more dangerous: ranks texts, also those nothing is found in."""
    told: float
    """The same by findings alone: 0 without one."""

    @property
    def is_flagged(self) -> bool:
        """Whether somebody would be asked, or the call denied."""
        return self.severity is not None and self.severity >= Severity.MEDIUM

    @property
    def is_denied(self) -> bool:
        """Whether the call would be denied."""
        return self.severity is Severity.HIGH


Judge = Callable[[Text], Verdict]


def by_filters(filters: Sequence[Filter]) -> Judge:
    """Return what several filters together make of a text; texts they find nothing in are ranked too, where one can."""

    def judge(text: Text) -> Verdict:
        type_ = None if text.type is ArgumentType.FREE_TEXT else text.type
        content = content_of_text(text.text, type=type_)
        found = [finding for one in filters for finding in one.findings(content)]
        rarities = [one.p_value(content) for one in filters if isinstance(one, Rating)]
        return verdict_of(found, min((one for one in rarities if one is not None), default=None))

    return judge


def verdict_of(findings: Iterable[Finding], p_value: float | None = None) -> Verdict:
    """Return what findings amount to; that a filter failed is not counted as found.

    `p_value` is how rare the text is among ordinary calls, found dangerous or not, where that is known.
    """
    found = [finding for finding in findings if finding.kind is not Kind.FAILURE]
    rarest = min((_RARE[one.severity] if one.p_value is None else one.p_value for one in found), default=1.0)
    weighed = rarest if p_value is None else min(rarest, p_value)
    severity = max((one.severity for one in found), default=None)
    return Verdict(severity, -math.log10(weighed), -math.log10(rarest))


def layer_one() -> Filter:
    """Return the patterns and analysers that are built in."""
    return patterns(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A text and what a detector made of it."""

    text: Text
    verdict: Verdict


def judged(texts: Iterable[Text], judge: Judge) -> list[Judged]:
    """Return what a detector makes of every text."""
    return [Judged(text=text, verdict=judge(text)) for text in texts]


def table(rows: Sequence[Judged], key: Callable[[Text], str]) -> dict[str, Any]:
    """Return how much of each kind is flagged and denied."""
    kinds: dict[str, list[Verdict]] = {}
    for row in rows:
        kinds.setdefault(key(row.text), []).append(row.verdict)
    return {
        kind: {
            "texts": len(verdicts),
            "flagged": round(sum(verdict.is_flagged for verdict in verdicts) / len(verdicts), 4),
            "denied": round(sum(verdict.is_denied for verdict in verdicts) / len(verdicts), 4),
        }
        for kind, verdicts in sorted(kinds.items())
    }


def gates(rows: Sequence[Judged]) -> dict[str, Any]:
    """Return the numbers the gates are about. Sources weigh alike inside a stratum, whatever their size."""
    attacks = [row for row in rows if row.text.stratum in CORE]
    benign = [row for row in rows if row.text.stratum in BENIGN]
    by_stratum = {stratum: [row for row in rows if row.text.stratum == stratum] for stratum in (*CORE, *BENIGN)}
    flagged = {stratum: _even(part, "is_flagged") for stratum, part in by_stratum.items() if part}
    denied = {stratum: _even(part, "is_denied") for stratum, part in by_stratum.items() if part}
    wrongly = sum(row.verdict.is_denied for row in benign)
    rightly = sum(row.verdict.is_denied for row in attacks)
    return {
        "flagged": flagged,
        "denied": denied,
        "core_recall": round(sum(row.verdict.is_flagged for row in attacks) / max(1, len(attacks)), 4),
        "core_recall_strata_alike": round(sum(flagged.get(name, 0.0) for name in CORE) / len(CORE), 4),
        "false_positives": round(sum(row.verdict.is_flagged for row in benign) / max(1, len(benign)), 4),
        "deny_precision": round(rightly / max(1, rightly + wrongly), 4),
        "auc_core": auc([row.verdict.weight for row in attacks], [row.verdict.weight for row in benign]),
        "auc_core_told": auc([row.verdict.told for row in attacks], [row.verdict.told for row in benign]),
        "attacks": len(attacks),
        "benign": len(benign),
    }


def auc(higher: Sequence[float], lower: Sequence[float]) -> float:
    """Return how often one of the first weighs more than one of the second; a draw counts half."""
    if not higher or not lower:
        return 0.0
    values, ranks = np.unique(np.concatenate((higher, lower)), return_inverse=True)
    counts = np.bincount(ranks)
    middle = np.cumsum(counts) - counts / 2 + 0.5
    first = middle[ranks[: len(higher)]].sum() - len(higher) * (len(higher) + 1) / 2
    return round(float(first / (len(higher) * len(lower))), 4) if len(values) > 1 else 0.5


def _even(rows: Sequence[Judged], what: str) -> float:
    kinds: dict[str, list[bool]] = {}
    for row in rows:
        kinds.setdefault(row.text.source.split("/")[0], []).append(bool(getattr(row.verdict, what)))
    return round(sum(sum(said) / len(said) for said in kinds.values()) / len(kinds), 4)
