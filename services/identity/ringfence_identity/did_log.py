"""Writing the history of a DID: one signed entry a version, each chained to the one before (did:webvh 1.0).

- `versionTime` is in whole seconds and strictly increasing: at most one entry a second a DID;
- each entry is signed with the key its predecessor committed to, and commits to the next one.

What an entry is, and whether a log of them holds, is `ringfence.proofs`: anyone may check.
"""

from ringfence.proofs import data_integrity
from ringfence.proofs.canonical_json import JsonObject, digest
from ringfence.proofs.did import KeyDid, multihash_of
from ringfence.proofs.did_document import SCID_PLACEHOLDER, replace_text
from ringfence.proofs.did_log import FUTURE_TOLERANCE, METHOD, LogEntry, key_hash
from ringfence.proofs.public_keys import PublicKey, SigningKey, public_key_of
from ringfence.proofs.timestamps import timestamp, whole_second
from ringfence_kit.clock import SECOND, Instant
from ringfence_kit.errors import Unavailable


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


def _object(value: object) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError("a log entry's parameters and state are objects")
    return value
