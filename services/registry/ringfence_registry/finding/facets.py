"""Counting agents by the values of a field, over everything that matches."""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_

from ringfence_kit.errors import InvalidRequest, Violation

from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.bits import NONE, Bits
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.finding.filtering.fields import GroupField, TimeField, Value
from ringfence_registry.finding.ranking import Scores

_READING = 3_000
"""Reading one agent that nobody looked at lately costs as much as so many entries of an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """The values of one field."""

    field: str
    values: tuple[tuple[str, int], ...]
    """The commonest first, ties by value, each with the number of agents that have it."""
    other: int
    """Agents that have a value that is not listed."""
    unset: int
    """Agents without a value."""


def countable(field: str) -> str:
    """Return the canonical name of a field agents can be counted by, or raise `FilterError`."""
    name, found = AGENT_FIELDS.resolve(tuple(field.split(".")), 1)
    if not found.indexed or isinstance(found, GroupField | TimeField):
        raise FilterError(1, f"{name} cannot be counted by: it has no values that agents share")
    return name


def facet_of(catalog: AgentCatalog, field: str, matching: Bits, *, most: int, reading: int = _READING) -> Facet:
    """Count `matching` by a field that `countable` returned, listing at most `most` values.

    Few agents are read, more are counted value by value, when reading one costs as much as `reading` of the field's
    values in all agents.
    """
    values = catalog.index.values(field)
    postings = None if values is None else values.postings(field)
    if values is None or postings is None:
        return Facet(field=field, values=(), other=0, unset=matching.bit_count())
    held = values.counts(field)
    everywhere = sum(plane.bit_count() << bit for bit, plane in enumerate(held))
    if matching.bit_count() * reading < everywhere:
        listed = _commonest_of(catalog.views(matching), field, most)
    else:
        listed = postings.commonest(matching, most, _shown, slots=values.slots)
    # Who has as many of the listed values as values at all has no other.
    has = Scores()
    for value, _ in listed:
        has.add((postings.of(value),), times=1)
    return Facet(
        field=field,
        values=tuple((_shown(value), count) for value, count in listed),
        other=has.other_than(held, matching).bit_count(),
        unset=(matching & ~reduce(or_, held, NONE)).bit_count(),
    )


def _commonest_of(views: Iterable[AgentView], field: str, most: int) -> list[tuple[Value, int]]:
    _, read = AGENT_FIELDS.resolve(tuple(field.split(".")), 1)
    counts = Counter(value for view in views for value in dict.fromkeys(read.values(view)))
    return heapq.nsmallest(most, counts.items(), key=lambda pair: (-pair[1], _shown(pair[0])))


def fields_to_count(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Return the canonical names of `fields`, or raise `InvalidRequest` with everything that is wrong with them."""
    names: list[str] = []
    wrong: list[Violation] = []
    for place, field in enumerate(fields):
        try:
            names.append(countable(field))
        except FilterError as error:
            wrong.append(Violation(f"fields[{place}]", error.problem))
    if wrong:
        raise InvalidRequest(*wrong)
    return tuple(names)


def _shown(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
