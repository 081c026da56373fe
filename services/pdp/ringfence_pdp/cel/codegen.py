"""Checked conditions to Python code.

The syntax tree becomes a tree of Python's own `ast` nodes, never text, so nothing a policy says can be taken for
Python: names become parameters of our choosing, texts become constants. What the checker proved is used here:

- values of one known kind are compared by Python's own operators;
- an operand that cannot fail is tried before those that can, which changes no answer, because nothing has an effect;
- a chain of `&&` with at most one operand that can fail is Python's `and`; only with two is absorption needed.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ringfence_pdp.cel import library, runtime
from ringfence_pdp.cel.checker import Checked
from ringfence_pdp.cel.syntax import (
    Binary,
    Call,
    Choice,
    Has,
    Index,
    ListLiteral,
    Literal,
    Logic,
    Macro,
    MapLiteral,
    Name,
    Node,
    Select,
    Unary,
)
from ringfence_pdp.cel.types import (
    BYTES,
    DOUBLE,
    INT,
    STRING,
    UINT,
    UNKNOWN,
    Field,
    ListOf,
    MapOf,
    Record,
    Simple,
    Type,
)
from ringfence_pdp.cel.values import UInt, Value, checked_duration, checked_timestamp

Evaluate = Callable[[Any], Any]
"""Takes the object the schema's root describes and returns the condition's value, or raises EvaluationError."""

_REQUEST = "r"

_TEXT_MAX = 80
"""Characters of source that messages repeat."""

_HELPERS: dict[str, object] = {
    "__builtins__": {},
    "checked_duration": checked_duration,
    "checked_timestamp": checked_timestamp,
    **{name: value for name, value in vars(runtime).items() if callable(value) and not name.startswith("_")},
    **{name: value for name, value in vars(library).items() if callable(value) and not name.startswith("_")},
}
"""All that compiled conditions can name."""

_COMPARE: dict[str, type[ast.cmpop]] = {
    "==": ast.Eq,
    "!=": ast.NotEq,
    "<": ast.Lt,
    "<=": ast.LtE,
    ">": ast.Gt,
    ">=": ast.GtE,
}
_COMPARE_UNKNOWN = {
    "==": "equal",
    "!=": "different",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}
_PLAIN: dict[str, type[ast.operator]] = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult}
_LOGIC: dict[str, tuple[type[ast.boolop], str]] = {"&&": (ast.And, "conjunction"), "||": (ast.Or, "disjunction")}
_MACROS = {"all": "all_of", "exists": "any_of", "exists_one": "one_of", "filter": "filtered", "map": "mapped"}


class Code(NamedTuple):
    """Python for one node, and whether running it can end in an EvaluationError."""

    expression: ast.expr
    fails: bool


def generate(checked: Checked, node: Node | None = None) -> Evaluate:
    """Return a function for the condition, or for the part of it below `node`."""
    generator = _Generator(checked)
    target = checked.root if node is None else node
    body = generator.truth(target) if node is None else generator.emit(target)
    inner = _lambda([_REQUEST], body.expression)
    outer = _lambda([f"k{place}" for place in range(len(generator.constants))], inner)
    code = compile(ast.fix_missing_locations(ast.Expression(outer)), "<condition>", "eval")
    make = eval(code, _HELPERS)  # noqa: S307 - our own syntax tree over the helpers above, with no builtins
    function: Evaluate = make(*generator.constants)
    return function


def _lambda(parameters: list[str], body: ast.expr) -> ast.Lambda:
    arguments = ast.arguments(
        posonlyargs=[], args=[ast.arg(name) for name in parameters], kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    return ast.Lambda(arguments, body)


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(_name(name), list(arguments), [])


def _is_known(type_: Type) -> bool:
    """Say whether values of the type are of one kind that Python compares as CEL does."""
    return isinstance(type_, Simple) and type_ not in UNKNOWN


@dataclass(slots=True)
class _Generator:
    checked: Checked
    constants: list[object] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def emit(self, node: Node) -> Code:
        return _RULES[type(node)](self, node)

    def truth(self, node: Node) -> Code:
        code = self.emit(node)
        return Code(_call("truth", code.expression), True) if self.unknown(node) else code

    def type_of(self, node: Node) -> Type:
        return self.checked.types[node]

    def unknown(self, node: Node) -> bool:
        return self.type_of(node) in UNKNOWN

    def constant(self, value: object) -> ast.expr:
        """Values that Python's constants cannot hold are handed in as arguments."""
        self.constants.append(value)
        return _name(f"k{len(self.constants) - 1}")

    # Names and attributes

    def literal(self, node: Literal) -> Code:
        if type(node.value) is UInt:
            return Code(self.constant(node.value), False)
        return Code(ast.Constant(node.value), False)  # type: ignore[arg-type]  # any other literal is a Python constant

    def name(self, node: Name) -> Code:
        if node.name in self.variables:
            return Code(_name(self.variables[node.name]), False)
        return self.attribute(node, Code(_name(_REQUEST), False))

    def select(self, node: Select) -> Code:
        operand = self.emit(node.operand)
        if isinstance(self.type_of(node.operand), Record):
            return self.attribute(node, operand)
        return Code(_call("select", operand.expression, ast.Constant(node.field), self.text(node)), True)

    def text(self, node: Node) -> ast.Constant:
        """How the node is written, for messages."""
        return ast.Constant(self.checked.text(node)[-_TEXT_MAX:])

    def attribute(self, node: Node, operand: Code) -> Code:
        found = self.checked.fields[node]
        path = _path(operand.expression, found)
        if not found.optional:
            return Code(path, operand.fails)
        return Code(_call("present", path, self.text(node)), True)

    def has(self, node: Has) -> Code:
        operand = self.emit(node.operand)
        if isinstance(self.type_of(node.operand), Record):
            path = _path(operand.expression, self.checked.fields[node])
            return Code(ast.Compare(path, [ast.IsNot()], [ast.Constant(None)]), operand.fails)
        fails = operand.fails or self.unknown(node.operand)
        return Code(_call("has", operand.expression, ast.Constant(node.field)), fails)

    def index(self, node: Index) -> Code:
        return Code(_call("index", self.emit(node.operand).expression, self.emit(node.key).expression), True)

    def list_literal(self, node: ListLiteral) -> Code:
        parts = [self.emit(element) for element in node.elements]
        return Code(ast.List([part.expression for part in parts], ast.Load()), any(part.fails for part in parts))

    def map_literal(self, node: MapLiteral) -> Code:
        parts = [self.emit(value) for value in node.values]
        keys: list[ast.expr | None] = [ast.Constant(key) for key in node.keys]
        return Code(ast.Dict(keys, [part.expression for part in parts]), any(part.fails for part in parts))

    # Calls

    def call(self, node: Call) -> Code:
        row = self.checked.calls[node]
        if node.function in ("timestamp", "duration") and isinstance(node.operands[0], Literal):
            convert = getattr(library, row.implementation)
            return Code(self.constant(convert(node.operands[0].value)), False)
        operands = [self.operand(operand, kinds) for operand, kinds in zip(node.operands, row.parameters, strict=True)]
        fails = row.fails or any(operand.fails for operand in operands)
        return Code(_call(row.implementation, *(operand.expression for operand in operands)), fails)

    def operand(self, node: Node, kinds: frozenset[str]) -> Code:
        """An operand whose kind is open is looked at here when the function takes one kind, else by the function."""
        if node in self.checked.patterns:
            return Code(self.constant(self.checked.patterns[node]), False)
        code = self.emit(node)
        if not self.unknown(node):
            return code
        if "list" in kinds:
            return Code(_call("measurable", code.expression), True)
        if len(kinds) > 1:
            return Code(code.expression, True)
        return Code(_call("expect", code.expression, ast.Constant(next(iter(kinds)))), True)

    # Operators

    def unary(self, node: Unary) -> Code:
        if node.operator == "!":
            operand = self.truth(node.operand)
            return Code(ast.UnaryOp(ast.Not(), operand.expression), operand.fails)
        operand = self.emit(node.operand)
        if self.type_of(node.operand) == DOUBLE:
            return Code(ast.UnaryOp(ast.USub(), operand.expression), operand.fails)
        return Code(_call("negative", operand.expression), True)

    def binary(self, node: Binary) -> Code:
        if node.operator == "in":
            return self.membership(node)
        if node.operator not in _COMPARE:
            return self.arithmetic(node)
        left, right = self.emit(node.left), self.emit(node.right)
        fails = left.fails or right.fails
        if _is_known(self.type_of(node.left)) and _is_known(self.type_of(node.right)):
            compare = ast.Compare(left.expression, [_COMPARE[node.operator]()], [right.expression])
            return Code(compare, fails)
        call = _call(_COMPARE_UNKNOWN[node.operator], left.expression, right.expression)
        return Code(call, fails or node.operator not in ("==", "!="))

    def membership(self, node: Binary) -> Code:
        left = self.emit(node.left)
        fixed = self.fixed_set(node.right) if _is_known(self.type_of(node.left)) else None
        if fixed is not None:
            return Code(ast.Compare(left.expression, [ast.In()], [ast.Constant(fixed)]), left.fails)
        right = self.emit(node.right)
        fails = left.fails or right.fails
        match self.type_of(node.right):
            case ListOf():
                return Code(_call("contained", left.expression, right.expression), fails)
            case MapOf():
                return Code(_call("keyed", left.expression, right.expression), fails or self.unknown(node.left))
            case _:
                return Code(_call("contained", left.expression, _call("listed", right.expression)), True)

    def fixed_set(self, node: Node) -> Any:
        """The elements of a list of literals of one kind, as the set that Python can search; else None."""
        type_ = self.type_of(node)
        if not isinstance(node, ListLiteral) or not isinstance(type_, ListOf) or not _is_known(type_.element):
            return None
        values = [_plain(element) for element in node.elements]
        return None if any(value is None for value in values) else frozenset(values)

    def arithmetic(self, node: Binary) -> Code:
        left, right = self.emit(node.left), self.emit(node.right)
        fails = left.fails or right.fails
        kind, other = self.type_of(node.left), self.type_of(node.right)
        if kind == other and node.operator in _PLAIN:
            plain = ast.BinOp(left.expression, _PLAIN[node.operator](), right.expression)
            if kind in (DOUBLE, STRING, BYTES):
                return Code(plain, fails)
            if kind in (INT, UINT):
                return Code(_call(f"{kind}_result", plain), True)
        return Code(_call("arithmetic", ast.Constant(node.operator), left.expression, right.expression), True)

    def logic(self, node: Logic) -> Code:
        parts = [self.truth(operand) for operand in node.operands]
        safe = [part.expression for part in parts if not part.fails]
        risky = [part.expression for part in parts if part.fails]
        operator, absorbing = _LOGIC[node.operator]
        if len(risky) > 1:
            risky = [_call(absorbing, *(_lambda([], part) for part in risky))]
        operands = [*safe, *risky]
        return Code(operands[0] if len(operands) == 1 else ast.BoolOp(operator(), operands), bool(risky))

    def choice(self, node: Choice) -> Code:
        condition, then, otherwise = self.truth(node.condition), self.emit(node.then), self.emit(node.otherwise)
        expression = ast.IfExp(condition.expression, then.expression, otherwise.expression)
        return Code(expression, condition.fails or then.fails or otherwise.fails)

    # Macros

    def macro(self, node: Macro) -> Code:
        operand = self.emit(node.operand)
        expression, fails = operand
        if self.unknown(node.operand):
            expression, fails = _call("listed", expression), True
        variable = f"v{len(self.variables)}"
        self.variables[node.variable] = variable
        bodies: list[ast.expr] = []
        for body in (node.predicate, node.transform):
            if body is None:
                continue
            code = self.truth(body) if body is node.predicate else self.emit(body)
            bodies.append(_lambda([variable], code.expression))
            fails = fails or code.fails
        del self.variables[node.variable]
        if node.kind == "map" and node.predicate is None:
            bodies.insert(0, ast.Constant(None))
        return Code(_call(_MACROS[node.kind], expression, *bodies), fails)


def _path(operand: ast.expr, found: Field) -> ast.expr:
    for part in found.attribute.split("."):
        operand = ast.Attribute(operand, part, ast.Load())
    return operand


def _plain(node: Node) -> Value:
    """Return a literal as one of Python's own constants; None when it is no literal, or `null`."""
    if not isinstance(node, Literal):
        return None
    return int(node.value) if isinstance(node.value, UInt) else node.value


_RULES: dict[type, Callable[[_Generator, Any], Code]] = {
    Literal: _Generator.literal,
    Name: _Generator.name,
    Select: _Generator.select,
    Has: _Generator.has,
    Index: _Generator.index,
    Call: _Generator.call,
    Unary: _Generator.unary,
    Binary: _Generator.binary,
    Logic: _Generator.logic,
    Choice: _Generator.choice,
    ListLiteral: _Generator.list_literal,
    MapLiteral: _Generator.map_literal,
    Macro: _Generator.macro,
}
