"""Whose signatures are believed: each environment's issuer of tokens, and its registrar, who signs elevation grants.

Verifying a signature costs more than everything else a decision does, and what was signed never changes: so an issuer
remembers what it verified, for as long as its keys stay the same. Whether a proof still holds is asked every time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from ringfence.proofs.access_token import CheckedToken
from ringfence.proofs.elevation import ElevationGrant
from ringfence.proofs.jwk_set import JwkSet
from ringfence.proofs.public_keys import PublicKey

T = TypeVar("T")

REMEMBERED_MAX = 4_096


class Remembered(Generic[T]):
    """What verified, by its text; when it is full, what was first remembered is forgotten."""

    __slots__ = ("_by_text",)

    def __init__(self) -> None:
        self._by_text: dict[str, T] = {}

    def get(self, text: str) -> T | None:
        """Return what `text` says, if it was verified."""
        return self._by_text.get(text)

    def put(self, text: str, said: T) -> T:
        """Remember what `text` says, now that it is verified, and return it."""
        if len(self._by_text) >= REMEMBERED_MAX:
            del self._by_text[next(iter(self._by_text))]
        self._by_text[text] = said
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """What an environment's proofs are checked with. Other keys make another issuer, which remembers nothing."""

    environment: str
    name: str
    """`iss` of its tokens."""
    keys: JwkSet
    registrar: str = ""
    """The registrar's DID; empty while it is not known, and nobody is elevated."""
    registrar_keys: Mapping[str, PublicKey] = field(default_factory=dict)
    """Those it signs with, by thumbprint."""
    tokens: Remembered[CheckedToken] = field(default_factory=Remembered, compare=False, repr=False)
    elevations: Remembered[ElevationGrant] = field(default_factory=Remembered, compare=False, repr=False)

    def signs_as(self, other: "Issuer") -> bool:
        """Say whether another one would believe exactly the same proofs: keys are named by what they are."""
        return (self.environment, self.name, self.keys.keys(), self.registrar, self.registrar_keys.keys()) == (
            other.environment,
            other.name,
            other.keys.keys(),
            other.registrar,
            other.registrar_keys.keys(),
        )


Issuers: TypeAlias = Mapping[str, Issuer]
"""By environment."""
