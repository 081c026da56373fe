"""Conditions that can never hold: almost always a slip of the pen, so they are refused.

Only what is certain counts. A condition without attributes is evaluated; a comparison is held against what the schema
says its attribute can be; and the demands that one `&&` chain makes on one attribute are held against each other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ringfence_pdp.cel.checker import Checked
from ringfence_pdp.cel.codegen import generate
from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.cel.runtime import equal
from ringfence_pdp.cel.syntax import Binary, ListLiteral, Literal, Logic, Name, Node, Select, walk
from ringfence_pdp.cel.types import Field
from ringfence_pdp.cel.values import Value

_MIRRORED = {"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class NeverHolds:
    """The part that can never hold, and why."""

    node: Node
    problem: str


@dataclass(frozen=True, slots=True)
class Demand:
    """What one comparison asks of one attribute: that it is one of some values, or lies beyond one."""

    node: Node
    attribute: Node
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Domain:
    """What an attribute can still be: one of some values, or any; and between two bounds."""

    values: tuple[Value, ...] | None = None
    low: float = float("-inf")
    high: float = float("inf")
    low_excluded: bool = False
    high_excluded: bool = False

    @staticmethod
    def of(field: Field | None) -> "Domain":
        """What the schema allows."""
        if field is None:
            return Domain()
        return Domain(
            values=None if field.values is None else tuple(sorted(field.values)),
            low=float("-inf") if field.minimum is None else field.minimum,
            high=float("inf") if field.maximum is None else field.maximum,
        )

    def narrowed(self, demand: Demand) -> "Domain":
        """What is left once the demand is met."""
        if demand.operator in ("==", "in"):
            return replace(self, values=tuple(v for v in demand.values if self.has(v)))
        bound = demand.values[0]
        if isinstance(bound, bool) or not isinstance(bound, (int, float)):
            return self
        excluded = demand.operator in ("<", ">")
        if demand.operator in ("<", "<="):
            left = self._below(bound, excluded=excluded)
        else:
            left = self._above(bound, excluded=excluded)
        return left if left.values is None else replace(left, values=tuple(filter(left.has, left.values)))

    def _below(self, bound: float, *, excluded: bool) -> "Domain":
        stricter = bound < self.high or (bound == self.high and excluded)
        return replace(self, high=bound, high_excluded=excluded) if stricter else self

    def _above(self, bound: float, *, excluded: bool) -> "Domain":
        stricter = bound > self.low or (bound == self.low and excluded)
        return replace(self, low=bound, low_excluded=excluded) if stricter else self

    def has(self, value: Value) -> bool:
        """Say whether the attribute can be `value`."""
        if self.values is not None and not any(equal(value, other) for other in self.values):
            return False
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return True
        above = value > self.low or (value == self.low and not self.low_excluded)
        below = value < self.high or (value == self.high and not self.high_excluded)
        return above and below

    def is_empty(self) -> bool:
        """Say whether nothing is left."""
        if self.values is not None:
            return not self.values
        return self.low > self.high or (self.low == self.high and (self.low_excluded or self.high_excluded))

    def __str__(self) -> str:
        if self.values is not None:
            return f"one of {', '.join(map(str, self.values))}" if self.values else "nothing"
        return f"between {self.low:g} and {self.high:g}"


def never_holds(checked: Checked) -> NeverHolds | None:
    """Return what is certain to be wrong, or None."""
    return _never(checked, checked.root)


def pinned(checked: Checked) -> Mapping[str, frozenset[str]]:
    """Return, for each attribute the condition pins to some texts, those texts: `{"action.name": {"read_file"}}`."""
    found: dict[str, frozenset[str]] = {}
    for demand in _demands(_conjuncts(checked.root)):
        if demand.operator in ("==", "in") and all(isinstance(value, str) for value in demand.values):
            path, texts = checked.text(demand.attribute), frozenset(map(str, demand.values))
            found[path] = found.get(path, texts) & texts
    return found


def _never(checked: Checked, node: Node) -> NeverHolds | None:
    if not any(below in checked.fields for below, _ in walk(node)):
        return _constantly(checked, node)
    if isinstance(node, Logic) and node.operator == "||":
        found = [_never(checked, operand) for operand in node.operands]
        return found[0] if all(found) else None
    conjuncts = _conjuncts(node)
    below = (_never(checked, operand) for operand in conjuncts if operand is not node)
    return next(filter(None, below), None) or _contradiction(checked, conjuncts)


def _constantly(checked: Checked, node: Node) -> NeverHolds | None:
    if any(isinstance(below, Name) for below, _ in walk(node)):
        return None  # a macro over literals: cheap to write, not worth telling its variables apart
    try:
        held = generate(checked, node)(None) is True
    except EvaluationError as error:
        return NeverHolds(node, f"{checked.text(node)} always fails: {error}")
    return None if held else NeverHolds(node, f"{checked.text(node)} is always false")


def _conjuncts(node: Node) -> Sequence[Node]:
    return node.operands if isinstance(node, Logic) and node.operator == "&&" else (node,)


def _contradiction(checked: Checked, conjuncts: Sequence[Node]) -> NeverHolds | None:
    left: dict[str, Domain] = {}
    for demand in _demands(conjuncts):
        path = checked.text(demand.attribute)
        before = left.get(path, Domain.of(checked.fields.get(demand.attribute)))
        left[path] = before.narrowed(demand)
        if left[path].is_empty():
            return NeverHolds(demand.node, f"{checked.text(demand.node)} can never hold: {path} is {before} here")
    return None


def _demands(nodes: Sequence[Node]) -> Iterator[Demand]:
    for node in nodes:
        if not isinstance(node, Binary):
            continue
        mirrored = _MIRRORED.get(node.operator, "")
        for attribute, other, operator in ((node.left, node.right, node.operator), (node.right, node.left, mirrored)):
            values = _literals(other, operator)
            if values is not None and isinstance(attribute, (Name, Select)):
                yield Demand(node, attribute, operator, values)


def _literals(node: Node, operator: str) -> tuple[Value, ...] | None:
    """The values written there, if that is what is written there."""
    if operator == "in" and isinstance(node, ListLiteral):
        values = tuple(element.value for element in node.elements if isinstance(element, Literal))
        return values if len(values) == len(node.elements) else None
    return (node.value,) if operator in _MIRRORED and isinstance(node, Literal) else None
