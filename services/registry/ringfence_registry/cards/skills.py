"""What an agent can do, what of the protocol it serves, and how it extends it, from a card of any A2A generation."""

from collections import Counter
from collections.abc import Iterator

from ringfence_registry.cards.members import MAX_ENTRIES, CardObject, CardReader, Need
from ringfence_registry.cards.model import (
    CardCapabilities,
    CardDialect,
    CardExtension,
    CardSkill,
    SecurityScheme,
)
from ringfence_registry.cards.sections import CAPABILITIES, CARD, EXTENSION, SKILL
from ringfence_registry.cards.security_requirements import security_requirements_of

_OLD_NAMES_OF_EXTENDED = ("supportsAuthenticatedExtendedCard", "supportsExtendedAgentCard")


def skills_of(card: CardObject, schemes: tuple[SecurityScheme, ...], reader: CardReader) -> tuple[CardSkill, ...]:
    """Return the skills. A card without any is sound: A2A's own examples have none (8.4.1 against 5.7)."""
    entries = list(_entries(card, reader))
    skills = tuple(_skill(entry, schemes, reader) for entry in entries)
    uses = Counter(skill.id for skill in skills if skill.id)
    for entry, skill in zip(entries, skills, strict=True):
        if uses[skill.id] > 1:
            reader.reasons.warn((entry.path, "id"), SKILL, f"is the id of {uses[skill.id]} skills")
    return skills


def _entries(card: CardObject, reader: CardReader) -> Iterator[CardObject]:
    value = reader.value(card, "skills")
    place = reader.place(card, "skills")
    if isinstance(value, dict) and value:
        reader.mistyped(place, CARD, "a list", value)
        named = sorted(value.items())[:MAX_ENTRIES]  # members of an object have no order
        yield from (
            CardObject({"id": name, **each}, (place, name), SKILL) for name, each in named if isinstance(each, dict)
        )
        return
    for path, entry in reader.entries(card, "skills", Need.EXPECTED):
        if isinstance(entry, dict):
            yield CardObject(entry, path, SKILL)
        else:
            reader.mistyped(path, SKILL, "an object", entry)
            if isinstance(entry, str) and entry:
                yield CardObject({"id": entry, "name": entry}, path, SKILL)


def _skill(at: CardObject, schemes: tuple[SecurityScheme, ...], reader: CardReader) -> CardSkill:
    return CardSkill(
        id=reader.text(at, "id", Need.VITAL),
        name=reader.text(at, "name", Need.VITAL),
        description=reader.text(at, "description", reader.since_0_2_1),
        tags=reader.texts(at, "tags", reader.since_0_2_1),
        examples=reader.texts(at, "examples"),
        input_modes=reader.texts(at, "inputModes"),
        output_modes=reader.texts(at, "outputModes"),
        security_requirements=security_requirements_of(at, schemes, reader),
    )


def capabilities_of(
    card: CardObject, dialect: CardDialect, reader: CardReader
) -> tuple[CardCapabilities, tuple[CardExtension, ...]]:
    """Return the capabilities and the extensions among them."""
    declared = reader.object(card, "capabilities", CAPABILITIES, Need.REQUIRED)
    extended = reader.flag(declared, "extendedAgentCard")
    old = [value for name in _OLD_NAMES_OF_EXTENDED if (value := reader.flag(card, name)) is not None]
    if extended is not None and old and extended is not any(old):
        reader.reasons.warn(declared.path, CAPABILITIES, "says something else of an extended card to older clients")
    if extended is None and old:
        extended = any(old)
        if dialect is CardDialect.V1_0:
            reader.reasons.translate(
                card.path, CAPABILITIES, "says beside the capabilities whether there is an extended card"
            )
    capabilities = CardCapabilities(
        streaming=reader.flag(declared, "streaming"),
        push_notifications=reader.flag(declared, "pushNotifications"),
        extended_agent_card=extended,
    )
    extensions = reader.objects(declared, "extensions", EXTENSION)
    return capabilities, tuple(_extension(each, reader) for each in extensions)


def _extension(at: CardObject, reader: CardReader) -> CardExtension:
    return CardExtension(
        # 1.0 lost the requirement on the way to protobuf; an extension nobody can name is of use to nobody.
        uri=reader.text(at, "uri", Need.VITAL if reader.before_1_0 else Need.EXPECTED),
        description=reader.text(at, "description"),
        required=reader.flag(at, "required") is True,
        params=reader.optional_mapping(at, "params"),
    )
