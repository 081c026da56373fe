"""What a filter demands, checked and typed: a tree that one resource, or a whole index, can be held against.

A comparison matches when one of its field's values passes its test. What an index needs to know to do better than ask
every value is said beside the test: the one value that passes, the range of those that pass, or a text that each value
which passes contains.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from ringfence_registry.finding.filtering.fields import Value

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The whole numbers from `least` to `most`, both included; None is no bound."""

    least: int | None = None
    most: int | None = None

    def hold(self, number: int | None) -> bool:
        """Say whether there is a number, and it is one of them."""
        if number is None:
            return False
        return (self.least is None or number >= self.least) and (self.most is None or number <= self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Generic[T]):
    """One field compared with one thing."""

    field: str
    """Its canonical name."""
    values: Callable[[T], Iterable[Value]]
    test: Callable[[Any], bool]
    exact: Value | None = None
    """The only value that passes, when there is only one."""
    within: str = ""
    """Case-folded: a text that passes contains it. Empty: nothing is known."""
    bounds: Bounds | None = None
    """Of a field of whole numbers: those that pass, when they are a range."""

    @property
    def looked_up(self) -> bool:
        """Whether an index need not ask value by value."""
        return self.exact is not None or self.bounds is not None

    def matches(self, resource: T) -> bool:
        """Say whether `resource` has a value that passes."""
        return any(self.test(value) for value in self.values(resource))


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence(Generic[T]):
    """One field that has to have a value, whichever."""

    field: str
    values: Callable[[T], Iterable[Value]]

    def matches(self, resource: T) -> bool:
        """Say whether `resource` has any value there."""
        return any(True for _ in self.values(resource))


@dataclass(frozen=True, slots=True, kw_only=True)
class Anywhere(Generic[T]):
    """A text that has to be in one of the searched fields, whatever its case."""

    fields: Mapping[str, Callable[[T], Iterable[str]]]
    """The searched fields, by name."""
    test: Callable[[str], bool]
    """Of a case-folded text."""
    within: str = ""
    """As in `Comparison`."""
    literal: bool = False
    """Whether every text with `within` in it passes."""

    def matches(self, resource: T) -> bool:
        """Say whether it is."""
        return any(self.test(text.casefold()) for values in self.fields.values() for text in values(resource))


@dataclass(frozen=True, slots=True)
class Neither(Generic[T]):
    """What its part does not match."""

    part: "Condition[T]"

    def matches(self, resource: T) -> bool:
        """Say whether it does not."""
        return not self.part.matches(resource)


@dataclass(frozen=True, slots=True)
class Every(Generic[T]):
    """What all parts match; without parts, everything."""

    parts: "tuple[Condition[T], ...]"

    def matches(self, resource: T) -> bool:
        """Say whether all do."""
        return all(part.matches(resource) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Some(Generic[T]):
    """What at least one part matches."""

    parts: "tuple[Condition[T], ...]"

    def matches(self, resource: T) -> bool:
        """Say whether one does."""
        return any(part.matches(resource) for part in self.parts)


Condition: TypeAlias = Comparison[T] | Presence[T] | Anywhere[T] | Neither[T] | Every[T] | Some[T]
