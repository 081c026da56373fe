"""`ringfence tool`: the contracts of tools, and the switch that stops one."""

from itertools import islice
from typing import Annotated

import grpc
import typer
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.registry.v1 import registry_pb2
from ringfence.registry.v1 import tool_pb2 as pb
from ringfence.registry.v1.tool_pb2_grpc import ToolServiceStub
from ringfence.watch import WatchMethod

from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to, takes
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.tool_options import ToolArgument, exact_name, said_of_tool
from ringfence_launcher.views import tools as view
from ringfence_launcher.watching import (
    BookmarksOption,
    CountOption,
    FromOption,
    InitialOption,
    events,
    require_one_beginning,
)
from ringfence_launcher.words import namespace_name, short, split_name, tool_name, tool_of

app = typer.Typer(no_args_is_help=True, help="Register tools and their schemas, see them, switch them off and on.")

NamespaceArgument = Annotated[str, typer.Argument(metavar="[NAMESPACE]", help="Whose tools; - means all.")]
ValidateOption = Annotated[bool, typer.Option("--validate-only", help="Check everything and change nothing.")]
LimitOption = Annotated[int, typer.Option(min=1, help="Show at most this many.")]


@app.command(
    epilog="Examples: ringfence tool register demo/warehouse.export --file export.tool.yaml\n\n"
    "ringfence tool register demo/warehouse.query --input-schema query.schema.json --protocol mcp "
    "--side-effect read --owner 'Warehouse <warehouse@example.com>'"
)
@speaks_to("registry")
@takes("said", said_of_tool)
def register(
    mesh: Mesh,
    out: Output,
    tool: Annotated[str, typer.Argument(metavar="[NAMESPACE/TOOL]", help="Its name. Default: the file's.")] = "",
    *,
    said: pb.Tool,
    validate_only: ValidateOption = False,
    request_id: RequestIdOption = "",
) -> None:
    """Register a tool, enabled. Agents are approved for the schema it has."""
    if not (tool or said.name):
        raise typer.BadParameter("say how agents call it: NAMESPACE/TOOL")
    parent, tool_id = split_name(tool_of(tool or said.name))
    request = pb.RegisterToolRequest(
        parent=parent, tool_id=tool_id, tool=said, request_id=request_id, validate_only=validate_only
    )
    registered = ToolServiceStub(mesh.channel("registry")).RegisterTool(request).tool
    out.one(registered, view.details)
    if validate_only:
        out.hint("nothing was registered: --validate-only")
    else:
        approve = f"ringfence agent update NAMESPACE/AGENT --tool {tool_id}@{registered.schema_hash}"
        out.hint(f"next, with every other tool of the agent: {approve}")


@app.command(epilog="Example: ringfence tool get warehouse.export")
@speaks_to("registry")
def get(mesh: Mesh, out: Output, tool: ToolArgument) -> None:
    """Show one tool with its schemas."""
    request = pb.GetToolRequest(name=tool_name(tool))
    out.one(ToolServiceStub(mesh.channel("registry")).GetTool(request).tool, view.details)


@app.command("list", epilog="Example: ringfence tool list --filter 'side_effect = IRREVERSIBLE AND state = ENABLED'")
@speaks_to("registry")
def list_tools(
    mesh: Mesh,
    out: Output,
    namespace: NamespaceArgument = "-",
    *,
    filter_: Annotated[str, typer.Option("--filter", help="An AIP-160 filter over a tool's fields.")] = "",
    limit: LimitOption = 1_000,
) -> None:
    """List tools, ordered by name."""
    stub = ToolServiceStub(mesh.channel("registry"))

    def page(token: str) -> pb.ListToolsResponse:
        return stub.ListTools(
            pb.ListToolsRequest(
                parent=namespace_name(namespace), filter=filter_, page_size=min(limit, 1_000), page_token=token
            )
        )

    out.many(list(pages(page, lambda response: response.tools, limit=limit)), view.listed)


