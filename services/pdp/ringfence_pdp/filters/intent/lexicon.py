"""The words the frame knows, read from `lexicons/*.yaml` and compiled into dictionaries.

Every class of words is one bit; what a word or an expression says is an integer of such bits. Each language has its own
dictionary: a stem of one is noise in another. The data is ours and is read once: a mistake in it is an exception when
the lexicon is first asked for, never later.
"""

import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from itertools import repeat
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from ringfence_pdp.filters.intent.gathering import ENGLISH, NOT, STEM_MIN, Entry, Gathered
from ringfence_pdp.filters.intent.readings import Readings, compiled
from ringfence_pdp.filters.intent.words import Places, folded

GAP_MAX = 3
"""How many words `..` may stand for: up to so many."""
ANY_OTHER = "other"
LOAN_MIN = 4
"""How short an English word may be that is read in other languages too."""
VOTE_BITS = 24
VOTE_MASK = (1 << VOTE_BITS) - 1
UNTOLD = "untold"
"""Somebody who should be told is not to be."""
CIRCUMSTANCES_OF_CALLS = ("irreversible", "sink")
"""What is known of a call beside its words."""


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
    gathered = Gathered()
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
