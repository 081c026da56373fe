"""Where A2A says what: the sections that define the parts of a card, in 1.0 and in the generations before it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """The sections that define one part of a card."""

    now: str
    before: str
    """A2A 0.3 numbers them like 0.2 did."""


CARD = Section("A2A 1.0 4.4.1", "A2A 0.3 5.5")
PROVIDER = Section("A2A 1.0 4.4.2", "A2A 0.3 5.5.1")
CAPABILITIES = Section("A2A 1.0 4.4.3", "A2A 0.3 5.5.2")
EXTENSION = Section("A2A 1.0 4.4.4", "A2A 0.3 5.5.2.1")
SKILL = Section("A2A 1.0 4.4.5", "A2A 0.3 5.5.4")
INTERFACE = Section("A2A 1.0 4.4.6", "A2A 0.3 5.5.5")
SIGNATURE = Section("A2A 1.0 4.4.7", "A2A 0.3 5.5.6")
SCHEME = Section("A2A 1.0 4.5.1", "A2A 0.3 5.5.3")
API_KEY_SCHEME = Section("A2A 1.0 4.5.2", "A2A 0.3 5.5.3")
HTTP_SCHEME = Section("A2A 1.0 4.5.3", "A2A 0.3 5.5.3")
OAUTH2_SCHEME = Section("A2A 1.0 4.5.4", "A2A 0.3 5.5.3")
OPEN_ID_CONNECT_SCHEME = Section("A2A 1.0 4.5.5", "A2A 0.3 5.5.3")
MUTUAL_TLS_SCHEME = Section("A2A 1.0 4.5.6", "A2A 0.3 5.5.3")
OAUTH_FLOWS = Section("A2A 1.0 4.5.7", "A2A 0.3 5.5.3")

PRESENCE = "A2A 1.0 5.7"
"""Required members are set, required arrays hold something; null counts as absent."""
SPELLING = "A2A 1.0 5.5"
"""Members are spelled in camelCase."""
CUSTOM_BINDING = "A2A 1.0 5.8"
VERSIONS = "A2A 1.0 3.6"
DECLARATION = "A2A 1.0 8.3.1"
"""Each interface says where it is and how it speaks."""
