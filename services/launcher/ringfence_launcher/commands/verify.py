"""`ringfence verify`: check what the mesh has signed, offline, trusting nothing but what you name."""

import json
from pathlib import Path
from typing import Annotated

import typer
from ringfence.proofs.access_token import TokenRefused, check_access_token
from ringfence.proofs.birth_certificate_check import check_birth_certificate
from ringfence.proofs.credential_check import CredentialError
from ringfence.proofs.delegation_chain import (
    DelegationError,
    check_chain,
    read_chain,
    require_audience,
    require_in_force,
)
from ringfence.proofs.did_log_check import DidLogError, check_log
from ringfence.proofs.jwk_set import read_jwk_set
from ringfence.proofs.merkle import ProofInvalid
from ringfence.proofs.signed_note import NoteInvalid
from ringfence.proofs.status_list_check import (
    CredentialRevoked,
    CredentialSuspended,
    check_status_list,
    require_good_standing,
)
from ringfence.proofs.timestamps import timestamp
from ringfence.proofs.trust_statement import TrustStatementError, check_statement

from ringfence_launcher.audit.known_logs import key_text, parse_key
from ringfence_launcher.input_files import unusable
from ringfence_launcher.options import prints
from ringfence_launcher.output import Output
from ringfence_launcher.verify.chains import grants_in, parties_of
from ringfence_launcher.verify.proofs import ProofUnreadable, checkpoint_in, extends, proven_entry
from ringfence_launcher.verify.trusted import (
    assertion_keys,
    did_of,
    moment,
    read_object,
    read_text,
    registrar_document,
    text_or_file,
)
from ringfence_launcher.verify.verdict import Verdict, broken, pronounce

app = typer.Typer(
    no_args_is_help=True,
    help="Check offline what the mesh has signed: DID logs, certificates, tokens, delegations, Merkle logs.",
    epilog="Exit codes: 0 it holds; 1 it does not, and the rule it breaks is named; 2 the command line is wrong; "
    "3 a file cannot be used. An exported log is checked by `ringfence audit verify`.",
)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The file; - reads standard input.")]
AtOption = Annotated[
    str, typer.Option("--at", metavar="TIME", help="Judge as of this moment: 2026-01-01T00:00:00Z. Default: now.")
]
RegistrarOption = Annotated[
    Path,
    typer.Option(metavar="FILE", help="The trusted registrar: its did.jsonl, or its DID document."),
]
LogKeyOption = Annotated[
    str, typer.Option(metavar="KEY|FILE", help="The log's key, `name+id+base64`, from somebody you trust.")
]


@app.command(epilog="Example: ringfence verify log did.jsonl --did did:webvh:…:prod.id.example.com:agents:…")
@prints
def log(
    out: Output,
    file: FileArgument,
    *,
    did: Annotated[str, typer.Option(metavar="DID", help="Whose log it is said to be.")],
    at: AtOption = "",
) -> None:
    """Check a did:webvh log from its first byte: hashes, keys, times, proofs."""
    wanted = did_of(did)
    try:
        entries = check_log(read_text(file), did=wanted, now=moment(at))
    except DidLogError as error:
        return pronounce(out, broken("DID log", "did-log", error))
    newest = entries[-1]
    says = {
        "did": did,
        "versions": len(entries),
        "versionId": newest.version_id,
        "versionTime": timestamp(newest.version_time),
        "deactivated": newest.parameters.get("deactivated") is True,
        "keys": [key.thumbprint for key in assertion_keys(newest.state).values()],
    }
    return pronounce(out, Verdict(what="DID log", says=says))


