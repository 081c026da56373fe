"""Obligations: what has to be done with a call that is allowed, and what two parties that both oblige ask together.

- what is asked adds up: the union by type and id;
- the same obligation asked in two ways becomes the stricter of both, where a comparator registered here can tell for
  each member. Both have to name the same members: what is left out might mean nothing, or everything;
- otherwise the two conflict, and a call with a conflict is denied: nobody guesses which one was meant.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from types import MappingProxyType
from typing import NamedTuple, TypeAlias, TypeGuard

from ringfence_pdp.model import Obligation

Key: TypeAlias = tuple[str, str]
"""Type and id."""

Comparator: TypeAlias = Callable[[object, object], object]
"""Returns the stricter of two values, or None when it cannot tell. Commutative, associative, idempotent."""

_NOTHING: Mapping[Key, Obligation] = MappingProxyType({})


class Obligations(NamedTuple):
    """What is asked, by type and id, and what was asked in two ways that do not go together."""

    asked: Mapping[Key, Obligation] = _NOTHING
    conflicts: frozenset[Key] = frozenset()

    def listed(self) -> tuple[Obligation, ...]:
        """Return what is asked, ordered by type and id."""
        return tuple(self.asked[key] for key in sorted(self.asked))


NO_OBLIGATIONS = Obligations()


def obliging(obligations: Iterable[Obligation]) -> Obligations:
    """Return what a list of obligations asks."""
    return reduce(joined, (_just(one) for one in obligations), NO_OBLIGATIONS)


def joined(left: Obligations, right: Obligations) -> Obligations:
    """Return what both ask together."""
    if not right.asked and not right.conflicts:
        return left
    if not left.asked and not left.conflicts:
        return right
    asked, conflicts = {**left.asked, **right.asked}, set(left.conflicts | right.conflicts)
    for key in left.asked.keys() & right.asked.keys():
        stricter = _stricter(left.asked[key], right.asked[key])
        if stricter is None:
            conflicts.add(key)
        else:
            asked[key] = stricter
    for key in conflicts:
        asked.pop(key, None)
    return Obligations(asked, frozenset(conflicts))


def unsupported(obligations: Obligations, supported: frozenset[str]) -> tuple[str, ...]:
    """Return the types that are asked and that whoever enforces did not say it fulfils, in order."""
    return tuple(sorted({type_ for type_, _ in obligations.asked} - supported))


def _just(obligation: Obligation) -> Obligations:
    return Obligations({(obligation.type, obligation.id): obligation})


def _stricter(left: Obligation, right: Obligation) -> Obligation | None:
    if _same(left.properties, right.properties):
        return left
    if left.properties.keys() != right.properties.keys():
        return None
    comparators = COMPARATORS.get(left.type, {})
    properties: dict[str, object] = {}
    for member, mine in left.properties.items():
        theirs = right.properties[member]
        value = mine if _same(mine, theirs) else _compared(comparators.get(member), mine, theirs)
        if value is None:
            return None
        properties[member] = value
    return Obligation(left.type, left.id, properties)


def _compared(comparator: Comparator | None, left: object, right: object) -> object:
    return None if comparator is None else comparator(left, right)


def _same(left: object, right: object) -> bool:
    """Say whether two JSON values are one. Python's own `==` takes true for 1."""
    match left, right:
        case (bool(), _) | (_, bool()):
            return left is right
        case Mapping(), Mapping():
            return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
        case list(), list():
            return len(left) == len(right) and all(map(_same, left, right))
        case _:
            return left == right


def _more(left: object, right: object) -> object:
    return max(left, right) if _is_number(left) and _is_number(right) else None


def _less(left: object, right: object) -> object:
    return min(left, right) if _is_number(left) and _is_number(right) else None


def _all(left: object, right: object) -> object:
    return sorted({*left, *right}) if _are_texts(left) and _are_texts(right) else None


def _higher(words: Sequence[str]) -> Comparator:
    def higher(left: object, right: object) -> object:
        if isinstance(left, str) and isinstance(right, str) and {left, right} <= {*words}:
            return max(left, right, key=words.index)
        return None

    return higher


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


LOG_LEVELS = ("metadata", "arguments", "full")
STEP_UP_LEVELS = ("password", "otp", "hardware")

COMPARATORS: Mapping[str, Mapping[str, Comparator]] = {
    "log": {"level": _higher(LOG_LEVELS), "fields": _all, "retention_days": _more},
    "redact": {"fields": _all, "classes": _all},
    "notify": {"to": _all, "within_seconds": _less},
    "step_up": {"level": _higher(STEP_UP_LEVELS), "max_age_seconds": _less},
    "max_rows": {"rows": _less},
    "max_bytes": {"bytes": _less},
}
"""By type and member, how the stricter of two values is found. A list that is compared comes out sorted."""
