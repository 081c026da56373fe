"""`ringfence usage`: what agents used and what it cost, and the prices it is charged by."""

import datetime as dt
import enum
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import budget_pb2
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence.telemetry.v1.budget_pb2_grpc import PriceServiceStub
from ringfence.telemetry.v1.telemetry_pb2_grpc import UsageServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.input_files import read_message
from ringfence_launcher.options import RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import usage as view
from ringfence_launcher.words import number

app = typer.Typer(help="See what agents used and what it cost; keep prices.")
prices_app = typer.Typer(no_args_is_help=True, help="The prices usage is charged by.")
app.add_typer(prices_app, name="prices")

PRICES_SHOWN = 1_000
_PAGE = 1_000


class Group(enum.StrEnum):
    """What to sum by, as typed."""

    AGENT = "agent"
    SESSION = "session"
    MODEL = "model"
    OPERATION = "operation"
    TOOL = "tool"
    TEAM = "team"
    OUTCOME = "outcome"
    TIME = "time"


_TIME_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


@app.callback(
    invoke_without_command=True,
    epilog="Examples: ringfence usage --group-by agent --group-by model --since 2026-11-01\n\n"
    "ringfence usage --group-by time --since 2026-11-22\n\nringfence usage prices put prices.yaml",
)
@speaks_to("telemetry")
def usage(
    mesh: Mesh,
    out: Output,
    *,
    ctx: typer.Context,
    agent: Annotated[str, typer.Option(metavar="DID|NAME", help="Only this agent.")] = "",
    session: Annotated[str, typer.Option(help="Only this session.")] = "",
    team: Annotated[str, typer.Option(help="Only this team.")] = "",
    model: Annotated[str, typer.Option(help="Only this model.")] = "",
    group_by: Annotated[list[Group] | None, typer.Option(help="What to sum by; repeat.")] = None,
    since: Annotated[
        dt.datetime | None, typer.Option(formats=_TIME_FORMATS, metavar="UTC", help="From this minute on.")
    ] = None,
    until: Annotated[
        dt.datetime | None, typer.Option(formats=_TIME_FORMATS, metavar="UTC", help="Up to this minute.")
    ] = None,
    inclusive: Annotated[bool, typer.Option("--inclusive", help="Count what an agent had others do, too.")] = False,
    percentiles: Annotated[bool, typer.Option("--percentiles", help="Also say how long calls took.")] = False,
) -> None:
    """Sum up what was used. Exact: tokens that wrapper spans repeat are counted once."""
    if ctx.invoked_subcommand is not None:
        return
    groups = [number(pb.UsageGroup, group) for group in dict.fromkeys(group_by or [Group.AGENT])]
    request = pb.GetUsageRequest(
        agent=agent,
        session=session,
        team=team,
        model=model,
        start_time=_time(since),
        end_time=_time(until),
        group_by=groups,
        inclusive=inclusive,
        percentiles=percentiles,
    )
    response = UsageServiceStub(mesh.channel("telemetry")).GetUsage(request)
    out.one(response, lambda found: view.usage(found, groups, percentiles=percentiles))


@prices_app.command(epilog="Example: ringfence usage prices put prices.yaml")
@speaks_to("telemetry")
def put(
    mesh: Mesh,
    out: Output,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="YAML with `prices`, each as the proto's Price; - reads stdin.")
    ],
    *,
    request_id: RequestIdOption = "",
) -> None:
    """Add prices. A price that is known stays: a new one has a later date. No prices come with Ringfence."""
    request = read_message(file, budget_pb2.PutPricesRequest())
    if request_id:
        request.request_id = request_id
    out.one(PriceServiceStub(mesh.channel("telemetry")).PutPrices(request), view.prices_put)


@prices_app.command("list", epilog="Example: ringfence usage prices list --model large-2026")
@speaks_to("telemetry")
def list_prices(
    mesh: Mesh,
    out: Output,
    *,
    model: Annotated[str, typer.Option(help="Only what a call of this model may be charged by.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = PRICES_SHOWN,
) -> None:
    """Show prices, by model and date."""
    stub = PriceServiceStub(mesh.channel("telemetry"))

    def fetch(token: str) -> budget_pb2.ListPricesResponse:
        size = min(limit, _PAGE)
        return stub.ListPrices(budget_pb2.ListPricesRequest(model=model, page_size=size, page_token=token))

    out.many(list(pages(fetch, lambda page: page.prices, limit=limit)), view.prices)


def _time(given: dt.datetime | None) -> Timestamp | None:
    if given is None:
        return None
    moment = Timestamp()
    moment.FromDatetime(given.replace(tzinfo=dt.UTC))
    return moment
