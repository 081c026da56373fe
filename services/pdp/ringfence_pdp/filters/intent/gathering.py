"""Gathers the terms of a dictionary into entries by their first words.

A term is a word, a stem (`losch*`), or an expression of several of them; `..` stands for up to three words in between.
Of English verbs the forms are made, of English nouns the plural; other languages write stems.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from ringfence_pdp.filters.intent.words import folded

ENGLISH: Final = "en"
NOT: Final = "not"
"""The class of words that turn around what follows."""
STEM_MIN: Final = 3
_GAP: Final = ".."
_PART = re.compile(r"@[a-z]+|[^\W_]+(?:'t\b)?\*?")


class Expression(NamedTuple):
    """What must follow, and what the whole says then."""

    tail: tuple[str, ...]
    """Words, stems with `*`, and gaps."""
    says: int


class Entry(NamedTuple):
    """What is known of a word, and of the expressions that begin with it. Of several the longest is meant."""

    says: int
    next: Mapping[str, tuple[Expression, ...]]
    """By the word that follows at once; the tail is what comes after that."""
    beyond: Mapping[str, tuple[Expression, ...]]
    """By a word that follows within a gap."""
    stems: tuple[Expression, ...]
    """Those whose second word is a stem."""
    is_plain: bool
    """Whether no expression begins with it."""


class Gathered:
    """Entries by their first word, while files are read."""

    def __init__(self) -> None:
        self._says: dict[str, int] = {}
        self._expressions: dict[str, dict[tuple[str, ...], int]] = {}

    def add_all(self, document: Mapping[str, Any], bits: Mapping[str, int]) -> None:
        """Add the terms of a document."""
        is_english = document["language"] == ENGLISH
        articles = frozenset(document.get("articles", ()))
        for name, terms in document.get("verbs", {}).items():
            for term in terms:
                self._add(_forms_of_verb(term) if is_english else [_parts(term)], bits[name], articles)
        for name, terms in document.get("orders", {}).items():
            for term in terms:
                self._add(_forms_of_order(term) if is_english else [_parts(term)], bits[name], articles)
        for name, terms in document.get("words", {}).items():
            for term in terms:
                self._add(_forms_of_noun(term) if is_english else [_parts(term)], bits[name], articles)
        for term in document.get("negators", ()):
            self._add([_parts(term)], bits[NOT], articles)
        for term in document.get("nothing", ()):
            self._add(_forms_of_noun(term) if is_english else [_parts(term)], 0, articles)

    def _add(self, forms: Sequence[Sequence[str]], says: int, articles: frozenset[str]) -> None:
        for form in forms:
            first, *tail = [part for part in form if part not in articles]
            if tail:
                self._add_expression(first, tuple(tail), says)
            else:
                self._says[first] = self._says.get(first, 0) | says

    def _add_expression(self, first: str, tail: tuple[str, ...], says: int) -> None:
        known = self._expressions.setdefault(first, {})
        known[tail] = known.get(tail, 0) | says

    def compiled(self) -> tuple[dict[str, Entry], dict[str, Entry]]:
        """Return entries of words and of stems; each has what shorter stems of it say as well."""
        keys = self._says.keys() | self._expressions.keys()
        stems: dict[str, list[str]] = {}
        for key in sorted(keys):
            if key.endswith("*"):
                stems.setdefault(key[:STEM_MIN], []).append(key)
        words: dict[str, Entry] = {}
        found_stems: dict[str, Entry] = {}
        for key in sorted(keys):
            bare = key.removesuffix("*")
            shorter = [stem for stem in stems.get(key[:STEM_MIN], ()) if stem != key and bare.startswith(stem[:-1])]
            sources = [key, *shorter]
            says = 0
            expressions: dict[tuple[str, ...], int] = {}
            for source in sources:
                says |= self._says.get(source, 0)
                for tail, tail_says in self._expressions.get(source, {}).items():
                    expressions[tail] = expressions.get(tail, 0) | tail_says
            (found_stems if key.endswith("*") else words)[bare] = _entry(says, expressions)
        return words, found_stems


@functools.cache
def _plain(says: int) -> Entry:
    """Return the entry of words no expression begins with: most words, and as few entries as there are classes."""
    return Entry(says, {}, {}, (), True)


def _entry(says: int, expressions: Mapping[tuple[str, ...], int]) -> Entry:
    if not expressions:
        return _plain(says)
    following: dict[str, list[Expression]] = {}
    beyond: dict[str, list[Expression]] = {}
    stems = []
    for tail, tail_says in sorted(expressions.items(), key=lambda item: (-len(item[0]), item[0])):
        if tail[0] == _GAP:
            beyond.setdefault(tail[1], []).append(Expression(tail[2:], tail_says))
        elif tail[0].endswith("*"):
            stems.append(Expression(tail, tail_says))
        else:
            following.setdefault(tail[0], []).append(Expression(tail[1:], tail_says))
    return Entry(
        says,
        {word: tuple(found) for word, found in following.items()},
        {word: tuple(found) for word, found in beyond.items()},
        tuple(stems),
        False,
    )


def _parts(term: str) -> list[str]:
    return [part for token in folded(term).split() for part in ([_GAP] if token == _GAP else _PART.findall(token))]


def _forms_of_verb(term: str) -> list[list[str]]:
    """Return an English verb in its forms: `send/sent .. to` is sends, sending, sended, sent, each with `.. to`."""
    verb, _, tail = term.partition(" ")
    bare, *irregular = verb.split("/")
    rest = _parts(tail)
    first, *joined = _parts(bare)
    if joined:
        return [[first, *joined, *rest]]
    return [[form, *rest] for form in (*english_forms(first), *irregular)]


def _forms_of_order(term: str) -> list[list[str]]:
    """Return an English verb as it is when somebody is to do it: what was done is told in novels and in court."""
    first, *rest = _parts(term)
    return [[form, *rest] for form in english_forms(first) if form == first or form.endswith("ing")]


def _forms_of_noun(term: str) -> list[list[str]]:
    parts = _parts(term)
    return [parts, *([*parts[:-1], many] for many in plural(parts[-1]))]


def english_forms(verb: str) -> list[str]:
    """Return the regular forms of an English verb, and spellings that nobody uses but that harm nothing."""
    forms = [verb]
    if verb.endswith("e"):
        forms += [f"{verb}s", f"{verb}d", f"{verb[:-1]}ing"]
    elif verb.endswith("y") and verb[-2:-1] not in "aeiou":
        forms += [f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb}ing"]
    else:
        last = "" if verb[-1:] in "wxy" else verb[-1:]
        forms += [f"{verb}s", f"{verb}ed", f"{verb}ing", f"{verb}{last}ed", f"{verb}{last}ing"]
        if verb.endswith(("s", "x", "z", "ch", "sh")):
            forms.append(f"{verb}es")
    return forms


def plural(noun: str) -> list[str]:
    """Return the regular plural of an English noun, if it looks like one in the singular."""
    if not noun.isalpha() or len(noun) < 3 or noun.endswith("s"):
        return []
    return [f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else f"{noun}s"]
