"""DIDs as identity issues and accepts them: their syntax, and how one form of a name leads to another.

- `did:webvh:{SCID}:{host}:agents:{SCID}` names an agent, `did:webvh:{SCID}:{host}` the registrar of an environment
  (did:webvh 1.0, Method-Specific Identifier);
- `did:web:{host}:agents:{SCID}` is the published alias of the first; nothing is ever issued to an alias;
- `did:key:z6Mk…` names a key and resolves by itself;
- the host is the environment: each environment has one host and each host one environment. Names are compared byte for
  byte, in the one spelling that is issued: ASCII, lower case, no percent-encoding but the port's `%3A`.
"""

import re
from dataclasses import dataclass
from typing import NewType, TypeAlias

from ringfence.proofs import base58
from ringfence.proofs.public_keys import PublicKey, PublicKeyError, from_multibase

Scid = NewType("Scid", str)
"""A self-certifying identifier: the base58 SHA-256 multihash of a DID's first log entry, 46 characters."""

Host = NewType("Host", str)
"""The DNS name of an environment, with `%3A` and a port where it is not 443."""

MAX_LENGTH = 1_024
"""Longer DIDs are refused before they are looked at."""

AGENTS = "agents"
"""The path under which agents' DIDs are published on their environment's host."""

_LABEL = r"[a-z][a-z0-9-]{0,61}[a-z0-9]"
# Every label starts with a letter and has two characters or more, as strict resolvers want; so no IP address is a host.
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})+(%3A(?P<port>[1-9][0-9]{{0,4}}))?")
_SHA2_256_MULTIHASH = b"\x12\x20"


class DidError(ValueError):
    """Text that is not a DID in a form issued or accepted by a mesh, with the problem in words."""

    def __init__(self, *, did: str, problem: str) -> None:
        super().__init__(f"{did!r} cannot be used as a DID here: {problem}")
        self.did = did
        self.problem = problem


@dataclass(frozen=True, slots=True)
class AgentDid:
    """The did:webvh of an agent."""

    scid: Scid
    host: Host

    def __str__(self) -> str:
        return f"did:webvh:{self.scid}:{self.host}:{AGENTS}:{self.scid}"

    @property
    def alias(self) -> str:
        """The did:web form of the same subject."""
        return f"did:web:{self.host}:{AGENTS}:{self.scid}"


@dataclass(frozen=True, slots=True)
class RegistrarDid:
    """The did:webvh of the registrar that issues an environment's identities."""

    scid: Scid
    host: Host

    def __str__(self) -> str:
        return f"did:webvh:{self.scid}:{self.host}"

    @property
    def alias(self) -> str:
        """The did:web form of the same subject."""
        return f"did:web:{self.host}"


@dataclass(frozen=True, slots=True)
class WebAlias:
    """The did:web of an agent, or of the registrar when `scid` is None."""

    host: Host
    scid: Scid | None

    def __str__(self) -> str:
        return f"did:web:{self.host}" if self.scid is None else f"did:web:{self.host}:{AGENTS}:{self.scid}"


@dataclass(frozen=True, slots=True)
class KeyDid:
    """A did:key: the key is the name."""

    key: PublicKey

    def __str__(self) -> str:
        return f"did:key:{self.key.multibase}"


Did: TypeAlias = AgentDid | RegistrarDid | WebAlias | KeyDid


def is_host(text: str) -> bool:
    """Say whether `text` may stand as the host of an environment in a DID."""
    match = _HOST.fullmatch(text)
    if match is None or len(text.split("%3A", maxsplit=1)[0]) > 253:
        return False
    port = match["port"]
    return port is None or int(port) <= 65_535


def parse_did(text: str) -> Did:
    """Return the DID that `text` spells, or raise `DidError`."""
    if len(text) > MAX_LENGTH:
        raise DidError(did=text[:64] + "…", problem=f"longer than {MAX_LENGTH} characters")
    match text.split(":"):
        case ["did", "webvh", scid, host]:
            return RegistrarDid(_scid(text, scid), _host(text, host))
        case ["did", "webvh", scid, host, "agents", again]:
            if again != scid:
                raise DidError(did=text, problem="its path names another SCID than it starts with")
            return AgentDid(_scid(text, scid), _host(text, host))
        case ["did", "web", host]:
            return WebAlias(_host(text, host), None)
        case ["did", "web", host, "agents", scid]:
            return WebAlias(_host(text, host), _scid(text, scid))
        case ["did", "key", multibase]:
            return KeyDid(_key(text, multibase))
        case ["did", "webvh" | "web" | "key", *_]:
            raise DidError(did=text, problem="it does not have the form issued here")
        case ["did", method, _, *_]:
            raise DidError(did=text, problem=f"method {method!r} is not served here, only webvh, web and key")
        case _:
            raise DidError(did=text, problem="it does not start with did:, a method, and a colon")


def is_scid(text: str) -> bool:
    """Say whether `text` is a SHA-256 multihash in base58, the only SCID of did:webvh 1.0."""
    try:
        decoded = base58.decode(text)
    except base58.Base58Error:
        return False
    return len(text) == 46 and len(decoded) == 34 and decoded.startswith(_SHA2_256_MULTIHASH)


def multihash_of(sha256: bytes) -> str:
    """Return a SHA-256 digest as did:webvh writes it: base58 of its multihash."""
    return base58.encode(_SHA2_256_MULTIHASH + sha256)


def _scid(did: str, text: str) -> Scid:
    if not is_scid(text):
        raise DidError(did=did, problem="its SCID is not a SHA-256 multihash in base58")
    return Scid(text)


def _host(did: str, text: str) -> Host:
    if not is_host(text):
        raise DidError(did=did, problem="its host is not a lower-case DNS name of two labels or more")
    return Host(text)


def _key(did: str, text: str) -> PublicKey:
    try:
        return from_multibase(text)
    except PublicKeyError as refused:
        raise DidError(did=did, problem=refused.problem) from refused
