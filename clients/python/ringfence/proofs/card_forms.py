"""The canonical forms of an Agent Card that are signed in the wild, and what of the card each of them covers.

A card's signatures are over RFC 8785 bytes of the card without `signatures`. Which members those hold is disputed:

- SPEC, A2A 1.0 8.4.1: REQUIRED members stay when empty, `optional` ones when set, other empty ones go;
- SDK, as a2a-python and a2a-js sign: every empty string, list, object and null goes, everywhere;
- RAW: the card as it stands, as independent signers take it;
- STRIPPED, A2A 1.0 8.4.2 taken literally: as SDK, and what is set to `false` goes too.

All but RAW are over the members A2A 1.0 knows. A member beside those, and whatever else a form drops although a reader
of the card sees it, can be put into a signed card without breaking the signature: that is what `uncovered` lists.
Nothing tells what was taken out of a card that its form would have dropped.

A card of wrong types has no form but RAW, and one whose numbers RFC 8785 cannot write exactly not even that.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from ringfence.proofs.canonical_json import CanonicalFormError, Json, JsonObject, canonical
from ringfence.proofs.card_schema import (
    CARD,
    FLAG,
    LIST,
    MAP,
    MESSAGES,
    OPTIONAL,
    PLAIN,
    REQUIRED,
    STRUCT,
    TEXT,
    Member,
)

SIGNATURES = "signatures"
"""The member that holds the signatures, and is no part of what they are over."""

MAX_UNCOVERED = 16
"""A card of nothing but uncovered members is described by the first few."""

_POINTER_SHOWN = 160
_EXACT = 2**53


class CardForm(enum.Enum):
    """Which canonical form a signature is over."""

    SPEC = "SPEC"
    SDK = "SDK"
    RAW = "RAW"
    STRIPPED = "STRIPPED"


@dataclass(frozen=True, slots=True)
class FormedCard:
    """One canonical form of one card."""

    payload: bytes
    uncovered: tuple[str, ...] = ()
    """JSON pointers into the card to what readers see and these bytes do not hold, at most `MAX_UNCOVERED`."""


class CardFormError(ValueError):
    """The card does not have this form, with the reason in words."""


class CardForms:
    """The forms of one card, each made when it is first asked for."""

    def __init__(self, card: JsonObject) -> None:
        self._card: JsonObject = {name: value for name, value in card.items() if name != SIGNATURES}
        self._formed: dict[CardForm, FormedCard | CardFormError] = {}

    def form(self, form: CardForm) -> FormedCard:
        """Return the card in `form`, or raise `CardFormError`."""
        formed = self._formed.get(form)
        if formed is None:
            formed = self._formed[form] = _formed(self._card, form, self._formed.get(CardForm.RAW))
        if isinstance(formed, CardFormError):
            raise formed
        return formed

    def available(self) -> Iterator[tuple[CardForm, FormedCard]]:
        """Yield every form the card has."""
        for form in CardForm:
            try:
                yield form, self.form(form)
            except CardFormError:
                continue

    def agreed(self) -> bytes:
        """Return the bytes on which the forms in use agree, so that every verifier verifies them; else `CardFormError`.

        STRIPPED does not count: no implementation is known to sign or verify it, and every card with a capability set
        to `false` would be left without a signature.
        """
        raw = self.form(CardForm.RAW).payload
        for form in (CardForm.SPEC, CardForm.SDK):
            if self.form(form).payload != raw:
                raise CardFormError(f"verifiers read it differently: form {form.value} is not the card as it stands")
        return raw


def _formed(card: JsonObject, form: CardForm, raw: FormedCard | CardFormError | None) -> FormedCard | CardFormError:
    """Return the card in `form`. `raw` is the card as it stands, when that was made before."""
    try:
        if form is CardForm.RAW:
            return FormedCard(canonical(card))
        former = _Former(form)
        kept = former.message(CARD, card, ())
        # What a form changes equals what stood there in one case, an integer beyond 2^53, and with it nothing is RAW.
        payload = raw.payload if isinstance(raw, FormedCard) and kept == card else canonical(kept)
        return FormedCard(payload, tuple(former.uncovered))
    except CardFormError as error:
        return error
    except CanonicalFormError as error:
        return CardFormError(f"RFC 8785 cannot write it: {error}")
    except RecursionError:
        return CardFormError("it nests too deep")


_Path: TypeAlias = "tuple[()] | tuple[_Path, str | int]"
"""The way down to a value, innermost name last; it becomes a pointer only where something is uncovered."""


class _Absent(enum.Enum):
    ABSENT = enum.auto()


_ABSENT = _Absent.ABSENT
_Kept: TypeAlias = "Json | _Absent"


class _Former:
    """Walks a card along the table of A2A 1.0, once, for one form."""

    def __init__(self, form: CardForm) -> None:
        self._keeps_empty = form is CardForm.SPEC
        self._keeps_false = form is not CardForm.STRIPPED
        self.uncovered: list[str] = []

    def message(self, name: str, value: Json, path: _Path) -> JsonObject:
        if not isinstance(value, dict):
            raise _mistyped(path, "an object")
        table = MESSAGES[name]
        formed: JsonObject = {}
        seen: set[str] = set()
        for spelling, held in value.items():
            member = table.get(spelling)
            if member is None:
                self._lose((path, spelling))
                continue
            mark = "" if member.choice and held is not None else member.name  # of a oneof, one at most is set
            if mark in seen:
                raise CardFormError(f"{_pointer((path, spelling))} says again what another member says")
            seen.add(mark)
            if held is None:
                continue
            kept = self._member(member, held, (path, spelling))
            if kept is not _ABSENT:
                formed[member.name] = kept
        return formed

    def _member(self, member: Member, held: Json, path: _Path) -> _Kept:
        if member.many == LIST:
            return self._many(member, self._list(member.holds, held, path))
        if member.many == MAP:
            return self._many(member, self._map(member.holds, held, path))
        if member.holds == FLAG:
            return self._flag(member, held, path)
        kept = self._value(member.holds, held, path)
        if kept or (self._keeps_empty and (member.presence != PLAIN or member.holds != TEXT)):
            return kept
        if member.choice:
            self._lose(path)
        return _ABSENT

    def _many(self, member: Member, kept: "list[Json] | JsonObject") -> _Kept:
        return kept if kept or (self._keeps_empty and member.presence == REQUIRED) else _ABSENT

    def _flag(self, member: Member, held: Json, path: _Path) -> _Kept:
        if not isinstance(held, bool):
            raise _mistyped(path, "true or false")
        if held or (member.presence == OPTIONAL and self._keeps_false):
            return held
        if member.presence == OPTIONAL:
            self._lose(path)  # absent means that the card does not say
        return _ABSENT

    def _value(self, holds: str, held: Json, path: _Path) -> Json:
        if holds == TEXT:
            if not isinstance(held, str):
                raise _mistyped(path, "a string")
            return held
        if holds == STRUCT:
            if not isinstance(held, dict):
                raise _mistyped(path, "an object")
            return self._free(held, path)
        return self.message(holds, held, path)

    def _list(self, holds: str, held: Json, path: _Path) -> list[Json]:
        if not isinstance(held, list):
            raise _mistyped(path, "a list")
        kept: list[Json] = []
        for index, element in enumerate(held):
            value = self._value(holds, element, (path, index))
            if value or self._keeps_empty:
                kept.append(value)
            else:
                self._lose((path, index))
        return kept

    def _map(self, holds: str, held: Json, path: _Path) -> JsonObject:
        if not isinstance(held, dict):
            raise _mistyped(path, "an object")
        kept: JsonObject = {}
        for key, entry in held.items():
            value = self._value(holds, entry, (path, key))
            if value or self._keeps_empty:
                kept[key] = value
            else:
                self._lose((path, key))
        return kept

    def _free(self, value: Json, path: _Path) -> Json:
        """Return JSON inside a Struct: its numbers are doubles, and forms that drop what is empty do so here too."""
        if isinstance(value, dict):
            fields = {name: self._free(held, (path, name)) for name, held in value.items()}
            return {name: field for name, field in fields.items() if self._stays(field, (path, name))}
        if isinstance(value, list):
            items = [self._free(held, (path, index)) for index, held in enumerate(value)]
            return [item for index, item in enumerate(items) if self._stays(item, (path, index))]
        if isinstance(value, int) and not isinstance(value, bool):
            return self._double(value, path)
        return value

    def _stays(self, value: Json, path: _Path) -> bool:
        stays = self._keeps_empty or not (value is None or (isinstance(value, str | list | dict) and not value))
        if not stays:
            self._lose(path)
        return stays

    def _double(self, value: int, path: _Path) -> Json:
        try:
            double = float(value)
        except OverflowError:
            raise CardFormError(f"{_pointer(path)} is a number that no double holds") from None
        if double != value:
            self._lose(path)  # who reads whole numbers sees another one than is signed
        return value if abs(value) < _EXACT else double

    def _lose(self, path: _Path) -> None:
        if len(self.uncovered) < MAX_UNCOVERED:
            self.uncovered.append(_pointer(path))


def _mistyped(path: _Path, wanted: str) -> CardFormError:
    return CardFormError(f"{_pointer(path) or 'the card'} is not {wanted}")


def _pointer(path: _Path) -> str:
    names: list[str] = []
    while path:
        path, name = path
        names.append(str(name).replace("~", "~0").replace("/", "~1"))  # RFC 6901 3
    pointer = "".join(f"/{name}" for name in reversed(names))
    return pointer if len(pointer) <= _POINTER_SHOWN else pointer[: _POINTER_SHOWN - 1] + "…"
