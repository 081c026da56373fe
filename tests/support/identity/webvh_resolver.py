"""A second did:webvh resolver, written from the specification alone: it shares no code with the service.

It knows only what a stranger would: the text of the log and the DID. Canonical JSON is json.dumps, which agrees with
RFC 8785 for the ASCII strings, booleans and small integers of our logs; anything else fails an assertion.
"""

import hashlib
import json
from datetime import datetime
from typing import Any

import base58
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def resolve(log: str, did: str) -> dict[str, Any] | None:
    """Return the newest document, or None when the DID is deactivated; AssertionError when the log does not hold."""
    _, _, scid, *_ = did.split(":")
    previous: dict[str, Any] | None = None
    commitments: list[str] = []
    parameters: dict[str, Any] = {}
    for number, line in enumerate(log.splitlines(), start=1):
        entry = json.loads(line)
        (proof,) = entry.pop("proof")
        parameters.update(entry["parameters"])
        predecessor = previous["versionId"] if previous else scid
        assert entry["versionId"] == f"{number}-{_multihash({**entry, 'versionId': predecessor})}"
        assert entry["state"]["id"] == did
        if previous is None:
            blank = json.loads(json.dumps({**entry, "versionId": "{SCID}"}).replace(scid, "{SCID}"))
            assert parameters["scid"] == scid == _multihash(blank)
            assert parameters["method"] == "did:webvh:1.0"
        else:
            assert _time(previous) < _time(entry)
            for key in entry["parameters"]["updateKeys"]:
                assert base58.b58encode(b"\x12\x20" + hashlib.sha256(key.encode()).digest()).decode() in commitments
        _verify(entry, proof, entry["parameters"]["updateKeys"])
        commitments = entry["parameters"]["nextKeyHashes"]
        previous = entry
    assert previous is not None
    if parameters.get("deactivated"):
        return None
    document: dict[str, Any] = previous["state"]
    return document


def _time(entry: dict[str, Any]) -> datetime:
    assert entry["versionTime"].endswith("Z")
    assert "." not in entry["versionTime"]
    return datetime.fromisoformat(entry["versionTime"])


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    assert text.isascii()
    return text.encode()


def _multihash(value: Any) -> str:
    return base58.b58encode(b"\x12\x20" + hashlib.sha256(_canonical(value)).digest()).decode()


def _verify(entry: dict[str, Any], proof: dict[str, Any], update_keys: list[str]) -> None:
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    assert options["cryptosuite"] == "eddsa-jcs-2022"
    assert options["proofPurpose"] == "assertionMethod"
    multikey = options["verificationMethod"].split("#")[1]
    assert multikey in update_keys
    raw = base58.b58decode(multikey[1:])
    assert raw[:2] == b"\xed\x01"
    message = hashlib.sha256(_canonical(options)).digest() + hashlib.sha256(_canonical(entry)).digest()
    Ed25519PublicKey.from_public_bytes(raw[2:]).verify(base58.b58decode(proof["proofValue"][1:]), message)
