"""Counting agents by the values of a field, over everything that matches."""

import heapq
from dataclasses import dataclass

from ringfence_kit.errors import InvalidRequest, Violation

from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.bits import Bits
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.finding.filtering.fields import GroupField, TimeField, Value


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


def facet_of(catalog: AgentCatalog, field: str, matching: Bits, *, most: int) -> Facet:
    """Count `matching` by a field that `countable` returned, listing at most `most` values."""
    values = catalog.index.values(field)
    postings = None if values is None else values.postings(field)
    if postings is None:
        return Facet(field=field, values=(), other=0, unset=matching.bit_count())
    counts = ((_shown(value), count, value) for value, count in postings.counts(matching, catalog.slots))
    listed = heapq.nsmallest(most + 1, counts, key=lambda each: (-each[1], each[0]))
    other = 0
    if len(listed) > most:
        kept = {value for _, _, value in listed[:most]}
        other = (postings.where(lambda value: value not in kept) & matching).bit_count()
    return Facet(
        field=field,
        values=tuple((shown, count) for shown, count, _ in listed[:most]),
        other=other,
        unset=(matching & ~postings.having()).bit_count(),
    )


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
