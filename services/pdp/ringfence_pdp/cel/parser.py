"""Tokens to syntax tree: precedence climbing over CEL's grammar (cel-spec langdef, "Syntax").

What the subset leaves out (messages, namespaced identifiers, optional syntax) is refused by name. Nesting is capped
while parsing and the finished tree's depth once more after it, because a chain of operators grows a deep tree without
nesting; every later pass may therefore recurse.
"""

from dataclasses import dataclass

from ringfence_pdp.cel.problems import ConditionInvalid, Position
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
    Span,
    Unary,
    walk,
)
from ringfence_pdp.cel.tokens import Kind, Token, tokenize
from ringfence_pdp.cel.values import INT_MAX

DEPTH_MAX = 40
"""Levels of nesting in one condition; people write five."""

MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})

RESERVED = frozenset(
    {"as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop"}
    | {"package", "namespace", "return", "var", "void", "while"}
)
"""Words that may be a field's name but not a variable's (langdef: RESERVED)."""

_BINDING = {
    "||": 1, "&&": 2,
    "==": 3, "!=": 3, "<": 3, "<=": 3, ">": 3, ">=": 3, "in": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "%": 5,
}  # fmt: skip
"""How strongly each binary operator binds; all are left-associative."""


def parse(source: str) -> Node:
    """Return the syntax tree of `source`; raise ConditionInvalid where it stops being CEL."""
    parser = _Parser(tokenize(source))
    root = parser.expression()
    end = parser.peek()
    if end.kind is not Kind.END:
        raise ConditionInvalid(
            end.position, f"{end.text!r} after the end of the condition", "join the two with && or ||"
        )
    for node, depth in walk(root):
        if depth > DEPTH_MAX:
            raise _too_deep(node.at.position)
    return root


def _too_deep(position: Position) -> ConditionInvalid:
    return ConditionInvalid(
        position, "the condition is nested too deeply", f"{DEPTH_MAX} levels at most; split the rule"
    )


