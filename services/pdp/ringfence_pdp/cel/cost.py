"""The most a condition can cost, known before it ever runs.

One unit is about one attribute read. The bound counts every element a macro may go through and every character a text
function may read, from the size limits that requests are held to. What callers send (arguments, context) is bounded as
a whole, so going through a list of lists of it is charged once, while pairing one list with another is charged in full.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ringfence_pdp.cel.checker import Checked
from ringfence_pdp.cel.syntax import (
    Binary,
    Call,
    Choice,
    Index,
    ListLiteral,
    Literal,
    Macro,
    MapLiteral,
    Name,
    Node,
    Select,
    children,
)
from ringfence_pdp.cel.types import Field, ListOf, MapOf, Simple

COST_MAX = 300_000
"""Units one condition may cost: some ten milliseconds in the worst case a request can bring about."""

JSON_VALUES_MAX = 4_096
"""Values in one request's arguments, and again in its context."""

JSON_CHARACTERS_MAX = 65_536
ELEMENT_CHARACTERS = 256
"""Characters in an element of a list or a map that the schema describes."""

_CHARACTERS_PER_UNIT = 1_000
_CHARACTERS_PER_UNIT_MATCHED = 64


@dataclass(frozen=True, slots=True)
class Extent:
    """How large a value can be: as a text, and as a collection of elements."""

    characters: int = 0
    count: int = 0
    element: "Extent | None" = None

    @property
    def each(self) -> "Extent":
        """What one element may be."""
        return self.element or NOTHING

    @property
    def weight(self) -> int:
        """Units for looking at all of it."""
        return self.characters // _CHARACTERS_PER_UNIT + self.count * (1 + self.each.characters // _CHARACTERS_PER_UNIT)


NOTHING = Extent()
_SHARE = Extent(JSON_CHARACTERS_MAX // JSON_VALUES_MAX, 1, Extent(JSON_CHARACTERS_MAX // JSON_VALUES_MAX))
"""One element's part of what callers send."""
_JSON = Extent(JSON_CHARACTERS_MAX, JSON_VALUES_MAX, _SHARE)


class Estimate(NamedTuple):
    """The cost of evaluating a node once, and the size of what it gives."""

    cost: int
    extent: Extent


def cost_of(checked: Checked) -> int:
    """Return an upper bound, in units."""
    return _estimate(checked, checked.root, {}).cost


def _estimate(checked: Checked, node: Node, variables: Mapping[str, Extent]) -> Estimate:
    if isinstance(node, Macro):
        return _macro(checked, node, variables)
    below = [_estimate(checked, child, variables) for child in children(node)]
    cost = 1 + sum(part.cost for part in below)
    extents = [part.extent for part in below]
    match node:
        case Name() if node.name in variables:
            return Estimate(1, variables[node.name])
        case Call():
            return _call(node, cost, extents)
        case Binary():
            return _binary(checked, node, cost, extents)
        case _:
            return Estimate(cost, _extent_of(checked, node, extents))


def _extent_of(checked: Checked, node: Node, extents: list[Extent]) -> Extent:
    match node:
        case Literal():
            return Extent(len(node.value)) if isinstance(node.value, (str, bytes)) else NOTHING
        case Choice():
            return max(extents[1:], key=_size)
        case ListLiteral() | MapLiteral():
            return Extent(0, len(extents), max(extents, key=_size, default=NOTHING))
        case Name() | Select() if node in checked.fields:
            return _of_field(checked.fields[node])
        case Select() | Index():
            # What callers send has no shape: what is taken out of it may be nearly all of it.
            return extents[0] if extents[0] in (_JSON, _SHARE) else extents[0].each
        case _:
            return NOTHING


def _size(extent: Extent) -> int:
    return extent.characters + extent.count * (1 + extent.each.characters)


def _of_field(found: Field) -> Extent:
    match found.type:
        case MapOf(Simple("json")) | Simple("json" | "dyn"):
            return _JSON
        case ListOf() | MapOf():
            return Extent(0, found.size_max, Extent(ELEMENT_CHARACTERS))
        case Simple("string" | "bytes"):
            return Extent(found.size_max)
        case _:
            return NOTHING


_LOOKING_BACK = frozenset({"formerly", "count_within", "sum_within", "distinct_within"})
_EVENTS = 1_000
"""What a session keeps at most."""


def _call(node: Call, cost: int, extents: list[Extent]) -> Estimate:
    text = extents[0]
    if node.function in _LOOKING_BACK:
        return Estimate(cost + _EVENTS, NOTHING)
    if node.function == "matches":
        return Estimate(cost + text.characters // _CHARACTERS_PER_UNIT_MATCHED, NOTHING)
    keeps = node.function in ("lowerAscii", "upperAscii", "string")
    return Estimate(cost + text.characters // _CHARACTERS_PER_UNIT, Extent(text.characters) if keeps else NOTHING)


def _binary(checked: Checked, node: Binary, cost: int, extents: list[Extent]) -> Estimate:
    left, right = extents
    match node.operator:
        case "+":
            grown = Extent(
                left.characters + right.characters, left.count + right.count, max(left.each, right.each, key=_size)
            )
            return Estimate(cost + grown.weight, grown)
        case "in":
            scalar = isinstance(checked.types[node.left], Simple)
            fixed = isinstance(node.right, ListLiteral) and all(isinstance(e, Literal) for e in node.right.elements)
            return Estimate(
                cost if fixed and scalar else cost + right.count * (1 + min(left.weight, right.each.weight)), NOTHING
            )
        case _:
            return Estimate(cost + min(left.weight, right.weight), NOTHING)


def _macro(checked: Checked, node: Macro, variables: Mapping[str, Extent]) -> Estimate:
    operand = _estimate(checked, node.operand, variables)
    bound = {**variables, node.variable: operand.extent.each}
    bodies = [_estimate(checked, body, bound) for body in node.bodies]
    cost = operand.cost + 1 + operand.extent.count * (1 + sum(body.cost for body in bodies))
    match node.kind:
        case "map":
            return Estimate(cost, Extent(0, operand.extent.count, bodies[-1].extent))
        case "filter":
            return Estimate(cost, operand.extent)
        case _:
            return Estimate(cost, NOTHING)
