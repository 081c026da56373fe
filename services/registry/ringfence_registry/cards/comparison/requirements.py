"""What a caller has to show: whoever could call before has to be able to, with what it has.

A requirement names schemes that are needed together, each with scopes; of several one is enough, and none at all, or an
empty one, lets everybody call. A caller that met one requirement meets another that asks for no more.
"""

import itertools

from ringfence_registry.cards.comparison.model import DifferenceKind, Differences, breaking, compatible
from ringfence_registry.cards.model import CardContent, SecurityRequirement

_NOTHING = (SecurityRequirement(schemes={}),)

_MAX_PAIRS = 4_096
"""Beyond this requirements are compared word for word: no sound card comes near, and comparing ends in time."""

_Requirements = tuple[SecurityRequirement, ...]


def requirement_differences(before: CardContent, after: CardContent) -> Differences:
    """Yield where more, or less, is asked of callers than before: of the card, and of skills that say it themselves."""
    old, new = before.security_requirements, after.security_requirements
    yield from _compared(old, new, "/securityRequirements")
    known = {skill.id: skill.security_requirements for skill in reversed(before.skills)}
    for index, skill in enumerate(after.skills):
        was = known.get(skill.id)
        if was is not None and (was or skill.security_requirements):
            now = skill.security_requirements or new
            yield from _compared(was or old, now, f"/skills/{index}/securityRequirements")


def _compared(before: _Requirements, after: _Requirements, place: str) -> Differences:
    before, after = before or _NOTHING, after or _NOTHING
    word_for_word = len(before) * len(after) > _MAX_PAIRS
    for requirement in before:
        if requirement not in after and (word_for_word or not _met_with(requirement, after)):
            problem = f"whoever shows {_said(requirement)} has to show more now"
            yield breaking(DifferenceKind.SECURITY_TIGHTENED, place, problem)
    for requirement in after:
        if requirement not in before and (word_for_word or not _met_with(requirement, before)):
            yield compatible(DifferenceKind.SECURITY_LOOSENED, place, f"{_said(requirement)} is enough now")


def _met_with(shown: SecurityRequirement, requirements: _Requirements) -> bool:
    return any(_asks_no_more(each, shown) for each in requirements)


def _asks_no_more(asked: SecurityRequirement, shown: SecurityRequirement) -> bool:
    return all(
        name in shown.schemes and set(scopes) <= set(shown.schemes[name]) for name, scopes in asked.schemes.items()
    )


def _said(requirement: SecurityRequirement) -> str:
    schemes = itertools.islice(requirement.schemes.items(), 8)
    said = [f"{name[:40]} ({', '.join(scopes)[:80]})" if scopes else name[:40] for name, scopes in schemes]
    return " with ".join(said) or "nothing"
