"""What the registry knows of a card, as values that never change.

- An empty string or tuple means "not given"; only what can be given as empty is `None` when absent.
- `CardContent` is all of a card, of whatever generation, in the terms of A2A 1.0; it is read anew when needed.
- `CardFacts` is what is kept of it beside the agent, for lists, filters and search. These classes are also the stored
  form (`ringfence_kit.records`): fields may be added with a default, not renamed.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from ringfence_registry.cards.strict_json import JsonValue


class CardDialect(enum.Enum):
    """Which A2A generation a card is written in, told from the members that say where the agent is reached."""

    V0_2 = "0.2"
    """0.2 and before."""
    V0_3 = "0.3"
    V1_0 = "1.0"
    HYBRID = "HYBRID"
    """Members of 1.0 and of an older generation in one card, as SDKs serve them for old clients."""


class CardVerdict(enum.Enum):
    """How far a card does what A2A asks, the best first. Which verdicts are admitted is the namespace's policy."""

    VALID = "VALID"
    """A card of A2A 1.0 without a fault."""
    VALID_WITH_WARNINGS = "VALID_WITH_WARNINGS"
    """A card of A2A 1.0 that works, against advice or common sense in places."""
    UPCONVERTED = "UPCONVERTED"
    """Written, in whole or in part, for an older A2A, to whose rules it keeps; read as the 1.0 card it stands for."""
    NONCONFORMANT = "NONCONFORMANT"
    """Breaks a rule of its generation. What can be read of it has been read."""
    UNREADABLE = "UNREADABLE"
    """Bytes that cannot be read as a card in exactly one way. Never admitted, whatever the policy."""

    def is_worse_than(self, other: "CardVerdict") -> bool:
        """Say whether `other` is the better of the two."""
        return _FROM_BEST[self] > _FROM_BEST[other]


_FROM_BEST = {verdict: place for place, verdict in enumerate(CardVerdict)}


@dataclass(frozen=True, slots=True)
class CardReason:
    """One reason for a verdict."""

    verdict: CardVerdict
    """The best verdict left with this reason standing."""
    pointer: str
    """Where: a JSON pointer (RFC 6901) into the card as it came."""
    rule: str
    """Which rule, by its section, e.g. `A2A 1.0 4.4.6` or `RFC 7493 2.2`."""
    problem: str
    """What, as the end of a sentence that begins with the place."""


class FindingKind(enum.Enum):
    """What is remarkable about a card, beside its form."""

    SECRET = "SECRET"  # noqa: S105 - the name of a kind, not a secret
    """Something that looks like a credential, in a document everybody reads."""
    PROMPT_INJECTION = "PROMPT_INJECTION"
    """Text that addresses the model that reads the card."""
    HIDDEN_TEXT = "HIDDEN_TEXT"
    """Characters that people do not see, or that reorder those they see."""
    NOT_NORMALIZED = "NOT_NORMALIZED"
    """Text that is not in Unicode normal form C: equal looking texts differ."""
    LOOK_ALIKE = "LOOK_ALIKE"
    """A name made to be taken for another."""
    PRIVATE_ADDRESS = "PRIVATE_ADDRESS"
    """An address inside somebody's network: from elsewhere it leads to somebody else."""
    UNSIGNED_CONTENT = "UNSIGNED_CONTENT"
    """A signature that covers only part of the card."""
    REPLAYED_CARD = "REPLAYED_CARD"
    """A signed card that is registered under another name too."""
    OLDER_CARD = "OLDER_CARD"
    """A card older than one the agent had before."""
    UNUSUAL = "UNUSUAL"
    """Anything else."""


