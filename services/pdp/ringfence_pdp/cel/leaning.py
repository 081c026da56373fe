"""Which way a condition leans: can it become truer when something is left out, or when the agent is trusted less?

A condition made of comparisons alone cannot: an absent attribute is an error, and an error never grants. It can when it
asks about absence (`has`, `in` a map, going through a map) or compares a ring or a score. Polarity is followed through
`!`, `&&` and `||`; where it cannot be followed, the condition leans both ways.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from ringfence_pdp.cel.checker import Checked
from ringfence_pdp.cel.syntax import Binary, Call, Choice, Has, Logic, Macro, Name, Node, Select, Unary, children, walk
from ringfence_pdp.cel.types import MapOf, may_hold_map


class Cause(enum.Enum):
    """What would have to change."""

    ABSENCE = "leaving something out"
    DISTRUST = "being trusted less"


class Direction(enum.Enum):
    """What the change can do to the condition."""

    RISES = "make it true"
    FALLS = "make it false"


@dataclass(frozen=True, slots=True)
class Leaning:
    """One place where a condition leans."""

    cause: Cause
    direction: Direction
    node: Node


_BOTH = frozenset(Direction)
_RISES = frozenset({Direction.RISES})
_FALLS = frozenset({Direction.FALLS})
_FLIPPED = {_RISES: _FALLS, _FALLS: _RISES, _BOTH: _BOTH}

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def leanings(checked: Checked) -> tuple[Leaning, ...]:
    """Return every place where the condition leans, in the order they are written."""
    found = _below(checked, checked.root, negated=False, followed=True)
    return tuple(sorted(set(found), key=lambda leaning: (leaning.node.at.start, leaning.direction.value)))


def _below(checked: Checked, node: Node, *, negated: bool, followed: bool) -> Iterator[Leaning]:
    """`followed`: whether this node's truth still decides the whole condition's in a known direction."""
    for cause, directions in _own(checked, node):
        seen = _BOTH if not followed else _FLIPPED[directions] if negated else directions
        yield from (Leaning(cause, direction, node) for direction in seen)
    compared = isinstance(node, Binary) and _ranked_comparison(checked, node) is not None
    for child in children(node):
        if compared and _is_ranked(checked, child):
            continue  # the comparison has spoken for it
        flips = isinstance(node, Unary) and node.operator == "!"
        yield from _below(checked, child, negated=negated != flips, followed=followed and _follows(node, child))


def _follows(node: Node, child: Node) -> bool:
    """Say whether a truer child makes a truer node (or, below `!`, a falser one)."""
    match node:
        case Logic():
            return True
        case Unary():
            return node.operator == "!"
        case Choice():
            return child is not node.condition
        case Macro():
            return child is node.predicate and node.kind in ("all", "exists")
        case _:
            return False


def _own(checked: Checked, node: Node) -> Iterator[tuple[Cause, frozenset[Direction]]]:
    match node:
        case Has():
            yield Cause.ABSENCE, _FALLS
        case Macro() if isinstance(checked.types[node.operand], MapOf):
            yield Cause.ABSENCE, {"exists": _FALLS, "all": _RISES}.get(node.kind, _BOTH)
        case Call() if node.function == "size" and isinstance(checked.types[node.operands[0]], MapOf):
            yield Cause.ABSENCE, _BOTH
        case Binary():
            yield from _own_comparison(checked, node)
        case Name() | Select() if _is_ranked(checked, node):
            yield Cause.DISTRUST, _BOTH
        case _:
            pass


def _own_comparison(checked: Checked, node: Binary) -> Iterator[tuple[Cause, frozenset[Direction]]]:
    left, right = checked.types[node.left], checked.types[node.right]
    ranked = _ranked_comparison(checked, node)
    if ranked is not None:
        yield Cause.DISTRUST, ranked
    if node.operator == "in" and isinstance(right, MapOf):
        yield Cause.ABSENCE, _FALLS
    elif node.operator in ("==", "!=", "in") and may_hold_map(left) and may_hold_map(right):
        yield Cause.ABSENCE, _BOTH


def _ranked_comparison(checked: Checked, node: Binary) -> frozenset[Direction] | None:
    """Of `agent.ring <= n` and its kin: what trusting the agent less does to it. None for anything less simple."""
    if node.operator not in _MIRRORED:
        return None
    left, right = _is_ranked(checked, node.left), _is_ranked(checked, node.right)
    if left == right or any(_is_ranked(checked, other) for other, _ in walk(node.right if left else node.left)):
        return None
    ranked, operator = (node.left, node.operator) if left else (node.right, _MIRRORED[node.operator])
    grows = checked.fields[ranked].rank > 0
    return _RISES if operator.startswith(">") == grows else _FALLS


def _is_ranked(checked: Checked, node: Node) -> bool:
    found = checked.fields.get(node)
    return found is not None and found.rank != 0 and isinstance(node, (Name, Select))