@app.command(epilog="Example: ringfence verify certificate birth.json --registrar registrar.jsonl --status-list 1.json")
@prints
def certificate(
    out: Output,
    file: FileArgument,
    *,
    registrar: RegistrarOption,
    status_lists: Annotated[
        list[Path] | None,
        typer.Option("--status-list", metavar="FILE", help="A status list it names; repeat. Without, it is not asked."),
    ] = None,
    at: AtOption = "",
) -> None:
    """Check a birth certificate, as JSON or as vc+jwt: who issued it, when, and whether it still stands."""
    now = moment(at)
    trusted = registrar_document(registrar, now=now)
    try:
        birth = check_birth_certificate(read_text(file).strip(), registrar=trusted, now=now)
        if status_lists:
            lists = [check_status_list(read_text(each).strip(), registrar=trusted, now=now) for each in status_lists]
            require_good_standing(birth.credential, lists, now=now)
    except CredentialRevoked as error:
        return pronounce(out, broken("birth certificate", "revoked", error))
    except CredentialSuspended as error:
        return pronounce(out, broken("birth certificate", "suspended", error))
    except CredentialError as error:
        return pronounce(out, broken("birth certificate", "credential", error))
    says = {
        "id": birth.certificate_id,
        "did": str(birth.did),
        "agent": birth.agent,
        "environment": birth.environment,
        "serial": birth.serial,
        "hash": birth.hash,
        "issuer": str(birth.credential.issuer),
        "validFrom": timestamp(birth.credential.valid_from),
        "status": "good" if status_lists else "not asked: give --status-list",
        "states": birth.content,
    }
    return pronounce(out, Verdict(what="birth certificate", says=says))


@app.command(
    epilog="Example: ringfence verify token token.txt --jwks jwks.json --audience https://warehouse.example.com"
)
@prints
def token(
    out: Output,
    token: Annotated[str, typer.Argument(metavar="TOKEN|FILE", help="The token, a file with it, or -.")],
    *,
    jwks: Annotated[Path, typer.Option(metavar="FILE", help="The issuer's key set.")],
    audience: Annotated[str, typer.Option(help="Whom the token must be for: you.")],
    issuer: Annotated[str, typer.Option(help="Whose it must be; any `iss` that the key set verifies without it.")] = "",
    environment: Annotated[str, typer.Option("--environment", "-e", help="Which environment it must be of.")] = "",
    at: AtOption = "",
) -> None:
    """Check an access token by its issuer's published keys. Revocation is not in it: at most 300 s late."""
    try:
        keys = read_jwk_set(read_object(jwks))
    except ValueError as error:
        raise unusable(jwks, str(error)) from error
    try:
        checked = check_access_token(
            text_or_file(token),
            keys=keys,
            issuer=issuer or None,
            audience=audience,
            now=moment(at),
            environment=environment or None,
        )
    except TokenRefused as error:
        return pronounce(out, broken("token", error.rule.value, error.problem))
    said = checked.token
    says = {
        "did": said.did,
        "environment": said.environment,
        "ring": said.ring,
        "scopes": list(said.scopes),
        "issuer": said.issuer,
        "audience": said.audience,
        "tokenId": said.token_id,
        "key": checked.key_id,
        "holderKey": said.holder,
        "certificate": said.birth_certificate_hash,
        "revocationEpoch": said.revocation_epoch,
        "issued": timestamp(said.issued_at),
        "expires": timestamp(said.expires_at),
        "delegationPath": list(said.delegation.path) if said.delegation else [],
    }
    return pronounce(out, Verdict(what="token", says=says))


@app.command(epilog="Example: ringfence verify chain grants --registrar reg.jsonl --certificate a.json --log a.jsonl")
@prints
def chain(
    out: Output,
    file: FileArgument,
    *,
    registrar: RegistrarOption,
    certificates: Annotated[
        list[Path], typer.Option("--certificate", metavar="FILE", help="Birth certificate (JSON) of an agent; repeat.")
    ],
    logs: Annotated[
        list[Path] | None, typer.Option("--log", metavar="FILE", help="did.jsonl of an agent in the chain; repeat.")
    ] = None,
    audience: Annotated[str, typer.Option(help="Whom its tokens are to be for.")] = "",
    at: AtOption = "",
) -> None:
    """Check a chain of delegation grants, one a line, the first one first. What was spent or revoked is not in it."""
    now = moment(at)
    parties = parties_of(certificates, logs or (), registrar=registrar_document(registrar, now=now), now=now)
    try:
        rights = check_chain(read_chain(grants_in(read_text(file))), parties, now=now)
        require_in_force(rights, now=now)
        if audience:
            require_audience(rights, audience)
    except DelegationError as error:
        return pronounce(out, broken("delegation chain", error.rule.value, f"link {error.link}: {error.problem}"))
    says = {
        "environment": rights.environment,
        "path": list(rights.path),
        "scopes": list(rights.scopes),
        "audiences": list(rights.audiences),
        "tools": sorted(rights.tools),
        "expires": timestamp(rights.expires_at),
        "grants": [f"delegations/{name}" for name in rights.grants],
    }
    return pronounce(out, Verdict(what="delegation chain", says=says))


