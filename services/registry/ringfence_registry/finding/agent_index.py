"""Everything agents are found by, and the answer to a filter as one set.

- A filter is answered whole: cheap comparisons first, and each next one only for those it can still change.
- The words of the searched fields are indexed, so a text that must be contained leads to the few agents that can
  contain it. Where even that is not enough, the agents are read one by one, so many and no more: a filter that would
  take longer is refused with what would help.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import repeat
from typing import Any

from ringfence_registry.finding.agent_fields import AGENT_FIELDS, MOVING, STANDING
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.bits import NONE, Bits, of_slots, slots_of
from ringfence_registry.finding.filtering.conditions import (
    Anywhere,
    Comparison,
    Condition,
    Every,
    Neither,
    Presence,
    Some,
)
from ringfence_registry.finding.filtering.errors import FilterError
from ringfence_registry.finding.filtering.fields import Term, Value
from ringfence_registry.finding.index import HeldValues, ValueIndex
from ringfence_registry.finding.search_fields import strengths, texts_of
from ringfence_registry.finding.word_index import HeldWords, WordIndex
from ringfence_registry.finding.words import words_of

MAX_READ = 5_000
"""How many agents one filter may have read one by one: some tens of milliseconds."""

_READING = 100
"""Reading one agent costs as much as so many tests of a value."""
_SEARCHING = 64
"""Searching so many values for a text costs as much as one test."""

_TOGETHER = 1_000
"""So many agents are worth loading numpy for."""

Look = Callable[[int], AgentView]
"""Reads the agent in a slot, as it is seen at the moment the index stands at."""


class AgentIndex:
    """Values and words of agents, by slot."""

    def __init__(self, look: Look, *, max_read: int = MAX_READ) -> None:
        self._look = look
        self._max_read = max_read
        self._standing = ValueIndex(STANDING)
        self._moving = ValueIndex(MOVING)
        self._moved: list[frozenset[Term]] = []
        self._alike: dict[Hashable, frozenset[Term]] = {}
        """In the first filling, what those have in common who move alike: of most agents the same is seen."""
        self.words = WordIndex()

    def load(self, first: int, views: Sequence[AgentView]) -> None:
        """Take what stands of the agents of the slots from `first` on, in the first filling, which `packed` ends."""
        self._standing.load(first, views)
        texts = list(map(texts_of, views))
        if len(texts) >= _TOGETHER:
            self.words.load_many(first, texts)
            return
        for slot, text in enumerate(texts, first):
            self.words.load(slot, strengths(text))

    def load_moving(self, slots: Sequence[int], views: Sequence[AgentView]) -> None:
        """Take how agents are seen, in the first filling; what stands of them is here."""
        moving_alike = defaultdict[frozenset[Term], list[int]](list)
        for slot, view in zip(slots, views, strict=True):
            terms = self._alike.get(view.moves)
            if terms is None:
                terms = self._alike[view.moves] = frozenset(MOVING.terms_of(view))
            moving_alike[terms].append(slot)
        self._moved.extend(repeat(frozenset(), max(slots, default=-1) + 1 - len(self._moved)))
        for terms, alike in moving_alike.items():
            self._moving.file(terms, alike)
            for slot in alike:
                self._moved[slot] = terms

    def held(self) -> tuple[HeldValues, HeldWords]:
        """Return what stands of the agents as it is now, for `restore` of another time; what moves is seen anew."""
        return self._standing.held(), self.words.held()

    def restore(self, standing: HeldValues, words: HeldWords) -> None:
        """Take what `held` returned, in place of the first filling; `load_moving` and `packed` end it."""
        self._standing.restore(standing)
        self.words.restore(words)

    def packed(self) -> None:
        """End the first filling."""
        self._standing.packed()
        self._moving.packed()
        self._alike.clear()
        self.words.packed()

    def change(self, slot: int, *, before: AgentView | None, after: AgentView | None) -> None:
        """Say what the agent in `slot` was and what it is; None where there was, or is, none."""
        if before is None and after is not None:
            self._standing.add(slot, after)
        else:
            old = () if before is None else STANDING.terms_of(before)
            self._standing.change(slot, before=old, after=after)
        self.move(slot, after)
        said = () if before is None else texts_of(before)
        says = () if after is None else texts_of(after)
        if said != says:
            self.words.change(slot, before=strengths(said) if said else {}, after=strengths(says) if says else {})

    def move(self, slot: int, view: AgentView | None) -> None:
        """Say how the agent in `slot` is seen now; its own record did not change."""
        while len(self._moved) <= slot:
            self._moved.append(frozenset())
        self._moved[slot] = self._moving.change(slot, before=self._moved[slot], after=view)

    def values(self, field: str) -> ValueIndex[AgentView] | None:
        """Return the index that holds the values of `field`, None when no index does."""
        return next((index for index in (self._moving, self._standing) if index.files(field)), None)

    def equal(self, field: str, value: Value, among: Bits) -> Bits:
        """Return those of `among` that have `value` in a field that is filed."""
        index = self.values(field)
        return NONE if index is None else index.equal(field, value, among)

    def where(self, field: str, test: Callable[[Any], bool], among: Bits) -> Bits:
        """Return those of `among` that have a value that passes `test` in a field that is filed."""
        index = self.values(field)
        return NONE if index is None else index.where(field, test, among)

    def values_of(self, field: str, among: Bits) -> Iterator[tuple[Any, int]]:
        """Yield the first value each of `among` has in a field that is filed, None for none, with its slot."""
        index = self.values(field)
        return iter(()) if index is None else index.values_of(field, among)

    def select(self, condition: Condition[AgentView], among: Bits) -> Bits:
        """Return those of `among` that match. Raises `FilterError` when too many had to be read."""
        return _Question(self, self._look, self._max_read).matching(condition, among)

    def containing(self, text: str) -> Bits | None:
        """Return who may have a searched text with the case-folded `text` in it; None when words do not tell.

        Nobody else has. Of a text that is one word nobody is returned who has not.
        """
        words = words_of(text)
        if not words:
            return None
        found: Bits | None = None
        for at, word in enumerate(words):
            starts = at > 0 or not text.startswith(word)
            ends = at < len(words) - 1 or not text.endswith(word)
            saying = self.words.saying(self._words_with(word, starts=starts, ends=ends))
            found = saying if found is None else found & saying
            if not found:
                break
        return found

    def _words_with(self, part: str, *, starts: bool, ends: bool) -> list[str]:
        """Return the words that contain `part`, and start or end with it where its neighbour is no part of the word."""
        if starts and ends:
            return [part]
        found = self.words.containing(part)
        if starts:
            return [word for word in found if word.startswith(part)]
        if ends:
            return [word for word in found if word.endswith(part)]
        return found


class _Question:
    """One filter, answered."""

    def __init__(self, index: AgentIndex, look: Look, may_read: int) -> None:
        self._index = index
        self._look = look
        self._may_read = may_read

    def matching(self, condition: Condition[AgentView], among: Bits) -> Bits:
        """Return those of `among` that match."""
        found = NONE
        match condition:
            case Neither(part):
                found = among & ~self.matching(part, among)
            case Every(parts):
                found = among
                for part in sorted(parts, key=self._cost):
                    found = self.matching(part, found)
            case Some(parts):
                for part in sorted(parts, key=self._cost):
                    found |= self.matching(part, among & ~found)
            case Comparison() if among:
                found = self._compared(condition, among)
            case Presence() if among:
                found = self._present(condition, among)
            case Anywhere() if among:
                found = self._anywhere(condition, among)
        return found

    def _cost(self, condition: Condition[AgentView]) -> int:
        """Return when it is asked: first what is looked up, last what agents have to be read for."""
        match condition:
            case Neither(part):
                return self._cost(part)
            case Every(parts) | Some(parts):
                return max(map(self._cost, parts), default=0)
            case Anywhere():
                return 2
            case Presence(field=field) | Comparison(field=field):
                filed = self._index.values(field) is not None
                looked_up = isinstance(condition, Presence) or condition.looked_up
                return 3 if not filed else 0 if looked_up else 1

    def _present(self, condition: Presence[AgentView], among: Bits) -> Bits:
        values = self._index.values(condition.field)
        return self._read(condition, among) if values is None else values.having(condition.field, among)

    def _compared(self, said: Comparison[AgentView], among: Bits) -> Bits:
        values = self._index.values(said.field)
        if values is not None and said.exact is not None:
            return values.equal(said.field, said.exact, among)
        if values is not None and said.bounds is not None and values.counts_on(said.field):
            return values.between(said.field, said.bounds, among)
        if said.within and said.field in AGENT_FIELDS.searched:
            may = self._index.containing(said.within)
            among = among if may is None else among & may
        tests = 0 if values is None else values.distinct(said.field) // (_SEARCHING if said.within else 1)
        if values is None or among.bit_count() * _READING < tests:
            return self._read(said, among)
        return values.where(said.field, said.test, among, within=said.within)

    def _anywhere(self, said: Anywhere[AgentView], among: Bits) -> Bits:
        may = self._index.containing(said.within) if said.within else None
        if may is not None:
            among &= may
            if said.literal and words_of(said.within) == [said.within]:
                return among
        found = NONE
        for field, read in said.fields.items():
            part = Comparison(
                field=field, values=read, test=lambda text: said.test(text.casefold()), within=said.within
            )
            found |= self.matching(part, among & ~found)
        return found

    def _read(self, condition: Condition[AgentView], among: Bits) -> Bits:
        slots = slots_of(among)
        self._may_read -= len(slots)
        if self._may_read < 0:
            raise FilterError(1, "too many agents would have to be read one by one; add a condition that fewer meet")
        return of_slots([slot for slot in slots if condition.matches(self._look(slot))])
