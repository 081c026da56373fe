"""`ringfence token`: access tokens fetched, looked into and asked about, and the keys that sign them."""

import base64
import binascii
import enum
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text
from ringfence.agent_key import AgentKey
from ringfence.agent_tokens import AgentCredential
from ringfence.identity.v1 import credential_pb2
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1.identity_pb2_grpc import CredentialServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_bytes
from ringfence_launcher.key_files import load_key
from ringfence_launcher.options import RequestIdOption, prints, speaks_to
from ringfence_launcher.output import Output, fields, stacked
from ringfence_launcher.problems import Problem
from ringfence_launcher.subjects import EnvironmentOption
from ringfence_launcher.verify.trusted import text_or_file
from ringfence_launcher.views import credentials as view
from ringfence_launcher.words import seconds_text, time_text

app = typer.Typer(no_args_is_help=True, help="Get an access token, look into one, keep the keys that sign them.")


class Algorithm(enum.StrEnum):
    """How tokens are signed, as typed and sent."""

    EDDSA = "EdDSA"
    ES256 = "ES256"


_TIMES = ("iat", "nbf", "exp")


@app.command(epilog="Example: ringfence token issue --key analyst.key --audience https://warehouse.example.com")
@speaks_to("identity")
def issue(
    mesh: Mesh,
    out: Output,
    *,
    key: Annotated[Path, typer.Option(metavar="FILE", help="The agent's private key, as `did enrol` made it.")],
    audience: Annotated[str, typer.Option(help="Who will accept the token.")],
    scope: Annotated[list[str] | None, typer.Option(help="A scope wanted; repeat. Default: all it may have.")] = None,
    did: Annotated[str, typer.Option(help="The agent's DID, when the key file does not say it.")] = "",
    environment: Annotated[str, typer.Option("--environment", "-e", metavar="NAME", help="The same for it.")] = "",
) -> None:
    """Get a short-lived access token, proving possession of the agent's key. Prints the token alone."""
    held = whose(load_key(key), did=did, environment=environment)
    credentials = CredentialServiceStub(mesh.channel("identity", anonymous=True))
    issuer = credentials.GetJwks(pb.GetJwksRequest(environment=held.environment)).issuer
    credential = AgentCredential(key=held, issuer=issuer, audience=audience, scopes=tuple(scope or ()))
    issued = credentials.IssueToken(credential.request())
    out.one(issued, lambda token: token.access_token)


@app.command(epilog="Example: ringfence token issue --key analyst.key --audience me | ringfence token show -")
@prints
def show(
    out: Output,
    jws: Annotated[str, typer.Argument(metavar="TOKEN|-", help="The token; - reads it from standard input.")],
) -> None:
    """Show what a token says. Nothing is verified: anybody could have written it."""
    text = read_bytes(Path(jws)).decode("ascii", "replace") if jws == "-" else jws
    header, claims = _opened(text.strip().removeprefix("Bearer "))
    out.value({"verified": False, "header": header, "claims": claims}, lambda: _token_view(header, claims))


@app.command(epilog="Example: ringfence token introspect token.txt --audience https://warehouse.example.com")
@speaks_to("identity")
def introspect(
    mesh: Mesh,
    out: Output,
    jws: Annotated[str, typer.Argument(metavar="TOKEN|FILE", help="The token, a file with it, or -.")],
    *,
    audience: Annotated[str, typer.Option(help="Whom you stand for: a token for another is not active.")],
) -> None:
    """Ask identity whether a token is good at this moment, revocation included. Exit code 1: it is not."""
    request = credential_pb2.IntrospectTokenRequest(token=text_or_file(jws), audience=audience)
    found = CredentialServiceStub(mesh.channel("identity")).IntrospectToken(request)
    out.one(found, view.introspection)
    if not found.active:
        raise typer.Exit(int(ExitCode.NEGATIVE))


