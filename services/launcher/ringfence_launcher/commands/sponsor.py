"""`ringfence sponsor`: the people who answer for agents."""

from typing import Annotated

import typer
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.views import identities as view
from ringfence_launcher.words import sponsor_name

app = typer.Typer(no_args_is_help=True, help="Register the people who answer for agents.")


@app.callback()
def sponsor() -> None:
    """Register the people who answer for agents."""


@app.command(epilog="Example: ringfence sponsor register first --name 'First sponsor' --contact first@example.com")
@speaks_to("identity")
def register(
    mesh: Mesh,
    out: Output,
    sponsor_id: Annotated[str, typer.Argument(metavar="ID", help="Last part of the new name: sponsors/ID.")],
    *,
    name: Annotated[str, typer.Option(help="The person's name.")],
    contact: Annotated[str, typer.Option(help="Where to reach them: an e-mail address or a URL.")],
    oidc_issuer: Annotated[str, typer.Option(metavar="URL", help="`iss` of the account that identifies them.")] = "",
    oidc_subject: Annotated[str, typer.Option(metavar="SUB", help="`sub` of that account.")] = "",
    request_id: RequestIdOption = "",
) -> None:
    """Register a person whose identity you have verified. Every agent has two: a sponsor and a backup."""
    request = pb.RegisterSponsorRequest(
        sponsor_id=sponsor_name(sponsor_id).removeprefix("sponsors/"),
        sponsor=pb.Sponsor(display_name=name, contact=contact, oidc_issuer=oidc_issuer, oidc_subject=oidc_subject),
        request_id=request_id,
    )
    out.one(IdentityServiceStub(mesh.channel("identity")).RegisterSponsor(request).sponsor, view.sponsor)
