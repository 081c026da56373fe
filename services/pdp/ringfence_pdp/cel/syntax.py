"""The syntax tree of a condition.

Nodes compare by identity, so that later passes can keep what they learn about a node in a dictionary beside the tree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from ringfence_pdp.cel.problems import Position
from ringfence_pdp.cel.values import Value


@dataclass(frozen=True, slots=True)
class Span:
    """Where a node stands in the source: `source[start:end]`, beginning at `position`."""

    position: Position
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A value as written."""

    at: Span
    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """A variable: a root of the request, or one that a macro binds."""

    at: Span
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Select:
    """`operand.field`."""

    at: Span
    operand: "Node"
    field: str


@dataclass(frozen=True, slots=True, eq=False)
class Has:
    """`has(operand.field)`."""

    at: Span
    operand: "Node"
    field: str


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """`operand[key]`."""

    at: Span
    operand: "Node"
    key: "Node"


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """`function(arguments)` or `target.function(arguments)`."""

    at: Span
    function: str
    target: "Node | None"
    arguments: "tuple[Node, ...]"

    @property
    def operands(self) -> "tuple[Node, ...]":
        """The target, if there is one, and the arguments."""
        return self.arguments if self.target is None else (self.target, *self.arguments)


@dataclass(frozen=True, slots=True, eq=False)
class Unary:
    """`!operand` or `-operand`."""

    at: Span
    operator: str
    operand: "Node"


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    """Arithmetic, comparison or membership: `left operator right`."""

    at: Span
    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True, eq=False)
class Logic:
    """A chain of one operator, `&&` or `||`, over two operands or more; both are associative, so the chain is flat."""

    at: Span
    operator: str
    operands: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """`condition ? then : otherwise`."""

    at: Span
    condition: "Node"
    then: "Node"
    otherwise: "Node"


@dataclass(frozen=True, slots=True, eq=False)
class ListLiteral:
    """`[elements]`."""

    at: Span
    elements: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class MapLiteral:
    """`{key: value}`; this subset has string keys only."""

    at: Span
    keys: tuple[str, ...]
    values: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True, eq=False)
class Macro:
    """A comprehension over `operand`: all, exists, exists_one, filter or map, binding `variable` in turn.

    `predicate` is None only for the two-argument map; `transform` is set only for map.
    """

    at: Span
    kind: str
    operand: "Node"
    variable: str
    predicate: "Node | None"
    transform: "Node | None"

    @property
    def bodies(self) -> "tuple[Node, ...]":
        """What is evaluated for each element, in order."""
        return tuple(body for body in (self.predicate, self.transform) if body is not None)


Node: TypeAlias = (
    Literal | Name | Select | Has | Index | Call | Unary | Binary | Logic | Choice | ListLiteral | MapLiteral | Macro
)


def children(node: Node) -> "tuple[Node, ...]":  # noqa: PLR0911 - one line per kind of node
    """Return the nodes directly below `node`, in the order they are written."""
    match node:
        case Literal() | Name():
            return ()
        case Select() | Has() | Unary():
            return (node.operand,)
        case Index():
            return (node.operand, node.key)
        case Call():
            return node.operands
        case Binary():
            return (node.left, node.right)
        case Logic():
            return node.operands
        case Choice():
            return (node.condition, node.then, node.otherwise)
        case ListLiteral():
            return node.elements
        case MapLiteral():
            return node.values
        case Macro():
            return (node.operand, *node.bodies)


def walk(root: Node) -> Iterator[tuple[Node, int]]:
    """Yield every node with its depth, the root's being one. Iterative: it is what guards recursion elsewhere."""
    waiting = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting.extend((child, depth + 1) for child in children(node))
