"""The readings of a text: as it stands, and as a program, a model or a person would read it once it is decoded.

What is encoded is decoded in place, layer by layer, and every layer is a view; the last one is then read in the other
ways: without look-alikes, without comments, with quotes joined, with letters together, with signs as letters. So views
grow with the kinds of disguise in a text and not with their product. Decoders run only where their gate is open
(`decoders/gates.py`): an ordinary text has one view and costs one pass of RE2.

Nothing is left out silently: a text that is too large, too deep or has too many readings has a `problem`, and what
there is of it is looked at all the same.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from ringfence_pdp.filters.decoders import TEXT_MAX, confusables, encodings, escapes, invisible, joining, spelling
from ringfence_pdp.filters.decoders.gates import opened
from ringfence_pdp.filters.filter_rule import ViewKind
from ringfence_pdp.filters.finding import ArgumentType

VIEWS_MAX = 8
REMEMBERED_MAX = 4_096
"""Characters of a text whose readings are remembered; those of sixteen texts are 2 MB at most."""
DEPTH_MAX = 2
"""Layers of encodings. Percent signs are decoded twice in each."""

ACCENTS = "accents"
"""The step that only takes away what a language writes on its letters: no disguise, for whoever reads languages."""

LEETSPEAK = "leetspeak"
"""The step that reads a text as leetspeak as a whole; where only a word may be, it is `leet`, for rules that ask."""

Decoder = Callable[[str], str]

_ENCODINGS: Sequence[tuple[str, str, Decoder]] = (
    ("url", "url", escapes.url),
    ("html", "html", escapes.entities),
    ("escapes", "escapes", escapes.backslashes),
    ("calls", "calls", escapes.calls),
    ("hex", "hex", encodings.hexadecimals),
    ("base64", "base64", encodings.base64s),
    ("base32", "base32", encodings.base32s),
)
"""Gate, name and decoder, in the order in which they run within a layer."""

_UNQUOTED = frozenset({ArgumentType.SHELL, ArgumentType.CODE, ArgumentType.FREE_TEXT, ArgumentType.SQL})
"""Where quotes and backslashes may be put between letters to hide a word; in a path a backslash is a separator."""

_WORDED = frozenset(ArgumentType) - {ArgumentType.PATH, ArgumentType.SECRET}
"""Where words are looked for that a reader would recognise."""

_LETTERED = _WORDED | {ArgumentType.PATH}
"""Where signs may stand for letters."""

_COMMENTED = frozenset(ArgumentType) - {ArgumentType.PATH, ArgumentType.URL, ArgumentType.SECRET}


class View(NamedTuple):
    """One reading of a text."""

    text: str
    steps: tuple[str, ...] = ()
    """How it was made, the first step first. Empty for the text as it stands."""

    @property
    def kind(self) -> ViewKind:
        """Which rules look at it."""
        if not self.steps:
            return ViewKind.PLAIN
        return _KINDS.get(self.steps[-1], ViewKind.DECODED)

    @property
    def is_whole(self) -> bool:
        """Whether it is a text as somebody meant it, decoded and out of disguise, and not a reading of parts of it."""
        return all(step in _WHOLE for step in self.steps)


_WHOLE = frozenset(name for _, name, _ in _ENCODINGS) | {"invisible", "nfkc", "confusables", "together", LEETSPEAK}
_KINDS = {"spaced": ViewKind.SPACED, "leet": ViewKind.LEET, "leet-l": ViewKind.LEET}


class Readings(NamedTuple):
    """All views of a text."""

    views: Sequence[View]
    problem: str = ""
    """Why they are not all, in a sentence; mostly empty."""


def views(text: str, type: ArgumentType = ArgumentType.FREE_TEXT) -> Sequence[View]:  # noqa: A002 - an argument's type is called so everywhere
    """Return the readings of a text, the text itself first."""
    return readings(text, type).views


def readings(text: str, type: ArgumentType = ArgumentType.FREE_TEXT) -> Readings:  # noqa: A002 - as above
    """Return the readings of a text, the text itself first, and whether there are more than are looked at."""
    return _readings_again(text, type) if len(text) <= REMEMBERED_MAX else _readings(text, type)


def _readings(text: str, type_: ArgumentType) -> Readings:
    reader = _Reader(text, type_)
    found: list[View] = []
    for view in reader.views():
        if len(found) == VIEWS_MAX:
            reader.problem = f"it can be read in more than {VIEWS_MAX} ways"
            break
        found.append(view)
    return Readings(tuple(found), reader.problem)


_readings_again = lru_cache(maxsize=16)(_readings)
"""What one filter of a call has read, the next one need not read again."""


class _Reader:
    """Reads one text in every way there is."""

    def __init__(self, text: str, type_: ArgumentType) -> None:
        self.problem = "" if len(text) <= TEXT_MAX else f"it has {len(text)} characters; {TEXT_MAX} are looked at"
        self._original = invisible.sound(text[:TEXT_MAX])
        self._type = type_

    def views(self) -> Iterator[View]:
        text = self._original
        gates = opened(text)
        yield View(text)
        if not gates and text.isascii():
            return
        seen = {(text, ViewKind.PLAIN), (text, ViewKind.DECODED)}
        for view in self._all(View(text), gates):
            if view.text and (view.text, view.kind) not in seen:
                seen.add((view.text, view.kind))
                yield view

    def _all(self, view: View, gates: frozenset[str]) -> Iterator[View]:
        """The readings of a text. What is nothing but characters apart is what they spell, which may be encoded too."""
        if "apart" in gates and self._type in _WORDED and spelling.is_all_apart(view.text):
            yield _after(view, "spaced", spelling.together)
            view = _after(view, "together", spelling.together)
            gates = opened(view.text)
        yield from self._in_turn(view, gates)

    def _in_turn(self, view: View, gates: frozenset[str]) -> Iterator[View]:
        view = _cleaned(view, gates)
        yield view
        for _ in range(DEPTH_MAX):
            before = view
            view = self._bounded(_layer(view))
            if view.steps == before.steps:
                break
            yield view
        else:
            if _layer(view).steps != view.steps:
                self.problem = self.problem or f"it is encoded more than {DEPTH_MAX} times over"
        yield from self._disguises(view)

    def _disguises(self, view: View) -> Iterator[View]:
        """The readings of what is decoded; each starts from the one before, but for what only rules of its kind see."""
        view = _after(view, ACCENTS if confusables.is_accented(view.text) else "confusables", confusables.folded)
        yield view
        gates = opened(view.text)
        if view.steps[-1:] == ("confusables",):
            decoded = self._bounded(_layer(view))
            if decoded is not view:
                view, gates = decoded, opened(decoded.text)
                yield view
        undisguised = view
        if "prose" in gates and self._type is ArgumentType.FREE_TEXT:
            view = _after(view, "prose", spelling.prose)
            yield view
        if "lines" in gates and self._type is ArgumentType.SQL:
            view = _after(view, "line-comments", joining.without_lines)
            yield view
        if "comments" in gates and self._type in _COMMENTED:
            spaced = _after(view, "spaced-comments", joining.spaced_comments)
            yield spaced
            if joining.comments_part_letters(view.text):
                view = _after(view, "comments", joining.without_comments)
                yield view
                yield View(view.text, (*view.steps, "spaced"))
            else:
                view = spaced
        if "joined" in gates and self._type in _UNQUOTED:
            view = _after(view, "joined", joining.joined)
            yield view
        if "apart" in gates and self._type in _WORDED:
            yield _after(view, "spaced", spelling.spelled_out)
            view = _after(view, "together", spelling.together)
            yield view
        if "leet" in gates and self._type in _LETTERED:
            if spelling.is_leetspeak(undisguised.text):
                # Of what was there before comments and lines were taken out: they may have been said to a reader.
                yield _after(undisguised, LEETSPEAK, spelling.leetspeak)
                yield _after(undisguised, LEETSPEAK, spelling.leetspeak_with_numbers)
            yield _after(view, "leet", spelling.letters)
            yield _after(view, "leet-l", spelling.letters_with_l)

    def _bounded(self, view: View) -> View:
        if len(view.text) <= TEXT_MAX:
            return view
        self.problem = self.problem or f"decoded, it has more than {TEXT_MAX} characters"
        return View(view.text[:TEXT_MAX], view.steps)


def _cleaned(view: View, gates: frozenset[str]) -> View:
    if "hidden" in gates:
        view = _after(view, "hidden", invisible.revealed)
    if "unseen" in gates:
        view = _after(view, "invisible", invisible.visible)
    return view if view.text.isascii() else _after(view, "nfkc", invisible.normal)


def _layer(view: View) -> View:
    """Decode whatever is encoded, once; each decoder sees what the one before it made."""
    gates = opened(view.text)
    for gate, name, decoder in _ENCODINGS:
        if gate not in gates:
            continue
        decoded = _after(view, name, decoder)
        if decoded is not view:
            gates = opened(decoded.text)
            view = _cleaned(decoded, gates)
    return view


def _after(view: View, name: str, decoder: Decoder) -> View:
    """Return what a decoder makes of a view, or the view itself when it makes nothing of it."""
    text = decoder(view.text)
    return view if text == view.text else View(text, (*view.steps, name))
