"""Types: every name known, every operator given operands it takes, before a policy is accepted.

A problem names the place, what was found there and what would be right. Nothing here depends on a request, so a
condition that passes can only fail later for what a request leaves out, sends as another type, or lets overflow.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ringfence_pdp.cel import functions, operator_types
from ringfence_pdp.cel.functions import Function
from ringfence_pdp.cel.library import Pattern
from ringfence_pdp.cel.patterns import PatternInvalid, compile_pattern
from ringfence_pdp.cel.problems import ConditionInvalid, EvaluationError
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
    BOOL,
    BYTES,
    DOUBLE,
    DYN,
    INT,
    JSON,
    NEVER_JSON,
    NULL,
    NUMBERS,
    STRING,
    UINT,
    UNKNOWN,
    Field,
    ListOf,
    MapOf,
    Record,
    Schema,
    Type,
    comparable,
    joined,
    kind,
)
from ringfence_pdp.cel.values import UInt, parse_duration, parse_offset, parse_timestamp

_LITERALS: dict[type, Type] = {
    bool: BOOL,
    int: INT,
    UInt: UINT,
    float: DOUBLE,
    str: STRING,
    bytes: BYTES,
    type(None): NULL,
}

_EXAMPLES = {
    "bool": "true or false",
    "int": "a whole number such as 3",
    "uint": "a whole number such as 3u",
    "double": "a number such as 0.5",
    "string": "a text such as 'pii'",
    "bytes": "bytes such as b'..'",
    "timestamp": "timestamp('2026-01-31T08:00:00Z')",
    "duration": "duration('30m')",
    "list": "a list such as ['a', 'b']",
    "map": "a map such as {'key': 1}",
}

_TEXT_FORMS = {"timestamp": parse_timestamp, "duration": parse_duration}


@dataclass(frozen=True, slots=True)
class Checked:
    """A condition whose types are known."""

    source: str
    root: Node
    types: Mapping[Node, Type]
    fields: Mapping[Node, Field]
    """Of nodes that name an attribute of a record or a root of the request: which one."""
    calls: Mapping[Node, Function]
    patterns: Mapping[Node, Pattern]
    """The compiled regular expression of each `matches`, by its pattern's node."""

    def text(self, node: Node) -> str:
        """Return the node as written."""
        return self.source[node.at.start : node.at.end]


def check(source: str, root: Node, schema: Schema) -> Checked:
    """Return the condition with its types; raise ConditionInvalid at the first thing that is wrong."""
    checker = _Checker(source, schema)
    type_ = checker.check(root)
    if type_ is not BOOL and type_ not in UNKNOWN:
        raise ConditionInvalid(
            root.at.position, f"the condition is {_article(type_)}, not a bool", "compare it with something"
        )
    return Checked(source, root, checker.types, checker.fields, checker.calls, checker.patterns)


def _article(type_: Type) -> str:
    return f"{'an' if str(type_)[0] in 'aeio' else 'a'} {type_}"


def _close(name: str, known: Iterable[str]) -> str:
    listed = sorted(known)
    near = difflib.get_close_matches(name, listed, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(listed)}"


