"""`ringfence trace`: pieces of work across agents."""

import datetime as dt
import re
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import workflow_pb2 as pb
from ringfence.telemetry.v1.telemetry_pb2_grpc import WorkflowServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import traces as view

app = typer.Typer(no_args_is_help=True, help="Follow a piece of work across agents: time, cost, blame, decisions.")

_TRACE_ID = re.compile(r"(?:[0-9a-f]{2}-)?(?P<trace>[0-9a-f]{32})(?:-[0-9a-f]{16}-[0-9a-f]{2})?", re.ASCII)
"""A trace id, or the `traceparent` that holds it (W3C Trace Context 3.2)."""

_TIME_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
_PAGE = 1_000


@app.command(epilog="Example: ringfence trace show 4bf92f3577b34da6a3ce929d0e0e4736 --steps")
@speaks_to("telemetry")
def show(
    mesh: Mesh,
    out: Output,
    trace: Annotated[str, typer.Argument(metavar="TRACE", help="A trace id, or a traceparent.")],
    *,
    steps: Annotated[bool, typer.Option("--steps", help="Show the calls of models and tools, too.")] = False,
) -> None:
    """Show one piece of work as a tree of agents: whose time it was, what it cost, who is to blame."""
    request = pb.GetWorkflowRequest(trace_id=_trace_id(trace))
    response = WorkflowServiceStub(mesh.channel("telemetry")).GetWorkflow(request)
    out.one(response, lambda found: view.tree(found, steps=steps))


@app.command("list", epilog="Example: ringfence trace list --failed --since 2026-11-01")
@speaks_to("telemetry")
def list_(
    mesh: Mesh,
    out: Output,
    *,
    agent: Annotated[str, typer.Option(metavar="DID|NAME", help="Only work this agent had a part in.")] = "",
    session: Annotated[str, typer.Option(help="Only of this session.")] = "",
    failed: Annotated[bool, typer.Option("--failed", help="Only what failed.")] = False,
    since: Annotated[
        dt.datetime | None, typer.Option(formats=_TIME_FORMATS, metavar="UTC", help="Begun at or after.")
    ] = None,
    until: Annotated[
        dt.datetime | None, typer.Option(formats=_TIME_FORMATS, metavar="UTC", help="Begun before.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
) -> None:
    """List pieces of work, the newest first. What runs is listed half a minute after its end."""
    stub = WorkflowServiceStub(mesh.channel("telemetry"))

    def page(token: str) -> pb.ListWorkflowsResponse:
        return stub.ListWorkflows(
            pb.ListWorkflowsRequest(
                agent=agent,
                session=session,
                failed_only=failed,
                start_time=_time(since),
                end_time=_time(until),
                page_size=min(limit, _PAGE),
                page_token=token,
            )
        )

    out.many(list(pages(page, lambda response: response.workflows, limit=limit)), view.listed)


def _trace_id(text: str) -> bytes:
    typed = _TRACE_ID.fullmatch(text.lower())
    if typed is None:
        raise typer.BadParameter(f"{text!r} is no trace id; write its 32 hexadecimal digits, or a traceparent")
    return bytes.fromhex(typed["trace"])


def _time(given: dt.datetime | None) -> Timestamp | None:
    if given is None:
        return None
    moment = Timestamp()
    moment.FromDatetime(given.replace(tzinfo=dt.UTC))
    return moment
