"""`ringfence certificate`: what was stated about an agent when its identity was made, as its registrar signed it."""

import enum
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.syntax import Syntax
from ringfence.identity.v1 import credential_pb2
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1.identity_pb2_grpc import CredentialServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.input_files import read_message
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.subjects import EnvironmentOption, SubjectArgument, did_of
from ringfence_launcher.views import identities as view

app = typer.Typer(no_args_is_help=True, help="Show an agent's birth certificate, or issue a new one.")


class Form(enum.StrEnum):
    """How a certificate is written, as typed."""

    JSON = "json"
    JWT = "jwt"


_FORMATS = {
    Form.JSON: credential_pb2.CREDENTIAL_FORMAT_EDDSA_JCS_2022,
    Form.JWT: credential_pb2.CREDENTIAL_FORMAT_VC_JWT,
}


@app.command(
    epilog="Examples: ringfence certificate show demo/analyst -e prod\n\n"
    "ringfence certificate show demo/analyst --as jwt > birth.jwt"
)
@speaks_to("identity")
def show(
    mesh: Mesh,
    out: Output,
    subject: SubjectArgument,
    *,
    environment: EnvironmentOption = "dev",
    serial: Annotated[int, typer.Option(min=0, help="Which one, from 1; 0 is the newest.")] = 0,
    form: Annotated[Form, typer.Option("--as", help="JSON with its proof, or a compact JWS (vc+jwt).")] = Form.JSON,
) -> None:
    """Print a birth certificate as it was signed: what `ringfence verify certificate` checks."""
    request = credential_pb2.GetBirthCertificateRequest(
        did=did_of(mesh, subject, environment), serial=serial, format=_FORMATS[form]
    )
    found = CredentialServiceStub(mesh.channel("identity")).GetBirthCertificate(request)
    if form is Form.JWT or not out.stdout.is_terminal:
        out.raw(found.credential + b"\n")
    else:
        shown = json.dumps(json.loads(found.credential), indent=2, ensure_ascii=False)
        out.value(json.loads(shown), lambda: Syntax(shown, "json", background_color="default", word_wrap=True))
    if found.revoked:
        out.hint(f"serial {found.serial} is revoked: superseded, or its agent is")


@app.command(epilog="Example: ringfence certificate issue demo/analyst --certificate analyst.birth.yaml")
@speaks_to("identity")
def issue(
    mesh: Mesh,
    out: Output,
    subject: SubjectArgument,
    *,
    environment: EnvironmentOption = "dev",
    certificate: Annotated[
        Path, typer.Option(metavar="FILE", help="All that is to be stated: see `ringfence did certificate`.")
    ],
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Issue a new birth certificate. The one before is revoked, and with it tokens and delegations made by it."""
    request = pb.IssueBirthCertificateRequest(
        did=did_of(mesh, subject, environment),
        birth_certificate=read_message(certificate, pb.BirthCertificateContent()),
        etag=etag,
        request_id=request_id,
    )
    out.one(CredentialServiceStub(mesh.channel("identity")).IssueBirthCertificate(request).identity, view.identity)