@dataclass(slots=True)
class _Parser:
    tokens: list[Token]
    at: int = 0
    depth: int = 0

    def peek(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        token = self.tokens[self.at]
        if token.kind is not Kind.END:
            self.at += 1
        return token

    def accept(self, symbol: str) -> bool:
        token = self.tokens[self.at]
        found = token.kind is Kind.SYMBOL and token.text == symbol
        self.at += found
        return found

    def expect(self, symbol: str, after: str) -> None:
        if not self.accept(symbol):
            found = self.peek()
            raise ConditionInvalid(found.position, f"expected {symbol!r} {after}, found {_shown(found)}")

    def span(self, start: Token) -> Span:
        """The text from `start` to the token last read."""
        return Span(start.position, start.start, self.tokens[self.at - 1].end)

    def descend(self) -> None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise _too_deep(self.peek().position)

    def expression(self) -> Node:
        """Expr = ConditionalOr ["?" ConditionalOr ":" Expr]."""
        self.descend()
        start = self.peek()
        node = self.operators(1)
        if self.accept("?"):
            then = self.operators(1)
            self.expect(":", "in 'condition ? then : otherwise'")
            otherwise = self.expression()
            node = Choice(self.span(start), node, then, otherwise)
        self.depth -= 1
        return node

    def operators(self, weakest: int) -> Node:
        """Operators that bind at least as strongly as `weakest`."""
        start = self.peek()
        left = self.unary()
        while True:
            token = self.peek()
            strength = _BINDING.get(token.text, 0) if token.kind is Kind.SYMBOL else 0
            if strength < weakest:
                return left
            self.next()
            right = self.operators(strength + 1)
            left = _joined(self.span(start), token.text, left, right)

    def unary(self) -> Node:
        """Unary = Member | "!" Unary | "-" Unary; a minus before a number belongs to the number."""
        start = self.peek()
        if self.accept("!") or self.accept("-"):
            number = self.peek()
            if start.text == "-" and type(number.value) in (int, float):
                self.next()
                return self.postfix(start, Literal(self.span(start), -number.value))  # type: ignore[operator]  # a number
            self.descend()
            operand = self.unary()
            self.depth -= 1
            return Unary(self.span(start), start.text, operand)
        return self.postfix(start, self.primary())

    def postfix(self, start: Token, node: Node) -> Node:
        """Member = Primary {"." SELECTOR ["(" [ExprList] ")"] | "[" Expr "]"}."""
        while True:
            if self.accept("."):
                node = self.member(start, node)
            elif self.accept("["):
                key = self.expression()
                self.expect("]", "after an index")
                node = Index(self.span(start), node, key)
            else:
                return node

    def member(self, start: Token, operand: Node) -> Node:
        name = self.next()
        if name.kind is not Kind.IDENTIFIER:
            raise ConditionInvalid(name.position, f"expected a field's name after '.', found {_shown(name)}")
        if not self.accept("("):
            return Select(self.span(start), operand, name.text)
        arguments = self.listed(")", "after the arguments")
        if name.text in MACROS:
            return self.macro(start, name, operand, arguments)
        return Call(self.span(start), name.text, operand, arguments)

    def macro(self, start: Token, name: Token, operand: Node, arguments: tuple[Node, ...]) -> Macro:
        wanted = (2, 3) if name.text == "map" else (2,)
        if len(arguments) not in wanted or not isinstance(arguments[0], Name):
            raise ConditionInvalid(
                name.position, f"{name.text}() needs a variable and an expression", f"write .{name.text}(x, …)"
            )
        bodies = list(arguments[1:])
        transform = bodies.pop() if name.text == "map" else None
        predicate = bodies.pop() if bodies else None
        return Macro(self.span(start), name.text, operand, arguments[0].name, predicate, transform)

    def primary(self) -> Node:
        """Primary = IDENT ["(" [ExprList] ")"] | "(" Expr ")" | "[" … "]" | "{" … "}" | LITERAL."""
        token = self.next()
        if token.kind is Kind.LITERAL:
            if type(token.value) is int and token.value > INT_MAX:
                raise ConditionInvalid(token.position, f"{token.text} does not fit 64 bits")
            return Literal(self.span(token), token.value)
        if token.kind is Kind.IDENTIFIER:
            return self.named(token)
        if token.kind is Kind.SYMBOL and token.text == "(":
            node = self.expression()
            self.expect(")", "to close the parenthesis")
            return node
        if token.kind is Kind.SYMBOL and token.text == "[":
            elements = self.listed("]", "to close the list")
            return ListLiteral(self.span(token), elements)
        if token.kind is Kind.SYMBOL and token.text == "{":
            return self.map_literal(token)
        raise ConditionInvalid(token.position, f"expected a value, found {_shown(token)}")

    def named(self, token: Token) -> Node:
        if token.text in RESERVED:
            raise ConditionInvalid(token.position, f"{token.text!r} is a reserved word of CEL")
        if not self.accept("("):
            return Name(self.span(token), token.text)
        arguments = self.listed(")", "after the arguments")
        if token.text != "has":
            return Call(self.span(token), token.text, None, arguments)
        if len(arguments) == 1 and isinstance(arguments[0], Select):
            return Has(self.span(token), arguments[0].operand, arguments[0].field)
        raise ConditionInvalid(token.position, "has() needs one field", "write has(a.b)")

    def listed(self, closing: str, after: str) -> tuple[Node, ...]:
        nodes: list[Node] = []
        while not self.accept(closing):
            nodes.append(self.expression())
            if not self.accept(","):
                self.expect(closing, after)
                break
        return tuple(nodes)

    def map_literal(self, start: Token) -> Node:
        keys: list[str] = []
        values: list[Node] = []
        while not self.accept("}"):
            key = self.next()
            if not isinstance(key.value, str) or key.value in keys:
                raise ConditionInvalid(
                    key.position, f"{_shown(key)} cannot be a key here", "write distinct texts as keys"
                )
            keys.append(key.value)
            self.expect(":", "after a key")
            values.append(self.expression())
            if not self.accept(","):
                self.expect("}", "to close the map")
                break
        return MapLiteral(self.span(start), tuple(keys), tuple(values))


def _joined(at: Span, operator: str, left: Node, right: Node) -> Node:
    if operator not in ("&&", "||"):
        return Binary(at, operator, left, right)
    chain = left.operands if isinstance(left, Logic) and left.operator == operator else (left,)
    return Logic(at, operator, (*chain, right))


def _shown(token: Token) -> str:
    return token.text if token.kind is Kind.END else repr(token.text)
