"""`ringfence sponsor`: the people who answer for agents."""

import enum
from typing import Annotated

import typer
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import identities as view
from ringfence_launcher.words import number, sponsor_name

app = typer.Typer(no_args_is_help=True, help="The people who answer for agents.")


class Agents(enum.StrEnum):
    """What becomes of the agents of a person who leaves, as typed."""

    HAND_OVER = "hand-over"
    SUSPEND = "suspend"


SponsorArgument = Annotated[str, typer.Argument(metavar="ID", help="The person: first, or sponsors/first.")]


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


@app.command(epilog="Example: ringfence sponsor show first")
@speaks_to("identity")
def show(mesh: Mesh, out: Output, sponsor: SponsorArgument) -> None:
    """Show a person who answers for agents."""
    request = pb.GetSponsorRequest(name=sponsor_name(sponsor))
    out.one(IdentityServiceStub(mesh.channel("identity")).GetSponsor(request).sponsor, view.sponsor)


@app.command("list", epilog="Example: ringfence sponsor list --offboarded")
@speaks_to("identity")
def list_sponsors(
    mesh: Mesh,
    out: Output,
    *,
    offboarded: Annotated[bool, typer.Option("--offboarded", help="Include those who left.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 1_000,
) -> None:
    """List the people who answer for agents, ordered by name."""
    stub = IdentityServiceStub(mesh.channel("identity"))

    def page(token: str) -> pb.ListSponsorsResponse:
        size = min(limit, 1_000)
        return stub.ListSponsors(pb.ListSponsorsRequest(show_offboarded=offboarded, page_size=size, page_token=token))

    out.many(list(pages(page, lambda response: response.sponsors, limit=limit)), view.sponsors)


@app.command(epilog="Example: ringfence sponsor offboard first --reason 'left' --new-backup third")
@speaks_to("identity")
def offboard(
    mesh: Mesh,
    out: Output,
    sponsor: SponsorArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why.")],
    agents: Annotated[
        Agents, typer.Option(help="hand-over: each goes to its backup sponsor. suspend: all wait for somebody.")
    ] = Agents.HAND_OVER,
    new_backup: Annotated[
        str, typer.Option(metavar="ID", help="Who becomes the backup of agents that are handed over.")
    ] = "",
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Take a person out of answering for agents, and say what becomes of theirs."""
    request = pb.OffboardSponsorRequest(
        name=sponsor_name(sponsor),
        policy=number(pb.OffboardPolicy, agents),
        new_backup_sponsor=sponsor_name(new_backup) if new_backup else "",
        reason=reason,
        etag=etag,
        request_id=request_id,
    )
    out.one(IdentityServiceStub(mesh.channel("identity")).OffboardSponsor(request), view.offboarded)
