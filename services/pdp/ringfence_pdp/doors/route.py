"""What a gateway's configuration says about a route: the one part of a request nobody outside can write.

Environment, side and profile have to be said. A default would be wrong somewhere, and a misspelt name would take it.
"""

import enum
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from ringfence_kit.names import ID_PATTERN, AgentName

from ringfence_pdp.doors.refusal import Refused
from ringfence_pdp.model import Protocol, Reason, Side

_DID: Final = re.compile(r"did:[a-z0-9]+:[A-Za-z0-9._:%-]{1,500}")
_PREFIX: Final = re.compile(r"[a-z0-9._-]{0,96}")
_REMEMBERED_TEXT: Final = 2_048
_OBLIGATION: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")


class Profile(enum.Enum):
    """How the requests of a route are read."""

    MCP = "mcp"
    A2A = "a2a"
    AGENTS = "agents"
    """MCP or A2A, whichever a message is."""
    HTTP = "http"
    """By method and path; the body is not looked at."""
    GRPC = "grpc"
    """By the path, which names the method; messages are not looked at."""

    @property
    def protocols(self) -> frozenset[Protocol]:
        """The protocols whose messages are read from bodies; none for a profile that reads no bodies."""
        return _PROTOCOLS[self]


_PROTOCOLS: Final[Mapping[Profile, frozenset[Protocol]]] = {
    Profile.MCP: frozenset({Protocol.MCP}),
    Profile.A2A: frozenset({Protocol.A2A}),
    Profile.AGENTS: frozenset({Protocol.MCP, Protocol.A2A}),
    Profile.HTTP: frozenset(),
    Profile.GRPC: frozenset(),
}


class Route(NamedTuple):
    """One route of a gateway."""

    environment: str
    side: Side
    profile: Profile
    target: str = ""
    """The agent behind the route, by DID or name; empty when no agent is."""
    tool_prefix: str = ""
    """What stands before a tool's name in the registry, e.g. `warehouse.`."""
    obligations: tuple[str, ...] = ()
    """What the gateway fulfils."""
    jwt_payload: str = "ringfence"
    """Where jwt_authn puts the claims it verified (`payload_in_metadata`)."""
    trust_domain: str = ""
    """SPIFFE ids of this trust domain whose path names an agent say who calls; empty: none do."""
    registry_schemas: bool = False
    """Whether somebody vouches that the tools behind have the schemas the registry has: a gateway that reads
    no `tools/list` cannot name them itself."""
    trusts_headers: bool = False
    """Whether something the gateway runs sets `x-agent-did` itself, and drops what callers send under that name."""


def route_of(extensions: Mapping[str, str]) -> Route:
    """Return the route that `context_extensions` describe, or raise Refused with everything that is wrong."""
    if sum(len(name) + len(said) for name, said in extensions.items()) > _REMEMBERED_TEXT:
        return _read(extensions)
    return _remembered(frozenset(extensions.items()))


# A gateway says the same of a route with every request. What is remembered is small, and only callers that are known
# to be gateways can add to it.


@lru_cache(maxsize=1_024)
def _remembered(extensions: frozenset[tuple[str, str]]) -> Route:
    return _read(dict(extensions))


def _read(extensions: Mapping[str, str]) -> Route:
    problems = [
        f"{name} is {extensions.get(name, '')!a} and has to be {shape}"
        for name, (is_sound, shape) in _SHAPES.items()
        if not is_sound(extensions.get(name, ""))
    ]
    if problems:
        message = f"context_extensions of the gateway's route: {'; '.join(problems)}"
        raise Refused(Reason.REQUEST_INVALID, message)
    return Route(
        environment=extensions["environment"],
        side=_SIDES[extensions["side"]],
        profile=Profile(extensions["profile"]),
        target=extensions.get("target", ""),
        tool_prefix=extensions.get("tool_prefix", ""),
        obligations=_listed(extensions.get("obligations", "")),
        jwt_payload=extensions.get("jwt_payload", "") or "ringfence",
        trust_domain=extensions.get("trust_domain", ""),
        registry_schemas=extensions.get("tool_schemas") == "registry",
        trusts_headers=extensions.get("trust_headers") == "true",
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _is_agent(text: str) -> bool:
    return not text or _DID.fullmatch(text) is not None or AgentName.parse(text) is not None


_SIDES: Final = {"caller": Side.CALLER, "callee": Side.CALLEE}

_SHAPES: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    "environment": (lambda text: ID_PATTERN.fullmatch(text) is not None, "the environment it stands in, e.g. prod"),
    "side": (lambda text: text in _SIDES, "caller or callee"),
    "profile": (
        lambda text: text in {profile.value for profile in Profile},
        " or ".join(profile.value for profile in Profile),
    ),
    "target": (_is_agent, "the DID or the name of an agent, or left out"),
    "tool_prefix": (lambda text: _PREFIX.fullmatch(text) is not None, "the beginning of a tool's name, or left out"),
    "obligations": (
        lambda text: len(_listed(text)) <= 64 and all(map(_OBLIGATION.fullmatch, _listed(text))),
        "types of obligations with commas between them, or left out",
    ),
    "tool_schemas": (lambda text: text in ("", "registry"), "registry, or left out"),
    "trust_headers": (lambda text: text in ("", "true", "false"), "true or false"),
}
