"""The decision: nine stages, each of which may only lower the answer.

Pure: the same basis and request give the same decision, bit for bit. A stage says what it has against a request, or
nothing; the first denial in the order of the stages gives the reason. What a stage needs and does not find is a denial,
so every stage can be asked on its own, which is what explaining does.

| stage | denies |
| --- | --- |
| kill | what a kill switch stops |
| validity | a request that contradicts itself |
| identity | an agent that is unknown, revoked, suspended or retired, and everyone when the facts are too old |
| ring | an action that needs a more trusted ring than the agent's |
| environment | an agent of another environment than the enforcement point's |
| tools | a tool that is not approved as it is now, is unknown or disabled, or reaches what nobody trusts |
| rules | what a rule denies, or no rule permits; asks for approval where a rule does |
| filters | content that a filter finds dangerous, or cannot look through; asks for approval where a policy says so |
| obligations | what obliges to something that cannot be done, or that the enforcement point does not do |

An agent that is alone, which most are, is judged here and now. Whatever brings up a second say is composed in
`composition.py`, by the same stages and rules.
"""

from ringfence_pdp.case import Basis, Case
from ringfence_pdp.clearance import remember
from ringfence_pdp.composition import STAGES, decide_together
from ringfence_pdp.filter_stage import filtered_case
from ringfence_pdp.filters.filtering import lowered
from ringfence_pdp.model import CheckRequest, Decision, Effect, Reason, Verdict
from ringfence_pdp.rules import judged_by_rules

_BEFORE_RULES = tuple(STAGES.values())
_RULED = (Reason.ALLOWED, Reason.RULE_DENIED)
"""What a rule says itself: its verdict is one object for as long as its bundle is, so there are as few as rules."""


def decide(basis: Basis, request: CheckRequest) -> Decision:
    """Return the decision on one request."""
    return decide_case(Case(basis, request))


def decide_case(case: Case) -> Decision:
    """Return the decision on a case: the first objection, or what the rules say."""
    bundle = case.basis.bundle
    if case.call is not None or case.basis.facts.boundaries.to_look_at or (bundle is not None and bundle.is_composed):
        return decide_together(case)
    standing, known = case.standing, case.cleared
    objection = None if known is not None else _objection(case)
    if objection is not None:
        return Decision(objection, standing.ring, standing.score)
    verdict = judged_by_rules(case)
    if bundle is not None and bundle.filters and verdict.effect is not Effect.DENY:
        filtered = filtered_case(case)
        after = lowered(verdict, filtered)
        if after is not verdict or filtered.findings:
            return Decision(after, standing.ring, standing.score, findings=filtered.findings)
    if known is None or verdict.reason not in _RULED:
        return Decision(verdict, standing.ring, standing.score)
    decision = known.ruled.get(id(verdict))
    if decision is None:
        decision = known.ruled[id(verdict)] = Decision(verdict, standing.ring, standing.score)
    return decision


def _objection(case: Case) -> Verdict | None:
    """Return what the first stage before the rules that objects has against the agent that acts, alone."""
    for stage in _BEFORE_RULES:
        verdict = stage(case, case.acting)
        if verdict is not None:
            return verdict
    remember(case.basis, case.request, case.acting, case.routine)
    return None
