import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import yaml
from ringfence_pdp.filters.intent.readings import CATEGORIES

from training.pairs.expanding import DIFFERENCES, PLAIN_STYLES, Pair, pairs

HELD_OUT = Path(__file__).parents[2] / "golden" / "pdp" / "filters" / "contrast.yaml"
LANGUAGES = {"en", "de", "fr", "es", "it", "pt"}
MADE = pairs()


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def one_of_each_seed() -> list[Pair]:
    return list({pair.seed: pair for pair in MADE}.values())


def test_there_are_enough_of_every_intent_language_and_style() -> None:
    assert len(MADE) >= 3000
    assert len(one_of_each_seed()) >= 600
    assert set(Counter(pair.intent for pair in MADE)) == set(CATEGORIES)
    assert min(Counter(pair.intent for pair in MADE).values()) >= 200
    assert set(Counter(pair.language for pair in MADE)) == LANGUAGES
    assert min(Counter(pair.language for pair in MADE).values()) >= 400
    assert set(Counter(pair.style for pair in MADE)) == {*PLAIN_STYLES, "spoken", "call"}
    assert set(Counter(pair.differs for pair in MADE)) == DIFFERENCES


def test_the_same_seeds_make_the_same_pairs() -> None:
    assert pairs() == MADE


def test_the_two_sides_of_a_pair_differ_and_no_pair_is_made_twice() -> None:
    assert [pair for pair in MADE if pair.danger == pair.benign] == []
    assert len({(pair.danger, pair.benign) for pair in MADE}) == len(MADE)


def test_nothing_is_dangerous_on_one_side_and_benign_on_another() -> None:
    assert {pair.danger for pair in MADE} & {pair.benign for pair in MADE} == set()


def test_every_slot_is_filled_and_nothing_is_said_twice_at_its_end() -> None:
    # Templates that are the point of a seed have their braces in pairs.
    texts = [text for pair in MADE for text in (pair.danger, pair.benign)]

    assert [text for text in texts if re.search(r"(?<!\{)\{\w*\}(?!\})", text)] == []
    assert [text for text in texts if re.search(r"[!?]\.(\s|$)|  |^\s|\s$", text)] == []


def test_neither_side_is_the_longer_one() -> None:
    lengths = [len(pair.danger) - len(pair.benign) for pair in MADE]

    assert abs(sum(lengths) / len(lengths)) < 8


def test_seeds_are_grouped_so_that_a_split_can_keep_them_together() -> None:
    for first, second in pairwise(MADE):
        if first.seed == second.seed:
            assert (first.intent, first.language, first.differs) == (second.intent, second.language, second.differs)


def test_the_pairs_that_are_held_out_are_of_other_wording() -> None:
    trained: dict[str, list[set[str]]] = {language: [] for language in LANGUAGES}
    for pair in one_of_each_seed():
        trained[pair.language] += [words(pair.danger), words(pair.benign)]
    held_out = [
        (language, text)
        for languages in yaml.safe_load(HELD_OUT.read_text("utf-8")).values()
        for language, written in languages.items()
        for _, danger, benign in written
        for text in (danger, benign)
    ]

    assert len(held_out) >= 400
    assert [text for language, text in held_out if likeness(words(text), trained[language]) > 0.6] == []


def likeness(said: set[str], trained: list[set[str]]) -> float:
    """The share of words in common with the seed that is most alike; short ones have too few to tell."""
    return max(len(said & seen) / len(said | seen) for seen in trained) if len(said) > 3 else 0.0
