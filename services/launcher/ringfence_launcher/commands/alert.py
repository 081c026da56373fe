"""`ringfence alert`: what somebody should look at."""

import enum
from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import typer
from ringfence.telemetry.v1 import alert_pb2 as pb
from ringfence.telemetry.v1.alert_pb2_grpc import AlertServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import alerts as view
from ringfence_launcher.watching import BookmarksOption, CountOption
from ringfence_launcher.words import duration, number

app = typer.Typer(no_args_is_help=True, help="See what somebody should look at, say that you do, keep it quiet.")

_PAGE = 1_000


class Kind(enum.StrEnum):
    """What alerts are about, as typed."""

    SLO_BURN = "slo-burn"
    SLO_EXHAUSTED = "slo-exhausted"
    BUDGET = "budget"
    COST_ANOMALY = "cost-anomaly"
    PRICE_UNKNOWN = "price-unknown"
    BREAKER_OPEN = "breaker-open"
    DRIFT = "drift"
    UNATTRIBUTED = "unattributed"
    UNTRUSTED_REPORTER = "untrusted-reporter"
    PRESSURE = "pressure"


AgentOption = Annotated[str, typer.Option("--agent", metavar="DID|NAME", help="Only about this agent.")]
LimitOption = Annotated[int, typer.Option(min=1, help="At most so many.")]


@app.command("list", epilog="Example: ringfence alert list --firing")
@speaks_to("telemetry")
def list_(
    mesh: Mesh,
    out: Output,
    *,
    firing: Annotated[bool, typer.Option("--firing", help="Only what goes on.")] = False,
    agent: AgentOption = "",
    kind: Annotated[list[Kind] | None, typer.Option(help="Only of this kind; repeat.")] = None,
    limit: LimitOption = 50,
) -> None:
    """List alerts, the newest first."""
    stub, kinds = _service(mesh), [number(pb.AlertKind, each) for each in kind or ()]

    def page(token: str) -> pb.ListAlertsResponse:
        size = min(limit, _PAGE)
        return stub.ListAlerts(
            pb.ListAlertsRequest(firing_only=firing, agent=agent, kinds=kinds, page_size=size, page_token=token)
        )

    out.many(list(pages(page, lambda response: response.alerts, limit=limit)), view.listed)


@app.command(epilog="Example: ringfence alert watch --from 42")
@speaks_to("telemetry")
def watch(
    mesh: Mesh,
    out: Output,
    *,
    start: Annotated[int, typer.Option("--from", min=0, help="First number wanted: the last one seen plus one.")] = 0,
    firing: Annotated[bool, typer.Option("--firing", help="First what fires now.")] = False,
    agent: AgentOption = "",
    silenced: Annotated[bool, typer.Option("--silenced", help="Also what is kept quiet.")] = False,
    bookmarks: BookmarksOption = False,
    count: CountOption = 0,
) -> None:
    """Print what happens to alerts. Cut off, go on with --from and the last number seen plus one: none is missed."""
    if start and firing:
        raise typer.BadParameter("--from goes on where a watch ended, --firing begins anew: give one of them")
    request = pb.WatchAlertsRequest(from_sequence=start, send_firing=firing, agent=agent, show_silenced=silenced)
    answers: Iterator[pb.WatchAlertsResponse] = iter(_service(mesh).WatchAlerts(request))
    wanted = (answer for answer in answers if bookmarks or not answer.HasField("bookmark"))
    for answer in islice(wanted, count or None):
        out.event(answer, view.happened)


@app.command(epilog="Example: ringfence alert ack 42")
@speaks_to("telemetry")
def ack(
    mesh: Mesh,
    out: Output,
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Its number.")],
    *,
    request_id: RequestIdOption = "",
) -> None:
    """Say that you look at an alert. It goes on until what it is about ends."""
    name = alert if alert.startswith("alerts/") else f"alerts/{alert}"
    request = pb.AckAlertRequest(name=name, request_id=request_id)
    out.one(_service(mesh).AckAlert(request), lambda found: view.alert(found.alert))


@app.command(epilog="Example: ringfence alert silence --kind budget --agent did:web:a --for 2h --reason 'load test'")
@speaks_to("telemetry")
def silence(
    mesh: Mesh,
    out: Output,
    *,
    reason: Annotated[str, typer.Option(help="Why, in a sentence.")],
    lasts: Annotated[str, typer.Option("--for", metavar="PERIOD", help="For how long: 2h, 7d; at most 30d.")],
    subject: Annotated[str, typer.Option("--about", metavar="NAME", help="Only about this, e.g. budgets/daily.")] = "",
    agent: AgentOption = "",
    kind: Annotated[Kind | None, typer.Option(help="Only of this kind.")] = None,
    request_id: RequestIdOption = "",
) -> None:
    """Keep alerts quiet for a while: they are kept and marked, and nobody is told."""
    wanted = pb.Silence(subject=subject, agent=agent, kind=number(pb.AlertKind, kind), reason=reason)
    length = duration(lasts, option="--for")
    request = pb.CreateSilenceRequest(silence=wanted, duration=length, request_id=request_id)
    out.one(_service(mesh).CreateSilence(request), lambda found: view.silence(found.silence))


@app.command(epilog="Example: ringfence alert unsilence 123e4567-e89b-42d3-a456-426614174000")
@speaks_to("telemetry")
def unsilence(
    mesh: Mesh,
    out: Output,
    silence_id: Annotated[str, typer.Argument(metavar="SILENCE", help="Its id, as `alert silences` shows it.")],
    *,
    request_id: RequestIdOption = "",
) -> None:
    """End a silence; what it kept quiet and goes on is told."""
    name = silence_id if silence_id.startswith("silences/") else f"silences/{silence_id}"
    request = pb.DeleteSilenceRequest(name=name, request_id=request_id)
    out.one(_service(mesh).DeleteSilence(request), lambda _: view.ended(name))


@app.command(epilog="Example: ringfence alert silences")
@speaks_to("telemetry")
def silences(mesh: Mesh, out: Output, *, limit: LimitOption = 100) -> None:
    """List the silences that are not over."""
    stub = _service(mesh)

    def page(token: str) -> pb.ListSilencesResponse:
        return stub.ListSilences(pb.ListSilencesRequest(page_size=min(limit, _PAGE), page_token=token))

    out.many(list(pages(page, lambda response: response.silences, limit=limit)), view.silences)


def _service(mesh: Mesh) -> AlertServiceStub:
    return AlertServiceStub(mesh.channel("telemetry"))
