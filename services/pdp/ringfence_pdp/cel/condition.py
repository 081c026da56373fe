"""A condition, from text to something that decides and can be explained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ringfence_pdp.cel.checker import Checked, check
from ringfence_pdp.cel.clauses import Clauses
from ringfence_pdp.cel.codegen import generate
from ringfence_pdp.cel.cost import COST_MAX, cost_of
from ringfence_pdp.cel.leaning import Leaning, leanings
from ringfence_pdp.cel.parser import parse
from ringfence_pdp.cel.problems import ConditionInvalid
from ringfence_pdp.cel.satisfiable import never_holds, pinned
from ringfence_pdp.cel.types import Schema


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was accepted. `evaluate` gives True or False, or raises EvaluationError."""

    source: str
    evaluate: Callable[[Any], bool]
    cost: int
    leanings: tuple[Leaning, ...]
    pinned: Mapping[str, frozenset[str]]
    checked: Checked

    clauses: Clauses


def compile_condition(source: str, schema: Schema) -> Condition:
    """Check and compile a condition; raise ConditionInvalid when it is wrong, too costly, or can never hold."""
    checked = check(source, parse(source), schema)
    cost = cost_of(checked)
    if cost > COST_MAX:
        position = checked.root.at.position
        remedy = "do not go through one list for each element of another"
        raise ConditionInvalid(position, f"the condition can cost {cost} units, {COST_MAX} are allowed", remedy)
    never = never_holds(checked)
    if never is not None:
        raise ConditionInvalid(never.node.at.position, never.problem)
    return Condition(source, generate(checked), cost, leanings(checked), pinned(checked), checked, Clauses(checked))
