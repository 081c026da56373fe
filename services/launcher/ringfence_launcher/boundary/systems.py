"""`ringfence boundary system` and `boundary trust`: systems outside the mesh, and who decided to trust them."""

import enum
from typing import Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.registry.v1 import external_system_pb2 as pb
from ringfence.registry.v1.external_system_pb2_grpc import ExternalSystemServiceStub

from ringfence_launcher.boundary.options import (
    ClearOption,
    FilterOption,
    LimitOption,
    NamespaceArgument,
    ReasonOption,
    SystemArgument,
    said_of_system,
)
from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to, takes
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import boundaries as view
from ringfence_launcher.words import moment, namespace_name, number, short, split_name, system_name

app = typer.Typer(no_args_is_help=True, help="Systems outside the mesh that tools reach.")
trusting = typer.Typer()


class Verdict(enum.StrEnum):
    """Whether a system is trusted, as typed."""

    TRUSTED = "trusted"
    REFUSED = "refused"


@trusting.command(
    epilog="Example: ringfence boundary trust demo/bank trusted --reason 'contract 17 of May' "
    "--until 2027-01-31T00:00:00Z"
)
@speaks_to("registry")
def trust(
    mesh: Mesh,
    out: Output,
    system: SystemArgument,
    verdict: Annotated[Verdict, typer.Argument(help="What is decided.")],
    *,
    reason: ReasonOption,
    until: Annotated[str, typer.Option(metavar="TIME", help="Until when; at most, and by default, a year.")] = "",
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Decide whether an external system is trusted, in place of the decision before."""
    decision = pb.TrustDecision(
        verdict=number(pb.TrustVerdict, verdict), reason=reason, expire_time=moment(until, option="--until")
    )
    request = pb.DecideTrustRequest(name=system_name(system), trust_decision=decision, etag=etag, request_id=request_id)
    out.one(ExternalSystemServiceStub(mesh.channel("registry")).DecideTrust(request).external_system, view.system)


@app.command(
    epilog="Example: ringfence boundary system create demo/bank --owner 'Treasury <treasury@example.com>' "
    "--url https://bank.example.com --data-class payment"
)
@speaks_to("registry")
@takes("said", said_of_system)
def create(
    mesh: Mesh, out: Output, system: SystemArgument, *, said: pb.ExternalSystem, request_id: RequestIdOption = ""
) -> None:
    """Enter a system. Nobody trusts it yet."""
    parent, system_id = split_name(system_name(system))
    request = pb.CreateExternalSystemRequest(
        parent=parent, external_system_id=system_id, external_system=said, request_id=request_id
    )
    created = ExternalSystemServiceStub(mesh.channel("registry")).CreateExternalSystem(request).external_system
    out.one(created, view.system)
    out.hint(f"next: ringfence boundary trust {short(created.name)} trusted --reason …")


@app.command(epilog="Example: ringfence boundary system get demo/bank")
@speaks_to("registry")
def get(mesh: Mesh, out: Output, system: SystemArgument) -> None:
    """Show one system, and the decision on it."""
    request = pb.GetExternalSystemRequest(name=system_name(system))
    found = ExternalSystemServiceStub(mesh.channel("registry")).GetExternalSystem(request).external_system
    out.one(found, view.system)


@app.command("list", epilog="Example: ringfence boundary system list --filter 'trusted = false'")
@speaks_to("registry")
def list_systems(
    mesh: Mesh,
    out: Output,
    namespace: NamespaceArgument = "-",
    *,
    filter_: FilterOption = "",
    limit: LimitOption = 1_000,
) -> None:
    """List systems, ordered by name."""
    stub = ExternalSystemServiceStub(mesh.channel("registry"))

    def page(token: str) -> pb.ListExternalSystemsResponse:
        return stub.ListExternalSystems(
            pb.ListExternalSystemsRequest(
                parent=namespace_name(namespace), filter=filter_, page_size=min(limit, 1_000), page_token=token
            )
        )

    out.many(list(pages(page, lambda response: response.external_systems, limit=limit)), view.systems)


@app.command(epilog="Example: ringfence boundary system update demo/bank --operator 'Example Bank'")
@speaks_to("registry")
@takes("said", said_of_system)
def update(
    mesh: Mesh,
    out: Output,
    system: SystemArgument,
    *,
    said: pb.ExternalSystem,
    clear: ClearOption = None,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Change what is given and leave the rest. Another URL or other data classes end the trust decision."""
    mask = [*(field.name for field, _ in said.ListFields() if field.name != "name"), *(clear or [])]
    if not mask:
        raise typer.BadParameter("say what to change: at least one option besides the system's name")
    said.name = system_name(system)
    request = pb.UpdateExternalSystemRequest(
        external_system=said, update_mask=FieldMask(paths=mask), etag=etag, request_id=request_id
    )
    stub = ExternalSystemServiceStub(mesh.channel("registry"))
    out.one(stub.UpdateExternalSystem(request).external_system, view.system)


@app.command(epilog="Example: ringfence boundary system delete demo/bank")
@speaks_to("registry")
def delete(
    mesh: Mesh, out: Output, system: SystemArgument, *, etag: EtagOption = "", request_id: RequestIdOption = ""
) -> None:
    """Delete a system that no tool and no boundary names."""
    request = pb.DeleteExternalSystemRequest(name=system_name(system), etag=etag, request_id=request_id)
    deleted = ExternalSystemServiceStub(mesh.channel("registry")).DeleteExternalSystem(request)
    out.one(deleted, lambda _: f"{short(request.name)} is deleted")


@app.command(epilog="Example: ringfence boundary system disable demo/bank --reason 'it was broken into'")
@speaks_to("registry")
def disable(
    mesh: Mesh,
    out: Output,
    system: SystemArgument,
    *,
    reason: ReasonOption,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Switch a system off for everybody: every tool that names it is denied within a second."""
    request = pb.DisableExternalSystemRequest(name=system_name(system), reason=reason, etag=etag, request_id=request_id)
    stub = ExternalSystemServiceStub(mesh.channel("registry"))
    out.one(stub.DisableExternalSystem(request).external_system, view.system)


@app.command(epilog="Example: ringfence boundary system enable demo/bank --reason 'its keys were replaced'")
@speaks_to("registry")
def enable(
    mesh: Mesh,
    out: Output,
    system: SystemArgument,
    *,
    reason: ReasonOption,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Switch a system on again."""
    request = pb.EnableExternalSystemRequest(name=system_name(system), reason=reason, etag=etag, request_id=request_id)
    stub = ExternalSystemServiceStub(mesh.channel("registry"))
    out.one(stub.EnableExternalSystem(request).external_system, view.system)
