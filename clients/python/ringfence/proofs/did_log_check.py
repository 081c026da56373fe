"""Whether a did:webvh log holds, from its first byte: the check anyone can make without asking its issuer.

Every rule is checked for every entry (did:webvh 1.0, Read): version numbers without a gap, times strictly increasing
and not ahead of now, the entry hash, the SCID, the committed update keys, the proof, and that the document is of the
DID that was asked for. The first broken rule refuses the whole log.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from ringfence.instants import Instant
from ringfence.proofs import data_integrity
from ringfence.proofs.canonical_json import CanonicalFormError, Json, JsonObject, digest, parse_object
from ringfence.proofs.did import AgentDid, RegistrarDid, is_scid, multihash_of
from ringfence.proofs.did_document import SCID_PLACEHOLDER, replace_text
from ringfence.proofs.did_log import FUTURE_TOLERANCE, METHOD, LogEntry
from ringfence.proofs.public_keys import PublicKey, PublicKeyError, from_multibase
from ringfence.proofs.timestamps import parse_timestamp

MAX_LOG_BYTES = 5 * 1024 * 1024
"""Longer logs are refused unread (did:webvh 1.0, Security)."""

_MEMBERS = frozenset({"versionId", "versionTime", "parameters", "state", "proof"})
# `witness`, `watchers` and `ttl` are legal in did:webvh; our logs carry none, and what is not checked is refused.
_FIRST_PARAMETERS = frozenset({"method", "scid", "updateKeys", "nextKeyHashes", "portable"})
_LATER_PARAMETERS = frozenset({"updateKeys", "nextKeyHashes", "deactivated"})
_UNUSED: Mapping[str, Json] = {"witness": {}, "watchers": [], "portable": False, "deactivated": False}
"""How an entry spells out that it does not use a feature (did:webvh 1.0, DID Method Parameters): as good as nothing."""
_ASKED_FOR = {
    "updateKeys": "every entry shows the keys it may be signed with",
    "nextKeyHashes": "every entry commits to the next update key (did:webvh pre-rotation)",
}


class DidLogError(ValueError):
    """A log that breaks a rule, with the rule in words."""


@dataclass(frozen=True, slots=True)
class _Chain:
    """What one entry must know of those before it."""

    number: int
    version_id: str
    version_time: Instant
    next_key_hashes: tuple[str, ...]
    deactivated: bool


def check_log(text: str, *, did: AgentDid | RegistrarDid, now: Instant) -> tuple[LogEntry, ...]:
    """Return the entries of the log of `did`, oldest first, or raise `DidLogError`."""
    if len(text.encode()) > MAX_LOG_BYTES:
        raise DidLogError(f"the log is larger than {MAX_LOG_BYTES} bytes")
    entries: list[LogEntry] = []
    chain: _Chain | None = None
    # A line ends with a line feed (JSON Lines) and with nothing else that str.splitlines would take for an end.
    for line in text.removesuffix("\n").split("\n") if text else ():
        entry, chain = _check_entry(_read_line(line), chain, did=did, now=now)
        entries.append(entry)
    if not entries:
        raise DidLogError("the log is empty")
    return tuple(entries)


def stored_entry(line: str) -> LogEntry:
    """Return the entry in a line of our own store, whose signature was checked when it was made: only its form."""
    raw = _read_line(line)
    match raw["proof"], raw["versionId"]:
        case [dict() as proof], str() as version_id:
            number, _, _ = version_id.partition("-")
        case _:
            raise DidLogError("a stored entry is damaged")
    return LogEntry(
        number=int(number),
        version_id=version_id,
        version_time=parse_timestamp(_text(raw, "versionTime")),
        parameters=_object(raw, "parameters"),
        state=_object(raw, "state"),
        proof=proof,
    )


def _check_entry(
    raw: JsonObject, chain: _Chain | None, *, did: AgentDid | RegistrarDid, now: Instant
) -> tuple[LogEntry, _Chain]:
    if chain is not None and chain.deactivated:
        raise DidLogError("an entry follows the one that deactivated the DID")
    number = 1 if chain is None else chain.number + 1
    version_id = _text(raw, "versionId")
    at = _check_time(_text(raw, "versionTime"), chain, now)
    parameters, state = _object(raw, "parameters"), _object(raw, "state")
    if state.get("id") != str(did):
        raise DidLogError("the document is of another DID")
    keys, hashes = _check_parameters(parameters, chain)
    if chain is None:
        _check_scid(raw, parameters, did)
    _check_entry_hash(raw, number, did.scid if chain is None else chain.version_id)
    proof = _check_proof(raw, keys)
    entry = LogEntry(
        number=number, version_id=version_id, version_time=at, parameters=parameters, state=state, proof=proof
    )
    deactivated = parameters.get("deactivated") is True
    return entry, _Chain(number, version_id, at, hashes, deactivated)


def _read_line(line: str) -> JsonObject:
    try:
        raw = parse_object(line)
    except (ValueError, RecursionError) as error:
        raise DidLogError(f"a line is not a JSON object: {error}") from error
    if raw.keys() != _MEMBERS:
        raise DidLogError("an entry has other members than versionId, versionTime, parameters, state and proof")
    return raw


def _check_time(text: str, chain: _Chain | None, now: Instant) -> Instant:
    try:
        at = parse_timestamp(text)
    except ValueError as error:
        raise DidLogError(f"versionTime {error}") from error
    if chain is not None and at <= chain.version_time:
        raise DidLogError("versionTime does not increase")
    if at > now + FUTURE_TOLERANCE:
        raise DidLogError("versionTime lies in the future")
    return at


def _check_parameters(parameters: JsonObject, chain: _Chain | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the update keys and next key hashes in force, having checked the one against the commitment before."""
    used = {name for name, value in parameters.items() if not _is_unused(name, value)}
    unknown = used - (_FIRST_PARAMETERS if chain is None else _LATER_PARAMETERS)
    if unknown:
        raise DidLogError(f"parameters not allowed here: {', '.join(sorted(unknown))}")
    if chain is None and parameters.get("method") != METHOD:
        raise DidLogError(f"the method is not {METHOD}")
    if parameters.get("portable", False) is not False:
        raise DidLogError("portable logs are not issued here")
    if not isinstance(parameters.get("deactivated", False), bool):
        raise DidLogError("deactivated is not a boolean")
    keys, hashes = _texts(parameters, "updateKeys"), _texts(parameters, "nextKeyHashes")
    if chain is not None:
        if not chain.next_key_hashes:
            raise DidLogError("the entry before commits to no next update key, so none may follow it")
        shown = {multihash_of(hashlib.sha256(key.encode()).digest()) for key in keys}
        if not keys or not shown <= set(chain.next_key_hashes):
            raise DidLogError("an update key was not committed to by the entry before")
    return keys, hashes


