"""The decision: seven stages, each of which may only lower the answer.

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
"""

from collections.abc import Callable, Mapping

from ringfence_pdp import stages
from ringfence_pdp.case import Basis, Case
from ringfence_pdp.model import CheckRequest, Decision, Stage, Verdict
from ringfence_pdp.rules import judged_by_rules

STAGES: Mapping[Stage, Callable[[Case], Verdict | None]] = {
    Stage.KILL: stages.killed,
    Stage.VALIDITY: stages.contradictory,
    Stage.IDENTITY: stages.not_in_good_standing,
    Stage.RING: stages.ring_insufficient,
    Stage.ENVIRONMENT: stages.elsewhere,
    Stage.TOOLS: stages.tool_not_callable,
}
"""The stages before the rules, in their order. None means no objection."""

_BEFORE_RULES = tuple(STAGES.values())


def decide(basis: Basis, request: CheckRequest) -> Decision:
    """Return the decision on one request."""
    return decide_case(Case(basis, request))


def decide_case(case: Case) -> Decision:
    """Return the decision on a case: the first objection, or what the rules say."""
    for stage in _BEFORE_RULES:
        verdict = stage(case)
        if verdict is not None:
            break
    else:
        verdict = judged_by_rules(case)
    return Decision(verdict, case.standing.ring, case.standing.score)
