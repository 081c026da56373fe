"""What the filters of a call make of its content: findings, and the verdict policies draw from them. Pure.

The rules:

- each filter looks once, however many policies use it; each policy makes of what it found what it says;
- the strictest action on a finding wins, so another filter, or another policy, never lets anything through;
- a filter that fails is no excuse: what holds is `on_error`, which nothing can ignore. Of content that is too large or
  too deep to be looked through to its end, people are asked;
- nothing a filter does comes out of here but findings: an exception is one, and so are content that could not be looked
  through as a whole and a text that cannot be written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from ringfence_pdp.filters.encoder.doubt import ENCODER
from ringfence_pdp.filters.engines import INTENT, ORIGIN, PATTERNS, STRICT_ORIGIN, Engines
from ringfence_pdp.filters.finding import Action, Content, Finding, Kind, Severity
from ringfence_pdp.filters.heard import Heard
from ringfence_pdp.filters.looking import look, unseen, writable
from ringfence_pdp.filters.pointers import shown
from ringfence_pdp.model import Effect, Reason, Side, Stage, Verdict
from ringfence_pdp.outcome import Outcome, meet_all
from ringfence_pdp.policy_filters import CATEGORY, USUAL_THRESHOLDS, FilterUse, Thresholds, WrittenFilter

FINDINGS_MAX: Final = 16
"""Findings an answer tells of."""

NAMED_MAX: Final = 3
"""Findings a message names."""

POINTER_SHOWN_MAX: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledFilter:
    """One filter of a policy, ready to be asked."""

    id: str
    """`policy/filter`."""
    written: WrittenFilter
    side: Side | None
    needs_tool: bool

    @property
    def engine(self) -> str:
        """The name of what looks; empty for a classifier elsewhere."""
        if self.written.use is FilterUse.ORIGIN and self.written.unknown_is_untrusted:
            return STRICT_ORIGIN
        return _ENGINES.get(self.written.use, "")

    def makes_of(self, finding: Finding) -> Finding | None:
        """Return a finding with what this filter makes of it; None when it ignores it."""
        written = self.written
        if finding.kind is Kind.FAILURE:
            # What was looked through, though not to its end, people may look at; what nobody looked at, nobody knows.
            partly = finding.severity < Severity.HIGH
            on_error = min(written.on_error, Action.REQUIRE_APPROVAL) if partly else written.on_error
            return finding._replace(action=on_error)
        if finding.id in written.ignore or f"{CATEGORY}{finding.category}" in written.ignore:
            return None
        severity = _severity(finding, written.thresholds)
        action = Action.NONE if severity is None else written.actions[severity]
        if severity is None or action is Action.NONE:
            return None
        return finding._replace(severity=severity, action=action)


_ENGINES: Final = {FilterUse.PATTERNS: PATTERNS, FilterUse.INTENT: INTENT, FilterUse.ORIGIN: ORIGIN}


class Filtered(NamedTuple):
    """What filters made of one call."""

    asked: tuple[str, ...] = ()
    """The filters that looked, by id."""
    findings: tuple[Finding, ...] = ()
    """The worst first, each with what is made of it."""
    verdict: Verdict | None = None
    """None when nothing speaks against the call."""


UNFILTERED = Filtered()


def filtered(filters: Sequence[CompiledFilter], content: Content, engines: Engines, heard: Heard) -> Filtered:
    """Return what `filters` make of `content`."""
    made: dict[tuple[object, ...], Finding] = {}
    makers: dict[tuple[object, ...], list[CompiledFilter]] = {}
    looked: dict[str, Sequence[Finding]] = {}
    for one in filters:
        for found in _found(one, content, engines, heard, looked):
            finding = one.makes_of(found)
            if finding is None:
                continue
            place = (finding.kind, finding.id, finding.argument, finding.start, finding.end, finding.views)
            known = made.get(place)
            if known is None or finding.action > known.action:
                made[place], makers[place] = finding, [one]
            elif finding.action is known.action:
                makers[place].append(one)
    worst_first = sorted(made, key=lambda place: _rank(made[place]))
    findings = tuple(made[place] for place in worst_first)
    asked = tuple(one.id for one in filters)
    if not findings or findings[0].action < Action.REQUIRE_APPROVAL:
        return Filtered(asked, findings[:FINDINGS_MAX])
    settling = [place for place in worst_first if made[place].action is findings[0].action]
    by = {one.id: one for place in settling for one in makers[place]}
    verdict = _verdict([made[place] for place in settling], [by[id_] for id_ in sorted(by)])
    return Filtered(asked, findings[:FINDINGS_MAX], verdict)


def lowered(verdict: Verdict, filtered: Filtered) -> Verdict:
    """Return what is left of a verdict that denies nothing, once filters had their say."""
    against = filtered.verdict
    if against is None:
        return verdict
    if against.effect is Effect.DENY or verdict.effect is not Effect.REQUIRE_APPROVAL:
        return against
    outcome = meet_all(Outcome(one.effect, approval=one.approval) for one in (verdict, against))
    return replace(
        against,
        message=f"{verdict.message}; {against.message}",
        rules=tuple(sorted({*verdict.rules, *against.rules})),
        rule_reason=verdict.rule_reason,
        approval=outcome.approval,
    )


def _found(
    one: CompiledFilter, content: Content, engines: Engines, heard: Heard, looked: dict[str, Sequence[Finding]]
) -> Iterable[Finding]:
    """Return what one filter finds, before any policy has its say. `looked`: what others found already."""
    if not one.engine:
        found = [writable(finding) for finding in heard.of(one.written.classifier)]
        return [*unseen(content), *found]
    if one.engine not in looked:
        looked[one.engine] = [*unseen(content), *look(one.engine, content, engines), *_read_again(one.engine, heard)]
    return looked[one.engine]


def _read_again(engine: str, heard: Heard) -> Sequence[Finding]:
    """Return what the second reader of intent found, where it was asked."""
    return [writable(finding) for finding in heard.said.get(ENCODER, ())] if engine == INTENT else ()


def _severity(finding: Finding, thresholds: Thresholds) -> Severity | None:
    """Return how bad a finding is by thresholds of the policy's own; None when it is too common to be told."""
    p_value = finding.p_value
    if p_value is None or thresholds == USUAL_THRESHOLDS:
        return finding.severity
    if p_value <= thresholds.high:
        return Severity.HIGH
    if p_value <= thresholds.medium:
        return Severity.MEDIUM
    return Severity.LOW if p_value <= thresholds.low else None


