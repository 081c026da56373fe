"""Typed access to the members of an Agent Card, writing down what is wrong instead of raising.

- `null` is the same as absent (ProtoJSON, A2A ADR-001).
- A member may be spelled in snake_case, as protobuf's own parser takes it; both spellings at once, saying different
  things, is unreadable: two readers would pick different ones.
- A member of the wrong type is a violation. What can be made of it all the same is read: a card that is admitted
  against the rules has to be found and governed like any other.
- Of a list no more entries are read than a sound card has room for.
"""

import enum
import re
from dataclasses import dataclass
from functools import lru_cache

from ringfence_registry.cards.model import CardDialect
from ringfence_registry.cards.reasons import Reasons
from ringfence_registry.cards.sections import CARD, PRESENCE, SPELLING, Section
from ringfence_registry.cards.strict_json import JsonPath, JsonValue

MAX_ENTRIES = 1_000

_NOTHING: tuple[JsonValue, ...] = (None, "", [])


class Need(enum.Enum):
    """What it means when a member is missing or empty."""

    OPTIONAL = enum.auto()
    EXPECTED = enum.auto()
    """A warning."""
    REQUIRED = enum.auto()
    """A violation. Before 1.0 an empty value is one all the same, and draws a warning."""
    VITAL = enum.auto()
    """A violation in every generation, empty or missing."""


@dataclass(frozen=True, slots=True)
class CardObject:
    """A JSON object inside the card, the way to it, and the section that defines its members."""

    members: dict[str, JsonValue]
    path: JsonPath = ()
    section: Section = CARD


class CardReader:
    """Reads the members of one card."""

    def __init__(self, dialect: CardDialect) -> None:
        self.may_be_0_1 = dialect is CardDialect.V0_2
        self.before_1_0 = dialect in {CardDialect.V0_2, CardDialect.V0_3}
        self.reasons = Reasons(before_1_0=self.before_1_0)
        self.since_0_2_1 = Need.EXPECTED if dialect is CardDialect.V0_2 else Need.REQUIRED
        """For what older drafts did without: a card of those days does not say which draft it follows."""

    def value(self, at: CardObject, name: str) -> JsonValue:
        """Return a member as it stands there, None when absent."""
        value = at.members.get(name)
        snake = snake_case(name)
        if snake == name or (other := at.members.get(snake)) is None:
            return value
        if value is None:
            self.reasons.translate(at.path, SPELLING, "spells members in snake_case, A2A does in camelCase")
            return other
        if value != other:
            self.reasons.refuse((at.path, snake), SPELLING, f"says something else than {name}, its other spelling")
        return value

    def place(self, at: CardObject, name: str) -> JsonPath:
        """Return the way to a member, in the spelling the card uses."""
        snake = snake_case(name)
        return at.path, snake if at.members.get(name) is None and at.members.get(snake) is not None else name

    def text(self, at: CardObject, name: str, need: Need = Need.OPTIONAL) -> str:
        """Return a string member, empty when absent."""
        value = self.value(at, name)
        if not isinstance(value, str) or not value or value.isspace():
            self._miss(at, name, need, "a string", value)
        return value if isinstance(value, str) else ""

    def optional_text(self, at: CardObject, name: str) -> str | None:
        """Return a string member that says something even when empty."""
        return None if self.value(at, name) is None else self.text(at, name)

    def texts(self, at: CardObject, name: str, need: Need = Need.OPTIONAL) -> tuple[str, ...]:
        """Return a list of strings, empty when absent. A lone string is read as a list of one."""
        value = self.value(at, name)
        if isinstance(value, str) and value:
            self.mistyped(self.place(at, name), at.section, "a list", value)
            return (value,)
        texts = []
        for path, entry in self.entries(at, name, need):
            if isinstance(entry, str):
                texts.append(entry)
            else:
                self.mistyped(path, at.section, "a string", entry)
        return tuple(texts)

    def flag(self, at: CardObject, name: str) -> bool | None:
        """Return a boolean member, None when absent."""
        value = self.value(at, name)
        if value is None or isinstance(value, bool):
            return value
        self.mistyped(self.place(at, name), at.section, "true or false", value)
        return None

    def mapping(self, at: CardObject, name: str, need: Need = Need.OPTIONAL) -> dict[str, JsonValue]:
        """Return an object member, empty when absent."""
        value = self.value(at, name)
        if isinstance(value, dict):
            return value
        self._miss(at, name, need, "an object", value)
        return {}

    def optional_mapping(self, at: CardObject, name: str) -> dict[str, JsonValue] | None:
        """Return an object member that says something even when empty."""
        return None if self.value(at, name) is None else self.mapping(at, name)

    def object(self, at: CardObject, name: str, section: Section, need: Need = Need.OPTIONAL) -> CardObject:
        """Return an object member with members that a section defines; one without any when absent."""
        return CardObject(self.mapping(at, name, need), self.place(at, name), section)

    def entries(self, at: CardObject, name: str, need: Need = Need.OPTIONAL) -> list[tuple[JsonPath, JsonValue]]:
        """Return the entries of a list member, each with the way to it."""
        values = self.value(at, name)
        if not isinstance(values, list) or not values:
            self._miss(at, name, need, "a list", values)
            return []
        place = self.place(at, name)
        if len(values) > MAX_ENTRIES:
            self.reasons.violate(place, at.section, f"has {len(values)} entries; only the first {MAX_ENTRIES} are read")
        return [((place, index), value) for index, value in enumerate(values[:MAX_ENTRIES])]

    def objects(self, at: CardObject, name: str, section: Section, need: Need = Need.OPTIONAL) -> list[CardObject]:
        """Return a list of objects, empty when absent."""
        objects = []
        for path, value in self.entries(at, name, need):
            if isinstance(value, dict):
                objects.append(CardObject(value, path, section))
            else:
                self.mistyped(path, section, "an object", value)
        return objects

    def mistyped(self, path: JsonPath, section: Section, wanted: str, value: JsonValue) -> None:
        """Note that a value is of the wrong type."""
        self.reasons.violate(path, section, f"must be {wanted}, not {_kind_of(value)}")

    def _miss(self, at: CardObject, name: str, need: Need, wanted: str, value: JsonValue) -> None:
        empty = value == [] if wanted == "a list" else isinstance(value, str) if wanted == "a string" else False
        if value is not None and not empty:
            self.mistyped(self.place(at, name), at.section, wanted, value)
        elif need is not Need.OPTIONAL:
            tolerated = need is Need.EXPECTED or (empty and self.before_1_0 and need is Need.REQUIRED)
            note = self.reasons.warn if tolerated else self.reasons.violate
            note(self.place(at, name), PRESENCE if empty else at.section, f"is {'empty' if empty else 'missing'}")


def has(at: CardObject, name: str) -> bool:
    """Say whether a member is there with something in it, of whatever type."""
    return at.members.get(name) not in _NOTHING or at.members.get(snake_case(name)) not in _NOTHING


@lru_cache(maxsize=128)
def snake_case(name: str) -> str:
    """Return the protobuf spelling of a member A2A knows; only such names come here."""
    return re.sub(r"[A-Z]", lambda capital: "_" + capital[0].lower(), name)


def _kind_of(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
