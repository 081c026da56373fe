"""What a text asks for, in slots: verb, object, destination, scope, secrecy, authority, person.

Where a classifier sees topics, the frame sees structure: "disable logging to hide my activity" and "turn on the audit
log" are of one topic, and only one of them takes something away from those who watch. It is read from dictionaries and
a table of combinations, both data, so that it can say why. It never raises, takes time linear in the text, and knows
nothing but what it is given. What it does not understand it says nothing about.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ringfence_pdp.filters.finding import Content, Effects, Severity
from ringfence_pdp.filters.intent.gathering import ENGLISH, NOT, STEM_MIN, Entry
from ringfence_pdp.filters.intent.lexicon import GAP_MAX, UNTOLD, Lexicon, Words, built_in
from ringfence_pdp.filters.intent.readings import severity_of
from ringfence_pdp.filters.intent.words import SENTENCE_END, words_of

WINDOW = 18
"""Words that are read together. Longer sentences are read in windows that overlap by half."""
GUARD_REACH = 7
"""How many words before a verb something may stand that guards against it, as in "alert when somebody disables"."""
NEGATION_REACH = 3
"""How many words after a negation are turned around by it."""


class Tag(NamedTuple):
    """A word or an expression that is known."""

    place: int
    says: int
    length: int


class Frame(NamedTuple):
    """How a text was understood."""

    category: str
    """The intent it speaks of most; empty when of none."""
    points: int
    """How much speaks for it, 0 to 16."""
    severity: Severity | None
    """What the points amount to; None when they are not worth a note."""
    intents: tuple[tuple[str, int], ...]
    """Every intent read, with its points, the heaviest first."""
    slots: Mapping[str, str]
    """What fills each slot where the heaviest was read, e.g. `verb`: `delete (destroy)`."""
    says: int
    """A bit for every class of words found anywhere."""


NOTHING = Frame("", 0, None, (), {}, 0)
"""The frame of a text nothing is read from."""


class Frames:
    """The frames of the texts of one call. Views of a text mostly have the same words; those are read once."""

    __slots__ = ("_call", "_lexicon", "_read")

    def __init__(self, content: Content | None = None) -> None:
        self._lexicon = built_in()
        self._call = 0 if content is None else _said_by_call(content, self._lexicon)
        self._read: dict[tuple[str, ...], Frame] = {}

    def of(self, text: str) -> Frame:
        """Return how a text is understood."""
        found = words_of(text, self._lexicon.places.word_of)
        words = tuple(found)
        frame = self._read.get(words)
        if frame is None:
            frame = self._read[words] = self._worst(found)
        return frame

    def _worst(self, found: list[str]) -> Frame:
        frames = [_frame(found, spoken, self._call, self._lexicon) for spoken in self._lexicon.spoken(found)]
        return frames[0] if len(frames) == 1 else max(frames, key=lambda frame: frame.points)


def frame_of(text: str, content: Content | None = None) -> Frame:
    """Return how a text is understood, as part of a call if one is given."""
    return Frames(content).of(text)


def _frame(found: list[str], spoken: Words, call: int, lexicon: Lexicon) -> Frame:
    words = [word for word in found if word not in spoken.articles]
    sentences, says = _sentences(words, spoken, lexicon)
    if not (says | call) & lexicon.readings.anchors:
        return NOTHING._replace(says=says | call)
    return _read(sentences, words, says, call, lexicon)


def _said_by_call(content: Content, lexicon: Lexicon) -> int:
    bits = lexicon.bits
    said = 0
    if content.action or content.tool:
        words = words_of(f"{content.tool} {content.action}", lexicon.places.word_of)
        said = _sentences(words, lexicon.languages[ENGLISH], lexicon)[1] & lexicon.verbs
    if content.effects is Effects.IRREVERSIBLE:
        said |= bits["irreversible"]
    return said | (bits["sink"] if content.is_sink else 0)


def _sentences(words: list[str], spoken: Words, lexicon: Lexicon) -> tuple[list[list[Tag]], int]:
    """Return what is known of the words, sentence by sentence, and everything said together."""
    tags: list[Tag] = []
    sentences = [tags]
    turned, tell, untold = lexicon.bits[NOT], lexicon.bits["tell"], lexicon.bits[UNTOLD]
    verbs = lexicon.verbs
    together = 0
    negated_until = -1
    place, end = 0, len(words)
    find, stemmed, has_stem = spoken.words.get, spoken.stemmed, spoken.stem_lengths
    while place < end:
        word = words[place]
        entry = find(word) or (stemmed(word) if word[:STEM_MIN] in has_stem else None)
        if entry is None:
            place += 1
            if word == SENTENCE_END and tags:
                tags = []
                sentences.append(tags)
                negated_until = -1
            continue
        says, length = (entry.says, 1) if entry.is_plain else _said_at(entry, words, place)
        if says & turned:
            negated_until = place + length - 1 + NEGATION_REACH
        elif place <= negated_until and says:
            says = (says & ~verbs & ~tell) | (untold if says & tell else 0)
        if says:
            tags.append(Tag(place, says, length))
            together |= says
        place += length
    return sentences, together


def _said_at(entry: Entry, words: list[str], place: int) -> tuple[int, int]:
    """Return what a place says, and how many words say it: those are not read one by one."""
    place += 1
    if entry.next and place < len(words):
        for expression in entry.next.get(words[place], ()):
            length = _length(expression.tail, words, place + 1)
            if length is not None:
                return expression.says, 2 + length
    for expression in entry.stems:
        length = _length(expression.tail, words, place)
        if length is not None:
            return expression.says, 1 + length
    says = entry.says
    if entry.beyond:
        for after, word in enumerate(words[place : place + GAP_MAX + 1], place + 1):
            if word == SENTENCE_END:
                break
            for expression in entry.beyond.get(word, ()):
                if _length(expression.tail, words, after) is not None:
                    says |= expression.says
    return says, 1


def _length(tail: tuple[str, ...], words: list[str], start: int) -> int | None:
    """Return how many words from a place on are taken by what must follow there; None when it does not."""
    place, gap = start, 0
    for part in tail:
        if part == "..":
            gap = GAP_MAX
            continue
        while place < len(words):
            word = words[place]
            place += 1
            if word == part or (part[-1] == "*" and word.startswith(part[:-1])):
                break
            if not gap or word == SENTENCE_END:
                return None
            gap -= 1
        else:
            return None
        gap = 0
    return place - start


def _read(sentences: list[list[Tag]], words: list[str], says: int, call: int, lexicon: Lexicon) -> Frame:
    best: dict[str, int] = {}
    heaviest: list[Tag] = []
    most = 0
    guard = lexicon.bits["guard"]
    anchors = lexicon.readings.anchors
    said_in = [_together(tags) for tags in sentences]
    for number, tags in enumerate(sentences):
        if not (said_in[number] | call) & anchors:
            continue
        nearby = _together_of(said_in[max(0, number - 1) : number + 2]) & ~guard
        for window in _windows(tags):
            said = (_together(window) & ~guard) | call | (guard if _is_guarded(window, guard, lexicon.verbs) else 0)
            for category, points in lexicon.readings.points(said, nearby).items():
                if points > best.get(category, 0):
                    best[category] = points
                    if points > most:
                        most, heaviest = points, window
    if not best:
        return NOTHING._replace(says=says | call)
    intents = tuple(sorted(best.items(), key=lambda item: (-item[1], item[0])))
    category, points = intents[0]
    return Frame(category, points, severity_of(points), intents, _slots(heaviest, words, lexicon), says | call)


def _windows(tags: list[Tag]) -> list[list[Tag]]:
    """Return what is read together: a sentence, or parts of a long one."""
    if not tags or tags[-1].place - tags[0].place < WINDOW:
        return [tags]
    half = WINDOW // 2
    first, last = tags[0].place, tags[-1].place
    cut: dict[int, list[Tag]] = {}
    for tag in tags:
        part = (tag.place - first) // half
        cut.setdefault(part, []).append(tag)
    return [cut.get(part, []) + cut.get(part + 1, []) for part in range((last - first) // half)]


def _is_guarded(window: list[Tag], guard: int, verbs: int) -> bool:
    """Say whether the first thing done stands under something that guards against it."""
    guarded_at = None
    for tag in window:
        if tag.says & guard:
            guarded_at = tag.place
        elif tag.says & verbs:
            return guarded_at is not None and tag.place - guarded_at <= GUARD_REACH
    return guarded_at is not None


def _together(tags: list[Tag]) -> int:
    return _together_of([tag.says for tag in tags])


def _together_of(said: list[int]) -> int:
    together = 0
    for says in said:
        together |= says
    return together


def _slots(window: list[Tag], words: list[str], lexicon: Lexicon) -> dict[str, str]:
    slots = {}
    for slot, fillers in lexicon.slots.items():
        for name, bit in fillers:
            found = next((tag for tag in window if tag.says & bit), None)
            if found is not None:
                slots[slot] = f"{' '.join(words[found.place : found.place + found.length])} ({name})"
                break
    return slots
