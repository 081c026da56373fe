"""`ringfence usage`: what agents used."""

import datetime as dt
import enum
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.views import usage as view
from ringfence_launcher.words import number

app = typer.Typer(help="See what agents used: tokens, calls, time.")


class Group(enum.StrEnum):
    """What to sum by, as typed."""

    AGENT = "agent"
    SESSION = "session"
    MODEL = "model"
    OPERATION = "operation"


_TIME_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


@app.command(epilog="Example: ringfence usage --group-by agent --group-by model --since 2026-11-01")
@speaks_to("telemetry")
def usage(
    mesh: Mesh,
    out: Output,
    *,
    agent: Annotated[str, typer.Option(metavar="DID|NAME", help="Only this agent.")] = "",
    session: Annotated[str, typer.Option(help="Only this session.")] = "",
    group_by: Annotated[list[Group] | None, typer.Option(help="What to sum by; repeat.")] = None,
    since: Annotated[
        dt.datetime | None, typer.Option(formats=_TIME_FORMATS, metavar="UTC", help="From this minute on.")
    ] = None,
    until: Annotated[
        dt.datetime | None, typer.Option(formats=_TIME_FORMATS, metavar="UTC", help="Up to this minute.")
    ] = None,
) -> None:
    """Sum up what was used. Exact: tokens that wrapper spans repeat are counted once."""
    groups = [number(pb.UsageGroup, group) for group in dict.fromkeys(group_by or [Group.AGENT])]
    request = pb.GetUsageRequest(
        agent=agent, session=session, start_time=_time(since), end_time=_time(until), group_by=groups
    )
    response = UsageServiceStub(mesh.channel("telemetry")).GetUsage(request)
    out.one(response, lambda found: view.usage(found, groups))


def _time(given: dt.datetime | None) -> Timestamp | None:
    if given is None:
        return None
    moment = Timestamp()
    moment.FromDatetime(given.replace(tzinfo=dt.UTC))
    return moment