@app.command(epilog="Example: ringfence tool update warehouse.export --input-schema export.schema.json --version 2")
@speaks_to("registry")
@takes("said", said_of_tool)
def update(
    mesh: Mesh,
    out: Output,
    tool: ToolArgument,
    *,
    said: pb.Tool,
    clear: Annotated[list[str] | None, typer.Option(metavar="FIELD", help="Empty a field, e.g. labels.")] = None,
    etag: EtagOption = "",
    validate_only: ValidateOption = False,
    request_id: RequestIdOption = "",
) -> None:
    """Change what is given and leave the rest. Another schema ends every approval of the one before."""
    mask = [*(field.name for field, _ in said.ListFields() if field.name != "name"), *(clear or [])]
    if not mask:
        raise typer.BadParameter("say what to change: at least one option besides the tool's name")
    said.name = exact_name(mesh, tool)
    request = pb.UpdateToolRequest(
        tool=said, update_mask=FieldMask(paths=mask), etag=etag, request_id=request_id, validate_only=validate_only
    )
    updated = ToolServiceStub(mesh.channel("registry")).UpdateTool(request)
    out.one(updated, view.updated)


@app.command(epilog="Example: ringfence tool delete demo/warehouse.export")
@speaks_to("registry")
def delete(
    mesh: Mesh, out: Output, tool: ToolArgument, *, etag: EtagOption = "", request_id: RequestIdOption = ""
) -> None:
    """Delete a tool. Every pdp denies it within a second."""
    request = pb.DeleteToolRequest(name=exact_name(mesh, tool), etag=etag, request_id=request_id)
    deleted = ToolServiceStub(mesh.channel("registry")).DeleteTool(request)
    out.one(deleted, lambda _: f"{short(request.name)} is deleted")


@app.command(epilog="Example: ringfence tool disable warehouse.export --reason 'it exports too much'")
@speaks_to("registry")
def disable(
    mesh: Mesh,
    out: Output,
    tool: ToolArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why; shown to whoever is denied.")],
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Switch a tool off for everybody. Every pdp denies it within a second."""
    request = pb.DisableToolRequest(name=exact_name(mesh, tool), reason=reason, etag=etag, request_id=request_id)
    out.one(ToolServiceStub(mesh.channel("registry")).DisableTool(request).tool, view.details)


@app.command(epilog="Example: ringfence tool enable warehouse.export --reason 'fixed in 2.1'")
@speaks_to("registry")
def enable(
    mesh: Mesh,
    out: Output,
    tool: ToolArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why it is safe again.")],
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Switch a tool on again."""
    request = pb.EnableToolRequest(name=exact_name(mesh, tool), reason=reason, etag=etag, request_id=request_id)
    out.one(ToolServiceStub(mesh.channel("registry")).EnableTool(request).tool, view.details)


@app.command(epilog="Example: ringfence tool revisions warehouse.export")
@speaks_to("registry")
def revisions(mesh: Mesh, out: Output, tool: ToolArgument, *, limit: LimitOption = 100) -> None:
    """List the schemas a tool has had, the newest first."""
    stub, parent = ToolServiceStub(mesh.channel("registry")), exact_name(mesh, tool)

    def page(token: str) -> pb.ListToolRevisionsResponse:
        request = pb.ListToolRevisionsRequest(parent=parent, page_size=min(limit, 1_000), page_token=token)
        return stub.ListToolRevisions(request)

    out.many(list(pages(page, lambda response: response.revisions, limit=limit)), view.revisions)


@app.command(epilog="Example: ringfence tool watch --from 1842")
@speaks_to("registry")
def watch(
    mesh: Mesh,
    out: Output,
    namespace: NamespaceArgument = "-",
    *,
    start: FromOption = 0,
    initial: InitialOption = False,
    bookmarks: BookmarksOption = False,
    count: CountOption = 0,
) -> None:
    """Print changes to tools as they happen, through every break: none lost, none twice."""
    require_one_beginning(start=start, initial=initial)
    request = pb.WatchToolsRequest(parent=namespace_name(namespace), start_revision=start)
    steps = mesh.watch("registry", _watch_tools, request, initial_state=initial)
    for event in islice(events(steps, out, bookmark=_bookmark if bookmarks else None), count or None):
        out.event(event, view.event)


def _watch_tools(channel: grpc.Channel) -> WatchMethod[pb.WatchToolsRequest, pb.WatchToolsResponse]:
    return ToolServiceStub(channel).WatchTools


def _bookmark(revision: int, initial_state_end: bool) -> pb.WatchToolsResponse:
    return pb.WatchToolsResponse(
        type=registry_pb2.WATCH_EVENT_TYPE_BOOKMARK, revision=revision, initial_state_end=initial_state_end
    )
