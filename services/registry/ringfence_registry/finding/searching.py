"""Finding agents by words, the best match first.

- An agent's score is the sum, over the words asked for, of how strongly it says the word times how much the word tells.
  What a word tells is worked out among the agents that this caller sees and the filter leaves: nobody learns from an
  order, a count or a number that there is something hidden.
- An agent matches when it says one of the words and has every quoted text in it. A word that most of them say orders
  them, and alone makes no match, unless all the words are such.
- The token of a page carries what the words were worth when the walk began, and an agent's score depends on nothing but
  the agent and those: every agent that does not change meanwhile comes exactly once, whatever is registered.
"""

import math
import re
from dataclasses import dataclass
from itertools import islice

import msgspec
from ringfence_kit.callers import Caller
from ringfence_kit.clock import Instant
from ringfence_kit.errors import InvalidRequest, Violation
from ringfence_kit.pages import PageTokens

from ringfence_registry.access import require_sight
from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.asking import asked
from ringfence_registry.finding.bits import NONE, Bits
from ringfence_registry.finding.catalog import AgentCatalog
from ringfence_registry.finding.filtering.conditions import Anywhere, Every
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.finding.highlighting import Match, highlighted
from ringfence_registry.finding.ranking import Scores
from ringfence_registry.finding.words import kin_of, words_of
from ringfence_registry.namespaces.visible import VisibilityReader

MAX_WORDS = 32

_PIECE = re.compile(r'"([^"]*)"?|([^\s"]+)')
_FINENESS = 4
"""Steps of what a word tells, for each time it is e times rarer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a query asks for."""

    words: tuple[str, ...]
    """Each of another kin, in the order they were written; those of the quoted texts too."""
    quoted: tuple[str, ...]
    """Texts that have to be there as they are, case-folded."""


