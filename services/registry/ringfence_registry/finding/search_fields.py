"""What is searched in an agent, and how much a word counts where: a name says more than an example.

The fields are those in which a filter's bare word is looked for, so one index of words serves both.
"""

from collections.abc import Mapping

from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.word_index import FieldWeight, Strengths, strengths_of

WEIGHTS: Mapping[str, FieldWeight] = {
    "display_name": FieldWeight(weight=8, typical_words=3),
    "card.display_name": FieldWeight(weight=8, typical_words=3),
    "skills.tags": FieldWeight(weight=5, typical_words=12),
    "skills.display_name": FieldWeight(weight=4, typical_words=12),
    "purpose": FieldWeight(weight=3, typical_words=15),
    "description": FieldWeight(weight=2, typical_words=30),
    "skills.description": FieldWeight(weight=1, typical_words=80),
    "skills.examples": FieldWeight(weight=1, typical_words=80),
    "team": FieldWeight(weight=1, typical_words=2),
    "provider": FieldWeight(weight=1, typical_words=2),
    "owner": FieldWeight(weight=0.5, typical_words=6),
}
"""By field, the weightiest first."""

_READERS = tuple((weight, AGENT_FIELDS.searched[field].values) for field, weight in WEIGHTS.items())


def texts_of(view: AgentView) -> tuple[tuple[str, ...], ...]:
    """Return what is searched in an agent, in the order of the weights."""
    return tuple(values(view) for _, values in _READERS)


def strengths(texts: tuple[tuple[str, ...], ...]) -> Strengths:
    """Return the strength of every word of what `texts_of` returned."""
    return strengths_of(zip(WEIGHTS.values(), texts, strict=True))
