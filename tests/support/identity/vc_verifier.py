"""A second verifier of birth certificates and status lists, written from the specifications: no code of ours in it.

It knows what a stranger would: the text, the registrar's DID document, and the time. Everything that does not hold
fails an assertion. Specifications: VC Data Model 2.0, vc-di-eddsa 3.3 (eddsa-jcs-2022), RFC 8785, VC-JOSE-COSE 3.1.1,
Bitstring Status List 1.0.
"""

import base64
import gzip
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import base58
from support.identity import ed25519_by_hand

VC2 = "https://www.w3.org/ns/credentials/v2"


def verify(text: bytes | str, registrar: dict[str, Any], now_ms: int) -> dict[str, Any]:
    """Return the credential without its proof, whichever form it came in."""
    raw = text.encode() if isinstance(text, str) else text
    content = _embedded(raw, registrar) if raw.startswith(b"{") else _jose(raw, registrar)
    assert content["@context"][0] == VC2
    assert "VerifiableCredential" in content["type"]
    assert content["issuer"] == registrar["id"]
    now = datetime.fromtimestamp(now_ms / 1_000, UTC)
    assert _time(content["validFrom"]) <= now
    assert "validUntil" not in content or now < _time(content["validUntil"])
    return content


def status_is_set(content: dict[str, Any], purpose: str, lists: list[dict[str, Any]]) -> bool:
    """Return the bit of the status of `content` for `purpose` (Bitstring Status List 3.2)."""
    (entry,) = [one for one in content["credentialStatus"] if one["statusPurpose"] == purpose]
    assert entry["type"] == "BitstringStatusListEntry"
    (listed,) = [one for one in lists if one["id"] == entry["statusListCredential"]]
    assert "BitstringStatusListCredential" in listed["type"]
    subject = listed["credentialSubject"]
    assert subject["type"] == "BitstringStatusList"
    assert subject["statusPurpose"] == purpose
    encoded = subject["encodedList"]
    assert encoded[0] == "u"
    bits = gzip.decompress(_base64url(encoded[1:]))
    assert len(bits) * 8 >= 131_072
    index = int(entry["statusListIndex"])
    assert str(index) == entry["statusListIndex"]
    return f"{bits[index // 8]:08b}"[index % 8] == "1"


def _embedded(raw: bytes, registrar: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(raw, object_pairs_hook=_members)
    proof = content.pop("proof")
    signature = base58.b58decode(proof["proofValue"][1:])
    assert "z" + base58.b58encode(signature).decode() == proof["proofValue"]
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    assert options["type"] == "DataIntegrityProof"
    assert options["cryptosuite"] == "eddsa-jcs-2022"
    assert options["proofPurpose"] == "assertionMethod"
    assert options["@context"] == content["@context"]
    _time(options["created"])
    signed = hashlib.sha256(jcs(options)).digest() + hashlib.sha256(jcs(content)).digest()
    assert ed25519_by_hand.verifies(_key(options["verificationMethod"], registrar), signature, signed)
    return content


def _jose(raw: bytes, registrar: dict[str, Any]) -> dict[str, Any]:
    header, payload, signature = raw.decode().split(".")
    said = json.loads(_base64url(header), object_pairs_hook=_members)
    assert said["typ"] == "vc+jwt"
    assert said["alg"] == "EdDSA"
    assert said.get("cty", "vc") == "vc"
    assert "crit" not in said
    signed = f"{header}.{payload}".encode()
    assert ed25519_by_hand.verifies(_key(said["kid"], registrar), _base64url(signature), signed)
    content: dict[str, Any] = json.loads(_base64url(payload), object_pairs_hook=_members)
    assert said.get("iss", content["issuer"]) == content["issuer"]
    assert not content.keys() & {"vc", "vp", "proof"}
    return content


def _key(name: str, registrar: dict[str, Any]) -> bytes:
    assert name in registrar["assertionMethod"]
    (method,) = [one for one in registrar["verificationMethod"] if one["id"] == name]
    assert method["type"] == "Multikey"
    assert method["publicKeyMultibase"][0] == "z"
    raw = base58.b58decode(method["publicKeyMultibase"][1:])
    assert raw[:2] == b"\xed\x01"
    return raw[2:]


def _time(text: str) -> datetime:
    assert text.endswith("Z")
    assert len(text) == 20
    return datetime.fromisoformat(text)


def _base64url(text: str) -> bytes:
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert base64.urlsafe_b64encode(data).rstrip(b"=").decode() == text
    return data


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({name for name, _ in pairs}) == len(pairs)
    return dict(pairs)


def jcs(value: Any) -> bytes:
    """Return the canonical form (RFC 8785 3.2)."""
    return _jcs(value).encode()


def _jcs(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        # Python escapes what RFC 8785 3.2.2.2 escapes, with \\u00xx in lower case; DEL and above stand for themselves.
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        assert abs(value) < 2**53
        return str(value)
    if isinstance(value, list):
        return "[" + ",".join(map(_jcs, value)) + "]"
    assert isinstance(value, dict), "numbers with a fraction are signed nowhere here"
    ordered = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(f"{_jcs(name)}:{_jcs(value[name])}" for name in ordered) + "}"
