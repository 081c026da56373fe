"""Takes secrets out of what is logged of a call that nobody looked through.

The rules:

- a text is a secret by what it looks like or what is said before it (`filters/masking.py`), and by what it is named:
  as a member, as the value beside a name, as the word behind an option of a command line;
- what is named like a secret is one with all that is under it; a number only if secrets of that name are numbers;
- labels say what kind of thing something is: one that is named `secret` is none (`masks.py`);
- where it was is told in `left_out`; what is too much to look through is left out as a whole by whoever asks.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import re2

from ringfence_pdp.filters.masking import MASK, NAMED_LIKE_A_NUMBER, NAMED_LIKE_A_SECRET, masked, may_hold_secrets
from ringfence_pdp.masks import MASKED, Path
from ringfence_pdp.model import CheckRequest, nothing

TEXTS_MAX: Final = 400
"""Different texts and names that are looked through, as many as filters look through."""

_DIGEST: Final = "sha256-"
_KEYED: Final = "hmac-"
_DIGEST_LENGTH: Final = len(_DIGEST) + 64
_HEX: Final = frozenset("0123456789abcdef")
_NAMES: Final = frozenset({"name", "key", "variable", "header"})
_LABELS: Final = "labels"
_VALUES: Final = frozenset({"value", "val"})


class TooManyTextsError(Exception):
    """There are more texts than are looked through."""


def may_hold(request: CheckRequest) -> bool:
    """Say whether anything a call says might be a secret; whoever is told no need not look any closer."""
    resource = request.resource
    words = [] if resource.id is None else [resource.id]
    if resource.labels:
        words += (*resource.labels, *resource.labels.values())
    if request.arguments is not nothing:
        words += _words(request.arguments())
    if request.context is not nothing:
        words += _words(request.context())
    if not words:
        return False
    # What matches in one of them matches in all of them together.
    together = " ".join(words)
    return may_hold_secrets(together) or _hint().search(together) is not None


def without_secrets(value: object, path: Path, left_out: list[str]) -> object:
    """Return JSON without the secrets in its texts, names and numbers; add where they were to `left_out`.

    Raises TooManyTextsError when there is more in it than is looked through.
    """
    return _Taking(left_out).of(value, path, named=False)


class _Taking:
    def __init__(self, left_out: list[str]) -> None:
        self._left_out = left_out
        self._shown: dict[str, str] = {}

    def of(self, value: object, path: Path, *, named: bool) -> object:
        """`named`: whether something above is named like a secret."""
        match value:
            case str():
                return self._told(value, MASK if named and value not in ("", MASKED) else self._clean(value), path)
            case Mapping():
                return self._members(value, path, named=named)
            case list():
                return self._items(value, path, named=named)
            case bool() | None:
                return value
            case _ if named and _is_a_number(path[-1]):
                self._left_out.append(".".join(path))
                return MASK
            case _:
                return value

    def _members(self, members: Mapping[str, object], path: Path, *, named: bool) -> dict[str, object]:
        valued = any(
            name.lower() in _NAMES and isinstance(inner, str) and _is_named(inner, number=False)
            for name, inner in members.items()
        )
        made: dict[str, object] = {}
        for name, inner in members.items():
            shown = self._told(name, self._clean(name), path)
            secret = named or _is_named(name, number=not isinstance(inner, str | list | Mapping))
            secret = (secret or (valued and name.lower() in _VALUES)) and path[0] != _LABELS
            made[shown] = self.of(inner, (*path, shown), named=secret)
        return made

    def _items(self, items: Sequence[object], path: Path, *, named: bool) -> list[object]:
        made: list[object] = []
        option = ""
        for place, item in enumerate(items):
            at = (*path, str(place))
            if option and isinstance(item, str) and not named:
                made.append(self._told(item, self._behind(option, item), at))
            else:
                made.append(self.of(item, at, named=named))
            option = item if isinstance(item, str) and item.startswith("-") and " " not in item else ""
        return made

    def _behind(self, option: str, word: str) -> str:
        """A word of a command line, read with the option before it and alone."""
        before = f"{option} "
        both = self._clean(before + word)
        return self._clean(both.removeprefix(before)) if both.startswith(before) else MASK

    def _told(self, text: str, shown: str, path: Path) -> str:
        if shown != text:
            self._left_out.append(".".join(path))
        return shown

    def _clean(self, text: str) -> str:
        shown = self._shown.get(text)
        if shown is None:
            if len(self._shown) == TEXTS_MAX:
                raise TooManyTextsError
            shown = self._shown[text] = text if _is_digest(text) else masked(text)
        return shown


def _words(value: object) -> Iterator[str]:
    """Yield every text and every name in JSON."""
    match value:
        case str():
            yield value
        case Mapping():
            for name, inner in value.items():
                yield name
                yield from _words(inner)
        case list():
            for inner in value:
                yield from _words(inner)
        case _:
            pass


def _is_digest(text: str) -> bool:
    text = text.removeprefix(_KEYED)
    return len(text) == _DIGEST_LENGTH and text.startswith(_DIGEST) and _HEX.issuperset(text[len(_DIGEST) :])


def _is_named(name: str, *, number: bool) -> bool:
    secret, numbered = _names()
    if numbered.search(name) is not None:
        return True
    return not number and secret.search(name) is not None


def _is_a_number(name: str) -> bool:
    return _names()[1].search(name) is not None


@functools.cache
def _names() -> "tuple[re2._Regexp, re2._Regexp]":
    return re2.compile(NAMED_LIKE_A_SECRET), re2.compile(f"{NAMED_LIKE_A_NUMBER}$")


@functools.cache
def _hint() -> "re2._Regexp":
    """Anything named like a secret, among names with spaces between them."""
    return re2.compile(f"{NAMED_LIKE_A_SECRET}|{NAMED_LIKE_A_NUMBER}(?: |$)")
