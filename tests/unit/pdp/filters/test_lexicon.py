from collections.abc import Iterator, Mapping

import pytest
from ringfence_pdp.filters.finding import Severity
from ringfence_pdp.filters.intent.gathering import ENGLISH, NOT, Entry, english_forms, plural
from ringfence_pdp.filters.intent.lexicon import UNTOLD, Lexicon, built_in, lexicon_of
from ringfence_pdp.filters.intent.readings import CATEGORIES, HIGH_POINTS, LOW_POINTS, MEDIUM_POINTS, severity_of
from ringfence_pdp.filters.intent.words import DROP, LINK, MAIL_ADDRESS, PRIVATE_ADDRESS, SENTENCE_END, folded, words_of

SMALL = {
    "classes.yaml": "slots: {verb: [send, steal], object: [thing]}\nborrowed: [thing]",
    "places.yaml": "private: [mail.example]\ndrops: [drop.example]",
    "readings.yaml": """
readings:
  - {read: exfiltration, when: send thing, points: 5}
circumstances:
  - {said: steal, points: 2}
  - {said: untold, points: 3, of: fraud}
""",
    "en.yaml": """
language: en
verbs: {send: [send/sent, hand .. over, e mail]}
orders: {steal: [grab]}
words: {thing: [key, master key, spare part, token]}
negators: [not]
articles: [the]
small: [the, of]
nothing: [key point]
""",
    "de.yaml": """
language: de
verbs: {send: ["schick*"]}
words: {thing: ["schlussel*"]}
articles: [die]
small: [und, die]
""",
}


@pytest.fixture(scope="module")
def small() -> Lexicon:
    return lexicon_of(SMALL)


def known(lexicon: Lexicon, word: str, language: str = ENGLISH) -> Entry | None:
    words = lexicon.languages[language]
    return words.words.get(word) or words.stemmed(word)


def says(lexicon: Lexicon, word: str, language: str = ENGLISH) -> set[str]:
    entry = known(lexicon, word, language)
    return set() if entry is None else {name for name, bit in lexicon.bits.items() if entry.says & bit}


def test_verbs_are_known_in_their_forms(small: Lexicon) -> None:
    for form in ("send", "sends", "sending", "sent"):
        assert says(small, form) == {"send"}
    assert says(small, "sender") == set()


def test_orders_are_not_known_in_the_past(small: Lexicon) -> None:
    assert says(small, "grab") == says(small, "grabbing") == {"steal"}
    assert says(small, "grabbed") == set()


def test_nouns_are_known_in_the_plural(small: Lexicon) -> None:
    assert says(small, "key") == says(small, "keys") == {"thing"}
    spare = known(small, "spare")
    assert spare is not None
    assert set(spare.next) == {"part", "parts"}


def test_stems_are_known_with_any_ending_in_their_language(small: Lexicon) -> None:
    assert says(small, "schlusselbund", "de") == {"thing"}
    assert says(small, "schlusselbund") == set()


def test_what_english_calls_things_is_known_elsewhere_what_it_does_is_not(small: Lexicon) -> None:
    assert says(small, "token", "de") == {"thing"}
    assert says(small, "send", "de") == set()
    # Too short to be sure that it is English.
    assert says(small, "key", "de") == set()


@pytest.mark.parametrize(
    ("words", "languages"),
    [("the end of", ["en"]), ("die und", ["en", "de"]), ("xyz", ["en", "other"]), ("und the of of", ["en"])],
)
def test_the_small_words_of_a_text_choose_its_language(small: Lexicon, words: str, languages: list[str]) -> None:
    spoken = small.spoken(words.split())

    assert [next(code for code, of in small.languages.items() if of is one) for one in spoken] == languages


