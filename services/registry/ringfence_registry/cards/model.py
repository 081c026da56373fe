"""What the registry knows of a card, as values that never change.

- An empty string or tuple means "not given"; only what can be given as empty is `None` when absent.
- These classes are also the stored form (`ringfence_kit.records`): fields may be added with a default, not renamed.
"""

import enum
from dataclasses import dataclass


class CardDialect(enum.Enum):
    """Which A2A generation a card is written in, told from the members that say where the agent is reached."""

    V0_2 = "0.2"
    V0_3 = "0.3"
    V1_0 = "1.0"
    HYBRID = "HYBRID"
    """Members of 1.0 and of an older generation in one card, as SDKs serve them for old clients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardInterface:
    """One endpoint an agent says it serves. The URL is the card's text; nothing here ever fetches it."""

    url: str
    protocol_binding: str
    """Normalised for search: `JSONRPC`, `GRPC`, `HTTP+JSON`, or the card's own text."""
    protocol_version: str
    """Major.Minor, or the card's own text; empty when the card does not say."""
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSkill:
    """One thing an agent says it can do."""

    id: str
    name: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCapabilities:
    """Optional parts of the protocol an agent says it serves; None where the card does not say."""

    streaming: bool | None = None
    push_notifications: bool | None = None
    extended_agent_card: bool | None = None


@dataclass(frozen=True, slots=True)
class CardFinding:
    """One remark on a card that is admitted all the same: where (RFC 6901) and what."""

    pointer: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the registry read from a card, whatever its generation. Derived: the bytes are what counts."""

    sha256: str
    """Of the bytes as they came, in lower-case hex."""
    size: int
    dialect: CardDialect
    name: str
    description: str
    version: str
    provider: str = ""
    """The provider's organization."""
    protocol_versions: tuple[str, ...] = ()
    interfaces: tuple[CardInterface, ...] = ()
    skills: tuple[CardSkill, ...] = ()
    capabilities: CardCapabilities = CardCapabilities()
    input_modes: tuple[str, ...] = ()
    output_modes: tuple[str, ...] = ()
    findings: tuple[CardFinding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An Agent Card: the bytes exactly as they came, and what was read from them."""

    body: bytes
    facts: CardFacts
