"""`ringfence boundary create`, `get`, `list` and the rest: groups of agents and systems governed together."""

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.registry.v1 import boundary_pb2 as pb
from ringfence.registry.v1.boundary_pb2_grpc import BoundaryServiceStub

from ringfence_launcher.boundary.options import (
    BoundaryArgument,
    ClearOption,
    FilterOption,
    LimitOption,
    NamespaceArgument,
    ReasonOption,
    said_of_boundary,
)
from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to, takes
from ringfence_launcher.output import Output, table
from ringfence_launcher.paging import pages
from ringfence_launcher.views import boundaries as view
from ringfence_launcher.words import boundary_name, namespace_name, short, split_name

app = typer.Typer()


@app.command(
    epilog="Example: ringfence boundary create demo/payments --owner 'Treasury <treasury@example.com>' "
    "--data-class payment --system demo/bank"
)
@speaks_to("registry")
@takes("said", said_of_boundary)
def create(
    mesh: Mesh, out: Output, boundary: BoundaryArgument, *, said: pb.Boundary, request_id: RequestIdOption = ""
) -> None:
    """Create a boundary, enabled."""
    parent, boundary_id = split_name(boundary_name(boundary))
    request = pb.CreateBoundaryRequest(parent=parent, boundary_id=boundary_id, boundary=said, request_id=request_id)
    out.one(BoundaryServiceStub(mesh.channel("registry")).CreateBoundary(request).boundary, view.details)


@app.command(epilog="Example: ringfence boundary get demo/payments")
@speaks_to("registry")
def get(mesh: Mesh, out: Output, boundary: BoundaryArgument) -> None:
    """Show one boundary."""
    request = pb.GetBoundaryRequest(name=boundary_name(boundary))
    out.one(BoundaryServiceStub(mesh.channel("registry")).GetBoundary(request).boundary, view.details)


@app.command("list", epilog="Example: ringfence boundary list demo")
@speaks_to("registry")
def list_boundaries(
    mesh: Mesh,
    out: Output,
    namespace: NamespaceArgument = "-",
    *,
    filter_: FilterOption = "",
    limit: LimitOption = 1_000,
) -> None:
    """List boundaries, ordered by name."""
    stub = BoundaryServiceStub(mesh.channel("registry"))

    def page(token: str) -> pb.ListBoundariesResponse:
        return stub.ListBoundaries(
            pb.ListBoundariesRequest(
                parent=namespace_name(namespace), filter=filter_, page_size=min(limit, 1_000), page_token=token
            )
        )

    out.many(list(pages(page, lambda response: response.boundaries, limit=limit)), view.listed)


@app.command(epilog="Example: ringfence boundary update demo/payments --agent demo/payer --agent demo/auditor")
@speaks_to("registry")
@takes("said", said_of_boundary)
def update(
    mesh: Mesh,
    out: Output,
    boundary: BoundaryArgument,
    *,
    said: pb.Boundary,
    clear: ClearOption = None,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Change what is given and leave the rest. A list replaces the list, a selector the selector."""
    mask = [*(field.name for field, _ in said.ListFields() if field.name != "name"), *(clear or [])]
    if not mask:
        raise typer.BadParameter("say what to change: at least one option besides the boundary's name")
    said.name = boundary_name(boundary)
    request = pb.UpdateBoundaryRequest(
        boundary=said, update_mask=FieldMask(paths=mask), etag=etag, request_id=request_id
    )
    out.one(BoundaryServiceStub(mesh.channel("registry")).UpdateBoundary(request).boundary, view.details)


@app.command(epilog="Example: ringfence boundary delete demo/payments")
@speaks_to("registry")
def delete(
    mesh: Mesh, out: Output, boundary: BoundaryArgument, *, etag: EtagOption = "", request_id: RequestIdOption = ""
) -> None:
    """Delete a boundary; its agents and systems stay."""
    request = pb.DeleteBoundaryRequest(name=boundary_name(boundary), etag=etag, request_id=request_id)
    deleted = BoundaryServiceStub(mesh.channel("registry")).DeleteBoundary(request)
    out.one(deleted, lambda _: f"{short(request.name)} is deleted")


@app.command(epilog="Example: ringfence boundary disable demo/payments --reason 'an incident is being looked into'")
@speaks_to("registry")
def disable(
    mesh: Mesh,
    out: Output,
    boundary: BoundaryArgument,
    *,
    reason: ReasonOption,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Close a boundary: nothing crosses it until it is enabled again."""
    request = pb.DisableBoundaryRequest(name=boundary_name(boundary), reason=reason, etag=etag, request_id=request_id)
    out.one(BoundaryServiceStub(mesh.channel("registry")).DisableBoundary(request).boundary, view.details)


@app.command(epilog="Example: ringfence boundary enable demo/payments --reason 'it was a false alarm'")
@speaks_to("registry")
def enable(
    mesh: Mesh,
    out: Output,
    boundary: BoundaryArgument,
    *,
    reason: ReasonOption,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Open a boundary again."""
    request = pb.EnableBoundaryRequest(name=boundary_name(boundary), reason=reason, etag=etag, request_id=request_id)
    out.one(BoundaryServiceStub(mesh.channel("registry")).EnableBoundary(request).boundary, view.details)


@app.command(epilog="Example: ringfence boundary members demo/payments")
@speaks_to("registry")
def members(mesh: Mesh, out: Output, boundary: BoundaryArgument, *, limit: LimitOption = 1_000) -> None:
    """List the agents that are in a boundary now."""
    stub, parent = BoundaryServiceStub(mesh.channel("registry")), boundary_name(boundary)

    def page(token: str) -> pb.ListBoundaryMembersResponse:
        request = pb.ListBoundaryMembersRequest(parent=parent, page_size=min(limit, 1_000), page_token=token)
        return stub.ListBoundaryMembers(request)

    agents = list(pages(page, lambda response: response.agents, limit=limit))
    out.value(agents, lambda: table(["AGENT"], ([short(name)] for name in agents), empty="no agents are in it"))
