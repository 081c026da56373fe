"""`ringfence slo`: what agents promise, how fast they use up what may go wrong, and which are called at all."""

import enum
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import slo_pb2 as pb
from ringfence.telemetry.v1.slo_pb2_grpc import BreakerServiceStub, SloServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_bytes, read_message
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import slos as view
from ringfence_launcher.words import agent_name, duration, moment, number, period

app = typer.Typer(no_args_is_help=True, help="Set what agents have to keep, see how they keep it.")
breakers_app = typer.Typer(no_args_is_help=True, help="See which agents are not called, and move breakers by hand.")
app.add_typer(breakers_app, name="breakers")

_PAGE = 1_000

SloArgument = Annotated[str, typer.Argument(metavar="SLO", help="Its id, or slos/ID.")]
NeedsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--needs",
        metavar="AGENT=SHARE[,retries=N][,calls=N][,soft][,or=AGENT=SHARE]",
        help="One it depends on, and what that one promises; repeat.",
    ),
]
OwnOption = Annotated[str, typer.Option("--own", metavar="SHARE", help="What it promises by itself. Default: 1.")]
FileOption = Annotated[Path | None, typer.Option("--file", "-f", help="An Slo, YAML or JSON; options win over it.")]


class Override(enum.StrEnum):
    """What is said of a breaker, as typed."""

    NONE = "none"
    FORCED_OPEN = "forced-open"
    DISABLED = "disabled"


@app.command(epilog="Example: ringfence slo create checkout demo/analyst --target 0.99 --latency 2s")
@speaks_to("telemetry")
def create(
    mesh: Mesh,
    out: Output,
    slo: SloArgument,
    agent: Annotated[str, typer.Argument(metavar="[AGENT]", help="Its DID, or NAMESPACE/AGENT.")] = "",
    *,
    file: FileOption = None,
    target: Annotated[str, typer.Option(metavar="SHARE", help="Share of good events, e.g. 0.99.")] = "",
    window: Annotated[str, typer.Option(metavar="PERIOD", help="Over how long. Default: 30d.")] = "",
    latency: Annotated[str, typer.Option(metavar="PERIOD", help="Good is what took at most this.")] = "",
    operation: Annotated[str, typer.Option(help="Only this operation or skill.")] = "",
    evaluation: Annotated[str, typer.Option(metavar="METRIC", help="Good is what passed this evaluation.")] = "",
    needs: NeedsOption = None,
    own: OwnOption = "",
    display_name: Annotated[str, typer.Option(help="For people.")] = "",
    try_only: Annotated[bool, typer.Option("--try", help="Check everything, create nothing.")] = False,
    request_id: RequestIdOption = "",
) -> None:
    """Define an objective. One that its dependencies make impossible is refused, with what is possible."""
    wanted = pb.Slo() if file is None else read_message(file, pb.Slo())
    typed = _typed(
        agent=agent,
        target=target,
        operation=operation,
        evaluation=evaluation,
        own=own,
        display_name=display_name,
        needs=needs,
        window=window,
        latency=latency,
    )
    wanted.MergeFrom(typed)
    request = pb.CreateSloRequest(slo_id=_id(slo), slo=wanted, request_id=request_id, validate_only=try_only)
    out.one(_slos(mesh).CreateSlo(request), lambda found: view.objective(found.slo))


