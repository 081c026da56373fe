"""Which key an agent signed with when: what the history of a DID says about the signatures made in its name.

A key counts from the version of the DID that brought it until the version that brought another one, and never from the
moment it was in other hands (`compromisedSince`). Times are those of the history, in whole seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from ringfence.instants import EPOCH, Instant
from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.did import KeyDid
from ringfence.proofs.did_document import COMPROMISED_SINCE
from ringfence.proofs.did_log import LogEntry
from ringfence.proofs.public_keys import PublicKey, PublicKeyError, from_multibase
from ringfence.proofs.timestamps import parse_timestamp

DELEGATION = "capabilityDelegation"
"""The verification relationship of keys that may hand authority on (Controlled Identifiers 1.0, section 2.3.5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPeriod:
    """A key, and when signatures by it count."""

    key: PublicKey
    since: Instant
    until: Instant | None = None
    """When another took its place, or none did; None while it is in force."""
    compromised_since: Instant | None = None

    def in_force_at(self, at: Instant) -> bool:
        """Say whether it was the key of its agent at `at`, whoever held it."""
        return self.since <= at and (self.until is None or at < self.until)

    def lost_at(self, at: Instant) -> bool:
        """Say whether it was in other hands at `at`."""
        return self.compromised_since is not None and at >= self.compromised_since


def key_periods(entries: Sequence[LogEntry], relationship: str = DELEGATION) -> tuple[KeyPeriod, ...]:
    """Return the keys of a DID by its checked log (`did_log_check.check_log`), the oldest first."""
    lost = _lost(entries[-1].state) if entries else {}
    periods: list[KeyPeriod] = []
    for entry, following in zip_longest(entries, entries[1:]):
        end = None if following is None else following.version_time
        for key in _keys(entry, relationship):
            known = next((one for one in periods if one.key == key and one.until == entry.version_time), None)
            if known is not None:
                periods.remove(known)
            since = entry.version_time if known is None else known.since
            periods.append(KeyPeriod(key=key, since=since, until=end, compromised_since=lost.get(key)))
    return tuple(periods)


def only_key(did: KeyDid) -> tuple[KeyPeriod, ...]:
    """Return the one key a did:key ever has."""
    return (KeyPeriod(key=did.key, since=EPOCH),)


def _keys(entry: LogEntry, relationship: str) -> list[PublicKey]:
    if entry.parameters.get("deactivated") is True:
        return []
    named = entry.state.get(relationship)
    names = named if isinstance(named, list) else []
    return [key for method, key in _methods(entry.state) if method.get("id") in names]


def _lost(state: JsonObject) -> dict[PublicKey, Instant]:
    """Return since when which key is in other hands, by the newest version, which says so of every key before."""
    return {
        key: parse_timestamp(since)
        for method, key in _methods(state)
        if isinstance(since := method.get(COMPROMISED_SINCE), str)
    }


def _methods(state: JsonObject) -> list[tuple[JsonObject, PublicKey]]:
    listed = state.get("verificationMethod")
    methods = [method for method in listed if isinstance(method, dict)] if isinstance(listed, list) else []
    return [(method, key) for method in methods if (key := _key(method)) is not None]


def _key(method: JsonObject) -> PublicKey | None:
    """Return the key of a verification method; None for one that is not ours to understand or safe to trust."""
    text = method.get("publicKeyMultibase")
    if method.get("type") != "Multikey" or not isinstance(text, str):
        return None
    try:
        return from_multibase(text)
    except PublicKeyError:
        return None
