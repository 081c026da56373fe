"""Which agents hold which values: every indexed field inverted, and single values of the others in columns.

The index answers a comparison for all agents at once. It does as little as it can: a value that is known is looked up,
other tests run once for each distinct value, and what is not filed at all is read agent by agent, of those only that
can still match.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Generic, TypeVar

from ringfence_registry.finding.bits import NONE, Bits, Planes, of_flags, of_slots, planes_of, slots_of
from ringfence_registry.finding.filtering.conditions import Bounds
from ringfence_registry.finding.filtering.fields import (
    FieldTable,
    MapField,
    NumberField,
    Term,
    TextField,
    TimeField,
    Value,
)
from ringfence_registry.finding.instants import InstantPlanes
from ringfence_registry.finding.postings import Posting, Postings

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldValues:
    """Everything a `ValueIndex` holds, as it stood."""

    postings: dict[str, dict[Value, Posting]]
    columns: dict[str, list[Any]]
    counts: dict[str, bytes]


_MOST = 255
_TWO = 2
"""So many values may be the same."""
_AHEAD = 64
_SPARSE = 8
"""Of a column, one agent in so many is looked at by itself; more are looked at by walking the column."""


class ValueIndex(Generic[T]):
    """The values of one table's fields, by slot."""

    def __init__(self, table: FieldTable[T]) -> None:
        self._table = table
        self._postings: defaultdict[str, Postings[Value]] = defaultdict(Postings)
        self._inverted = tuple((name, field) for name, field in table.fields.items() if field.indexed)
        self._maps = tuple((name, field) for name, field in self._inverted if isinstance(field, MapField))
        self._single = tuple(
            (name, field)
            for name, field in table.fields.items()
            if isinstance(field, TextField | NumberField | TimeField) and not field.indexed
        )
        self._columns: dict[str, list[Any]] = {name: [] for name, _ in self._single}
        self._instants = frozenset(name for name, field in self._single if isinstance(field, TimeField))
        self._planes: dict[str, InstantPlanes] = {}
        """Of columns of instants, once they are filled or asked for."""
        self._counts = {name: bytearray() for name, _ in self._inverted}
        """How many values each resource has; 255 stands for that and more."""

    def load(self, first: int, resources: Sequence[T]) -> None:
        """Take the resources of the slots from `first` on, in the first filling, which `packed` ends."""
        for name, field in self._inverted:
            held = [each if len(each) < _TWO else dict.fromkeys(each) for each in map(field.values, resources)]
            counts = list(map(len, held))
            most = max(counts, default=0)
            self._counts[name].extend(counts if most <= _MOST else map(min, counts, repeat(_MOST)))
            if most:
                having = defaultdict[Value, list[int]](list)
                for slot, values in enumerate(held, first):
                    for value in values:
                        having[value].append(slot)
                self._postings[name].load_slots(having)
        for name, field in self._maps:
            under = defaultdict[str, list[tuple[Value, int]]](list)
            for slot, resource in enumerate(resources, first):
                for key, text in field.read(resource).items():
                    if text:
                        under[key].append((text, slot))
            for key, texts in under.items():
                self._postings[f"{name}.{key}"].load(texts)
        for name, field in self._single:
            self._columns[name].extend([next(iter(field.values(resource)), None) for resource in resources])

    def file(self, terms: Collection[Term], slots: Sequence[int]) -> None:
        """Take resources that all have the same terms and nothing in columns, in the first filling."""
        for field, value in terms:
            self._postings[field].load((value, slot) for slot in slots)
        self._reach(max(slots))
        for field, count in Counter(field for field, _ in terms).items():
            if field in self._counts:
                for slot in slots:
                    self._counts[field][slot] = min(count, _MOST)

    def held(self) -> HeldValues:
        """Return everything as it stands, for `restore` of another time."""
        return HeldValues(
            postings={field: postings.held() for field, postings in self._postings.items()},
            columns={field: list(column) for field, column in self._columns.items()},
            counts={field: bytes(counts) for field, counts in self._counts.items()},
        )

    def restore(self, held: HeldValues) -> None:
        """Take what `held` of an index of the same table returned, in place of a first filling."""
        self._postings.update({field: Postings(postings) for field, postings in held.postings.items()})
        self._columns.update(held.columns)
        self._counts.update({field: bytearray(counts) for field, counts in held.counts.items()})

    def packed(self) -> None:
        """End the first filling."""
        for postings in self._postings.values():
            postings.packed()
        # Or the first to ask for a range would wait for it.
        self._planes = {name: InstantPlanes(self._columns[name]) for name in self._instants}

    def add(self, slot: int, resource: T) -> None:
        """File the resource in `slot`, in which there was none: what `change` does, term by term, in half the time."""
        self._reach(slot)
        for name, field in self._inverted:
            values = _distinct(field.values(resource))
            self._counts[name][slot] = min(len(values), _MOST)
            for value in values:
                self._postings[name].add(value, slot)
        for name, field in self._maps:
            for key, text in field.read(resource).items():
                if text:
                    self._postings[f"{name}.{key}"].add(text, slot)
        self._set_columns(slot, resource)

    def change(self, slot: int, *, before: Iterable[Term], after: T | None) -> frozenset[Term]:
        """File the resource in `slot` under the terms it has now, instead of `before`; return them."""
        old = frozenset(before)
        new = frozenset[Term]() if after is None else frozenset(self._table.terms_of(after))
        for field, value in old - new:
            self._postings[field].discard(value, slot)
            if not self._postings[field]:
                del self._postings[field]
        for field, value in new - old:
            self._postings[field].add(value, slot)
        self._set_columns(slot, after)
        counts = Counter(field for field, _ in new)
        self._reach(slot)
        for field, held in self._counts.items():
            held[slot] = min(counts[field], _MOST)
        return new

    def postings(self, field: str) -> Postings[Value] | None:
        """Return the values of an indexed field; of a map, `labels.team` is one."""
        return self._postings.get(field)

    def counts(self, field: str) -> Planes:
        """Return how many values of an inverted field each has."""
        held = self._counts.get(field)
        # What is under one key of a map is one value or none.
        return (self._postings[field].having(),) if held is None else planes_of(held)

    @property
    def slots(self) -> int:
        """How many slots there are at most."""
        return max(map(len, self._counts.values()), default=0)

    def files(self, field: str) -> bool:
        """Say whether the values of `field` are known here, inverted or in a column."""
        known = self._table.fields.get(field) or self._table.fields.get(field.partition(".")[0])
        return field in self._columns or (known is not None and known.indexed)

    def values_of(self, field: str, among: Bits) -> Iterator[tuple[Any, int]]:
        """Yield the first value each of `among` has, None for none, with its slot."""
        column = self._columns.get(field)
        if column is not None:
            yield from ((column[slot], slot) for slot in slots_of(among))
            return
        postings = self._postings.get(field, Postings())
        for value in postings:
            having = postings.of(value) & among
            among &= ~having
            yield from ((value, slot) for slot in slots_of(having))
        yield from ((None, slot) for slot in slots_of(among))

    def having(self, field: str, among: Bits) -> Bits:
        """Return those of `among` that have any value."""
        if field in self._columns:
            return of_flags(value is not None for value in self._columns[field]) & among
        found = NONE
        for plane in self.counts(field) if field in self._postings else ():
            found |= plane
        return found & among

    def equal(self, field: str, value: Value, among: Bits) -> Bits:
        """Return those of `among` that have `value`."""
        if field in self._columns:
            return self._in_column(field, lambda held: bool(held == value), among)
        return self._postings[field].of(value) & among if field in self._postings else NONE

    def where(self, field: str, test: Callable[[Any], bool], among: Bits, *, within: str = "") -> Bits:
        """Return those of `among` that have a value that passes `test`: a text with the case-folded `within` in it."""
        if field in self._columns:
            return self._in_column(field, test, among)
        return self._postings[field].where(test, within=within) & among if field in self._postings else NONE

    def counts_on(self, field: str) -> bool:
        """Say whether `between` can be asked of `field`."""
        return field in self._instants

    def between(self, field: str, bounds: Bounds, among: Bits) -> Bits:
        """Return those of `among` whose instant is within `bounds`."""
        column, planes = self._columns[field], self._planes.get(field)
        if planes is None or planes.outgrown:
            planes = self._planes[field] = InstantPlanes(column)
        return planes.between(bounds, column, among)

    def distinct(self, field: str) -> int:
        """Return how many tests `where` costs at most."""
        held = self._columns.get(field) or self._postings.get(field)
        return 0 if held is None else len(held)

    def _in_column(self, field: str, test: Callable[[Any], bool], among: Bits) -> Bits:
        column = self._columns[field]
        if among.bit_count() * _SPARSE < len(column):
            return of_slots([slot for slot in slots_of(among) if (held := column[slot]) is not None and test(held)])
        return of_flags([held is not None and test(held) for held in column]) & among

    def _reach(self, slot: int) -> None:
        """Make room for the counts of `slot`, and of some that follow; all fields have room for as many."""
        for held in self._counts.values():
            if len(held) > slot:
                return
            held.extend(bytes(slot + _AHEAD - len(held)))

    def _set_columns(self, slot: int, resource: T | None) -> None:
        for name, column in self._columns.items():
            while len(column) <= slot:
                column.append(None)
            values = () if resource is None else self._table.fields[name].values(resource)
            value = next(iter(values), None)
            if value != column[slot] and name in self._planes:
                self._planes[name].change(slot)
            column[slot] = value


def _distinct(values: Collection[Value]) -> Collection[Value]:
    return dict.fromkeys(values) if len(values) > 1 else values
