"""Where the registry is for the outside world: addresses of cards, and names of agents as URNs.

- What a client says of where it reached us (`Host`, `X-Forwarded-…`) never goes into an answer: an answer may be kept
  by a cache and shown to others. The operator says it, or else the socket the request came in on.
- A name of the outside world is `urn:air:{publisher}:{namespace}:{agent}` (ARD 0.9 4.2.1); the publisher is the
  operator's domain. Any other URN names no agent of ours.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ringfence_kit.names import AgentName, is_resource_id
from ringfence_kit.refusals import StartRefused

DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+", re.ASCII)
"""A domain name of at least two labels, lower case (RFC 1123 2.1)."""

_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*[A-Za-z0-9._~-])?", re.ASCII)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What the operator said."""

    public_url: str = ""
    """`https://registry.example.com`: scheme, authority, perhaps a path; empty takes the socket's."""
    publisher: str = "ringfence.internal"
    """A domain."""
    host_suffix: str = ""
    """A domain under which every agent has a host of its own, `{agent}.{namespace}.{suffix}`; empty for none."""

    def __post_init__(self) -> None:
        if self.public_url and not _URL.fullmatch(self.public_url):
            raise StartRefused(
                "registry.public_url must be http(s)://host, perhaps with port and path, and no / at its end"
            )
        if not DOMAIN.fullmatch(self.publisher):
            raise StartRefused("registry.publisher must be a domain name in lower case, such as example.com")
        if self.host_suffix and not DOMAIN.fullmatch(self.host_suffix):
            raise StartRefused("registry.host_suffix must be a domain name in lower case, such as agents.example.com")

    def base_url(self, scope: Mapping[str, Any]) -> str:
        """Return where the registry is reached: as the operator says, or the socket of this request."""
        if self.public_url:
            return self.public_url
        scheme = "https" if scope.get("scheme") == "https" else "http"
        host, port = scope.get("server") or ("127.0.0.1", None)
        shown = f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}" if port in {None, _PORTS[scheme]} else f"{scheme}://{shown}:{port}"

    def urn(self, name: AgentName) -> str:
        """Return an agent's name for the outside world."""
        return f"urn:air:{self.publisher}:{name.namespace}:{name.agent}"

    def agent_of_urn(self, urn: str) -> AgentName | None:
        """Return the agent a URN names, which may not exist; None when it can be none of ours."""
        match urn.split(":"):
            case [scheme, nid, publisher, namespace, agent] if (
                (scheme.lower(), nid.lower(), publisher.lower()) == ("urn", "air", self.publisher)  # RFC 8141 3.1
            ):
                return _named(namespace, agent)
        return None

    def agent_of_host(self, host: str) -> AgentName | None:
        """Return the agent a Host header names, which may not exist; None when it names none."""
        name = re.sub(r":[0-9]{1,5}$", "", host, flags=re.ASCII).lower().removesuffix(".")
        labels, suffix = name.removesuffix(f".{self.host_suffix}"), self.host_suffix
        if not suffix or labels == name:
            return None
        match labels.split("."):
            case [agent, namespace]:
                return _named(namespace, agent)
        return None


def _named(namespace: str, agent: str) -> AgentName | None:
    return AgentName(namespace, agent) if is_resource_id(namespace) and is_resource_id(agent) else None
