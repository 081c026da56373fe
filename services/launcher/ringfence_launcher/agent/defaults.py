"""What `agent register` fills in when it is not told: from the card, or from who sits at this machine.

Nothing is made up: each default comes from somewhere that can be named, and the command says so. A card that cannot be
read gives none; the registry says what is wrong with it.
"""

import getpass
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.names import is_resource_id

DEFAULT_NAMESPACE = "default"
DEFAULT_ENVIRONMENT = "dev"
DEFAULT_RISK = pb.RISK_TIER_MEDIUM
"""Who says nothing of an agent's risk is not taken for harmless."""

_PURPOSE_BYTES = 2_000
_NAME_BYTES = 200
_CONTACT_BYTES = 320


@dataclass(slots=True)
class Defaults:
    """Fills what is missing, and remembers what it was."""

    card: Mapping[str, Any]
    assumed: list[str] = field(default_factory=list)

    @classmethod
    def of_card(cls, content: bytes) -> "Defaults":
        """Take the card's members; none when it is not a JSON object."""
        try:
            card = json.loads(content)
        except (ValueError, RecursionError):
            card = None
        return cls(card if isinstance(card, dict) else {})

    def agent_id(self) -> str:
        """Return an id made of the card's name, or nothing."""
        made = re.sub(r"[^a-z0-9]+", "-", self._text("name").lower()).strip("-")[:63].strip("-")
        return made if is_resource_id(made) else ""

    def complete(self, agent: pb.Agent) -> None:
        """Fill the fields the registry needs and nobody gave."""
        if not agent.purpose:
            said = self._text("description") or self._text("name")
            agent.purpose = _at_most(said, _PURPOSE_BYTES)
            self._note(agent.purpose, "purpose", "the card's description")
        if not agent.owner.display_name and not agent.owner.contact:
            self._own(agent)
        if not agent.risk_tier:
            agent.risk_tier = DEFAULT_RISK
            self._note("medium", "risk", "nobody said otherwise")
        if not agent.environments:
            agent.environments.append(DEFAULT_ENVIRONMENT)
            self._note(DEFAULT_ENVIRONMENT, "environment", "nobody said otherwise")

    def _own(self, agent: pb.Agent) -> None:
        provider = self.card.get("provider")
        if isinstance(provider, dict):
            name, contact = provider.get("organization"), provider.get("url")
            if isinstance(name, str) and isinstance(contact, str) and name and ":" in contact:
                agent.owner.display_name, agent.owner.contact = name[:_NAME_BYTES], contact[:_CONTACT_BYTES]
                self._note(f"{name} <{contact}>", "owner", "the card's provider")
                return
        login = _login()
        agent.owner.display_name, agent.owner.contact = login, f"{login}@{socket.gethostname()}"
        self._note(f"{login} <{agent.owner.contact}>", "owner", "who is logged in here")

    def _text(self, member: str) -> str:
        value = self.card.get(member)
        return " ".join(value.split()) if isinstance(value, str) else ""

    def _note(self, value: str, what: str, source: str) -> None:
        if value:
            shown = value if len(value) <= 60 else f"{value[:57]}..."
            self.assumed.append(f"{what}: {shown} ({source})")


def _at_most(text: str, size: int) -> str:
    """Return the beginning of `text` that has at most `size` bytes."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"  # a container's user may have no name
