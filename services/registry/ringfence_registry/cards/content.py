"""All a card says, in the terms of A2A 1.0, whatever generation it was written for.

What the card's own generation requires and it lacks is noted; what is there is read all the same.
"""

from ringfence_registry.cards.interfaces import interfaces_of
from ringfence_registry.cards.members import CardObject, CardReader, Need, has
from ringfence_registry.cards.model import CardContent, CardDialect, CardProvider, CardSignature
from ringfence_registry.cards.sections import CARD, PROVIDER, SIGNATURE
from ringfence_registry.cards.security_requirements import security_requirements_of
from ringfence_registry.cards.security_schemes import security_schemes_of
from ringfence_registry.cards.skills import capabilities_of, skills_of

_OLDER = {
    CardDialect.V0_2: "is written for A2A 0.2 or before",
    CardDialect.V0_3: "is written for A2A 0.3",
    CardDialect.HYBRID: "has members of A2A 0.3 beside those of 1.0",
}


def content_of(card: CardObject, dialect: CardDialect, reader: CardReader) -> CardContent:
    """Return what the card says."""
    if dialect in _OLDER:
        reader.reasons.translate((), CARD, _OLDER[dialect])
    schemes = security_schemes_of(card, reader)
    capabilities, extensions = capabilities_of(card, dialect, reader)
    return CardContent(
        dialect=dialect,
        name=reader.text(card, "name", Need.VITAL),
        description=reader.text(card, "description", reader.since_0_2_1),
        version=reader.text(card, "version", Need.VITAL),
        interfaces=interfaces_of(card, dialect, reader),
        provider=_provider_of(card, reader),
        documentation_url=reader.optional_text(card, "documentationUrl"),
        icon_url=reader.optional_text(card, "iconUrl"),
        capabilities=capabilities,
        extensions=extensions,
        security_schemes=schemes,
        security_requirements=security_requirements_of(card, schemes, reader),
        input_modes=reader.texts(card, "defaultInputModes", reader.since_0_2_1),
        output_modes=reader.texts(card, "defaultOutputModes", reader.since_0_2_1),
        skills=skills_of(card, schemes, reader),
        signatures=_signatures_of(card, reader),
    )


def _provider_of(card: CardObject, reader: CardReader) -> CardProvider | None:
    value = reader.value(card, "provider")
    if isinstance(value, str) and value:
        reader.mistyped(reader.place(card, "provider"), PROVIDER, "an object", value)
        return CardProvider(organization=value)
    if not has(card, "provider"):
        return None
    at = reader.object(card, "provider", PROVIDER)
    return CardProvider(
        url=reader.text(at, "url", reader.since_0_2_1),
        organization=reader.text(at, "organization", Need.VITAL),
    )


def _signatures_of(card: CardObject, reader: CardReader) -> tuple[CardSignature, ...]:
    return tuple(
        CardSignature(
            protected=reader.text(at, "protected", Need.VITAL),
            signature=reader.text(at, "signature", Need.VITAL),
            header=reader.optional_mapping(at, "header"),
        )
        for at in reader.objects(card, "signatures", SIGNATURE)
    )
