"""The words the frame knows, read from `lexicons/*.yaml` and compiled into dictionaries.

Every class of words is one bit; what a word or an expression says is an integer of such bits. An entry is a word, a
stem (`losch*`), or an expression of several of them; `..` stands for up to three words in between. The data is ours and
is read once: a mistake in it is an exception when the lexicon is first asked for, never later.
"""

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import repeat
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from ringfence_pdp.filters.intent.readings import Readings, compiled
from ringfence_pdp.filters.intent.words import Places, folded

GAP_MAX = 3
"""How many words `..` may stand for: up to so many."""
STEM_MIN = 3
ENGLISH = "en"
ANY_OTHER = "other"
LOAN_MIN = 4
"""How short an English word may be that is read in other languages too."""
VOTE_BITS = 24
VOTE_MASK = (1 << VOTE_BITS) - 1
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
    is_plain: bool
    """Whether no expression begins with it."""


class Words(NamedTuple):
    """What is known of the words of a language."""

    words: Mapping[str, Entry]
    stems: Mapping[str, Entry]
    stem_lengths: Mapping[str, int]
    """How long the longest stem is that begins so."""
    articles: frozenset[str]
    """Left out of every text, so that expressions need not say whether they are there."""

    def stemmed(self, word: str) -> Entry | None:
        """Return what is known of the longest stem of a word."""
        stems = self.stems
        for length in range(min(len(word), self.stem_lengths.get(word[:STEM_MIN], 0)), STEM_MIN - 1, -1):
            found = stems.get(word[:length])
            if found is not None:
                return found
        return None


class Lexicon(NamedTuple):
    """All languages."""

    languages: Mapping[str, Words]
    """By their codes; `ANY_OTHER` is all but English at once, for texts too short to tell."""
    votes: Mapping[str, int]
    """Which languages a word speaks for: a count in the field of each, `VOTE_BITS` wide, English in the lowest."""
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

    def spoken(self, words: Sequence[str]) -> list[Words]:
        """Return the words of the languages a text may be in. English is always one: else a few words would hide it."""
        votes = sum(map(self.votes.get, words, repeat(0)))
        english = votes & VOTE_MASK
        spoken = [self.languages[ENGLISH]]
        if votes == english:
            return spoken if english else [*spoken, self.languages[ANY_OTHER]]
        counts = [
            (votes >> (VOTE_BITS * place) & VOTE_MASK, code) for place, code in enumerate(self.languages) if place
        ]
        most = max(count for count, _ in counts)
        if most * 2 > english:
            spoken += [self.languages[code] for count, code in counts if count == most]
        return spoken


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
    verbs = sum(bits[name] for name in classes["slots"]["verb"])
    by_language = {document["language"]: document for document in documents.values()}
    ordered = [by_language.pop(ENGLISH), *by_language.values()]
    return Lexicon(
        languages=MappingProxyType(_languages(ordered, bits, frozenset(classes["borrowed"]))),
        votes=MappingProxyType(_votes(ordered)),
        bits=MappingProxyType(bits),
        slots={slot: tuple((name, bits[name]) for name in fillers) for slot, fillers in classes["slots"].items()},
        verbs=verbs,
        readings=compiled(readings["readings"], readings["circumstances"], bits, verbs),
        places=Places(private=places["private"], drops=places["drops"]),
        digest="sha256-" + hashlib.sha256("\0".join(texts[name] for name in sorted(texts)).encode()).hexdigest(),
    )


def _languages(
    documents: Sequence[Mapping[str, Any]], bits: Mapping[str, int], borrowed: frozenset[str]
) -> dict[str, Words]:
    english, *others = documents
    # Every language says "token" and "backup": what English calls things is known in each, what it does is not.
    loans = {
        "language": ENGLISH,
        "words": {
            name: [term for term in terms if len(term) >= LOAN_MIN]
            for name, terms in english["words"].items()
            if name in borrowed
        },
    }
    return {
        ENGLISH: _words([english], bits),
        **{document["language"]: _words([document, loans], bits) for document in others},
        ANY_OTHER: _words(others, bits),
    }


def _words(documents: Sequence[Mapping[str, Any]], bits: Mapping[str, int]) -> Words:
    gathered = _Gathered()
    articles: set[str] = set()
    for document in documents:
        articles.update(document.get("articles", ()))
        gathered.add_all(document, bits)
    words, stems = gathered.compiled()
    return Words(
        words=words,
        stems=stems,
        stem_lengths=_longest(stems),
        articles=frozenset(articles),
    )


def _longest(stems: Iterable[str]) -> dict[str, int]:
    longest: dict[str, int] = {}
    for stem in stems:
        longest[stem[:STEM_MIN]] = max(len(stem), longest.get(stem[:STEM_MIN], 0))
    return longest


def _votes(documents: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    votes: dict[str, int] = {}
    for place, document in enumerate(documents):
        for word in document["small"]:
            votes[folded(word)] = votes.get(folded(word), 0) + (1 << (VOTE_BITS * place))
    return votes


_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""The one in C where there is one."""


class _Gathered:
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
        not expressions,
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