@app.command(epilog="Example: ringfence verify statement statement.jwt --registrar registrar.jsonl")
@prints
def statement(
    out: Output,
    statement: Annotated[str, typer.Argument(metavar="STATEMENT|FILE", help="The statement, a file with it, or -.")],
    *,
    registrar: RegistrarOption,
    at: AtOption = "",
) -> None:
    """Check a trust statement: what a registrar says of an agent, good for 60 s."""
    now = moment(at)
    trusted = registrar_document(registrar, now=now)
    try:
        stated = check_statement(
            text_or_file(statement), issuer=str(trusted["id"]), keys=assertion_keys(trusted), now=now
        )
    except TrustStatementError as error:
        return pronounce(out, broken("trust statement", "statement", error))
    standing = stated.standing
    says = {
        "did": standing.did,
        "environment": standing.environment,
        "score": standing.score,
        "ring": standing.ring,
        "scopes": list(standing.scopes),
        "key": standing.key.thumbprint,
        "didVersion": standing.did_version_id,
        "revocationEpoch": standing.revocation_epoch,
        "issued": timestamp(stated.issued_at),
        "expires": timestamp(stated.expires_at),
    }
    return pronounce(out, Verdict(what="trust statement", says=says))


@app.command(epilog="Example: ringfence verify checkpoint checkpoint.txt --verifier-key log.key")
@prints
def checkpoint(out: Output, file: FileArgument, *, verifier_key: LogKeyOption) -> None:
    """Check a signed checkpoint of a Merkle log."""
    key = parse_key(key_text(verifier_key), source="--verifier-key")
    try:
        signed = checkpoint_in(file, key)
    except (NoteInvalid, ProofUnreadable) as error:
        return pronounce(out, broken("checkpoint", "signature", error))
    says = {"origin": signed.origin, "treeSize": signed.size, "rootHash": signed.root.hex()}
    return pronounce(out, Verdict(what="checkpoint", says=says))


@app.command(epilog="Example: ringfence audit prove 7 -o json > proof.json; ringfence verify entry proof.json …")
@prints
def entry(
    out: Output,
    file: FileArgument,
    *,
    verifier_key: LogKeyOption,
    body: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The entry's bytes, when the proof does not hold them.")
    ] = None,
) -> None:
    """Check that an entry is in a Merkle log: from its bytes to a signed checkpoint."""
    key = parse_key(key_text(verifier_key), source="--verifier-key")
    try:
        proven = proven_entry(file, key, body=body)
    except NoteInvalid as error:
        return pronounce(out, broken("log entry", "signature", error))
    except ProofInvalid as error:
        return pronounce(out, broken("log entry", "inclusion", error))
    except ProofUnreadable as error:
        return pronounce(out, broken("log entry", "form", error))
    says = {
        "origin": proven.under.origin,
        "index": proven.index,
        "treeSize": proven.under.size,
        "entry": _body(proven.body),
    }
    return pronounce(out, Verdict(what="log entry", says=says))


@app.command(epilog="Example: ringfence verify consistency old.txt new.txt proof.json --verifier-key log.key")
@prints
def consistency(
    out: Output,
    first: Annotated[Path, typer.Argument(metavar="OLD", help="The checkpoint seen before.")],
    second: Annotated[Path, typer.Argument(metavar="NEW", help="The checkpoint seen now.")],
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="What GetConsistencyProof answered, as JSON.")],
    *,
    verifier_key: LogKeyOption,
) -> None:
    """Check that a log only grew between two checkpoints."""
    key = parse_key(key_text(verifier_key), source="--verifier-key")
    try:
        old, new = checkpoint_in(first, key), checkpoint_in(second, key)
        extends(old, new, proof)
    except NoteInvalid as error:
        return pronounce(out, broken("log", "signature", error))
    except ProofInvalid as error:
        return pronounce(out, broken("log", "consistency", error))
    except ProofUnreadable as error:
        return pronounce(out, broken("log", "form", error))
    says = {"origin": new.origin, "from": old.size, "to": new.size, "rootHash": new.root.hex()}
    return pronounce(out, Verdict(what="log", says=says))


def _body(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return repr(body)
