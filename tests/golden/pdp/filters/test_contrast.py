"""Pairs held out from training: what the frame tells apart alone, and what the whole stack makes of them.

The floors are what was measured less some room, so that a test fails when something is lost; docs/filters-report.md has
the numbers. What is missed is mostly meant and not said, and that is what the filter of origin is for.
"""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from ringfence_pdp.filters import scan
from ringfence_pdp.filters.finding import Severity
from ringfence_pdp.filters.intent.frame import frame_of
from ringfence_pdp.filters.intent.readings import CATEGORIES

LANGUAGES = ("en", "de", "fr", "es", "it", "pt")


class Pair(NamedTuple):
    intent: str
    language: str
    differs: str
    danger: str
    benign: str


class Told(NamedTuple):
    """How bad both sides look; 0 is nothing."""

    danger: int
    benign: int


def read() -> list[Pair]:
    document = yaml.safe_load(Path(__file__).with_name("contrast.yaml").read_text("utf-8"))
    return [
        Pair(intent, language, *written)
        for intent, languages in document.items()
        for language, pairs in languages.items()
        for written in pairs
    ]


PAIRS = read()
SHOWN = [pair for pair in PAIRS if pair.intent == "shown"]


@cache
def by_frame(pair: Pair) -> Told:
    return Told(frame_of(pair.danger).points, frame_of(pair.benign).points)


@cache
def by_stack(pair: Pair) -> Told:
    return Told(*(int(scan(text).severity or 0) for text in (pair.danger, pair.benign)))


def share(told: Sequence[Told], holds: Callable[[Told], bool]) -> float:
    return sum(map(holds, told)) / len(told)


def area(told: Sequence[Told]) -> float:
    """How often what is dangerous looks worse than what is not, whichever two one takes."""
    return sum((one.danger > other.benign) + (one.danger == other.benign) / 2 for one in told for other in told) / (
        len(told) ** 2
    )


def test_there_are_enough_of_every_intent_and_language() -> None:
    assert len(PAIRS) >= 200
    assert {pair.intent for pair in PAIRS} == {*CATEGORIES, "shown"}
    assert {pair.language for pair in PAIRS} == set(LANGUAGES)


@pytest.mark.parametrize("pair", SHOWN, ids=lambda pair: pair.benign)
def test_what_anybody_would_let_pass_passes_and_its_twin_does_not(pair: Pair) -> None:
    told = by_stack(pair)

    assert told.danger >= Severity.MEDIUM
    # Worth a note at most: the call goes on.
    assert told.benign < Severity.MEDIUM


def test_the_frame_alone_tells_most_pairs_apart() -> None:
    told = [by_frame(pair) for pair in PAIRS]

    assert share(told, lambda one: one.danger > one.benign) >= 0.72
    assert area(told) >= 0.84


def test_the_frame_asks_about_few_errands_that_are_meant_well() -> None:
    told = [by_frame(pair) for pair in PAIRS]

    assert share(told, lambda one: one.benign >= 6) <= 0.05
    assert share(told, lambda one: one.benign >= 9) <= 0.01


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_is_left_out(language: str) -> None:
    told = [by_frame(pair) for pair in PAIRS if pair.language == language]

    assert share(told, lambda one: one.danger > one.benign) >= 0.55
    assert area(told) >= 0.75


def test_the_stack_asks_about_most_that_is_dangerous() -> None:
    told = [by_stack(pair) for pair in PAIRS]

    assert share(told, lambda one: one.danger >= Severity.MEDIUM) >= 0.55
    assert share(told, lambda one: one.danger >= Severity.LOW) >= 0.70
    assert share(told, lambda one: one.danger > one.benign) >= 0.68


def test_the_stack_lets_most_that_is_meant_well_pass() -> None:
    told = [by_stack(pair) for pair in PAIRS]

    assert share(told, lambda one: one.benign >= Severity.MEDIUM) <= 0.08
    assert share(told, lambda one: one.benign >= Severity.HIGH) <= 0.03