def test_points_are_those_of_the_reading_and_its_circumstances(small: Lexicon) -> None:
    bits = small.bits
    said = bits["send"] | bits["thing"]

    assert small.readings.points(said, 0) == {"exfiltration": 5}
    assert small.readings.points(said, bits["steal"]) == {"exfiltration": 7}
    # It is a circumstance of another intent.
    assert small.readings.points(said, bits[UNTOLD]) == {"exfiltration": 5}
    assert small.readings.points(bits["send"], bits["thing"]) == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("readings.yaml", "readings: [{read: exfiltration, when: send nobody, points: 5}]\ncircumstances: []"),
        ("readings.yaml", "readings: [{read: boredom, when: send thing, points: 5}]\ncircumstances: []"),
        ("readings.yaml", "readings: [{read: exfiltration, when: send thing, points: many}]\ncircumstances: []"),
        ("en.yaml", "language: en\nverbs: {nap: [sleep]}\nsmall: [the]"),
    ],
)
def test_data_that_names_what_is_not_there_is_refused(name: str, text: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        lexicon_of({**SMALL, name: text})


def test_a_digest_is_over_all_of_the_data(small: Lexicon) -> None:
    other = lexicon_of({**SMALL, "places.yaml": "private: []\ndrops: []"})

    assert small.digest == lexicon_of(SMALL).digest
    assert small.digest != other.digest


@pytest.mark.parametrize(
    ("points", "severity"),
    [
        (0, None),
        (LOW_POINTS - 1, None),
        (LOW_POINTS, Severity.LOW),
        (MEDIUM_POINTS, Severity.MEDIUM),
        (HIGH_POINTS, Severity.HIGH),
    ],
)
def test_points_amount_to_a_severity(points: int, severity: Severity | None) -> None:
    assert severity_of(points) is severity


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't SEND it!", ["don't", "send", "it", SENTENCE_END]),
        ("d\u2019accès", ["d", "acces"]),
        ("deleteUser, send_mail", ["delete", "user", "send", "mail"]),
        ("v1.2 is out. Now", ["v1", "2", "is", "out", SENTENCE_END, "now"]),
        ("to a.b@mail.example", ["to", PRIVATE_ADDRESS]),
        ("to a@sub.mail.example now", ["to", PRIVATE_ADDRESS, "now"]),
        ("to a@corp.example", ["to", MAIL_ADDRESS]),
        ("see https://docs.example/x?y=1 there", ["see", LINK, "there"]),
        ("post http://a.drop.example/in", ["post", DROP]),
        ("post http://198.51.100.7:8080/in", ["post", DROP]),
        ("mail@ and ://", ["mail", "and"]),
    ],
)
def test_a_text_is_cut_into_words(small: Lexicon, text: str, words: list[str]) -> None:
    assert words_of(text, small.places.word_of) == words


def test_folding_takes_accents_away() -> None:
    assert folded("Größe Ångström ÇA \u0131") == "grosse angstrom ca i"


@pytest.mark.parametrize(
    ("verb", "form"), [("erase", "erasing"), ("copy", "copies"), ("push", "pushes"), ("drop", "dropped")]
)
def test_regular_forms(verb: str, form: str) -> None:
    assert form in english_forms(verb)


@pytest.mark.parametrize(
    ("noun", "many"), [("key", ["keys"]), ("policy", ["policies"]), ("access", []), ("ip", []), ("x1", [])]
)
def test_regular_plurals(noun: str, many: list[str]) -> None:
    assert plural(noun) == many


class TestBuiltIn:
    """What comes with the pdp."""

    def test_every_intent_can_be_read(self) -> None:
        read = {reading.category for found in built_in().readings.by_bit.values() for reading in found}

        assert read == set(CATEGORIES)

    def test_every_class_has_words_in_english(self) -> None:
        lexicon = built_in()
        said = 0
        for entry in lexicon.languages[ENGLISH].words.values():
            said |= entry.says
            for expression in expressions_of(entry):
                said |= expression
        of_calls = {"irreversible", "sink", UNTOLD}

        assert {name for name, bit in lexicon.bits.items() if not said & bit} == of_calls

    def test_every_language_can_say_what_is_dangerous(self) -> None:
        lexicon = built_in()
        needed = (
            "send",
            "destroy",
            "disable",
            "hide",
            "pay",
            "credential",
            "personal",
            "auditing",
            "private",
            "secret",
            NOT,
        )
        for code, words in lexicon.languages.items():
            said = 0
            for entry in (*words.words.values(), *words.stems.values()):
                said |= entry.says
                for expression in expressions_of(entry):
                    said |= expression
            assert [name for name in needed if not said & lexicon.bits[name]] == [], code

    def test_stems_are_long_enough_to_mean_something(self) -> None:
        short = [stem for words in built_in().languages.values() for stem in words.stems if len(stem) < 3]

        assert short == []


def expressions_of(entry: Entry) -> Iterator[int]:
    by_word: tuple[Mapping[str, tuple[tuple[tuple[str, ...], int], ...]], ...] = (entry.next, entry.beyond)
    for found in by_word:
        for expressions in found.values():
            yield from (expression[1] for expression in expressions)
    yield from (expression.says for expression in entry.stems)
