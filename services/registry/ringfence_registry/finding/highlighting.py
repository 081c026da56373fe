"""Where in an agent a search found its words: a snippet of text for each field, and the places of the words in it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.search_fields import WORTH
from ringfence_registry.finding.words import PlacedWord, placed_words

SNIPPET = 200
"""Characters of text at most."""
_BEFORE = 60
"""Characters before the first word found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A field in which words were found."""

    field: str
    snippet: str
    highlights: tuple[tuple[int, int], ...]
    """Start and end of each word in the snippet, in characters."""


def highlighted(view: AgentView, is_wanted: Callable[[str], bool]) -> tuple[Match, ...]:
    """Return where words that are wanted (asked case-folded) stand in `view`, the weightiest field first."""
    found = (_in_field(field, AGENT_FIELDS.searched[field].values(view), is_wanted) for field in WORTH)
    return tuple(match for match in found if match is not None)


def _in_field(field: str, texts: Iterable[str], is_wanted: Callable[[str], bool]) -> Match | None:
    best, words = "", [PlacedWord("", 0, 0)][:0]
    for text in texts:
        here = [word for word in placed_words(text) if is_wanted(word.word)]
        if len(here) > len(words):
            best, words = text, here
    if not words:
        return None
    start = 0 if len(best) <= SNIPPET else max(0, min(words[0].start - _BEFORE, len(best) - SNIPPET))
    end = min(len(best), start + SNIPPET)
    inside = tuple((word.start - start, word.end - start) for word in words if word.start >= start and word.end <= end)
    return Match(field=field, snippet=best[start:end], highlights=inside)
