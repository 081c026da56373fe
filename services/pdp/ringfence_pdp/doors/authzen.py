"""AuthZEN 1.0 requests, read in one way only: what is evaluated, with which defaults, and when to stop.

The rules:

- what is missing or of another type than the standard gives it is said by field, all of it at once;
- members nobody knows are left alone, as the standard asks;
- an item of `evaluations` takes each of subject, action, resource and context whole from the top when it says nothing;
  what is wrong with one item is that item's error, not the request's;
- what is said once at the top is work for every item that takes it, so it counts for each of them.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ringfence_kit.errors import InvalidRequest, Violation

from ringfence_pdp.doors.json_reading import Json, UnreadableJsonError, read_json

ITEMS_MAX: Final = 256
ROW_VALUES_MAX: Final = 65_536
"""JSON values in a row of questions, those of the top counted for each item that takes them: 0.1 s of work."""

_PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "subject": ("type", "id"),
    "action": ("name",),
    "resource": ("type", "id"),
}
"""What an evaluation consists of, and the members each part has to have (AuthZEN 1.0, 5)."""


class Semantic(enum.Enum):
    """When a row of evaluations ends (AuthZEN 1.0, 7.1.2)."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends_after(self, *, permitted: bool) -> bool:
        """Say whether the row ends with such a decision."""
        if self is Semantic.EXECUTE_ALL:
            return False
        return permitted is (self is Semantic.PERMIT_ON_FIRST_PERMIT)


class Evaluation(NamedTuple):
    """One question, as the standard puts it."""

    subject: Mapping[str, Json]
    action: Mapping[str, Json]
    resource: Mapping[str, Json]
    context: Mapping[str, Json]


class Evaluations(NamedTuple):
    """A row of questions. Without any, the request is a single evaluation of the defaults."""

    items: Sequence[Mapping[str, Json]]
    semantic: Semantic
    defaults: Mapping[str, Json]

    def item(self, place: int) -> Evaluation:
        """Return one item with its defaults, or raise InvalidRequest."""
        return evaluation({**self.defaults, **self.items[place]})


def read_object(body: bytes) -> Mapping[str, Json]:
    """Return the object in a body, or raise InvalidRequest."""
    try:
        value = read_json(body)
    except UnreadableJsonError as error:
        raise InvalidRequest(Violation("body", str(error))) from None
    if not isinstance(value, dict):
        raise InvalidRequest(Violation("body", "must be a JSON object"))
    return value


def evaluation(request: Mapping[str, Json]) -> Evaluation:
    """Return the question in a request, or raise InvalidRequest."""
    found = [problem for part, members in _PARTS.items() for problem in _problems(request, part, members)]
    context = request.get("context", {})
    if not isinstance(context, dict):
        found.append(Violation("context", "must be an object"))
    if found:
        raise InvalidRequest(*found)
    return Evaluation(*(_object(request.get(part)) for part in (*_PARTS, "context")))


def evaluations(request: Mapping[str, Json]) -> Evaluations:
    """Return the row of questions in a request, or raise InvalidRequest for what concerns all of it."""
    found: list[Violation] = []
    items = request.get("evaluations", [])
    if not isinstance(items, list) or len(items) > ITEMS_MAX:
        found.append(Violation("evaluations", f"must be an array of at most {ITEMS_MAX}"))
        items = []
    found += [
        Violation(f"evaluations[{place}]", "must be an object")
        for place, item in enumerate(items)
        if not isinstance(item, dict)
    ]
    semantic = _semantic(request.get("options", {}), found)
    defaults = {part: request[part] for part in (*_PARTS, "context") if part in request}
    if not found and _values_of(items, defaults) > ROW_VALUES_MAX:
        counted = "with those of the top for each item that takes them"
        found.append(
            Violation("evaluations", f"hold more than {ROW_VALUES_MAX} values, {counted}; ask in several requests")
        )
    if found:
        raise InvalidRequest(*found)
    return Evaluations([_object(item) for item in items], semantic, defaults)


def _values_of(items: Sequence[Json], defaults: Mapping[str, Json]) -> int:
    each = [_object(item) for item in items]
    shared = sum(_count(value) * sum(part not in item for item in each) for part, value in defaults.items())
    return shared + sum(_count(dict(item)) for item in each)


def _count(value: Json) -> int:
    """Return how many values a value holds, itself included."""
    count, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        count += 1
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
    return count


def _problems(request: Mapping[str, Json], part: str, members: tuple[str, ...]) -> list[Violation]:
    value = request.get(part)
    if value is None:
        return [Violation(part, "is missing")]
    if not isinstance(value, dict):
        return [Violation(part, "must be an object")]
    found = []
    for member in members:
        text = value.get(member)
        if not isinstance(text, str) or not text:
            found.append(Violation(f"{part}.{member}", "is missing" if text is None else "must be a text"))
    if not isinstance(value.get("properties", {}), dict):
        found.append(Violation(f"{part}.properties", "must be an object"))
    return found


def _semantic(options: Json, found: list[Violation]) -> Semantic:
    wanted = options.get("evaluations_semantic", Semantic.EXECUTE_ALL.value) if isinstance(options, dict) else None
    for semantic in Semantic:
        if wanted == semantic.value:
            return semantic
    known = ", ".join(semantic.value for semantic in Semantic)
    found.append(Violation("options.evaluations_semantic", f"must be one of {known}"))
    return Semantic.EXECUTE_ALL


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
