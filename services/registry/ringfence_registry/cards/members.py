"""Typed access to the members of an Agent Card, writing down what is wrong instead of raising.

- `null` is the same as absent, and so is an empty string (ProtoJSON, A2A ADR-001).
- A member may be spelled in lowerCamelCase or snake_case, as protobuf's own parser takes both; both at once is refused,
  because two readers would pick different ones.
- A member of the wrong type is refused: what cannot be read can be neither found nor governed.
- Refusals and remarks each stop at a limit; the card that draws thousands of them is described by the first.
"""

import enum
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from ringfence_registry.cards.model import CardFinding
from ringfence_registry.cards.strict_json import MAX_FAULTS, JsonFault, JsonValue, child_pointer

MAX_FINDINGS = 32

_NOTHING: tuple[JsonValue, ...] = (None, "", [])


class Need(enum.Enum):
    """What it means when a member is missing."""

    OPTIONAL = enum.auto()
    EXPECTED = enum.auto()
    """The specification requires it, and the registry can do without: a remark."""
    REQUIRED = enum.auto()
    """Without it there is nothing to register: a refusal."""


@dataclass(frozen=True, slots=True)
class CardObject:
    """A JSON object inside the card, and the pointer to it."""

    members: dict[str, JsonValue]
    pointer: str = ""


class CardReader:
    """Reads one card; afterwards `refusals` and `findings` hold what was noticed."""

    def __init__(self) -> None:
        self.refusals: list[JsonFault] = []
        self.findings: list[CardFinding] = []

    def refuse(self, pointer: str, problem: str) -> None:
        """Note something the card cannot be admitted with; the same thing is noted once."""
        fault = JsonFault(pointer, problem)
        if len(self.refusals) < MAX_FAULTS and fault not in self.refusals:
            self.refusals.append(fault)

    def remark(self, pointer: str, problem: str) -> None:
        """Note something unusual."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(CardFinding(pointer, problem))
        elif len(self.findings) == MAX_FINDINGS:
            self.findings.append(CardFinding("", "has more to remark on than is listed here"))

    def place(self, at: CardObject, name: str) -> str:
        """Return the pointer to a member, in the spelling the card uses."""
        return self._member(at, name)[0]

    def has(self, at: CardObject, name: str) -> bool:
        """Say whether the member is there with something in it, of whatever type."""
        return any(at.members.get(spelling) not in _NOTHING for spelling in _spellings(name))

    def text(self, at: CardObject, name: str, need: Need = Need.OPTIONAL) -> str:
        """Return a string member, empty when absent."""
        place, value = self._member(at, name)
        if value is not None and not isinstance(value, str):
            self._refuse_type(place, "a string", value)
            return ""
        if not value or value.isspace():
            self._miss(place, need)
            return ""
        self._inspect(place, value)
        return value

    def texts(self, at: CardObject, name: str, need: Need = Need.OPTIONAL) -> tuple[str, ...]:
        """Return a list of strings, empty when absent."""
        place, values = self._list(at, name, need)
        texts = []
        for index, value in enumerate(values):
            if isinstance(value, str):
                self._inspect(child_pointer(place, index), value)
                texts.append(value)
            else:
                self._refuse_type(child_pointer(place, index), "a string", value)
        return tuple(texts)

    def flag(self, at: CardObject, name: str) -> bool | None:
        """Return a boolean member, None when absent."""
        place, value = self._member(at, name)
        if value is None or isinstance(value, bool):
            return value
        self._refuse_type(place, "true or false", value)
        return None

    def object(self, at: CardObject, name: str, need: Need = Need.OPTIONAL) -> CardObject:
        """Return an object member; one without members when absent."""
        place, value = self._member(at, name)
        if isinstance(value, dict):
            return CardObject(value, place)
        if value is None:
            self._miss(place, need)
        else:
            self._refuse_type(place, "an object", value)
        return CardObject({}, place)

    def objects(self, at: CardObject, name: str, need: Need = Need.OPTIONAL) -> list[CardObject]:
        """Return a list of objects, empty when absent."""
        place, values = self._list(at, name, need)
        objects = []
        for index, value in enumerate(values):
            if isinstance(value, dict):
                objects.append(CardObject(value, child_pointer(place, index)))
            else:
                self._refuse_type(child_pointer(place, index), "an object", value)
        return objects

    def _list(self, at: CardObject, name: str, need: Need) -> tuple[str, list[JsonValue]]:
        place, value = self._member(at, name)
        if isinstance(value, list):
            if not value:
                self._miss(place, need, "is empty")  # A2A 1.0 5.7: required arrays hold at least one element
            return place, value
        if value is None:
            self._miss(place, need)
        else:
            self._refuse_type(place, "a list", value)
        return place, []

    def _member(self, at: CardObject, name: str) -> tuple[str, JsonValue]:
        given = [spelling for spelling in _spellings(name) if at.members.get(spelling) is not None]
        if len(given) > 1:
            self.refuse(child_pointer(at.pointer, name), f"is given twice, as {given[0]} and as {given[1]}")
        spelling = given[0] if given else name
        return child_pointer(at.pointer, spelling), at.members.get(spelling)

    def _miss(self, place: str, need: Need, problem: str = "is missing") -> None:
        if need is Need.REQUIRED:
            self.refuse(place, problem)
        elif need is Need.EXPECTED:
            self.remark(place, f"{problem}; A2A requires it")

    def _inspect(self, place: str, text: str) -> None:
        if text.isascii() and text.isprintable():
            return
        if any(unicodedata.category(character) in {"Cc", "Cf"} and character not in "\n\t" for character in text):
            self.remark(place, "contains control or formatting characters, which hide or reorder text")
        if not unicodedata.is_normalized("NFC", text):
            self.remark(place, "is not in Unicode normal form C, so equal looking texts differ")

    def _refuse_type(self, place: str, wanted: str, value: JsonValue) -> None:
        self.refuse(place, f"must be {wanted}, not {_kind_of(value)}")


@lru_cache(maxsize=128)
def _spellings(name: str) -> tuple[str, ...]:
    snake = re.sub(r"[A-Z]", lambda capital: "_" + capital[0].lower(), name)
    return (name,) if snake == name else (name, snake)


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
