"""What the keys of agents count for on cards: pure, from what identity says of a DID.

- An agent's key counts while it is in force, and later for cards the registry had by then: a rotation does not undo
  what was signed before it. A key that was in other hands counts for nothing, from whenever the card is: when it was
  lost is an estimate.
- An agent that is suspended, revoked or past its end vouches for nothing.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ringfence.proofs.card_keys import PinnedKeys, card_key
from ringfence.proofs.card_verdict import KeyAnswer, KeyStanding, KnownKey, UnknownKey
from ringfence.proofs.did import AgentDid, DidError, KeyDid, WebAlias, parse_did
from ringfence.proofs.did_keys import KeyPeriod
from ringfence_kit.clock import SECOND, Instant


class IdentityStanding(enum.Enum):
    """Whether an identity may be used."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentKeys:
    """What identity says of one DID."""

    did: str
    agent: str
    """`namespaces/{namespace}/agents/{agent}`."""
    standing: IdentityStanding
    periods: tuple[KeyPeriod, ...]
    """Every key it had to state something with, the oldest first."""
    expires_at: Instant | None = None
    """When it ends by itself."""


class IdentityAway(Exception):  # noqa: N818 - named for what happened, and caught where it becomes an answer
    """Identity could not be asked, with the reason in words."""


class IdentityReader(Protocol):
    """Asks identity."""

    async def keys_of(self, did: str) -> AgentKeys | None:
        """Return what identity says of `did`, None when it knows no such agent. Raises `IdentityAway`."""
        ...


class CardKeys(Protocol):
    """Answers what is known of the keys a card names."""

    async def answers(
        self, key_ids: Iterable[str], *, pinned: PinnedKeys, seen_at: Instant, now: Instant
    ) -> Mapping[str, KeyAnswer]:
        """Return the answer to each of `key_ids`, for a card that the registry had at `seen_at` for the first time."""
        ...

    def forget(self, did: str) -> None:
        """Ask identity anew about `did`, whose keys or standing changed."""
        ...


def did_url(key_id: str) -> tuple[str, str]:
    """Return the DID an agent's key is named under, in the form identity issued it, and the key's own name."""
    text, sign, fragment = key_id.partition("#")
    if not sign or not fragment:
        raise ValueError("it is not a DID, # and the name of a key")
    try:
        match parse_did(text):
            case AgentDid() | KeyDid() as did:
                return str(did), fragment
            case WebAlias(host, scid) if scid is not None:
                return str(AgentDid(scid, host)), fragment
            case _:
                raise ValueError("its DID is not an agent's")
    except DidError as error:
        raise ValueError(error.problem) from error


def agents_key(keys: AgentKeys, fragment: str, *, seen_at: Instant, now: Instant) -> KeyAnswer:
    """Return what a signature by the key called `fragment` of an agent counts at `now`, on a card had at `seen_at`."""
    periods = [one for one in keys.periods if fragment in {one.key.thumbprint, one.key.multibase}]
    if not periods:
        return UnknownKey("the agent has no key of that name and never had")
    standing, why = _standing(keys, periods, seen_at=seen_at, now=now)
    return KnownKey(key=card_key(periods[-1].key), signer=keys.did, signer_agent=keys.agent, standing=standing, why=why)


def _standing(keys: AgentKeys, periods: list[KeyPeriod], *, seen_at: Instant, now: Instant) -> tuple[KeyStanding, str]:
    if any(period.compromised_since is not None for period in periods):
        return KeyStanding.REVOKED, "its key was in other hands"
    if keys.standing is not IdentityStanding.ACTIVE:
        return KeyStanding.REVOKED, f"the identity of its signer is {keys.standing.value}"
    if keys.expires_at is not None and now >= keys.expires_at:
        return KeyStanding.EXPIRED, "the identity of its signer has ended"
    if any(period.until is None or _had_by_then(period, seen_at) for period in periods):
        return KeyStanding.GOOD, ""
    return KeyStanding.EXPIRED, "its key was replaced before the registry had this card; sign it with the key in force"


def _had_by_then(period: KeyPeriod, seen_at: Instant) -> bool:
    # The history of a DID counts whole seconds, cut: a card of the second in which the key was replaced came before it.
    return period.until is not None and period.since <= seen_at < period.until + SECOND
