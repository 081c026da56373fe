"""Taking in an A2A Agent Card: bytes in, the same bytes and what was read from them out.

- The bytes are never changed, re-encoded or completed; everything else here is derived from them.
- A2A 1.0, 0.3, 0.2 and the hybrids SDKs serve are read alike; unknown members are left alone (A2A 1.0 5.7).
- Refused is only what cannot be read in one way (`strict_json.py`, two spellings of a member). Whatever else is wrong
  becomes a reason for the verdict, and the namespace's policy says which verdicts it admits.
- No bytes make this module raise anything but `CardInvalid`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from ringfence_registry.cards.content import content_of
from ringfence_registry.cards.findings.scanning import findings_of
from ringfence_registry.cards.interfaces import dialect_of
from ringfence_registry.cards.members import CardObject, CardReader
from ringfence_registry.cards.model import (
    Card,
    CardContent,
    CardFacts,
    CardReason,
    CardVerdict,
    SchemeFacts,
    SecurityScheme,
)
from ringfence_registry.cards.sections import CARD
from ringfence_registry.cards.strict_json import JsonFault, JsonLimits, JsonValue, StrictJsonError, read_strict_json
from ringfence_registry.errors.cards import CardInvalid

CARD_LIMITS = JsonLimits(size=65_536, depth=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeCard:
    """A card, and all it says."""

    card: Card
    content: CardContent


def open_card(body: bytes) -> dict[str, JsonValue]:
    """Return the JSON object these bytes are, or raise `CardInvalid` with every reason and its place."""
    try:
        document = read_strict_json(body, CARD_LIMITS)
    except StrictJsonError as error:
        raise CardInvalid(error.faults) from None
    if not isinstance(document, dict):
        raise CardInvalid((JsonFault("", "must be a JSON object", CARD.now),))
    return document


def read_card(body: bytes) -> Card:
    """Return the card these bytes are, or raise `CardInvalid` when they are none in exactly one way."""
    return read_whole_card(body).card


def read_whole_card(body: bytes) -> WholeCard:
    """Return the card these bytes are and all it says, or raise `CardInvalid` as `read_card` does."""
    document = open_card(body)
    card = CardObject(document)
    reader = CardReader(dialect_of(card))
    content = content_of(card, dialect_of(card), reader)
    reasons = reader.reasons.listed()
    if reader.reasons.verdict is CardVerdict.UNREADABLE:
        raise CardInvalid(_faults(reasons))
    facts = CardFacts(
        sha256=hashlib.sha256(body).hexdigest(),
        size=len(body),
        dialect=content.dialect,
        verdict=reader.reasons.verdict,
        name=content.name,
        description=content.description,
        version=content.version,
        provider=content.provider.organization if content.provider else "",
        protocol_versions=_each_once(each.protocol_version for each in content.interfaces),
        interfaces=content.interfaces,
        skills=content.skills,
        capabilities=content.capabilities,
        extensions=_each_once(each.uri for each in content.extensions),
        security_schemes=tuple(map(_scheme_facts, content.security_schemes)),
        input_modes=content.input_modes,
        output_modes=content.output_modes,
        reasons=reasons,
        findings=findings_of(document, content),
    )
    return WholeCard(card=Card(body=body, facts=facts), content=content)


def _faults(reasons: Iterable[CardReason]) -> list[JsonFault]:
    unreadable = [reason for reason in reasons if reason.verdict is CardVerdict.UNREADABLE]
    return [JsonFault(reason.pointer, reason.problem, reason.rule) for reason in unreadable]


def _scheme_facts(scheme: SecurityScheme) -> SchemeFacts:
    return SchemeFacts(
        name=scheme.name,
        kind=scheme.kind,
        flows=tuple(flow.kind for flow in scheme.flows),
        scopes=_each_once(scope for flow in scheme.flows for scope in flow.scopes),
    )


def _each_once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for text in texts if text))