class Severity(enum.Enum):
    """How much a finding matters, the least first."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True)
class CardFinding:
    """One thing people should look at. Findings never change the card or its verdict, and never repeat a secret."""

    kind: FindingKind
    severity: Severity
    pointer: str
    problem: str


class SchemeKind(enum.Enum):
    """How a caller shows who it is, by the type names of A2A 0.3 and OpenAPI."""

    API_KEY = "apiKey"
    HTTP = "http"
    OAUTH2 = "oauth2"
    OPEN_ID_CONNECT = "openIdConnect"
    MUTUAL_TLS = "mutualTLS"
    UNKNOWN = "unknown"
    """Declared, and not understood."""


class FlowKind(enum.Enum):
    """The OAuth flows, the one to prefer first."""

    AUTHORIZATION_CODE = "authorizationCode"
    CLIENT_CREDENTIALS = "clientCredentials"
    DEVICE_CODE = "deviceCode"
    IMPLICIT = "implicit"
    PASSWORD = "password"  # noqa: S105 - the name of a flow, not a password


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
class SecurityRequirement:
    """Schemes a caller needs together, each with the scopes asked for. Of several requirements one is enough."""

    schemes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSkill:
    """One thing an agent says it can do."""

    id: str
    name: str
    description: str = ""
    tags: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    input_modes: tuple[str, ...] = ()
    output_modes: tuple[str, ...] = ()
    security_requirements: tuple[SecurityRequirement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCapabilities:
    """Optional parts of the protocol an agent says it serves; None where the card does not say."""

    streaming: bool | None = None
    push_notifications: bool | None = None
    extended_agent_card: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardExtension:
    """An extension of the protocol an agent supports, or even requires of its callers."""

    uri: str
    description: str = ""
    required: bool = False
    params: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardProvider:
    """Who offers an agent."""

    url: str = ""
    organization: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthFlow:
    """One way to an access token."""

    kind: FlowKind
    authorization_url: str = ""
    token_url: str = ""
    refresh_url: str = ""
    device_authorization_url: str = ""
    scopes: Mapping[str, str] = field(default_factory=dict)
    """Scope → what it allows, in words."""
    pkce_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityScheme:
    """One way for a caller to show who it is."""

    name: str
    kind: SchemeKind
    description: str = ""
    location: str = ""
    """Of an API key: `header`, `query` or `cookie`."""
    parameter: str = ""
    """Of an API key: the name of that header, query parameter or cookie."""
    http_scheme: str = ""
    bearer_format: str = ""
    open_id_connect_url: str = ""
    oauth2_metadata_url: str = ""
    flows: tuple[OAuthFlow, ...] = ()
    """Several in a 0.3 card; 1.0 has room for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSignature:
    """One JSON Web Signature over the card, as it stands there; what it is worth is not said here."""

    protected: str
    signature: str
    header: Mapping[str, JsonValue] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CardContent:
    """All a card says, in the terms of A2A 1.0; members A2A does not know are not here (A2A 1.0 5.7)."""

    dialect: CardDialect
    name: str = ""
    description: str = ""
    version: str = ""
    interfaces: tuple[CardInterface, ...] = ()
    provider: CardProvider | None = None
    documentation_url: str | None = None
    icon_url: str | None = None
    capabilities: CardCapabilities = CardCapabilities()
    extensions: tuple[CardExtension, ...] = ()
    security_schemes: tuple[SecurityScheme, ...] = ()
    security_requirements: tuple[SecurityRequirement, ...] = ()
    input_modes: tuple[str, ...] = ()
    output_modes: tuple[str, ...] = ()
    skills: tuple[CardSkill, ...] = ()
    signatures: tuple[CardSignature, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemeFacts:
    """What is kept of a security scheme."""

    name: str
    kind: SchemeKind
    flows: tuple[FlowKind, ...] = ()
    scopes: tuple[str, ...] = ()
    """Of all its flows, each once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the registry keeps of a card, whatever its generation. Derived: the bytes are what counts."""

    sha256: str
    """Of the bytes as they came, in lower-case hex."""
    size: int
    dialect: CardDialect
    name: str
    description: str
    version: str
    verdict: CardVerdict = CardVerdict.VALID
    provider: str = ""
    """The provider's organization."""
    protocol_versions: tuple[str, ...] = ()
    interfaces: tuple[CardInterface, ...] = ()
    skills: tuple[CardSkill, ...] = ()
    capabilities: CardCapabilities = CardCapabilities()
    extensions: tuple[str, ...] = ()
    """Their URIs."""
    security_schemes: tuple[SchemeFacts, ...] = ()
    input_modes: tuple[str, ...] = ()
    output_modes: tuple[str, ...] = ()
    reasons: tuple[CardReason, ...] = ()
    """For the verdict."""
    findings: tuple[CardFinding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An Agent Card: the bytes exactly as they came, and what is kept of what they say."""

    body: bytes
    facts: CardFacts
