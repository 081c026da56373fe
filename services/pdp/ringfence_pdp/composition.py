"""The decision on a call with more than one say in it: several agents, sides, boundaries, obligations.

The stages are those of `decide.py`, each asked about every party; filters look once for all of them. What the sides and
boundaries say is composed by the one meet of `outcome.py`, with what the delegation token and an elevation grant bring
along: nobody grants what another withholds, and where several deny, the first along the chain is named.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ringfence_kit.clock import Instant

from ringfence_pdp import stages
from ringfence_pdp.case import Case
from ringfence_pdp.chains.gate import Gate, ring_gate
from ringfence_pdp.chains.party import Party
from ringfence_pdp.degrading import degraded
from ringfence_pdp.filter_stage import filtered_case
from ringfence_pdp.filters.filtering import UNFILTERED, Filtered, lowered
from ringfence_pdp.model import Composed, Decision, Effect, Reason, SideVerdict, Stage, Verdict
from ringfence_pdp.obligations import NO_OBLIGATIONS, joined, obliging, unsupported
from ringfence_pdp.outcome import TOP, Outcome, meet, meet_all
from ringfence_pdp.rules import no_bundle, nobody_known
from ringfence_pdp.sides import voices
from ringfence_pdp.stages import denial

Check = Callable[[Case, Party], Verdict | None]

STAGES: Mapping[Stage, Check] = {
    Stage.KILL: stages.killed,
    Stage.VALIDITY: stages.contradictory,
    Stage.IDENTITY: stages.not_in_good_standing,
    Stage.RING: stages.ring_insufficient,
    Stage.ENVIRONMENT: stages.elsewhere,
    Stage.TOOLS: stages.tool_not_callable,
}
"""The stages before the rules, in their order: what each has against one party. None means no objection."""

_OF_THE_WHOLE: Mapping[Stage, Callable[[Case], Verdict | None]] = {
    Stage.VALIDITY: stages.chain_unsound,
    Stage.TOOLS: stages.not_handed_on,
}
"""What a stage asks of a call besides."""


class Together(NamedTuple):
    """What all who have a say in a call say together, before it is asked whether obligations can be met."""

    verdict: Verdict
    outcome: Outcome
    sides: tuple[SideVerdict, ...] = ()


def objection(stage: Stage, case: Case) -> Verdict | None:
    """Return what a stage before the rules has against any party, or against the call as a whole."""
    if stage is Stage.RING:
        alone = stages.ring_insufficient(case, case.acting) if case.call is None else None
        return alone or ring_gate(case).objection
    for one in case.parties:
        verdict = STAGES[stage](case, one)
        if verdict is not None:
            return verdict
    whole = _OF_THE_WHOLE.get(stage)
    return None if whole is None else whole(case)


def decide_together(case: Case) -> Decision:
    """Return the decision on a call: the first objection, or what everybody who has a say allows."""
    for stage in STAGES:
        verdict = objection(stage, case)
        if verdict is not None:
            return _decision(case, verdict, TOP, ())
    together = judged_together(case)
    if together.verdict.effect is Effect.DENY:
        return _decision(case, together.verdict, together.outcome, together.sides)
    filtered = filtered_case(case)
    verdict = lowered(together.verdict, filtered)
    if verdict.effect is not Effect.DENY:
        verdict = unmet_obligations(case, together) or verdict
    return _decision(case, verdict, together.outcome, together.sides, filtered)


def judged_together(case: Case) -> Together:
    """Return what the sides and boundaries say, and what all of it comes to."""
    bundle = case.basis.bundle
    if bundle is None:
        return Together(no_bundle(), TOP)
    scope = case.scope()
    if scope is None:
        return Together(nobody_known(), TOP)
    said = [voice.says(obliging=bundle.has_obligations) for voice in voices(case, bundle, scope)]
    gate = ring_gate(case)
    outcome = meet_all(
        Outcome(judged.verdict.effect, approval=judged.verdict.approval, obligations=obliging(judged.obligations))
        for _, judged in said
    )
    outcome = meet(outcome, _shown(case, gate))
    sides = tuple(side for side, _ in said)
    return Together(_settled(sides, gate, outcome), outcome, sides if case.call is not None or sides[1:] else ())


def unmet_obligations(case: Case, together: Together) -> Verdict | None:
    """Return what speaks against a call because of what it obliges to."""
    if together.verdict.effect is Effect.DENY:
        return None
    obligations = together.outcome.obligations
    if obligations.conflicts:
        listed = ", ".join(f"{type_} {id_}" for type_, id_ in sorted(obligations.conflicts))
        message = f"two parties oblige to {listed} in ways that do not go together; their authors have to agree"
        return denial(Stage.OBLIGATIONS, Reason.OBLIGATION_CONFLICT, message)
    lacking = unsupported(obligations, case.request.supported_obligations)
    if lacking:
        message = f"the call obliges to {', '.join(lacking)}, which the enforcement point did not say it fulfils"
        return denial(Stage.OBLIGATIONS, Reason.OBLIGATION_UNSUPPORTED, message)
    return None


def _shown(case: Case, gate: Gate) -> Outcome:
    """Return what the proofs that were shown leave: they end, they are limited, and an elevation asks for people."""
    approval = gate.approval(case)
    effect = Effect.ALLOW if approval is None else Effect.REQUIRE_APPROVAL
    ends = [] if gate.elevation is None else [gate.elevation.expires_at]
    ring = case.standing.ring if gate.elevation is None else gate.elevation.ring
    handed_on = None if case.call is None else case.call.delegated
    if handed_on is None:
        return Outcome(effect, ring=ring, approval=approval, valid_until=min(ends, default=None))
    token, delegation = handed_on.token, handed_on.delegation
    ends.append(token.expires_at)
    return Outcome(
        effect,
        ring=ring,
        approval=approval,
        valid_until=Instant(min(ends)),
        capabilities=frozenset({*token.scopes, *delegation.tools}),
        budgets=delegation.budget,
    )


def _settled(sides: Sequence[SideVerdict], gate: Gate, outcome: Outcome) -> Verdict:
    """Return the verdict that all verdicts come to, in the words of those that settle it."""
    effect = min((side.verdict.effect for side in sides), default=Effect.DENY)
    settling = [side for side in sides if side.verdict.effect is effect]
    if effect is Effect.DENY:
        return _in_its_words(settling[0], alone=len(sides) == 1)
    rules = tuple(sorted({rule for side in settling for rule in side.verdict.rules}))
    first = min(settling, key=lambda side: side.verdict.rules).verdict
    if len(sides) == 1 and gate.elevation is None:
        return first
    if outcome.effect is Effect.REQUIRE_APPROVAL and outcome.approval is not None:
        asking = [f"rules {', '.join(rules)}"] if effect is Effect.REQUIRE_APPROVAL else []
        if gate.elevation is not None:
            asking.append(f"{gate.elevation.name}, which raises the call to ring {gate.elevation.ring}")
        return Verdict(
            stage=Stage.RULES,
            effect=Effect.REQUIRE_APPROVAL,
            reason=Reason.APPROVAL_REQUIRED,
            message=f"approval is asked for by {' and by '.join(asking)}",
            rules=rules,
            rule_reason=first.rule_reason if effect is Effect.REQUIRE_APPROVAL else "",
            approval=outcome.approval,
        )
    return replace(first, rules=rules)


def _in_its_words(side: SideVerdict, *, alone: bool) -> Verdict:
    return side.verdict if alone else replace(side.verdict, message=f"{side.speaker}: {side.verdict.message}")


def _decision(
    case: Case,
    verdict: Verdict,
    outcome: Outcome,
    sides: tuple[SideVerdict, ...],
    filtered: Filtered = UNFILTERED,
) -> Decision:
    call, denied = case.call, verdict.effect is Effect.DENY
    handed_on = None if call is None else call.delegated
    asked = NO_OBLIGATIONS if denied else joined(outcome.obligations, degraded(case, outcome.obligations))
    composed = Composed(
        obligations=asked.listed(),
        sides=sides,
        chain=() if call is None else call.chain,
        subjects=() if call is None else tuple(one.name for one in call.subjects),
        delegations=() if handed_on is None else (handed_on.delegation.chain, *handed_on.delegation.grants),
        budget=() if handed_on is None else tuple(sorted(handed_on.delegation.budget.items())),
        token="" if handed_on is None else handed_on.token.token_id,
        valid_until=outcome.valid_until,
    )
    ring = case.standing.ring if denied else outcome.ring
    return Decision(verdict, ring, case.standing.score, composed, filtered.findings)
