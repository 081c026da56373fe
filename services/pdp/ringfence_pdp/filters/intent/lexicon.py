"""The words the frame knows, read from `lexicons/*.yaml` and compiled into dictionaries.

Every class of words is one bit; what a word or an expression says is an integer of such bits. An entry is a word, a
stem (`losch*`), or an expression of several of them; `..` stands for up to three words in between. The data is ours and
is read once: a mistake in it is an exception when the lexicon is first asked for, never later.
"""

import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from ringfence_pdp.filters.intent.readings import Readings, compiled
from ringfence_pdp.filters.intent.words import SAYS_NOTHING, Places, folded

GAP_MAX = 3
"""How many words `..` may stand for: up to so many."""
STEM_MIN = 3
NOT = "not"
"""The class of words that turn around what follows."""
UNTOLD = "untold"
"""Somebody who should be told is not to be."""
CIRCUMSTANCES_OF_CALLS = ("irreversible", "reads", "sink")
"""What is known of a call beside its words."""
_GAP = ".."
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


class Lexicon(NamedTuple):
    """All languages at once."""

    words: Mapping[str, Entry]
    stems: Mapping[str, Entry]
    stem_max: int
    bits: Mapping[str, int]
    """Of every class."""
    slots: Mapping[str, tuple[tuple[str, int], ...]]
    """The classes that may fill each slot, the most telling first."""
    verbs: int
    """Bits of everything one does."""
    readings: Readings
    places: Places
    digest: str
    """Over all of the data."""

    def entry(self, word: str) -> Entry | None:
        """Return what is known of a word: as it stands, else by its longest stem."""
        found = self.words.get(word)
        if found is None:
            stems = self.stems
            for length in range(min(len(word), self.stem_max), STEM_MIN - 1, -1):
                found = stems.get(word[:length])
                if found is not None:
                    return found
        return found


@functools.cache
def built_in() -> Lexicon:
    """Return the lexicon that comes with the pdp. Reading it takes some 0.1 s, once."""
    folder = files(__package__) / "lexicons"
    texts = {item.name: item.read_text("utf-8") for item in folder.iterdir() if item.name.endswith(".yaml")}
    return lexicon_of(texts)


def lexicon_of(texts: Mapping[str, str]) -> Lexicon:
    """Compile the files of a lexicon, by their names."""
    # Every scalar stays a text, so that "no" and "off" are words.
    documents = {name: yaml.load(text, Loader=_LOADER) for name, text in sorted(texts.items())}  # noqa: S506 - data of this package, and a loader that builds texts, lists and mappings only
    classes, places, readings = (documents.pop(f"{name}.yaml") for name in ("classes", "places", "readings"))
    names = [name for fillers in classes["slots"].values() for name in fillers]
    bits = {name: 1 << place for place, name in enumerate((*names, NOT, "tell", UNTOLD, *CIRCUMSTANCES_OF_CALLS))}
    gathered = _Gathered()
    for document in documents.values():
        for term, says, is_verb in _terms(document, bits):
            gathered.add(term, says, language=document["language"], is_verb=is_verb)
    words, stems = gathered.compiled()
    return Lexicon(
        words=MappingProxyType(words),
        stems=MappingProxyType(stems),
        stem_max=max(map(len, stems), default=0),
        bits=MappingProxyType(bits),
        slots={slot: tuple((name, bits[name]) for name in fillers) for slot, fillers in classes["slots"].items()},
        verbs=sum(bits[name] for name in classes["slots"]["verb"]),
        readings=compiled(readings["readings"], readings["circumstances"], bits),
        places=Places(private=places["private"], drops=places["drops"]),
        digest="sha256-" + hashlib.sha256("\0".join(texts[name] for name in sorted(texts)).encode()).hexdigest(),
    )


_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""The one in C where there is one."""


def _terms(document: Mapping[str, Any], bits: Mapping[str, int]) -> Iterator[tuple[str, int, bool]]:
    for section, is_verb in (("verbs", True), ("words", False)):
        for name, terms in document.get(section, {}).items():
            for term in terms:
                yield term, bits[name], is_verb
    for term in document.get("negators", ()):
        yield term, bits[NOT], False
    for term in document.get("nothing", ()):
        yield term, 0, False


class _Gathered:
    """Entries by their first word, while files are read."""

    def __init__(self) -> None:
        self._says: dict[str, int] = {}
        self._expressions: dict[str, dict[tuple[str, ...], int]] = {}

    def add(self, term: str, says: int, *, language: str, is_verb: bool) -> None:
        first, *tail = _parts(term)
        forms = [first]
        if language == "en":
            if is_verb:
                given, _, irregular = term.split(" ", maxsplit=1)[0].partition("/")
                forms = [*english_forms(folded(given)), *irregular.split("/")]
                tail = tail[irregular.count("/") + 1 :] if irregular else tail
            elif not tail:
                forms = [first, *plural(first)]
            else:
                for many in plural(tail[-1]):
                    self._add_expression(first, (*tail[:-1], many), says)
        for form in filter(None, forms):
            if tail:
                self._add_expression(form, tuple(tail), says)
            else:
                self._says[form] = self._says.get(form, 0) | says

    def _add_expression(self, first: str, tail: tuple[str, ...], says: int) -> None:
        known = self._expressions.setdefault(first, {})
        known[tail] = known.get(tail, 0) | says

    def compiled(self) -> tuple[dict[str, Entry], dict[str, Entry]]:
        """Return entries of words and of stems; each has what shorter stems of it say as well."""
        keys = self._says.keys() | self._expressions.keys()
        stems = sorted(key[:-1] for key in keys if key.endswith("*"))
        words: dict[str, Entry] = {}
        found_stems: dict[str, Entry] = {}
        for key in sorted(keys):
            bare = key.removesuffix("*")
            sources = [key, *(f"{stem}*" for stem in stems if bare.startswith(stem) and f"{stem}*" != key)]
            says = 0
            expressions: dict[tuple[str, ...], int] = {}
            for source in sources:
                says |= self._says.get(source, 0)
                for tail, tail_says in self._expressions.get(source, {}).items():
                    expressions[tail] = expressions.get(tail, 0) | tail_says
            (found_stems if key.endswith("*") else words)[bare] = _entry(says, expressions)
        return words, found_stems


def _entry(says: int, expressions: Mapping[tuple[str, ...], int]) -> Entry:
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
    )


def _parts(term: str) -> list[str]:
    parts = (part for token in folded(term).split() for part in ([_GAP] if token == _GAP else _PART.findall(token)))
    return [part for part in parts if part not in SAYS_NOTHING]


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
