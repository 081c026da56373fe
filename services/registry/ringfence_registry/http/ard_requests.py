"""Requests of ARD 0.9 as values: `POST /search` (7.2), `POST /explore` (7.3), `GET /agents` (7.4).

The one place they are judged, with everything wrong with one at once. Members ARD does not know are refused, as its
schemas say: a misspelt filter must not be a search without one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ringfence_kit.validation import Violations

from ringfence_registry.cards.strict_json import JsonValue
from ringfence_registry.finding.orders import BY_NAME, NAME, Order
from ringfence_registry.http.ard_filters import (
    PUBLISHER_FIELDS,
    SERVING,
    TYPE_FIELDS,
    Narrowed,
    counted_field,
    narrowed_by_object,
    narrowed_by_text,
)
from ringfence_registry.http.places import Places

SEARCH_PAGE, LIST_PAGE, LARGEST_PAGE = 10, 20, 100
MAX_TEXT_BYTES = 500
MAX_TOKEN_BYTES = 4_096
MAX_FACETS = 16
FACET_VALUES, MOST_FACET_VALUES = 20, 1_000

FEDERATIONS = frozenset({"auto", "referrals", "none"})
_ORDERS = {
    "displayName": "display_name",
    "name": NAME,
    "identifier": NAME,
    "createdAt": "create_time",
    "created_at": "create_time",
    "updatedAt": "update_time",
    "updated_at": "update_time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search asks for."""

    text: str
    narrowed: Narrowed
    referrals: bool
    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetWish:
    """One field to count by."""

    field: str
    limit: int
    least: int

    @property
    def is_type(self) -> bool:
        """Whether every entry has the same value, the media type of cards."""
        return self.field in TYPE_FIELDS

    @property
    def is_publisher(self) -> bool:
        """Whether every entry has the same value, the publisher."""
        return self.field in PUBLISHER_FIELDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """What is to be counted."""

    text: str
    narrowed: Narrowed
    facets: Sequence[FacetWish]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a list asks for."""

    narrowed: Narrowed
    order: Order
    page_size: int
    page_token: str


def search(body: Mapping[str, JsonValue], places: Places) -> Search:
    """Return what a body of `POST /search` asks for, or raise `InvalidRequest`."""
    found = Violations()
    _only(found, body, {"query", "federation", "pageSize", "pageToken"}, "")
    text, narrowed = _query(found, body.get("query"), places, needed=True)
    federation = body.get("federation", "auto")
    if not isinstance(federation, str) or federation not in FEDERATIONS:
        found.add("federation", f"must be one of {', '.join(sorted(FEDERATIONS))}")
    size = _whole(found, body.get("pageSize", SEARCH_PAGE), "pageSize", most=LARGEST_PAGE)
    token = _token(found, body.get("pageToken", ""))
    found.raise_if_any()
    return Search(text=text, narrowed=narrowed, referrals=federation == "referrals", page_size=size, page_token=token)


def exploration(body: Mapping[str, JsonValue], places: Places) -> Exploration:
    """Return what a body of `POST /explore` asks for, or raise `InvalidRequest`."""
    found = Violations()
    _only(found, body, {"query", "resultType"}, "")
    text, narrowed = _query(found, body.get("query", {}), places, needed=False)
    facets = _facets(found, body.get("resultType"))
    found.raise_if_any()
    return Exploration(text=text, narrowed=narrowed, facets=facets)


def listing(given: Sequence[tuple[str, str]], places: Places) -> Listing:
    """Return what the parameters of `GET /agents` ask for, or raise `InvalidRequest`."""
    found = Violations()
    parameters: dict[str, str] = {}
    for name, value in given:
        if name not in {"filter", "orderBy", "pageSize", "pageToken"}:
            found.add(name[:64], "is not a parameter of this list")
        elif name in parameters:
            found.add(name, "is given more than once")
        parameters[name] = value
    narrowed = narrowed_by_text(found, parameters.get("filter", ""), places)
    order = _order(found, parameters.get("orderBy", ""))
    typed = parameters.get("pageSize", str(LIST_PAGE))
    is_number = typed.isascii() and typed.isdigit() and len(typed) <= 9
    size = _whole(found, int(typed) if is_number else typed, "pageSize", most=LARGEST_PAGE)
    token = _token(found, parameters.get("pageToken", ""))
    found.raise_if_any()
    return Listing(narrowed=narrowed, order=order, page_size=size, page_token=token)


def _query(found: Violations, query: JsonValue, places: Places, *, needed: bool) -> tuple[str, Narrowed]:
    everything = Narrowed(filter=SERVING)
    if not isinstance(query, dict):
        found.add("query", "must be an object")
        return "", everything
    _only(found, query, {"text", "filter"}, "query.")
    text = query.get("text", "")
    if not isinstance(text, str):
        found.add("query.text", "must be a text")
        text = ""
    elif needed and not text.strip():
        found.add("query.text", "is required: what is needed, in words")
    if len(text.encode()) > MAX_TEXT_BYTES:
        found.add("query.text", f"is longer than {MAX_TEXT_BYTES} bytes")
    if "filter" not in query:
        return text, everything
    return text, narrowed_by_object(found, query["filter"], places, at="query.filter")


def _facets(found: Violations, result_type: JsonValue) -> Sequence[FacetWish]:
    if not isinstance(result_type, dict) or not isinstance(facets := result_type.get("facets"), list):
        found.add("resultType", "must be an object with a list of facets")
        return ()
    _only(found, result_type, {"facets"}, "resultType.")
    if not 1 <= len(facets) <= MAX_FACETS:
        found.add("resultType.facets", f"must have 1 to {MAX_FACETS} elements")
        return ()
    wishes = [_facet(found, facet, f"resultType.facets[{place}]") for place, facet in enumerate(facets)]
    if len({wish.field for wish in wishes}) < len(wishes):
        found.add("resultType.facets", "name a field twice; the answer has one place for it")
    return wishes


def _facet(found: Violations, facet: JsonValue, at: str) -> FacetWish:
    if not isinstance(facet, dict):
        found.add(at, "must be an object")
        return FacetWish(field="", limit=1, least=1)
    _only(found, facet, {"field", "limit", "minCount"}, f"{at}.")
    field = facet.get("field")
    if not isinstance(field, str):
        found.add(f"{at}.field", "is required: a field of entries")
        field = ""
    elif field not in TYPE_FIELDS | PUBLISHER_FIELDS and counted_field(field) is None:
        found.add(f"{at}.field", "is not a field that is counted here; see query.filter for those that are indexed")
    limit = _whole(found, facet.get("limit", FACET_VALUES), f"{at}.limit", most=MOST_FACET_VALUES)
    least = _whole(found, facet.get("minCount", 1), f"{at}.minCount", most=2**31 - 1, least=0)
    return FacetWish(field=field, limit=limit, least=least)


def _order(found: Violations, text: str) -> Order:
    field, *direction = text.split() or [NAME]
    descending = [word.upper() for word in direction] == ["DESC"]
    if field not in _ORDERS or not (descending or direction in ([], ["asc"], ["ASC"])):
        found.add("orderBy", f"must be one of {', '.join(_ORDERS)}, perhaps with DESC")
        return BY_NAME
    return Order(_ORDERS[field], descending=descending)


def _whole(found: Violations, value: JsonValue, at: str, *, most: int, least: int = 1) -> int:
    """Return a whole number, at most `most`: more is taken for that (AIP-158)."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        found.add(at, f"must be a whole number, at least {least}")
        return least
    return min(value, most)


def _token(found: Violations, value: JsonValue) -> str:
    if not isinstance(value, str) or len(value.encode()) > MAX_TOKEN_BYTES:
        found.add("pageToken", "must be the token of the page before")
        return ""
    return value


def _only(found: Violations, members: Mapping[str, JsonValue], known: set[str], at: str) -> None:
    for name in members:
        if name not in known:
            found.add(f"{at}{name[:64]}", "is not a member of this request")
