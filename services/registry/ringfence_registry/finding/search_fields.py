"""What is searched in an agent, and how much a word counts where: a name says more than an example.

The fields are those in which a filter's bare word is looked for, so one index of words serves both.
"""

from collections.abc import Mapping

from ringfence_registry.finding.agent_fields import AGENT_FIELDS
from ringfence_registry.finding.agent_view import AgentView
from ringfence_registry.finding.word_index import Strengths, strengths_of

WORTH: Mapping[str, int] = {
    "display_name": 8,
    "card.display_name": 8,
    "skills.tags": 4,
    "skills.display_name": 4,
    "purpose": 2,
    "description": 2,
    "skills.description": 1,
    "skills.examples": 1,
    "team": 1,
    "provider": 1,
    "owner": 1,
}
"""By field, the weightiest first. Fields of one worth are one place: a word counts there once."""

_PLACES = tuple(
    (worth, tuple(AGENT_FIELDS.searched[field].values for field in WORTH if WORTH[field] == worth))
    for worth in sorted(set(WORTH.values()))
)

Texts = tuple[tuple[int, str], ...]
"""The text of each place, with its worth."""


def texts_of(view: AgentView) -> Texts:
    """Return what is searched in an agent."""
    return tuple((worth, "\n".join([text for values in fields for text in values(view)])) for worth, fields in _PLACES)


def strengths(texts: Texts) -> Strengths:
    """Return the strength of every word of what `texts_of` returned."""
    return strengths_of(texts)
