"""One version of a DID as did:webvh 1.0 writes it, and what is read off it.

- the SCID is the hash of the first entry, so a DID names its own beginning;
- every entry commits to the hash of the next update key (pre-rotation); the key itself is shown only when it is used,
  and is used for that one entry;
- an entry is made once and kept as the line that was signed.
"""

import hashlib
from dataclasses import dataclass

from ringfence.instants import MINUTE, Instant, Millis
from ringfence.proofs.canonical_json import JsonObject, canonical
from ringfence.proofs.did import Scid, multihash_of
from ringfence.proofs.public_keys import PublicKey
from ringfence.proofs.timestamps import timestamp

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


def scid_of(first: LogEntry) -> Scid:
    """Return the SCID that the first entry of a log defines."""
    return Scid(str(first.parameters["scid"]))


def key_hash(key: PublicKey) -> str:
    """Return what `nextKeyHashes` shows of a key that is still hidden."""
    return multihash_of(hashlib.sha256(key.multibase.encode()).digest())


def _unsigned(entry: LogEntry) -> JsonObject:
    return {
        "versionId": entry.version_id,
        "versionTime": timestamp(entry.version_time),
        "parameters": entry.parameters,
        "state": entry.state,
    }