def _rank(finding: Finding) -> tuple[object, ...]:
    rarity = 1.0 if finding.p_value is None else finding.p_value
    return -finding.action, -finding.severity, rarity, finding.id, finding.argument, finding.start


def _verdict(settling: Sequence[Finding], filters: Sequence[CompiledFilter]) -> Verdict:
    """Return what the findings that settle it come to; the first is the worst."""
    effect = Effect.DENY if settling[0].action is Action.DENY else Effect.REQUIRE_APPROVAL
    ids = tuple(one.id for one in filters)
    approval = None
    if effect is Effect.REQUIRE_APPROVAL:
        approval = meet_all(Outcome(effect, approval=one.written.approval) for one in filters).approval
    does = "denies it" if effect is Effect.DENY else "asks for approval"
    return Verdict(
        stage=Stage.FILTERS,
        effect=effect,
        reason=_reason(settling, effect),
        message=f"filter {', '.join(ids)} {does}: {_told(settling)}",
        rules=ids,
        approval=approval,
    )


def _reason(settling: Sequence[Finding], effect: Effect) -> Reason:
    kinds = {finding.kind for finding in settling}
    if kinds - {Kind.ORIGIN, Kind.FAILURE}:
        return Reason.CONTENT_DANGEROUS if effect is Effect.DENY else Reason.CONTENT_SUSPECT
    return Reason.ORIGIN_UNTRUSTED if Kind.ORIGIN in kinds else Reason.FILTER_FAILED


def _told(settling: Sequence[Finding]) -> str:
    """Return findings as a message names them: what and where, never what stands there."""
    named = list(dict.fromkeys(f"{finding.message} ({finding.id}{_place(finding)})" for finding in settling))
    more = len(named) - NAMED_MAX
    return "; ".join(named[:NAMED_MAX]) + (f"; and {more} more" if more > 0 else "")


def _place(finding: Finding) -> str:
    if not finding.argument:
        return ""
    pointer = shown(finding.argument)
    return f" at {pointer if len(pointer) <= POINTER_SHOWN_MAX else f'{pointer[:POINTER_SHOWN_MAX]}…'}"