def wanted_in(query: str) -> Wanted:
    """Return what `query` asks for. Every text is a query: there is no syntax that could be wrong."""
    words: dict[str, str] = {}
    quoted: list[str] = []
    for piece in _PIECE.finditer(query):
        text = piece[1] if piece[2] is None else piece[2]
        if piece[2] is None and text.strip():
            quoted.append(text.strip().casefold())
        for word in words_of(text):
            words.setdefault(kin_of(word), word)
    return Wanted(words=tuple(words.values()), quoted=tuple(quoted))


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """What somebody searches, where, and which page of it."""

    namespace: str | None
    wanted: Wanted
    filter: str
    page_size: int
    page_token: str
    arguments: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One agent found."""

    view: AgentView
    relevance: float
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """One page of an answer."""

    found: tuple[Found, ...]
    next_page_token: str
    total: int


@dataclass(frozen=True, slots=True)
class _Worth:
    """What one word was worth when the walk began."""

    times: int
    tells: bool


class _Cursor(msgspec.Struct, array_like=True):
    worth: tuple[tuple[int, bool], ...]
    top: int
    score: int
    name: str


class Ranking:
    """The agents that match, each with its score."""

    def __init__(self, catalog: AgentCatalog, wanted: Wanted, among: Bits, worth: tuple[_Worth, ...] = ()) -> None:
        self._catalog = catalog
        self._scores = Scores()
        said = [self._said(word) for word in wanted.words]
        self.worth = worth or _worths(said, among)
        for word, value in zip(wanted.words, self.worth, strict=True):
            for kin in catalog.words.kin(word):
                self._scores.add(catalog.words.planes(kin), times=value.times)
        telling = NONE
        for has, value in zip(said, self.worth, strict=True):
            telling |= has if value.tells else NONE
        self.matching = _with_all_quoted(catalog, wanted, among) if wanted.quoted else among & telling

    def best(self, limit: int, *, after: tuple[int, str] | None = None) -> list[tuple[str, int]]:
        """Return the names and scores of the `limit` best that follow `after`, the best first, ties by name."""
        rest, found = self.matching, list[tuple[str, int]]()
        if after is not None:
            score, name = after
            tied = self._scores.exactly(score, self.matching)
            found = [(each, score) for each in islice(self._catalog.by_name(tied, after=name), limit)]
            rest = self._scores.below(score, self.matching)
        best = self._scores.best(rest, limit - len(found))
        sure = [(name, self._score(name)) for name in self._catalog.by_name(best.sure)]
        found += sorted(sure, key=lambda pair: -pair[1])
        return found + [(name, self._score(name)) for name in islice(self._catalog.by_name(best.tied), best.wanted)]

    def _score(self, name: str) -> int:
        slot = self._catalog.slot(name)
        return 0 if slot is None else self._scores.of(slot)

    def _said(self, word: str) -> Bits:
        return self._catalog.words.saying(self._catalog.words.kin(word))


class AgentSearch:
    """Answers searches."""

    def __init__(self, catalog: AgentCatalog, tokens: PageTokens, *, sight: VisibilityReader) -> None:
        self._catalog = catalog
        self._tokens = tokens
        self._sight = sight

    def search_agents(self, query: SearchQuery, *, caller: Caller, now: Instant) -> SearchPage:
        """Return one page of the agents found. Raises `NotPermitted`, `FilterInvalid` and `PageTokenInvalid`."""
        cursor = self._cursor(query, caller, now)
        among = self._among(query, caller, now)
        worth = () if cursor is None else tuple(_Worth(times, tells) for times, tells in cursor.worth)
        ranking = Ranking(self._catalog, query.wanted, among, worth)
        after = None if cursor is None else (cursor.score, cursor.name)
        best = ranking.best(query.page_size + 1, after=after)
        top = cursor.top if cursor is not None else best[0][1] if best else 0
        page, token = best[: query.page_size], ""
        if len(best) > len(page):
            name, score = page[-1]
            kept = _Cursor(tuple((each.times, each.tells) for each in ranking.worth), top, score, name)
            sealed = msgspec.json.encode(kept)
            token = self._tokens.seal(sealed, caller=caller.principal, arguments=query.arguments, now=now)
        found = tuple(self._found(name, score / top if top else 1.0, query.wanted, now) for name, score in page)
        return SearchPage(found=found, next_page_token=token, total=ranking.matching.bit_count())

    def matching(self, query: SearchQuery, *, caller: Caller, now: Instant) -> Bits:
        """Return all that `search_agents` finds, on whatever page."""
        return Ranking(self._catalog, query.wanted, self._among(query, caller, now)).matching

    def _cursor(self, query: SearchQuery, caller: Caller, now: Instant) -> _Cursor | None:
        if not query.page_token:
            return None
        opened = self._tokens.open(query.page_token, caller=caller.principal, arguments=query.arguments, now=now)
        return msgspec.json.decode(opened, type=_Cursor)

    def _among(self, query: SearchQuery, caller: Caller, now: Instant) -> Bits:
        visible = self._sight.visible(caller)
        if query.namespace is not None:
            require_sight(caller, visible, query.namespace)
        return asked(
            self._catalog,
            query.filter,
            self._catalog.in_sight(self._catalog.seen_by(visible, query.namespace)),
            now=now,
        )

    def _found(self, name: str, relevance: float, wanted: Wanted, now: Instant) -> Found:
        view = self._catalog.view_of_name(name, now)
        kin = {kin_of(word) for word in wanted.words}
        matches = highlighted(view, lambda word: kin_of(word) in kin)
        return Found(view=view, relevance=min(1.0, relevance), matches=matches)


def _worths(said: list[Bits], among: Bits) -> tuple[_Worth, ...]:
    everybody = among.bit_count()
    counts = [(has & among).bit_count() for has in said]
    telling = [0 < count <= max(1, everybody // 2) for count in counts]
    return tuple(
        _Worth(worth_of(count, everybody), tells or not any(telling))
        for count, tells in zip(counts, telling, strict=True)
    )


def worth_of(count: int, everybody: int) -> int:
    """Return the weight of a word that `count` of `everybody` say (Robertson and Spärck Jones 1976), at least 1."""
    return max(1, round(_FINENESS * math.log1p((everybody - count + 0.5) / (count + 0.5))))


def _with_all_quoted(catalog: AgentCatalog, wanted: Wanted, among: Bits) -> Bits:
    try:
        return catalog.meeting(Every(tuple(_anywhere(text) for text in wanted.quoted)), among)
    except FilterError as error:
        raise InvalidRequest(Violation("query", error.problem)) from None


def _anywhere(text: str) -> Anywhere[AgentView]:
    fields = {name: field.values for name, field in AGENT_FIELDS.searched.items()}
    return Anywhere(fields=fields, test=lambda folded: text in folded, within=text, literal=True)
