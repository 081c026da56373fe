"""Whether a condition is always true, as far as it can be told without the data.

Constants are computed, connectives are followed; a column may hold anything, except that it equals itself. What is not
known is not true, so nothing here makes a condition look worse than it is.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Final

from sqlglot import exp

_COMPARED: Final[Mapping[type[exp.Expr], Callable[[object, object], bool]]] = {
    exp.EQ: operator.eq,
    exp.NullSafeEQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.Like: operator.eq,
    exp.ILike: operator.eq,
    exp.Is: operator.eq,
}
_ORDERED: Final[Mapping[type[exp.Expr], Callable[[float, float], bool]]] = {
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
}
_COMPUTED: Final[Mapping[type[exp.Expr], Callable[[float, float], float]]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
}
_SAME: Final = (exp.EQ, exp.NullSafeEQ, exp.GTE, exp.LTE, exp.Like)
_DEPTH_MAX: Final = 48


def always_true(condition: exp.Expr | None, depth: int = 0) -> bool:
    """Say whether every row passes `condition`."""
    return _truth(condition, depth) is True


def nearly_always_true(condition: exp.Expr | None) -> bool:
    """Say whether hardly any row fails `condition`: it only asks for an id above 0, or for there being a value."""
    bare = _bare(condition)
    match bare:
        case exp.GT() | exp.GTE() | exp.NEQ():
            value = constant(bare.expression)
            return isinstance(bare.this, exp.Column) and isinstance(value, float) and value <= 0
        case exp.Not():
            inner = _bare(bare.this)
            return isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null)
        case exp.Like() | exp.ILike():
            return isinstance(bare.this, exp.Column) and constant(bare.expression) in ("%", "%%")
        case exp.Or():
            return nearly_always_true(bare.this) or nearly_always_true(bare.expression)
        case exp.And():
            return nearly_always_true(bare.this) and nearly_always_true(bare.expression)
        case _:
            return False


def constant(node: exp.Expr | None, depth: int = 0) -> str | float | None:
    """Return the constant an expression is, or None."""
    node = _bare(node)
    if node is None or depth > _DEPTH_MAX:
        return None
    if isinstance(node, exp.Literal):
        return str(node.this) if node.is_string else _number(str(node.this))
    if isinstance(node, exp.Boolean):
        return 1.0 if node.this else 0.0
    if isinstance(node, exp.Neg):
        inner = constant(node.this, depth + 1)
        return -inner if isinstance(inner, float) else None
    compute = _COMPUTED.get(type(node))
    if compute is not None:
        left, right = constant(node.this, depth + 1), constant(node.expression, depth + 1)
        return compute(left, right) if isinstance(left, float) and isinstance(right, float) else None
    return None


def _truth(node: exp.Expr | None, depth: int) -> bool | None:
    node = _bare(node)
    if node is None or depth > _DEPTH_MAX:
        return None
    if isinstance(node, exp.And | exp.Or):
        return _joined(node, depth)
    if isinstance(node, exp.Not):
        inner = _truth(node.this, depth + 1)
        return None if inner is None else not inner
    if isinstance(node, exp.Binary):
        return _compared(node, depth)
    if isinstance(node, exp.Exists):
        return None
    value = constant(node)
    return bool(value) if isinstance(value, float) else None


def _joined(node: exp.Expr, depth: int) -> bool | None:
    left, right = _truth(node.this, depth + 1), _truth(node.expression, depth + 1)
    decisive = isinstance(node, exp.Or)
    if decisive in (left, right):
        return decisive
    return (not decisive) if left is right is (not decisive) else None


def _compared(node: exp.Binary, depth: int) -> bool | None:
    left, right = constant(node.this, depth + 1), constant(node.expression, depth + 1)
    if left is not None and right is not None:
        return _of_constants(node, left, right)
    if isinstance(node, exp.Is) and isinstance(node.this, exp.Null) and isinstance(node.expression, exp.Null):
        return True
    if isinstance(node, _SAME) and isinstance(_bare(node.this), exp.Column) and node.this == node.expression:
        return True
    return None


def _of_constants(node: exp.Binary, left: str | float, right: str | float) -> bool | None:
    compare = _COMPARED.get(type(node))
    if compare is not None:
        if isinstance(node, exp.Like | exp.ILike) and right in ("%", "%%"):
            return True
        return compare(left, right) if type(left) is type(right) else compare(str(left), str(right).strip())
    order = _ORDERED.get(type(node))
    if order is None:
        return None
    if isinstance(left, float) and isinstance(right, float):
        return order(left, right)
    return order(left, right) if isinstance(left, str) and isinstance(right, str) else None  # type: ignore[arg-type]  # texts are ordered too


def _bare(node: exp.Expr | None) -> exp.Expr | None:
    while isinstance(node, exp.Paren | exp.Where):
        node = node.this
    return node


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
