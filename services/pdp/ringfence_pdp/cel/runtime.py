"""What compiled conditions call while they run: CEL's operators and functions over values.py's representation.

Three truth values: True, False, and an EvaluationError raised. Only `conjunction`, `disjunction`, `all_of` and `any_of`
may absorb an error, and only when another operand already settles the answer (langdef, "Logical operators"). No value
is ever taken for true or false by looking at its size or its presence.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from ringfence_pdp.cel.problems import EvaluationError
from ringfence_pdp.cel.values import (
    INT_MAX,
    INT_MIN,
    UINT_MAX,
    Duration,
    Timestamp,
    UInt,
    Value,
    checked_duration,
    checked_timestamp,
)

Thunk = Callable[[], bool]
T = TypeVar("T")

_NAMES: dict[type, str] = {
    bool: "bool",
    int: "int",
    UInt: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    type(None): "null",
    Timestamp: "timestamp",
    Duration: "duration",
    list: "list",
    tuple: "list",
    dict: "map",
}
_NUMBERS = frozenset({int, UInt, float})
_ORDERED = frozenset({bool, int, UInt, float, str, bytes, Timestamp, Duration})
_SEQUENCES = (list, tuple)


def _no_overload(what: str, *values: Value) -> EvaluationError:
    kinds = ", ".join(kind_of(value) for value in values)
    return EvaluationError(f"{what} does not take ({kinds})")


def kind_of(value: Value) -> str:
    """Return the name of the value's CEL type."""
    return _NAMES.get(type(value), "record")


# Attributes


def present(value: T | None, text: str) -> T:
    """Return an optional attribute's value; absence is an error."""
    if value is None:
        raise EvaluationError(f"{text} is absent")
    return value


def select(operand: Value, name: str, text: str) -> Value:
    """`operand.name` where the operand is a map; `text` is how the attribute is written."""
    if type(operand) is dict:
        try:
            return operand[name]
        except KeyError:
            raise EvaluationError(f"{text} is absent") from None
    raise EvaluationError(f"a {kind_of(operand)} has no attribute {name}")


def has(operand: Value, name: str) -> bool:
    """`has(operand.name)` where the operand is a map."""
    if type(operand) is dict:
        return name in operand
    raise EvaluationError(f"a {kind_of(operand)} has no attribute {name}")


def index(operand: Value, key: Value) -> Value:
    """`operand[key]`. A list takes any number that is whole; a map takes a string."""
    if type(operand) is dict and type(key) is str:
        return select(operand, key, key)
    if isinstance(operand, _SEQUENCES) and type(key) in _NUMBERS:
        place = int(key) if key == key // 1 else -1  # type: ignore[operator]  # a number, by the line above
        if 0 <= place < len(operand):
            return operand[place]
        raise EvaluationError(f"index {key} is outside a list of {len(operand)}")
    raise _no_overload("[]", operand, key)


def contained(needle: Value, haystack: Iterable[Value]) -> bool:
    """`needle in haystack` where the haystack is a list."""
    return any(equal(needle, element) for element in haystack)


def keyed(needle: Value, haystack: dict[str, Value]) -> bool:
    """`needle in haystack` where the haystack is a map."""
    return expect(needle, "string") in haystack


def listed(value: Value) -> Sequence[Value]:
    """Return a value that has to be a list, where the checker could not tell.

    A map is refused here, although CEL goes through its keys: what callers send must not change an answer by leaving
    a key out, except where a condition asks for that with `has()`.
    """
    if isinstance(value, _SEQUENCES):
        return value
    raise EvaluationError(f"expected a list, found a {kind_of(value)}")


def measurable(value: Value) -> Value:
    """Return a value whose size may be asked; a map is refused for the same reason."""
    if isinstance(value, (str, bytes, *_SEQUENCES)):
        return value
    raise EvaluationError(f"expected a string or a list, found a {kind_of(value)}")


# Truth and comparison


def truth(value: Value) -> bool:
    """Return a value that has to be a bool."""
    if value is True or value is False:
        return value
    raise EvaluationError(f"expected a bool, found a {kind_of(value)}")


def expect(value: Value, kind: str) -> Value:
    """Return a value that has to be of this kind, where the checker could not tell."""
    if _NAMES.get(type(value)) == kind:
        return value
    raise EvaluationError(f"expected a {kind}, found a {kind_of(value)}")


def equal(left: Value, right: Value) -> bool:
    """`left == right`: numbers by value whatever their type, other kinds never equal one another."""
    kind, other = type(left), type(right)
    if kind is dict and other is dict:
        return _equal_maps(left, right)  # type: ignore[arg-type]  # both are dicts
    if isinstance(left, _SEQUENCES) and isinstance(right, _SEQUENCES):
        return len(left) == len(right) and all(map(equal, left, right))
    if kind is other or (kind in _NUMBERS and other in _NUMBERS):
        return bool(left == right)
    return False


def _equal_maps(left: dict[str, Value], right: dict[str, Value]) -> bool:
    return left.keys() == right.keys() and all(equal(value, right[key]) for key, value in left.items())


def different(left: Value, right: Value) -> bool:
    """`left != right`."""
    return not equal(left, right)


