"""Taking in an A2A Agent Card: bytes in, the same bytes and what was read from them out, or every reason against it.

- The bytes are never changed, re-encoded or completed; everything else here is derived from them.
- A2A 1.0, 0.3, 0.2 and the hybrids SDKs serve are read alike (`interfaces.py`); unknown members are left alone
  (A2A 1.0 5.7).
- Refused is what cannot be read in one way only (`strict_json.py`), and what has no name, version or endpoint. What the
  specification asks for and the registry can do without is a finding.
- No bytes make this module raise anything but `CardInvalid`.
"""

import hashlib
from collections import Counter

from ringfence_registry.cards.interfaces import dialect_of, interfaces_of
from ringfence_registry.cards.members import CardObject, CardReader, Need
from ringfence_registry.cards.model import Card, CardCapabilities, CardDialect, CardFacts, CardSkill
from ringfence_registry.cards.strict_json import JsonFault, JsonLimits, StrictJsonError, read_strict_json
from ringfence_registry.errors import CardInvalid

CARD_LIMITS = JsonLimits(size=65_536, depth=64)


def read_card(body: bytes) -> Card:
    """Return the card these bytes are, or raise `CardInvalid` with every reason and its place."""
    try:
        document = read_strict_json(body, CARD_LIMITS)
    except StrictJsonError as error:
        raise CardInvalid(error.faults) from None
    if not isinstance(document, dict):
        raise CardInvalid((JsonFault("", "must be a JSON object"),))
    reader = CardReader()
    facts = _facts_of(CardObject(document), body, reader)
    if reader.refusals:
        raise CardInvalid(reader.refusals)
    return Card(body=body, facts=facts)


def _facts_of(card: CardObject, body: bytes, reader: CardReader) -> CardFacts:
    dialect = dialect_of(card, reader)
    name = reader.text(card, "name", Need.REQUIRED)
    description = reader.text(card, "description", Need.EXPECTED)
    version = reader.text(card, "version", Need.REQUIRED)
    interfaces = interfaces_of(card, dialect, reader)
    capabilities = _capabilities_of(card, dialect, reader)
    skills = _skills_of(card, reader)
    input_modes = reader.texts(card, "defaultInputModes", Need.EXPECTED)
    output_modes = reader.texts(card, "defaultOutputModes", Need.EXPECTED)
    return CardFacts(
        sha256=hashlib.sha256(body).hexdigest(),
        size=len(body),
        dialect=dialect,
        name=name,
        description=description,
        version=version,
        provider=reader.text(reader.object(card, "provider"), "organization"),
        protocol_versions=tuple(dict.fromkeys(each.protocol_version for each in interfaces if each.protocol_version)),
        interfaces=interfaces,
        skills=skills,
        capabilities=capabilities,
        input_modes=input_modes,
        output_modes=output_modes,
        findings=tuple(reader.findings),
    )


def _capabilities_of(card: CardObject, dialect: CardDialect, reader: CardReader) -> CardCapabilities:
    declared = reader.object(card, "capabilities", Need.EXPECTED)
    extended = reader.flag(declared, "extendedAgentCard")
    if extended is None and dialect is not CardDialect.V1_0:
        extended = reader.flag(card, "supportsAuthenticatedExtendedCard")
    return CardCapabilities(
        streaming=reader.flag(declared, "streaming"),
        push_notifications=reader.flag(declared, "pushNotifications"),
        extended_agent_card=extended,
    )


def _skills_of(card: CardObject, reader: CardReader) -> tuple[CardSkill, ...]:
    entries = reader.objects(card, "skills", Need.EXPECTED)
    skills = tuple(
        CardSkill(
            id=reader.text(entry, "id", Need.EXPECTED),
            name=reader.text(entry, "name", Need.EXPECTED),
            tags=reader.texts(entry, "tags", Need.EXPECTED),
        )
        for entry in entries
    )
    uses = Counter(skill.id for skill in skills if skill.id)
    for entry, skill in zip(entries, skills, strict=True):
        if uses[skill.id] > 1:
            reader.remark(reader.place(entry, "id"), f"{skill.id[:80]!r} is the id of {uses[skill.id]} skills")
    return skills