@app.command(epilog="Example: ringfence token keys -e prod")
@speaks_to("identity")
def keys(mesh: Mesh, out: Output, *, environment: EnvironmentOption = "dev") -> None:
    """List the keys that sign an environment's tokens: next, in force, retired, killed."""
    request = credential_pb2.ListIssuerKeysRequest(environment=environment)
    out.many(list(CredentialServiceStub(mesh.channel("identity")).ListIssuerKeys(request).keys), view.issuer_keys)


@app.command("rotate-key", epilog="Example: ringfence token rotate-key -e prod")
@speaks_to("identity")
def rotate_key(
    mesh: Mesh,
    out: Output,
    *,
    environment: EnvironmentOption = "dev",
    algorithm: Annotated[Algorithm, typer.Option(help="Of the new key.", case_sensitive=False)] = Algorithm.EDDSA,
    request_id: RequestIdOption = "",
) -> None:
    """Publish the next key of an environment. It signs once every verifier's cache can know it."""
    request = credential_pb2.RotateIssuerKeyRequest(
        environment=environment, algorithm=algorithm.value, request_id=request_id
    )
    rotated = CredentialServiceStub(mesh.channel("identity")).RotateIssuerKey(request)
    out.one(rotated, lambda shown: view.issuer_keys([shown.key]))
    out.hint(f"it signs from {time_text(rotated.key.activate_time)}")


@app.command("revoke-key", epilog="Example: ringfence token revoke-key KEY-ID -e prod --reason 'its backup was lost'")
@speaks_to("identity")
def revoke_key(
    mesh: Mesh,
    out: Output,
    key_id: Annotated[str, typer.Argument(metavar="KEY-ID", help="Its thumbprint, as `token keys` shows it.")],
    *,
    environment: EnvironmentOption = "dev",
    reason: Annotated[str, typer.Option(help="Why.")],
    request_id: RequestIdOption = "",
) -> None:
    """Kill a key that signs tokens: everything it signed is void at once, and its successor signs."""
    request = credential_pb2.RevokeIssuerKeyRequest(
        environment=environment, key_id=key_id, reason=reason, request_id=request_id
    )
    revoked = CredentialServiceStub(mesh.channel("identity")).RevokeIssuerKey(request)
    out.one(revoked, lambda shown: view.issuer_keys([shown.key, shown.successor]))


def whose(key: AgentKey, *, did: str = "", environment: str = "") -> AgentKey:
    """Return the key, knowing whose it is; what the file does not say is to be given."""
    found = replace(key, did=did or key.did, environment=environment or key.environment)
    if not found.did or not found.environment:
        raise Problem(
            "the key file does not say whose key it is",
            code=ExitCode.CONFIGURATION,
            mend="enrol the agent with it first (`ringfence did enrol`), or give --did and --environment",
        )
    return found


def _opened(compact: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        header, claims, _ = compact.split(".")
        return _object(header), _object(claims)
    except (ValueError, RecursionError):
        raise Problem(
            "this is not a compact JWS over a JSON object",
            code=ExitCode.CONFIGURATION,
            mend="give the whole token: three parts with dots between them",
        ) from None


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except binascii.Error as error:
        raise ValueError(part) from error
    if not isinstance(value, dict):
        raise ValueError(part)  # noqa: TRY004 - the caller treats whatever is no token alike
    return value


def _token_view(header: dict[str, Any], claims: dict[str, Any]) -> RenderableType:
    return stacked(
        Text("NOT VERIFIED: this is what the token says, whoever wrote it", style="bold yellow"),
        fields((name, _shown(name, value)) for name, value in header.items()),
        Text(),
        fields((name, _shown(name, value)) for name, value in claims.items()),
    )


def _shown(name: str, value: Any) -> str:
    if name in _TIMES and isinstance(value, int):
        return f"{value}  ({seconds_text(value)})"
    return value if isinstance(value, str) else json.dumps(value)