@app.command(epilog="Example: ringfence slo update checkout --target 0.995")
@speaks_to("telemetry")
def update(
    mesh: Mesh,
    out: Output,
    slo: SloArgument,
    *,
    file: FileOption = None,
    target: Annotated[str, typer.Option(metavar="SHARE", help="Share of good events.")] = "",
    window: Annotated[str, typer.Option(metavar="PERIOD", help="Over how long.")] = "",
    latency: Annotated[str, typer.Option(metavar="PERIOD", help="Good is what took at most this.")] = "",
    operation: Annotated[str, typer.Option(help="Only this operation or skill.")] = "",
    evaluation: Annotated[str, typer.Option(metavar="METRIC", help="Good is what passed this evaluation.")] = "",
    needs: NeedsOption = None,
    own: OwnOption = "",
    display_name: Annotated[str, typer.Option(help="For people.")] = "",
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Change what is named. Another latency, operation or evaluation begins counting anew."""
    wanted = pb.Slo() if file is None else read_message(file, pb.Slo())
    typed = _typed(
        agent="",
        target=target,
        operation=operation,
        evaluation=evaluation,
        own=own,
        display_name=display_name,
        needs=needs,
        window=window,
        latency=latency,
    )
    wanted.MergeFrom(typed)
    wanted.name = _name(slo)
    request = pb.UpdateSloRequest(slo=wanted, etag=etag, request_id=request_id)
    out.one(_slos(mesh).UpdateSlo(request), lambda found: view.objective(found.slo))


@app.command("list", epilog="Example: ringfence slo list --agent demo/analyst")
@speaks_to("telemetry")
def list_(
    mesh: Mesh,
    out: Output,
    *,
    agent: Annotated[str, typer.Option(metavar="DID|NAME", help="Only of this agent.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1_000,
) -> None:
    """List objectives with what is left of their budgets."""
    stub = _slos(mesh)

    def fetch(token: str) -> pb.ListSlosResponse:
        size = min(limit, _PAGE)
        return stub.ListSlos(pb.ListSlosRequest(agent=_agent(agent), page_size=size, page_token=token))

    found = list(pages(fetch, lambda page: zip(page.slos, page.statuses, strict=True), limit=limit))
    answers = [pb.GetSloResponse(slo=slo, status=status) for slo, status in found]
    out.many(answers, view.objectives)


@app.command(epilog="Example: ringfence slo show checkout")
@speaks_to("telemetry")
def show(mesh: Mesh, out: Output, slo: SloArgument) -> None:
    """Show an objective, what is left of its budget, and how fast it burns."""
    out.one(_slos(mesh).GetSlo(pb.GetSloRequest(name=_name(slo))), view.shown)


@app.command(epilog="Example: ringfence slo evaluate checkout --since 6h")
@speaks_to("telemetry")
def evaluate(
    mesh: Mesh,
    out: Output,
    slo: SloArgument,
    *,
    at: Annotated[str, typer.Option(metavar="TIME", help="When. Default: the last minute that is over.")] = "",
    since: Annotated[str, typer.Option(metavar="PERIOD", help="Chart so long a time up to then, e.g. 6h.")] = "",
) -> None:
    """Say how an objective stood, exactly; exit 1 when its budget was used up."""
    stub, name = _slos(mesh), _name(slo)
    request = pb.EvaluateSloRequest(name=name, at_time=moment(at, option="--at"))
    last = stub.EvaluateSlo(request).status
    before: Sequence[pb.SloStatus] = ()
    if since:
        seconds = int(period(since, option="--since").total_seconds())
        moments = view.moments(last.as_of_time.seconds, seconds)
        before = [
            stub.EvaluateSlo(pb.EvaluateSloRequest(name=name, at_time=Timestamp(seconds=each))).status
            for each in moments
        ]
    if before:
        out.many([*before, last], view.history)
    else:
        out.one(last, view.status)
    if last.state == view.EXHAUSTED:
        raise typer.Exit(ExitCode.NEGATIVE)


@app.command(
    epilog="Example: ringfence slo feasible --target 0.99 --own 0.999 --needs demo/b=0.995 --needs demo/c=0.99"
)
@speaks_to("telemetry")
def feasible(
    mesh: Mesh,
    out: Output,
    *,
    target: Annotated[str, typer.Option(metavar="SHARE", help="What is asked for, if anything.")] = "",
    own: OwnOption = "",
    needs: NeedsOption = None,
) -> None:
    """Say what is possible for a chain of agents; exit 1 when the target is not."""
    dependencies = [_dependency(text) for text in needs or ()]
    request = pb.CheckFeasibilityRequest(own_target=own, dependencies=dependencies, target=target)
    answer = _slos(mesh).CheckFeasibility(request)
    out.one(answer, lambda found: view.feasible(found, target))
    if not answer.feasible:
        raise typer.Exit(ExitCode.NEGATIVE)


@app.command("import", epilog="Example: ringfence slo import slos.yaml --try")
@speaks_to("telemetry")
def import_(
    mesh: Mesh,
    out: Output,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="OpenSLO v1 documents, YAML.")],
    *,
    try_only: Annotated[bool, typer.Option("--try", help="Check everything, create nothing.")] = False,
    request_id: RequestIdOption = "",
) -> None:
    """Define the objectives of OpenSLO documents, all or none."""
    request = pb.ImportOpenSloRequest(document=read_bytes(file), request_id=request_id, validate_only=try_only)
    answer = _slos(mesh).ImportOpenSlo(request)
    out.one(answer, view.imported)
    for remark in answer.remarks:
        out.hint(remark)


@app.command(epilog="Example: ringfence slo export checkout > checkout.yaml")
@speaks_to("telemetry")
def export(
    mesh: Mesh,
    out: Output,
    slos: Annotated[list[str] | None, typer.Argument(metavar="[SLO]...", help="Ids. Default: all.")] = None,
) -> None:
    """Write objectives as OpenSLO documents, YAML whatever -o says."""
    request = pb.ExportOpenSloRequest(names=[_name(each) for each in slos or ()])
    out.raw(_slos(mesh).ExportOpenSlo(request).document)


@app.command(epilog="Example: ringfence slo delete checkout")
@speaks_to("telemetry")
def delete(
    mesh: Mesh, out: Output, slo: SloArgument, *, etag: EtagOption = "", request_id: RequestIdOption = ""
) -> None:
    """Delete an objective and what was counted for it; its alerts end."""
    name = _name(slo)
    answer = _slos(mesh).DeleteSlo(pb.DeleteSloRequest(name=name, etag=etag, request_id=request_id))
    out.one(answer, lambda _: view.deleted(name))


@breakers_app.command("list", epilog="Example: ringfence slo breakers list --open")
@speaks_to("telemetry")
def list_breakers(
    mesh: Mesh,
    out: Output,
    *,
    agent: Annotated[str, typer.Option(metavar="DID|NAME", help="Only of this agent.")] = "",
    not_closed: Annotated[bool, typer.Option("--open", help="Only those that are not closed.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1_000,
) -> None:
    """List circuit breakers, one for each agent and skill."""
    stub = BreakerServiceStub(mesh.channel("telemetry"))

    def fetch(token: str) -> pb.ListBreakersResponse:
        request = pb.ListBreakersRequest(
            agent=_agent(agent), not_closed=not_closed, page_size=min(limit, _PAGE), page_token=token
        )
        return stub.ListBreakers(request)

    out.many(list(pages(fetch, lambda page: page.breakers, limit=limit)), view.breakers)


@breakers_app.command(epilog="Example: ringfence slo breakers override demo/analyst forced-open --reason 'It loops.'")
@speaks_to("telemetry")
def override(
    mesh: Mesh,
    out: Output,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="Its DID, or NAMESPACE/AGENT.")],
    said: Annotated[Override, typer.Argument(metavar="OVERRIDE", help="forced-open, disabled, or none: it is free.")],
    *,
    skill: Annotated[str, typer.Option(help="Of this skill; without it, of calls that name none.")] = "",
    reason: Annotated[str, typer.Option(help="Why, in a sentence. It is in the audit log.")],
    request_id: RequestIdOption = "",
) -> None:
    """Open a breaker by hand, keep it from opening, or let it go by what happens again."""
    request = pb.OverrideBreakerRequest(
        agent=_agent(agent),
        skill=skill,
        override=number(pb.BreakerOverride, said),
        reason=reason,
        request_id=request_id or str(uuid.uuid4()),
    )
    answer = BreakerServiceStub(mesh.channel("telemetry")).OverrideBreaker(request)
    out.one(answer, lambda found: view.breakers([found.breaker]))


def _typed(
    *,
    agent: str,
    target: str,
    operation: str,
    evaluation: str,
    own: str,
    display_name: str,
    needs: Sequence[str] | None,
    window: str,
    latency: str,
) -> pb.Slo:
    return pb.Slo(
        agent=_agent(agent),
        target=target,
        operation=operation,
        evaluation=evaluation,
        own_target=own,
        display_name=display_name,
        dependencies=[_dependency(text) for text in needs or ()],
        window=duration(window, option="--window"),
        latency=_latency(latency),
    )


def _latency(text: str) -> Duration | None:
    """Return a time typed as `800ms`, `2s`, …; or end with a usage error."""
    count = text.removesuffix("ms")
    if count != text and count.isascii() and count.isdigit() and len(count) < 10:
        seconds, millis = divmod(int(count), 1_000)
        return Duration(seconds=seconds, nanos=millis * 1_000_000)
    return duration(text, option="--latency")


def _dependency(text: str) -> pb.Dependency:
    """Return what `AGENT=SHARE[,retries=N][,calls=N][,soft][,or=AGENT=SHARE]` says, or end with a usage error."""
    first, *rest = text.split(",")
    agent, equals, share = first.rpartition("=")
    made = pb.Dependency(agent=_agent(agent), target=share)
    for part in rest:
        key, _, value = part.partition("=")
        if key == "soft" and not value:
            made.kind = pb.DEPENDENCY_KIND_SOFT
        elif key in ("retries", "calls") and value.isascii() and value.isdigit() and len(value) < 6:
            setattr(made, key, int(value))
        elif key == "or" and "=" in value:
            other, _, promised = value.rpartition("=")
            made.fallbacks.add(agent=_agent(other), target=promised)
        else:
            raise typer.BadParameter(f"--needs {text!r}: {part!r} is none of retries=N, calls=N, soft, or=AGENT=SHARE")
    if not equals:
        raise typer.BadParameter(f"--needs {text!r}: write the agent and what it promises, such as demo/b=0.995")
    return made


def _agent(text: str) -> str:
    return text if not text or text.startswith("did:") else agent_name(text)


def _id(text: str) -> str:
    return text.removeprefix("slos/")


def _name(text: str) -> str:
    return f"slos/{_id(text)}"


def _slos(mesh: Mesh) -> SloServiceStub:
    return SloServiceStub(mesh.channel("telemetry"))
