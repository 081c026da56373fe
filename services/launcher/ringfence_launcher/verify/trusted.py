"""What a check is held against: the registrar, the key set, the logs of agents, the moment. All of it comes from files.

What is trusted is what the person names on the command line, and nothing that the checked thing brings with it. A DID
log proves itself (its DID is the hash of its first entry), so it may come from anywhere; a DID document alone proves
nothing and is taken at its owner's word.
"""

from pathlib import Path

import typer
from ringfence.proofs.canonical_json import JsonObject, parse_object
from ringfence.proofs.did import AgentDid, DidError, RegistrarDid, parse_did
from ringfence.proofs.did_log import LogEntry
from ringfence.proofs.did_log_check import DidLogError, check_log
from ringfence.proofs.public_keys import PublicKey, PublicKeyError, Thumbprint, from_multibase
from ringfence.proofs.timestamps import parse_timestamp
from ringfence_kit.clock import Instant, SystemClock

from ringfence_launcher.input_files import read_bytes, unusable


def moment(at: str) -> Instant:
    """Return the time to judge by: now, unless another is named."""
    if not at:
        return SystemClock().now()
    try:
        return parse_timestamp(at)
    except ValueError as error:
        raise typer.BadParameter(f"--at {error}") from None


def read_text(file: Path) -> str:
    """Return the text of a file; `-` reads standard input."""
    return read_bytes(file).decode("utf-8", "replace")


def text_or_file(given: str) -> str:
    """Return a compact text given as itself, in a file, or on standard input as `-`."""
    if given.startswith("ey") and given.count(".") == len(("header.", "payload.")):  # no file is called like a JWS
        return given.strip()
    return read_text(Path(given)).strip().removeprefix("Bearer ")


def read_object(file: Path) -> JsonObject:
    """Return the JSON object in a file."""
    try:
        return parse_object(read_text(file))
    except (ValueError, RecursionError) as error:
        raise unusable(file, f"it is not a JSON object: {error}") from error


def did_of(text: str) -> AgentDid | RegistrarDid:
    """Return a DID that has a log, or end with a usage error."""
    try:
        did = parse_did(text)
    except DidError as error:
        raise typer.BadParameter(str(error)) from None
    if not isinstance(did, AgentDid | RegistrarDid):
        raise typer.BadParameter(f"{text!r} has no log: name the did:webvh it is the alias of")
    return did


def read_log(file: Path, *, now: Instant) -> tuple[LogEntry, ...]:
    """Return the checked log in a file, whosever it is: the DID it proves is the one its document states."""
    text = read_text(file)
    try:
        newest = parse_object(text.strip().rpartition("\n")[2])
        state = newest["state"]
        did = parse_did(str(state.get("id"))) if isinstance(state, dict) else None
        if not isinstance(did, AgentDid | RegistrarDid):
            raise DidLogError("the log is not of a did:webvh")
        return check_log(text, did=did, now=now)
    except (ValueError, KeyError, RecursionError) as error:
        raise unusable(file, f"it is no DID log that holds: {error}") from error


def registrar_document(file: Path, *, now: Instant) -> JsonObject:
    """Return the registrar's DID document: from its log, which is checked, or as it stands in the file."""
    text = read_text(file)
    try:
        document = parse_object(text)
    except (ValueError, RecursionError):
        document = {}
    if "id" not in document:
        document = read_log(file, now=now)[-1].state
    try:
        did = parse_did(str(document.get("id")))
    except DidError as error:
        raise unusable(file, f"it is not the DID log or DID document of a registrar: {error}") from error
    if not isinstance(did, RegistrarDid):
        raise unusable(file, f"it is of {did}, which is not a registrar's DID")
    return document


def assertion_keys(document: JsonObject) -> dict[Thumbprint, PublicKey]:
    """Return the keys a registrar asserts with, by their names."""
    listed, asserted = document.get("verificationMethod"), document.get("assertionMethod")
    methods = listed if isinstance(listed, list) else []
    named = asserted if isinstance(asserted, list) else []
    found = dict[Thumbprint, PublicKey]()
    for method in methods:
        match method:
            case {"id": str(name), "publicKeyMultibase": str(text)} if name in named:
                try:
                    key = from_multibase(text)
                except PublicKeyError:
                    continue  # a key that is weak or of another kind verifies nothing here
                found[key.thumbprint] = key
    return found
