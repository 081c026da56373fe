"""What an agent offers: capabilities, extensions, media types and skills. To offer more breaks nobody.

- An extension that callers have to understand is asked of them, not offered.
- A skill takes and gives the card's media types unless it names its own; what counts is what is in force for it.
- A skill that keeps its id and nothing else is another skill; only people can tell, so it is said and breaks nothing.
"""

from collections.abc import Iterable, Mapping

from ringfence_registry.cards.comparison.model import DifferenceKind, Differences, breaking, compatible
from ringfence_registry.cards.model import CardContent, CardExtension, CardSkill
from ringfence_registry.cards.strict_json import child_pointer

_CAPABILITIES = {
    "streaming": "/capabilities/streaming",
    "push_notifications": "/capabilities/pushNotifications",
    "extended_agent_card": "/capabilities/extendedAgentCard",
}


def capability_differences(before: CardContent, after: CardContent) -> Differences:
    """Yield which optional parts of the protocol came and went. What a card does not mention, it does not serve."""
    for name, place in _CAPABILITIES.items():
        was, now = getattr(before.capabilities, name), getattr(after.capabilities, name)
        if was and not now:
            problem = "is no longer mentioned, so it is not served" if now is None else "is no longer served"
            yield breaking(DifferenceKind.CAPABILITY_REMOVED, place, problem)
        elif now and not was:
            yield compatible(DifferenceKind.CAPABILITY_ADDED, place, "is served now")


def extension_differences(before: CardContent, after: CardContent) -> Differences:
    """Yield how the extensions differ."""
    old, new = ({each.uri: (place, each) for place, each in _extensions(card)} for card in (before, after))
    for uri, (place, extension) in old.items():
        if uri not in new:
            yield breaking(DifferenceKind.EXTENSION_REMOVED, place, f"{extension.uri} is supported no longer")
    for uri, (place, extension) in new.items():
        known = old.get(uri)
        if extension.required and not (known and known[1].required):
            problem = f"callers have to understand {uri} now"
            yield breaking(DifferenceKind.REQUIRED_EXTENSION_ADDED, place, problem)
        elif known is None:
            yield compatible(DifferenceKind.EXTENSION_ADDED, place, f"{uri} is supported now")
        elif known[1].required and not extension.required:
            yield compatible(DifferenceKind.EXTENSION_NO_LONGER_REQUIRED, place, "may be left out by callers now")
        if known and (known[1].params or {}) != (extension.params or {}):
            yield compatible(DifferenceKind.EXTENSION_PARAMS_CHANGED, f"{place}/params", "are other parameters")


def mode_differences(before: CardContent, after: CardContent) -> Differences:
    """Yield which media types of the card came and went."""
    yield from _modes(before.input_modes, after.input_modes, "/defaultInputModes", _INPUT)
    yield from _modes(before.output_modes, after.output_modes, "/defaultOutputModes", _OUTPUT)


def skill_differences(before: CardContent, after: CardContent) -> Differences:
    """Yield how the skills differ."""
    old, new = _skills(before), _skills(after)
    for id_, (place, _) in old.items():
        if id_ not in new:
            yield breaking(DifferenceKind.SKILL_REMOVED, place, f"the skill {id_[:80]!r} is gone")
    for id_, (place, skill) in new.items():
        if id_ not in old:
            yield compatible(DifferenceKind.SKILL_ADDED, place, f"the skill {id_[:80]!r} is new")
            continue
        was = old[id_][1]
        yield from _changes(was, skill, place)
        # The card's own modes were compared before; here only what a skill says in their place matters.
        if was.input_modes or skill.input_modes:
            known, now = was.input_modes or before.input_modes, skill.input_modes or after.input_modes
            yield from _modes(known, now, f"{place}/inputModes", _INPUT)
        if was.output_modes or skill.output_modes:
            known, now = was.output_modes or before.output_modes, skill.output_modes or after.output_modes
            yield from _modes(known, now, f"{place}/outputModes", _OUTPUT)


_INPUT = (DifferenceKind.INPUT_MODE_REMOVED, DifferenceKind.INPUT_MODE_ADDED, "taken")
_OUTPUT = (DifferenceKind.OUTPUT_MODE_REMOVED, DifferenceKind.OUTPUT_MODE_ADDED, "given")


def _modes(
    before: Iterable[str], after: Iterable[str], place: str, kinds: tuple[DifferenceKind, DifferenceKind, str]
) -> Differences:
    removed, added, verb = kinds
    old, new = ({mode.strip().lower(): mode for mode in modes} for modes in (before, after))
    for mode, spelled in old.items():
        if new.keys().isdisjoint(_ranges(mode)):
            yield breaking(removed, place, f"{spelled[:80]} is no longer {verb}")
    for mode, spelled in new.items():
        if old.keys().isdisjoint(_ranges(mode)):
            yield compatible(added, place, f"{spelled[:80]} is {verb} too")


def _ranges(mode: str) -> set[str]:
    """Return every media range a media type is in: `text/plain` is in `text/*` (RFC 9110 12.5.1)."""
    return {mode, f"{mode.partition('/')[0]}/*", "*/*", "*"}


def _changes(before: CardSkill, after: CardSkill, place: str) -> Differences:
    texts = ((before.name, after.name), (before.description, after.description), (before.tags, after.tags))
    if all(was != now for was, now in texts) and not set(before.tags) & set(after.tags):
        problem = "has another name, description and tags: another skill under an id that callers know"
        yield compatible(DifferenceKind.SKILL_REPLACED, place, problem)
    elif any(was != now for was, now in texts) or before.examples != after.examples:
        yield compatible(DifferenceKind.SKILL_CHANGED, place, "is described anew")


def _skills(content: CardContent) -> Mapping[str, tuple[str, CardSkill]]:
    # Of skills that share an id the first counts; nobody can call the others.
    found: dict[str, tuple[str, CardSkill]] = {}
    for index, skill in enumerate(content.skills):
        found.setdefault(skill.id, (f"/skills/{index}", skill))
    return found


def _extensions(content: CardContent) -> list[tuple[str, CardExtension]]:
    return [(child_pointer("/capabilities/extensions", at), each) for at, each in enumerate(content.extensions)]
