"""How alike two agents are: by what they are called, what they are for and what they can do. Values in, value out.

Likeness of a field is the share of words, or tags, that the two have in common (Jaccard 1901). A field counts when the
one that is compared with others has it: who gives only a purpose is compared by purpose. Words differ when they are not
kin, so neither case nor plural nor accent makes two agents differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from ringfence_registry.cards.model import CardFacts
from ringfence_registry.finding.words import kin_of, words_of
from ringfence_registry.model import Agent

WEIGHTS: Mapping[str, float] = {
    "skills.tags": 4,
    "purpose": 3,
    "skills.display_name": 3,
    "description": 3,
    "display_name": 2,
    "skills.description": 2,
    "skills.examples": 1,
    "input_modes": 0.5,
    "output_modes": 0.5,
}
"""What is compared, and how much it counts; the weightiest first."""

AGREES = 0.5
"""From this likeness on a field is said to agree."""

Features = Mapping[str, frozenset[str]]
"""What an agent has in each field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How alike two are."""

    score: float
    """0 (nothing in common) to 1 (the same in every compared field)."""
    agreeing: tuple[str, ...]
    """The fields that agree, what counts most first."""


def features_of(agent: Agent) -> Features:
    """Return what `agent` is compared by."""
    said = {"purpose": _kin_in([agent.spec.purpose]), "display_name": _kin_in([agent.spec.display_name])}
    return {**features_of_card(agent.card), **{field: words for field, words in said.items() if words}}


def features_of_card(card: CardFacts) -> Features:
    """Return what an agent with this card is compared by, as far as the card says."""
    skills = card.skills
    texts: Mapping[str, list[str]] = {
        "skills.display_name": [skill.name for skill in skills],
        "description": [card.description],
        "display_name": [card.name],
        "skills.description": [skill.description for skill in skills],
        "skills.examples": [text for skill in skills for text in skill.examples],
    }
    whole = {
        "skills.tags": frozenset(tag.casefold() for skill in skills for tag in skill.tags),
        "input_modes": frozenset(card.input_modes),
        "output_modes": frozenset(card.output_modes),
    }
    return {**whole, **{field: _kin_in(parts) for field, parts in texts.items()}}


def features_of_purpose(purpose: str) -> Features:
    """Return what somebody is compared by who only says what an agent would be for."""
    return {"purpose": _kin_in([purpose])}


def likeness(one: Features, other: Features) -> Likeness:
    """Say how alike `other` is to `one`."""
    total, agreed = 0.0, 0.0
    agreeing: list[tuple[float, str]] = []
    for field, weight in WEIGHTS.items():
        mine, theirs = one.get(field, frozenset()), other.get(field, frozenset())
        if not mine:
            continue
        alike = len(mine & theirs) / len(mine | theirs)
        total += weight
        agreed += weight * alike
        if alike >= AGREES:
            agreeing.append((-weight * alike, field))
    return Likeness(
        score=agreed / total if total else 0.0,
        agreeing=tuple(field for _, field in sorted(agreeing, key=lambda pair: pair[0])),
    )


def _kin_in(texts: list[str]) -> frozenset[str]:
    return frozenset(map(kin_of, chain.from_iterable(map(words_of, texts))))
