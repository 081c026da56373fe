"""The history of a DID as did:webvh 1.0 writes it: one signed entry a version, each chained to the one before.

- the SCID is the hash of the first entry, so a DID names its own beginning;
- every entry commits to the hash of the next update key (pre-rotation); the key itself is shown only when it is used,
  and is used for that one entry;
- `versionTime` is in whole seconds and strictly increasing: at most one entry a second a DID;
- an entry is made once and kept as the line that was signed.
"""

import hashlib
from dataclasses import dataclass

from ringfence_kit.clock import MINUTE, SECOND, Instant, Millis
from ringfence_kit.errors import Unavailable

from ringfence_identity import data_integrity
from ringfence_identity.canonical_json import JsonObject, canonical, digest
from ringfence_identity.did import KeyDid, Scid, multihash_of
from ringfence_identity.did_document import SCID_PLACEHOLDER, replace_text
from ringfence_identity.public_keys import PublicKey, SigningKey, public_key_of
from ringfence_identity.timestamps import timestamp, whole_second

METHOD = "did:webvh:1.0"

FUTURE_TOLERANCE = Millis(5 * MINUTE)
"""How far ahead of a resolver's clock a versionTime may lie (did:webvh 1.0, Read step 4)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One version of a DID."""

    number: int
    version_id: str
    version_time: Instant
    parameters: JsonObject
    state: JsonObject
    proof: JsonObject

    @property
    def line(self) -> str:
        """The entry as a line of `did.jsonl`, without the line feed."""
        return canonical({**_unsigned(self), "proof": [self.proof]}).decode()


def begin_log(template: JsonObject, *, key: SigningKey, next_key: PublicKey, now: Instant) -> LogEntry:
    """Return the first entry of a new DID. `template` is its document with the placeholder for the SCID."""
    parameters: JsonObject = {
        "method": METHOD,
        "scid": SCID_PLACEHOLDER,
        "updateKeys": [public_key_of(key).multibase],
        "nextKeyHashes": [key_hash(next_key)],
        "portable": False,
    }
    at = whole_second(now)
    preliminary: JsonObject = {
        "versionId": SCID_PLACEHOLDER,
        "versionTime": timestamp(at),
        "parameters": parameters,
        "state": template,
    }
    scid = multihash_of(digest(preliminary))
    filled = replace_text(preliminary, SCID_PLACEHOLDER, scid)
    return _signed(filled, number=1, at=at, key=key)


def update_log(
    previous: LogEntry, *, state: JsonObject, key: SigningKey, next_key: PublicKey, now: Instant
) -> LogEntry:
    """Return the entry after `previous`; `key` must be the one `previous` committed to."""
    parameters: JsonObject = {
        "updateKeys": [public_key_of(key).multibase],
        "nextKeyHashes": [key_hash(next_key)],
    }
    return _next(previous, parameters, state, key=key, now=now)


def deactivate_log(previous: LogEntry, *, key: SigningKey, now: Instant) -> LogEntry:
    """Return the last entry of a DID: it ends pre-rotation and takes the DID out of use for good."""
    parameters: JsonObject = {
        "updateKeys": [public_key_of(key).multibase],
        "nextKeyHashes": [],
        "deactivated": True,
    }
    return _next(previous, parameters, previous.state, key=key, now=now)


def scid_of(first: LogEntry) -> Scid:
    """Return the SCID that the first entry of a log defines."""
    return Scid(str(first.parameters["scid"]))


def key_hash(key: PublicKey) -> str:
    """Return what `nextKeyHashes` shows of a key that is still hidden."""
    return multihash_of(hashlib.sha256(key.multibase.encode()).digest())


def next_version_time(previous: Instant, now: Instant) -> Instant:
    """Return the earliest time the next entry may carry: now, or one second after the last."""
    at = max(whole_second(now), Instant(previous + SECOND))
    if at > now + FUTURE_TOLERANCE:
        raise Unavailable(problem="the clock stands minutes behind what was signed last; set it right")
    return at


def _next(previous: LogEntry, parameters: JsonObject, state: JsonObject, *, key: SigningKey, now: Instant) -> LogEntry:
    at = next_version_time(previous.version_time, now)
    chained: JsonObject = {
        "versionId": previous.version_id,
        "versionTime": timestamp(at),
        "parameters": parameters,
        "state": state,
    }
    return _signed(chained, number=previous.number + 1, at=at, key=key)


def _signed(chained: JsonObject, *, number: int, at: Instant, key: SigningKey) -> LogEntry:
    """Hash an entry that still carries its predecessor's versionId, give it its own, and sign it."""
    predecessor = chained["versionId"]
    if number == 1:
        # The predecessor of the first entry is the SCID, which already stands in place of the placeholder.
        predecessor = _object(chained["parameters"])["scid"]
    entry: JsonObject = {**chained, "versionId": predecessor}
    entry["versionId"] = f"{number}-{multihash_of(digest(entry))}"
    name = KeyDid(public_key_of(key))
    proof = data_integrity.make_proof(
        entry, key=key, verification_method=f"{name}#{name.key.multibase}", created=timestamp(at)
    )
    return LogEntry(
        number=number,
        version_id=str(entry["versionId"]),
        version_time=at,
        parameters=_object(entry["parameters"]),
        state=_object(entry["state"]),
        proof=proof,
    )


def _unsigned(entry: LogEntry) -> JsonObject:
    return {
        "versionId": entry.version_id,
        "versionTime": timestamp(entry.version_time),
        "parameters": entry.parameters,
        "state": entry.state,
    }


def _object(value: object) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError("a log entry's parameters and state are objects")
    return value
