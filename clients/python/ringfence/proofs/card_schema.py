"""What an A2A 1.0 Agent Card may hold: one row for every member of every message of `AgentCard` (A2A 1.0 4.4).

Canonical forms need it, because they keep or drop a member by what the specification says of it: whether it is
REQUIRED, carries the keyword `optional`, or neither. What no row names is unknown to A2A 1.0, and so to whoever parses
cards into its messages.
"""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass

TEXT = "text"
FLAG = "flag"
STRUCT = "Struct"
"""What a member holds when it is no message: a string, a boolean, or JSON that nobody but its extension understands."""


class Presence(enum.Enum):
    """How the absence of a member is told from its emptiness."""

    PLAIN = enum.auto()
    """It is not: an empty one is as good as none."""
    REQUIRED = enum.auto()
    """It is never absent (`field_behavior` REQUIRED)."""
    OPTIONAL = enum.auto()
    """What is set is set, even to nothing (the keyword `optional`)."""


class Many(enum.Enum):
    """How many a member holds."""

    ONE = enum.auto()
    LIST = enum.auto()
    MAP = enum.auto()


PLAIN, REQUIRED, OPTIONAL = Presence
ONE, LIST, MAP = Many


@dataclass(frozen=True, slots=True)
class Member:
    """One row."""

    name: str
    holds: str
    """A kind above, or the name of a message."""
    presence: Presence = PLAIN
    many: Many = ONE
    choice: bool = False
    """Whether it is one of a `oneof`: of those at most one is given, and a given one says something even when empty."""


CARD = "AgentCard"

_TABLE: Mapping[str, tuple[Member, ...]] = {
    CARD: (
        Member("name", TEXT, REQUIRED),
        Member("description", TEXT, REQUIRED),
        Member("supportedInterfaces", "AgentInterface", REQUIRED, LIST),
        Member("provider", "AgentProvider"),
        Member("version", TEXT, REQUIRED),
        Member("documentationUrl", TEXT, OPTIONAL),
        Member("capabilities", "AgentCapabilities", REQUIRED),
        Member("securitySchemes", "SecurityScheme", PLAIN, MAP),
        Member("securityRequirements", "SecurityRequirement", PLAIN, LIST),
        Member("defaultInputModes", TEXT, REQUIRED, LIST),
        Member("defaultOutputModes", TEXT, REQUIRED, LIST),
        Member("skills", "AgentSkill", REQUIRED, LIST),
        # `signatures` is no part of what is signed, so it has no row (A2A 1.0 8.4.1).
        Member("iconUrl", TEXT, OPTIONAL),
    ),
    "AgentInterface": (
        Member("url", TEXT, REQUIRED),
        Member("protocolBinding", TEXT, REQUIRED),
        Member("tenant", TEXT),
        Member("protocolVersion", TEXT, REQUIRED),
    ),
    "AgentProvider": (
        Member("url", TEXT, REQUIRED),
        Member("organization", TEXT, REQUIRED),
    ),
    "AgentCapabilities": (
        Member("streaming", FLAG, OPTIONAL),
        Member("pushNotifications", FLAG, OPTIONAL),
        Member("extensions", "AgentExtension", PLAIN, LIST),
        Member("extendedAgentCard", FLAG, OPTIONAL),
    ),
    "AgentExtension": (
        Member("uri", TEXT),
        Member("description", TEXT),
        Member("required", FLAG),
        Member("params", STRUCT),
    ),
    "AgentSkill": (
        Member("id", TEXT, REQUIRED),
        Member("name", TEXT, REQUIRED),
        Member("description", TEXT, REQUIRED),
        Member("tags", TEXT, REQUIRED, LIST),
        Member("examples", TEXT, PLAIN, LIST),
        Member("inputModes", TEXT, PLAIN, LIST),
        Member("outputModes", TEXT, PLAIN, LIST),
        Member("securityRequirements", "SecurityRequirement", PLAIN, LIST),
    ),
    "SecurityRequirement": (Member("schemes", "StringList", PLAIN, MAP),),
    "StringList": (Member("list", TEXT, PLAIN, LIST),),
    "SecurityScheme": (
        Member("apiKeySecurityScheme", "APIKeySecurityScheme", choice=True),
        Member("httpAuthSecurityScheme", "HTTPAuthSecurityScheme", choice=True),
        Member("oauth2SecurityScheme", "OAuth2SecurityScheme", choice=True),
        Member("openIdConnectSecurityScheme", "OpenIdConnectSecurityScheme", choice=True),
        Member("mtlsSecurityScheme", "MutualTlsSecurityScheme", choice=True),
    ),
    "APIKeySecurityScheme": (
        Member("description", TEXT),
        Member("location", TEXT, REQUIRED),
        Member("name", TEXT, REQUIRED),
    ),
    "HTTPAuthSecurityScheme": (
        Member("description", TEXT),
        Member("scheme", TEXT, REQUIRED),
        Member("bearerFormat", TEXT),
    ),
    "OAuth2SecurityScheme": (
        Member("description", TEXT),
        Member("flows", "OAuthFlows", REQUIRED),
        Member("oauth2MetadataUrl", TEXT),
    ),
    "OpenIdConnectSecurityScheme": (
        Member("description", TEXT),
        Member("openIdConnectUrl", TEXT, REQUIRED),
    ),
    "MutualTlsSecurityScheme": (Member("description", TEXT),),
    "OAuthFlows": (
        Member("authorizationCode", "AuthorizationCodeOAuthFlow", choice=True),
        Member("clientCredentials", "ClientCredentialsOAuthFlow", choice=True),
        Member("implicit", "ImplicitOAuthFlow", choice=True),
        Member("password", "PasswordOAuthFlow", choice=True),
        Member("deviceCode", "DeviceCodeOAuthFlow", choice=True),
    ),
    "AuthorizationCodeOAuthFlow": (
        Member("authorizationUrl", TEXT, REQUIRED),
        Member("tokenUrl", TEXT, REQUIRED),
        Member("refreshUrl", TEXT),
        Member("scopes", TEXT, REQUIRED, MAP),
        Member("pkceRequired", FLAG),
    ),
    "ClientCredentialsOAuthFlow": (
        Member("tokenUrl", TEXT, REQUIRED),
        Member("refreshUrl", TEXT),
        Member("scopes", TEXT, REQUIRED, MAP),
    ),
    "ImplicitOAuthFlow": (
        Member("authorizationUrl", TEXT),
        Member("refreshUrl", TEXT),
        Member("scopes", TEXT, PLAIN, MAP),
    ),
    "PasswordOAuthFlow": (
        Member("tokenUrl", TEXT),
        Member("refreshUrl", TEXT),
        Member("scopes", TEXT, PLAIN, MAP),
    ),
    "DeviceCodeOAuthFlow": (
        Member("deviceAuthorizationUrl", TEXT, REQUIRED),
        Member("tokenUrl", TEXT, REQUIRED),
        Member("refreshUrl", TEXT),
        Member("scopes", TEXT, REQUIRED, MAP),
    ),
}


def proto_name(name: str) -> str:
    """Return the name a member has in the proto; its JSON parsers take that spelling too (ProtoJSON)."""
    return re.sub(r"[A-Z]", lambda capital: "_" + capital[0].lower(), name)


MESSAGES: Mapping[str, Mapping[str, Member]] = {
    message: {spelling: member for member in members for spelling in (member.name, proto_name(member.name))}
    for message, members in _TABLE.items()
}
"""The members of each message by both of their spellings."""
