"""Every text of a card, names of members included, with the way to it: what the scanners look through.

Most cards have nothing to find. A scanner first looks at `Texts.joined`, all texts in one, and goes through them one by
one only when something is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ringfence_registry.cards.strict_json import JsonPath, JsonValue

_LARGEST_EXACT = 2**53


class CardText(NamedTuple):
    """One text of a card. A tuple: a card has a hundred."""

    path: JsonPath
    """To the value; for the name of a member, to the object that has it."""
    text: str
    is_name: bool = False

    @property
    def member(self) -> str | int:
        """The name of the member whose value this is; in a list, the place in it."""
        return self.path[1] if self.path else ""


@dataclass(slots=True)
class Texts:
    """All texts of a card, in document order, and the numbers that are not what they seem."""

    all: list[CardText] = field(default_factory=list)
    joined: str = ""
    inexact: list[JsonPath] = field(default_factory=list)
    """Integers no double holds exactly (RFC 7493 2.2)."""

    def __iter__(self) -> Iterator[CardText]:
        return iter(self.all)


def texts_of(document: dict[str, JsonValue]) -> Texts:
    """Return the texts of a card. Its signatures are left out: random by nature, and judged elsewhere."""
    texts = Texts()
    card = {name: value for name, value in document.items() if name != "signatures"}
    pending: list[tuple[JsonPath, JsonValue]] = [((), card)]
    while pending:
        path, value = pending.pop()
        match value:
            case str():
                texts.all.append(CardText(path, value))
            case dict():
                texts.all.extend([CardText(path, name, is_name=True) for name in value])
                pending.extend([((path, name), member) for name, member in reversed(value.items())])
            case list():
                pending.extend([((path, index), value[index]) for index in range(len(value) - 1, -1, -1)])
            case int() if not -_LARGEST_EXACT <= value <= _LARGEST_EXACT:
                texts.inexact.append(path)
    texts.joined = "\n".join([each.text for each in texts.all])
    return texts
