"""What ARD clients filter by, said in the language of our own filters (AIP-160).

Two notations ask the same of the same entries:

- a `filter` object (ARD 0.9 7.1): path → values; any of the values of a key, all of the keys;
- a `filter` text of `GET /agents` (ARD 0.9 Appendix A): `field = 'a,b' AND createdAfter > '2026-01-31'`.

Every entry here has the same type and the same publisher, so those two are decided at once: either all match or none.
A field of entries that is not indexed is refused, which ARD allows; a wrong field never silently matches everything.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ringfence_kit.validation import Violations

from ringfence_registry.cards.strict_json import JsonValue
from ringfence_registry.http.card_pages import CARD_TYPE
from ringfence_registry.http.places import Places
from ringfence_registry.http.times import normal_time

SERVING = "(state = ACTIVE OR state = DEPRECATED)"
"""Only agents that serve are told of."""

MAX_VALUES = 32
MAX_VALUE_BYTES = 256
MAX_TEXT_BYTES = 2_000

TYPE_FIELDS = frozenset({"type", "mediaType"})
PUBLISHER_FIELDS = frozenset({"publisher", "publisherId"})
FIELDS: Mapping[str, str] = {
    "tags": "skills.tags",
    "capabilities": "skills.id",
    "version": "version",
    "displayName": "display_name",
    "identifier": "name",
}
"""Members of an entry, and the fields of an agent they come from."""
_LISTS = frozenset({"tags", "capabilities"})
_COUNTED = _LISTS | {"version"}
_TIMES = {"createdAt": "create_time", "updatedAt": "update_time"}
_AFTER = {"createdAfter": "create_time", "updatedAfter": "update_time"}

_TERM = re.compile(
    r"""\s*(?P<field>[A-Za-z][A-Za-z.]*)\s*(?P<op><=|>=|=|<|>)\s*"""
    r"""(?:'(?P<single>[^'\\]*(?:\\.[^'\\]*)*)'|"(?P<double>[^"\\]*(?:\\.[^"\\]*)*)"|(?P<bare>[^\s'"]+))"""
    r"""(?P<next>\s+AND\s+(?=\S)|\s*$)""",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowed:
    """Which entries somebody asks for."""

    filter: str
    """As AIP-160."""
    possible: bool = True
    """False: no entry of ours can match, and nothing has to be looked at."""


def narrowed_by_object(found: Violations, value: JsonValue, places: Places, *, at: str) -> Narrowed:
    """Return what a `filter` object asks for; what is wrong with it goes into `found`."""
    if not isinstance(value, dict):
        found.add(at, "must be an object of field paths and values")
        return Narrowed(filter=SERVING, possible=False)
    terms: list[str | bool] = []
    total = 0
    for path, given in value.items():
        where = f"{at}.{path[:64]}"
        values = _values(found, given, where)
        total += len(values)
        terms.append(_any_of(found, path, values, places, at=where))
    if total > MAX_VALUES:
        found.add(at, f"has {total} values; at most {MAX_VALUES} are compared")
    return _all(terms)


def narrowed_by_text(found: Violations, text: str, places: Places) -> Narrowed:
    """Return what the `filter` of a list asks for; what is wrong with it goes into `found`."""
    if len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES:
        found.add("filter", f"is longer than {MAX_TEXT_BYTES} bytes")
        return Narrowed(filter=SERVING, possible=False)
    terms: list[str | bool] = []
    at = 0
    while at < len(text.rstrip()):
        term = _TERM.match(text, at)
        if term is None:
            found.add("filter", f"column {at + 1}: write field = 'value', more of them joined with AND")
            return Narrowed(filter=SERVING, possible=False)
        terms.append(_term(found, term, places))
        at = term.end()
    if len(terms) > MAX_VALUES:
        found.add("filter", f"has {len(terms)} conditions; at most {MAX_VALUES} are compared")
    return _all(terms)


def counted_field(field: str) -> str | None:
    """Return the field of agents that is counted for a field of entries; None for what cannot be counted."""
    return FIELDS[field] if field in _COUNTED else None


def _values(found: Violations, given: JsonValue, at: str) -> Sequence[str]:
    values = given if isinstance(given, list) else [given]
    if not values or not all(isinstance(value, str) for value in values):
        found.add(at, "must be a text, or a list of at least one")
        return ()
    texts = [value for value in values if isinstance(value, str)]
    if any(len(text.encode()) > MAX_VALUE_BYTES for text in texts):
        found.add(at, f"has a value of more than {MAX_VALUE_BYTES} bytes")
        return ()
    return texts


def _any_of(found: Violations, path: str, values: Iterable[str], places: Places, *, at: str) -> str | bool:
    """Return the condition that an entry has one of `values` at `path`: a filter, or whether all entries have."""
    if path in TYPE_FIELDS:
        return any(value.lower() == CARD_TYPE for value in values)
    if path in PUBLISHER_FIELDS:
        return any(value.lower() == places.publisher for value in values)
    field = FIELDS.get(path)
    if field is None:
        known = ", ".join(sorted({*FIELDS, *TYPE_FIELDS, "publisher"}))
        found.add(at, f"is not a field that is indexed here; those are {known}")
        return False
    if path == "identifier":
        names = [str(name) for value in values if (name := places.agent_of_urn(value)) is not None]
        return _or(f"name = {quoted(name)}" for name in names)
    sign = ":" if path in _LISTS else "="
    return _or(f"{field}{sign}{quoted(value)}" if sign == ":" else f"{field} = {quoted(value)}" for value in values)


def _term(found: Violations, term: re.Match[str], places: Places) -> str | bool:
    field, sign = term["field"], term["op"]
    in_quotes = next((term[each] for each in ("single", "double") if term[each] is not None), None)
    value = term["bare"] if in_quotes is None else re.sub(r"\\(.)", r"\1", in_quotes, flags=re.DOTALL)
    if field in _TIMES or field in _AFTER:
        return _time(found, field, sign, value)
    if sign != "=":
        found.add("filter", f"{field[:64]} can only be compared with =")
        return False
    if field == "displayName":
        return f"display_name:{quoted(value)}"  # ARD 0.9 Appendix A: whatever its case
    values = [part.strip() for part in value.split(",") if part.strip()]
    return _any_of(found, field, values, places, at="filter")


def _time(found: Violations, field: str, sign: str, value: str) -> str | bool:
    time = normal_time(value)
    if time is None:
        found.add("filter", f"{field} needs a day or a time with its offset, such as 2026-01-31T08:00:00Z")
        return False
    if field in _AFTER:
        if sign not in {"=", ">", ">="}:
            found.add("filter", f"{field} can only be compared with =, > and >=")
        return f"{_AFTER[field]} {'>=' if sign == '>=' else '>'} {quoted(time)}"
    return f"{_TIMES[field]} {sign} {quoted(time)}"


def _or(conditions: Iterable[str]) -> str | bool:
    listed = list(dict.fromkeys(conditions))
    return f"({' OR '.join(listed)})" if listed else False


def _all(terms: Iterable[str | bool]) -> Narrowed:
    listed = list(terms)
    texts = [term for term in listed if isinstance(term, str)]
    return Narrowed(filter=" AND ".join([SERVING, *texts]), possible=False not in listed)


def quoted(text: str) -> str:
    """Return `text` as a literal of a filter: nothing in it means anything."""
    escaped = re.sub(r'([\\"*])', r"\\\1", text)
    return f'"{escaped}"'
