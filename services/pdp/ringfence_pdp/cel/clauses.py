"""A condition taken apart at its `&&`, `||` and `!`, to show what each comparison gave and which would have to change.

Only explaining asks, so nothing here is compiled until then. A clause is evaluated by the same generated code as the
whole condition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringfence_pdp.cel.checker import Checked
from ringfence_pdp.cel.codegen import Evaluate, generate
from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.cel.syntax import Logic, Node, Select, Unary, walk
from ringfence_pdp.cel.types import Record

SHOWN_MAX = 80
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class ClauseResult:
    """One comparison as written, and what it gave; `detail` has the values it read, or the error."""

    text: str
    result: bool | None
    """None when it could not be evaluated."""
    detail: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A comparison that would have to give something else."""

    clause: ClauseResult
    wanted: bool

    def __str__(self) -> str:
        held = "held" if self.wanted else "did not hold"
        return f"`{self.clause.text}` {held}" + (f" ({self.clause.detail})" if self.clause.detail else "")


class Clauses:
    """The clauses of one condition."""

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self._compiled: dict[Node, tuple[Evaluate, Mapping[str, Evaluate]]] = {}

    def results(self, request: Any) -> tuple[ClauseResult, ...]:
        """Return what each clause gives for a request, in the order they are written."""
        return tuple(self._result(leaf, request) for leaf in _leaves(self._checked.root))

    def gaps(self, request: Any) -> tuple[Gap, ...]:
        """Return a smallest set of clauses that would have to change for the condition to hold."""
        return tuple(self._gaps(self._checked.root, request, wanted=True))

    def _gaps(self, node: Node, request: Any, *, wanted: bool) -> list[Gap]:
        match node:
            case Unary(operator="!"):
                return self._gaps(node.operand, request, wanted=not wanted)
            case Logic():
                below = [self._gaps(operand, request, wanted=wanted) for operand in node.operands]
                every = (node.operator == "&&") == wanted
                return [gap for gaps in below for gap in gaps] if every else min(below, key=len)
            case _:
                result = self._result(node, request)
                return [] if result.result is wanted else [Gap(result, wanted)]

    def _result(self, node: Node, request: Any) -> ClauseResult:
        if node not in self._compiled:
            self._compiled[node] = (generate(self._checked, node), _reads(self._checked, node))
        evaluate, reads = self._compiled[node]
        text = self._checked.text(node)
        try:
            value = evaluate(request)
        except EvaluationError as error:
            return ClauseResult(text, None, str(error))
        if not isinstance(value, bool):
            return ClauseResult(text, None, f"is {_shown(value)}, not a bool")
        seen = (f"{name} is {_read(read, request)}" for name, read in reads.items() if name != text)
        return ClauseResult(text, value, ", ".join(seen))


def _leaves(node: Node) -> list[Node]:
    match node:
        case Logic():
            return [leaf for operand in node.operands for leaf in _leaves(operand)]
        case Unary(operator="!"):
            return _leaves(node.operand)
        case _:
            return [node]


def _reads(checked: Checked, node: Node) -> Mapping[str, Evaluate]:
    """The attributes of the request that a clause reads, by how they are written."""
    selects = [below for below, _ in walk(node) if isinstance(below, Select) and _is_of_request(checked, below)]
    inner = {select.operand for select in selects}
    return {
        checked.text(select): generate(checked, select)
        for select in sorted(selects, key=lambda select: select.at.start)
        if select not in inner and not isinstance(checked.types[select], Record)
    }


def _is_of_request(checked: Checked, node: Node) -> bool:
    """Say whether it is reached from a root of the request, not from a macro's variable."""
    return any(below in checked.fields for below, _ in walk(node))


def _read(read: Evaluate, request: Any) -> str:
    try:
        return _shown(read(request))
    except EvaluationError:
        return "absent"


def _shown(value: object) -> str:
    text = {True: "true", False: "false", None: "null"}[value] if isinstance(value, bool | None) else repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"