@dataclass(slots=True)
class _Checker:
    source: str
    schema: Schema
    variables: dict[str, Type] = field(default_factory=dict)
    types: dict[Node, Type] = field(default_factory=dict)
    fields: dict[Node, Field] = field(default_factory=dict)
    calls: dict[Node, Function] = field(default_factory=dict)
    patterns: dict[Node, Pattern] = field(default_factory=dict)

    def check(self, node: Node) -> Type:
        type_ = _RULES[type(node)](self, node)
        self.types[node] = type_
        return type_

    def value(self, node: Node) -> Type:
        """The type of a node that has to be a value: a record can only be selected from."""
        type_ = self.check(node)
        if isinstance(type_, Record):
            raise self.wrong(node, f"{self.shown(node)} is a group of fields", f"select one: {_names(type_.fields)}")
        return type_

    def wrong(self, node: Node, problem: str, remedy: str = "") -> ConditionInvalid:
        return ConditionInvalid(node.at.position, problem, remedy)

    def shown(self, node: Node) -> str:
        text = self.source[node.at.start : node.at.end]
        return text if len(text) <= 60 else f"{text[:57]}..."

    # Names and attributes

    def literal(self, node: Literal) -> Type:
        return _LITERALS[type(node.value)]

    def list_literal(self, node: ListLiteral) -> Type:
        return ListOf(self.elements(node.elements))

    def map_literal(self, node: MapLiteral) -> Type:
        return MapOf(self.elements(node.values))

    def name(self, node: Name) -> Type:
        if node.name in self.variables:
            return self.variables[node.name]
        root = self.schema.fields.get(node.name)
        if root is None:
            known = (*self.schema.fields, *self.variables)
            raise self.wrong(node, f"there is no variable {node.name!r}", _close(node.name, known))
        self.fields[node] = root
        return root.type

    def select(self, node: Select) -> Type:
        return self.attribute(node)[0]

    def attribute(self, node: Select | Has) -> tuple[Type, Field | None]:
        operand = self.check(node.operand)
        match operand:
            case Record():
                found = operand.fields.get(node.field)
                if found is None:
                    problem = f"{self.shown(node.operand)} has no field {node.field!r}"
                    raise self.wrong(node, problem, _close(node.field, operand.fields))
                self.fields[node] = found
                return found.type, found
            case MapOf():
                return operand.value, None
            case _ if operand in UNKNOWN:
                return operand, None
            case _:
                problem = f"{self.shown(node.operand)} is {_article(operand)} and has no field {node.field!r}"
                raise self.wrong(node, problem)

    def has(self, node: Has) -> Type:
        _, found = self.attribute(node)
        if found is not None and not found.optional:
            raise self.wrong(node, f"{node.field!r} is always there", "leave has() out")
        return BOOL

    def index(self, node: Index) -> Type:
        operand, key = self.value(node.operand), self.value(node.key)
        match operand:
            case ListOf():
                self.need(node.key, key, "int", "uint")
                return operand.element
            case MapOf():
                self.need(node.key, key, "string")
                return operand.value
            case _ if operand in UNKNOWN:
                self.need(node.key, key, "int", "uint", "string")
                return operand
            case _:
                raise self.wrong(node, f"{self.shown(node.operand)} is {_article(operand)} and has no elements")

    def need(self, node: Node, type_: Type, *kinds: str) -> None:
        if type_ not in UNKNOWN and kind(type_) not in kinds:
            examples = " or ".join(_EXAMPLES[name] for name in kinds)
            raise self.wrong(node, f"{self.shown(node)} is {_article(type_)}", f"give {examples}")

    # Calls

    def call(self, node: Call) -> Type:
        row = functions.find(node.function, member=node.target is not None, arguments=len(node.arguments))
        if row is None:
            raise self.no_function(node)
        for operand, kinds in zip(node.operands, row.parameters, strict=True):
            self.need(operand, self.value(operand), *sorted(kinds))
        self.calls[node] = row
        if row.literal:
            self.pattern(node.operands[-1])
        self.text_form(node)
        return row.result

    def no_function(self, node: Call) -> ConditionInvalid:
        if node.function in functions.NAMES:
            problem = f"{node.function}() cannot be called like this, with {len(node.arguments)} arguments"
            return self.wrong(node, problem, "see the list of functions in services/pdp/README.md")
        return self.wrong(node, f"there is no function {node.function}()", _close(node.function, functions.NAMES))

    def pattern(self, node: Node) -> None:
        """Regular expressions are written out, so that their cost is known when a policy is published."""
        if not isinstance(node, Literal) or not isinstance(node.value, str):
            remedy = "write it out as a text"
            raise self.wrong(node, "the regular expression is not known when the policy is published", remedy)
        try:
            self.patterns[node] = compile_pattern(node.value)
        except PatternInvalid as error:
            raise self.wrong(node, f"{self.shown(node)} is no RE2 regular expression: {error}") from error

    def text_form(self, node: Call) -> None:
        """A time written out has to be one."""
        last = node.operands[-1]
        if not isinstance(last, Literal) or not isinstance(last.value, str):
            return
        parse = _TEXT_FORMS.get(node.function, parse_offset if node.function.startswith("get") else None)
        try:
            if parse is not None:
                parse(last.value)
        except EvaluationError as error:
            raise self.wrong(last, str(error)) from error

    # Operators

    def truth(self, node: Node) -> None:
        type_ = self.value(node)
        if type_ != BOOL and type_ not in UNKNOWN:
            problem = f"{self.shown(node)} is {_article(type_)}, not a bool"
            raise self.wrong(node, problem, "there is no implicit truth: compare it with something")

    def unary(self, node: Unary) -> Type:
        if node.operator == "!":
            self.truth(node.operand)
            return BOOL
        type_ = self.value(node.operand)
        self.need(node.operand, type_, "int", "double", "duration")
        return type_

    def binary(self, node: Binary) -> Type:
        left, right = self.value(node.left), self.value(node.right)
        match node.operator:
            case "==" | "!=":
                fits = comparable(left, right)
            case "in":
                fits = operator_types.membership(left, right)
            case "<" | "<=" | ">" | ">=":
                fits = operator_types.ordered(left, right)
            case _:
                return self.arithmetic(node, left, right)
        if not fits:
            raise self.mismatch(node, left, right)
        return BOOL

    def mismatch(self, node: Binary, left: Type, right: Type) -> ConditionInvalid:
        problem = (
            f"{self.shown(node.left)} is {_article(left)} and {self.shown(node.right)} is {_article(right)}: "
            f"{node.operator!r} does not compare the two"
        )
        if JSON in (left, right) and not {left, right}.isdisjoint(NEVER_JSON):
            other = right if left == JSON else left
            return self.wrong(node, problem, f"what callers send is JSON; convert it with {other}(...)")
        if node.operator == "in":
            return self.wrong(node, problem, "write a list of values of that type on the right")
        if kind(left) not in _EXAMPLES:
            return self.wrong(node, problem)
        return self.wrong(node, problem, f"compare {self.shown(node.left)} with {_EXAMPLES[kind(left)]}")

    def arithmetic(self, node: Binary, left: Type, right: Type) -> Type:
        result = operator_types.arithmetic(node.operator, left, right)
        if result is not None:
            return result
        problem = f"{node.operator!r} does not take {_article(left)} and {_article(right)}"
        if left in NUMBERS | {JSON} and right in NUMBERS | {JSON}:
            hint = "; numbers that callers send are doubles, such as 1.0" if JSON in (left, right) else ""
            raise self.wrong(node, problem, f"convert one with int(), uint() or double(){hint}")
        raise self.wrong(node, problem)

    def logic(self, node: Logic) -> Type:
        for operand in node.operands:
            self.truth(operand)
        return BOOL

    def choice(self, node: Choice) -> Type:
        self.truth(node.condition)
        then, otherwise = self.value(node.then), self.value(node.otherwise)
        if then != otherwise and not {then, otherwise} & UNKNOWN:
            problem = f"one side of '?:' is {_article(then)} and the other {_article(otherwise)}"
            raise self.wrong(node, problem, "give both the same type")
        return joined(then, otherwise)

    def elements(self, nodes: Iterable[Node]) -> Type:
        types = [self.value(node) for node in nodes]
        result = types[0] if types else DYN
        for type_ in types[1:]:
            result = joined(result, type_)
        return result

    # Macros

    def macro(self, node: Macro) -> Type:
        element = self.element(node)
        with self.bound(node, element):
            if node.predicate is not None:
                self.truth(node.predicate)
            transformed = self.value(node.transform) if node.transform is not None else None
        if transformed is not None:
            return ListOf(transformed)
        return ListOf(element) if node.kind == "filter" else BOOL

    def element(self, node: Macro) -> Type:
        operand = self.value(node.operand)
        match operand:
            case ListOf():
                return operand.element
            case MapOf():
                return STRING
            case _ if operand in UNKNOWN:
                return operand
            case _:
                problem = f"{self.shown(node.operand)} is {_article(operand)}"
                raise self.wrong(node, problem, f"{node.kind}() goes through lists and maps")

    @contextmanager
    def bound(self, node: Macro, element: Type) -> Iterator[None]:
        """Bind the macro's variable. It may not hide another name: a reader would take one for the other."""
        if node.variable in self.variables or node.variable in self.schema.fields:
            raise self.wrong(node, f"{node.variable!r} already means something here", "name the variable differently")
        self.variables[node.variable] = element
        yield
        del self.variables[node.variable]


def _names(fields: Mapping[str, Field]) -> str:
    return ", ".join(sorted(fields))


_RULES: dict[type, Callable[[_Checker, Any], Type]] = {
    Literal: _Checker.literal,
    Name: _Checker.name,
    Select: _Checker.select,
    Has: _Checker.has,
    Index: _Checker.index,
    Call: _Checker.call,
    Unary: _Checker.unary,
    Binary: _Checker.binary,
    Logic: _Checker.logic,
    Choice: _Checker.choice,
    ListLiteral: _Checker.list_literal,
    MapLiteral: _Checker.map_literal,
    Macro: _Checker.macro,
}
