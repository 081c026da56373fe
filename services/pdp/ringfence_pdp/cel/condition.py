"""A condition, from text to something that decides and can be explained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ringfence_pdp.cel.checker import Checked, check
from ringfence_pdp.cel.codegen import generate
from ringfence_pdp.cel.cost import COST_MAX, cost_of
from ringfence_pdp.cel.leaning import Leaning, leanings
from ringfence_pdp.cel.parser import parse
from ringfence_pdp.cel.problems import ConditionInvalid
from ringfence_pdp.cel.satisfiable import never_holds, pinned
from ringfence_pdp.cel.syntax import Logic, Node, Select, Unary, walk
from ringfence_pdp.cel.types import Record, Schema
from ringfence_pdp.cel.values import Value


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison of a condition, for explaining: its text, how it is evaluated, and the attributes it reads."""

    text: str
    evaluate: Callable[[Any], Value]
    reads: Mapping[str, Callable[[Any], Value]]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was accepted. `evaluate` gives True or False, or raises EvaluationError."""

    source: str
    evaluate: Callable[[Any], bool]
    cost: int
    leanings: tuple[Leaning, ...]
    pinned: Mapping[str, frozenset[str]]
    checked: Checked

    def clauses(self) -> tuple[Clause, ...]:
        """Return the comparisons between `&&`, `||` and `!`, as written; compiled here, because only Explain asks."""
        return tuple(_clause(self.checked, node) for node in _leaves(self.checked.root))


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
    return Condition(source, generate(checked), cost, leanings(checked), pinned(checked), checked)


def _leaves(node: Node) -> list[Node]:
    match node:
        case Logic():
            return [leaf for operand in node.operands for leaf in _leaves(operand)]
        case Unary(operator="!"):
            return _leaves(node.operand)
        case _:
            return [node]


def _clause(checked: Checked, node: Node) -> Clause:
    reads = {
        checked.text(below): generate(checked, below)
        for below, _ in walk(node)
        if isinstance(below, Select) and not isinstance(checked.types[below], Record) and _is_closed(checked, below)
    }
    return Clause(checked.text(node), generate(checked, node), reads)


def _is_closed(checked: Checked, node: Node) -> bool:
    """Say whether the attribute is reached from a root of the request, not from a macro's variable."""
    return any(below in checked.fields for below, _ in walk(node))