def _is_unused(name: str, value: Json) -> bool:
    unused = _UNUSED.get(name)
    return unused is not None and type(value) is type(unused) and value == unused


def _check_scid(raw: JsonObject, parameters: JsonObject, did: AgentDid | RegistrarDid) -> None:
    scid = parameters.get("scid")
    if not isinstance(scid, str) or not is_scid(scid) or scid != did.scid:
        raise DidLogError("the SCID is not the DID's")
    unsigned: JsonObject = {name: value for name, value in raw.items() if name != "proof"}
    preliminary = replace_text({**unsigned, "versionId": SCID_PLACEHOLDER}, scid, SCID_PLACEHOLDER)
    if multihash_of(_digest(preliminary)) != scid:
        raise DidLogError("the SCID is not the hash of the first entry")


def _check_entry_hash(raw: JsonObject, number: int, predecessor: str) -> None:
    unsigned: JsonObject = {name: value for name, value in raw.items() if name != "proof"}
    if raw["versionId"] != f"{number}-{multihash_of(_digest({**unsigned, 'versionId': predecessor}))}":
        raise DidLogError("versionId is not the next number and the hash of the entry")


def _check_proof(raw: JsonObject, keys: tuple[str, ...]) -> JsonObject:
    match raw["proof"]:
        case [dict() as proof]:
            pass
        case _:
            raise DidLogError("an entry does not carry exactly one proof")
    key = _signing_key(proof.get("verificationMethod"), keys)
    unsigned: JsonObject = {name: value for name, value in raw.items() if name != "proof"}
    try:
        data_integrity.check_proof(unsigned, proof, key=key)
    except data_integrity.DataIntegrityError as refused:
        raise DidLogError(f"the proof of an entry is refused: {refused}") from refused
    return proof


def _signing_key(method: Json, keys: tuple[str, ...]) -> PublicKey:
    for key in keys:
        if method == f"did:key:{key}#{key}":
            try:
                return from_multibase(key)
            except PublicKeyError as refused:
                raise DidLogError(f"an update key is refused: {refused.problem}") from refused
    raise DidLogError("the proof is not by an update key in force")


def _digest(value: JsonObject) -> bytes:
    try:
        return digest(value)
    except CanonicalFormError as error:
        raise DidLogError(f"an entry has no canonical form: {error}") from error


def _text(raw: JsonObject, member: str) -> str:
    value = raw[member]
    if not isinstance(value, str):
        raise DidLogError(f"{member} is not a string")
    return value


def _object(raw: JsonObject, member: str) -> JsonObject:
    value = raw[member]
    if not isinstance(value, dict):
        raise DidLogError(f"{member} is not an object")
    return value


def _texts(parameters: JsonObject, name: str) -> tuple[str, ...]:
    if name not in parameters:
        raise DidLogError(f"{name} is missing: {_ASKED_FOR[name]}")
    value = parameters[name]
    if not isinstance(value, list):
        raise DidLogError(f"{name} is not a list")
    texts = tuple(item for item in value if isinstance(item, str))
    if len(texts) != len(value):
        raise DidLogError(f"{name} is not a list of strings")
    return texts
