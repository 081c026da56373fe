"""What a snapshot is made of: records, each one fact by kind and name, and how everything stands with them.

The content of a record is the fact as `ringfence_kit.records` writes it, so a follower reads exactly what the pdp has.
Pure: nothing here knows where facts come from or how they travel.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ringfence.proofs.canonical_json import parse_object
from ringfence.proofs.jwk_set import published_jwk, read_jwk_set
from ringfence.proofs.public_keys import import_key
from ringfence_kit import records
from ringfence_kit.clock import Millis

from ringfence_pdp.chains.issuers import Issuer
from ringfence_pdp.facts import AgentIdentity

FORMAT = 1
"""Of the contents; another one when an older follower would read them wrongly."""


class Kind(enum.IntEnum):
    """What a record is about. The numbers are those of SnapshotKind."""

    SETTINGS = 1
    BUNDLE = 2
    ROLLOUT = 3
    KILL_SWITCH = 4
    IDENTITY = 5
    AGENT = 6
    TOOL = 7
    BOUNDARY = 8
    REVOCATION = 9
    ISSUER = 10
    BUDGET = 11
    USED_UP = 12
    HEALTH = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One fact."""

    kind: Kind
    name: str
    content: bytes = b""
    """Empty when it is gone."""
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What holds for all facts together at one moment."""

    policy_revision: int
    identity_revision: int
    registry_revision: int
    epoch: int
    """Answers with a lower one are not to be used again."""
    identity_age: Millis | None
    """How long ago identity was heard; None means never."""
    budgets_age: Millis | None
    boundaries_heard: bool

    def says_as(self, other: "Standing") -> bool:
        """Say whether nothing but ages differs."""
        return replace(self, identity_age=None, budgets_age=None) == replace(other, identity_age=None, budgets_age=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of the pdp that decisions, and what is logged of them, hang on."""

    gated_environments: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    ring_rates: tuple[str, ...] = ()
    budgets_believed_for: Millis | None = None
    """None means for ever."""
    stops_when_full: bool = False
    inputs: bool = True
    masks: tuple[str, ...] = ()
    allow_rate: float = 1.0
    reads_again: bool = False
    """Whether the pdp has a second reader of intent, which has to be heard about what is in doubt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownIdentity:
    """What identity says of an agent, and whether its name means it: of several with one name, one is meant."""

    identity: AgentIdentity
    named: bool


class RevokedKind(enum.Enum):
    """What identity takes back."""

    AGENT = "agent"
    DELEGATION = "delegation"
    ELEVATION = "elevation"
    ISSUER_KEY = "issuer-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """Something identity took back; the epoch and `usable` are said of agents."""

    kind: RevokedKind
    subject: str
    lowest_epoch: int = 0
    usable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerRecord:
    """An issuer as its keys are published."""

    environment: str
    name: str
    jwks: str
    """A JWK Set."""
    registrar: str
    registrar_keys: Mapping[str, bytes]
    """By thumbprint, the raw keys."""


def issuer_record(issuer: Issuer) -> IssuerRecord:
    """Return what is shipped of an issuer."""
    keys = {"keys": [published_jwk(key) for _, key in sorted(issuer.keys.items())]}
    return IssuerRecord(
        environment=issuer.environment,
        name=issuer.name,
        jwks=records.encode(keys).decode(),
        registrar=issuer.registrar,
        registrar_keys={name: key.raw for name, key in sorted(issuer.registrar_keys.items())},
    )


def issuer_of(record: IssuerRecord) -> Issuer:
    """Return the issuer; ValueError for keys that are none."""
    return Issuer(
        environment=record.environment,
        name=record.name,
        keys=read_jwk_set(parse_object(record.jwks)),
        registrar=record.registrar,
        registrar_keys={name: import_key(raw) for name, raw in record.registrar_keys.items()},
    )


def record_of(kind: Kind, name: str, value: object | None) -> Record:
    """Return the record of a fact as it is now; None is one that is gone."""
    if value is None:
        return Record(kind=kind, name=name, gone=True)
    return Record(kind=kind, name=name, content=records.encode(value))