def _comparison(symbol: str, compare: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    def compared(left: Value, right: Value) -> bool:
        kind, other = type(left), type(right)
        if (kind is other and kind in _ORDERED) or (kind in _NUMBERS and other in _NUMBERS):
            return compare(left, right)
        raise _no_overload(symbol, left, right)

    return compared


less = _comparison("<", operator.lt)
less_equal = _comparison("<=", operator.le)
greater = _comparison(">", operator.gt)
greater_equal = _comparison(">=", operator.ge)


def conjunction(*thunks: Thunk) -> bool:
    """`a && b && …`: false if any is, else an error if any is, else true."""
    failed: EvaluationError | None = None
    for thunk in thunks:
        try:
            if not thunk():
                return False
        except EvaluationError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return True


def disjunction(*thunks: Thunk) -> bool:
    """`a || b || …`: true if any is, else an error if any is, else false."""
    failed: EvaluationError | None = None
    for thunk in thunks:
        try:
            if thunk():
                return True
        except EvaluationError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return False


# Macros


def all_of(operand: Iterable[Value], predicate: Callable[[Value], bool]) -> bool:
    """`operand.all(x, predicate)`."""
    return conjunction(*(partial(predicate, element) for element in operand))


def any_of(operand: Iterable[Value], predicate: Callable[[Value], bool]) -> bool:
    """`operand.exists(x, predicate)`."""
    return disjunction(*(partial(predicate, element) for element in operand))


def one_of(operand: Iterable[Value], predicate: Callable[[Value], bool]) -> bool:
    """`operand.exists_one(x, predicate)`; every error counts."""
    return sum(map(predicate, operand)) == 1


def filtered(operand: Iterable[Value], predicate: Callable[[Value], bool]) -> Sequence[Value]:
    """`operand.filter(x, predicate)`."""
    return [x for x in operand if predicate(x)]


def mapped(
    operand: Iterable[Value], predicate: Callable[[Value], bool] | None, transform: Callable[[Value], Value]
) -> Sequence[Value]:
    """`operand.map(x, transform)` and `operand.map(x, predicate, transform)`."""
    return [transform(x) for x in operand if predicate is None or predicate(x)]


# Arithmetic: each result is checked against the range of its type


def int_result(number: int) -> int:
    """Return an int that fits 64 bits."""
    if INT_MIN <= number <= INT_MAX:
        return number
    raise EvaluationError("the result overflows a 64-bit int")


def uint_result(number: int) -> UInt:
    """Return an unsigned int that fits 64 bits."""
    if 0 <= number <= UINT_MAX:
        return UInt(number)
    raise EvaluationError("the result overflows a 64-bit uint")


def divide_int(left: int, right: int) -> int:
    """Whole division toward zero."""
    if right == 0:
        raise EvaluationError("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def modulo_int(left: int, right: int) -> int:
    """The remainder of that division; it has the sign of the dividend."""
    if right == 0:
        raise EvaluationError("modulus by zero")
    return left - divide_int(left, right) * right


def divide_double(left: float, right: float) -> float:
    """Division after IEEE 754: by zero it gives an infinity, or NaN."""
    try:
        return left / right
    except ZeroDivisionError:
        if left == 0 or left != left:  # noqa: PLR0124 - NaN is the number that is not itself
            return float("nan")
        # The sign of a zero shows in its text, and nowhere in a comparison.
        return float("inf") if (left > 0) != str(right).startswith("-") else float("-inf")


_Overloads = dict[tuple[str, type, type], Callable[[Any, Any], Value]]


def _within(result: Callable[[int], Value], apply: Callable[[int, int], int]) -> Callable[[Any, Any], Value]:
    return lambda a, b: result(apply(int(a), int(b)))


def _numeric() -> _Overloads:
    table: _Overloads = {
        ("/", int, int): lambda a, b: int_result(divide_int(a, b)),
        ("/", UInt, UInt): lambda a, b: UInt(divide_int(a, b)),
        ("/", float, float): divide_double,
        ("%", int, int): modulo_int,
        ("%", UInt, UInt): lambda a, b: UInt(modulo_int(a, b)),
    }
    for symbol, apply in (("+", operator.add), ("-", operator.sub), ("*", operator.mul)):
        table[symbol, int, int] = _within(int_result, apply)
        table[symbol, UInt, UInt] = _within(uint_result, apply)
        table[symbol, float, float] = apply
    return table


_ARITHMETIC: _Overloads = {
    **_numeric(),
    **{("+", kind, kind): operator.add for kind in (str, bytes)},
    **{("+", kind, other): lambda a, b: [*a, *b] for kind in _SEQUENCES for other in _SEQUENCES},
    ("+", Timestamp, Duration): lambda a, b: checked_timestamp(a + b),
    ("+", Duration, Timestamp): lambda a, b: checked_timestamp(a + b),
    ("+", Duration, Duration): lambda a, b: checked_duration(a + b),
    ("-", Timestamp, Timestamp): lambda a, b: checked_duration(a - b),
    ("-", Timestamp, Duration): lambda a, b: checked_timestamp(a - b),
    ("-", Duration, Duration): lambda a, b: checked_duration(a - b),
}


def arithmetic(symbol: str, left: Value, right: Value) -> Value:
    """`left symbol right`, by the types the two turn out to have."""
    function = _ARITHMETIC.get((symbol, type(left), type(right)))
    if function is None:
        raise _no_overload(symbol, left, right)
    return function(left, right)


def negative(value: Value) -> Value:
    """`-value`."""
    match value:
        case float():
            return -value
        case int() if type(value) is int:
            return int_result(-value)
        case Duration():
            return checked_duration(-value)
    raise _no_overload("-", value)
