"""`ringfence eval`: whether agents do their work well, whether it is enough to serve, and whether it changes."""

import datetime as dt
import enum
import uuid
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import evaluation_pb2 as pb
from ringfence.telemetry.v1.evaluation_pb2_grpc import EvaluationServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_message
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.views import evaluations as view
from ringfence_launcher.words import agent_name, moment, number, period

app = typer.Typer(no_args_is_help=True, help="Judge agents' work, set what it has to reach, see whether it changes.")


class Layer(enum.StrEnum):
    """What is judged, as typed."""

    STEP = "step"
    WORKFLOW = "workflow"
    LONG_HORIZON = "long-horizon"


AgentArgument = Annotated[str, typer.Argument(metavar="AGENT", help="Its DID, or NAMESPACE/AGENT.")]
VersionOption = Annotated[str, typer.Option(help="Only this version, as its spans name it. Default: all.")]
NamesOption = Annotated[
    list[str] | None, typer.Option("--also-known-as", metavar="DID|NAME", help="Another name of the agent; repeat.")
]


@app.command(epilog="Example: ringfence eval record demo/analyst --metric accuracy --passed --version 1.4.0")
@speaks_to("telemetry")
def record(
    mesh: Mesh,
    out: Output,
    agent: Annotated[str, typer.Argument(metavar="[AGENT]", help="Its DID, or NAMESPACE/AGENT.")] = "",
    *,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Many at once: a RecordEvaluationsRequest, YAML or JSON.")
    ] = None,
    metric: Annotated[str, typer.Option(help="What is measured, e.g. accuracy.")] = "accuracy",
    passed: Annotated[bool | None, typer.Option("--passed/--failed", help="Whether it is good enough.")] = None,
    score: Annotated[float | None, typer.Option(help="How good it is.")] = None,
    label: Annotated[str, typer.Option(help="In a word.")] = "",
    layer: Annotated[Layer, typer.Option(help="What is judged.")] = Layer.WORKFLOW,
    version: Annotated[str, typer.Option(help="The agent's version.")] = "",
    trace: Annotated[str, typer.Option(metavar="HEX", help="The trace of the work.")] = "",
    span: Annotated[str, typer.Option(metavar="HEX", help="The step in it.")] = "",
    evaluator: Annotated[str, typer.Option(help="Who or what judged.")] = "",
    evaluation_id: Annotated[
        str, typer.Option("--id", help="The same id again changes nothing. Default: a new one.")
    ] = "",
    request_id: RequestIdOption = "",
) -> None:
    """Record a judgement of an agent's work, or a file of them."""
    request = pb.RecordEvaluationsRequest()
    if file is not None:
        read_message(file, request)
    elif not agent:
        raise typer.BadParameter("name an agent, or give a --file")
    else:
        request.evaluations.add(
            agent=_agent(agent),
            version=version,
            layer=number(pb.EvaluationLayer, layer),
            metric=metric,
            passed=passed,
            score=score,
            label=label,
            trace_id=_octets(trace, "--trace"),
            span_id=_octets(span, "--span"),
            evaluator=evaluator,
            evaluation_id=evaluation_id or str(uuid.uuid4()),
        )
    request.request_id = request_id or request.request_id
    response = _service(mesh).RecordEvaluations(request)
    out.one(response, lambda found: view.recorded(found, len(request.evaluations)))


@app.command(epilog="Example: ringfence eval acceptance demo/analyst --version 1.4.0 --since 7d")
@speaks_to("telemetry")
def acceptance(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    version: VersionOption = "",
    also_known_as: NamesOption = None,
    since: Annotated[str, typer.Option(metavar="PERIOD", help="So long back: 12h, 7d.")] = "30d",
) -> None:
    """Show how a version does: accuracy, escalation, safe completion, latency."""
    start = _time(dt.datetime.now(dt.UTC) - period(since, option="--since"))
    names = [_agent(name) for name in also_known_as or ()]
    request = pb.GetAcceptanceRequest(agent=_agent(agent), version=version, also_known_as=names, start_time=start)
    out.one(_service(mesh).GetAcceptance(request), lambda found: view.acceptance(found.acceptance))


@app.command(epilog="Example: ringfence eval gate demo/analyst --min-accuracy 0.9 --max-latency-p95 2.5")
@speaks_to("telemetry")
def gate(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    min_accuracy: Annotated[float | None, typer.Option(help="A share, 0 to 1.")] = None,
    max_escalation: Annotated[float | None, typer.Option(help="A share, 0 to 1.")] = None,
    min_safe_completion: Annotated[float | None, typer.Option(help="A share, 0 to 1.")] = None,
    max_latency_p95: Annotated[float | None, typer.Option(metavar="SECONDS", help="Of 95 of 100.")] = None,
    min_samples: Annotated[int, typer.Option(help="So many there have to be. 0: 30.")] = 0,
    days: Annotated[int, typer.Option(help="Of so many days back. 0: 30.")] = 0,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Set what a version has to reach before it may serve; what is not named is not asked for."""
    wanted = pb.AcceptanceGate(
        agent=_agent(agent),
        min_accuracy=min_accuracy,
        max_escalation=max_escalation,
        min_safe_completion=min_safe_completion,
        max_latency_p95_micros=None if max_latency_p95 is None else _micros(max_latency_p95),
        min_samples=min_samples,
        days=days,
    )
    request = pb.PutAcceptanceGateRequest(gate=wanted, etag=etag, request_id=request_id)
    out.one(_service(mesh).PutAcceptanceGate(request), lambda found: view.gate(found.gate))


@app.command(epilog="Example: ringfence eval check demo/analyst --version 1.4.0 || echo 'not yet'")
@speaks_to("telemetry")
def check(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    version: VersionOption = "",
    also_known_as: NamesOption = None,
) -> None:
    """Say whether a version reaches what is asked of it, as the registry asks; exit 1 when it does not."""
    names = [_agent(name) for name in also_known_as or ()]
    request = pb.CheckAcceptanceRequest(agent=_agent(agent), version=version, also_known_as=names)
    answer = _service(mesh).CheckAcceptance(request)
    out.one(answer, view.checked)
    if not answer.accepted:
        raise typer.Exit(ExitCode.NEGATIVE)


@app.command(epilog="Example: ringfence eval pin demo/analyst --version 1.4.0 --since 2026-11-01T00:00:00Z")
@speaks_to("telemetry")
def pin(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    since: Annotated[str, typer.Option(metavar="TIME", help="From when, e.g. 2026-11-01T00:00:00Z.")],
    until: Annotated[str, typer.Option(metavar="TIME", help="To when. Default: now.")] = "",
    version: VersionOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Pin what a version is compared with: how it did in a time that was good. Days are counted whole."""
    start, end = moment(since, option="--since"), moment(until, option="--until")
    request = pb.PinBaselineRequest(
        agent=_agent(agent),
        version=version,
        start_time=start,
        end_time=end or _time(dt.datetime.now(dt.UTC)),
        request_id=request_id,
    )
    out.one(_service(mesh).PinBaseline(request), view.pinned)


@app.command(epilog="Example: ringfence eval drift demo/analyst --version 1.4.0 --days 7")
@speaks_to("telemetry")
def drift(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    version: VersionOption = "",
    days: Annotated[int, typer.Option(help="Over so many days back. 0: 7.")] = 0,
) -> None:
    """Show how far a version has moved away from its baseline; exit 1 when it has."""
    request = pb.GetDriftRequest(agent=_agent(agent), version=version, days=days)
    answer = _service(mesh).GetDrift(request)
    out.one(answer, view.drift)
    if answer.level == pb.DRIFT_LEVEL_ALERT:
        raise typer.Exit(ExitCode.NEGATIVE)


def _service(mesh: Mesh) -> EvaluationServiceStub:
    return EvaluationServiceStub(mesh.channel("telemetry"))


def _time(at: dt.datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at)
    return made


def _agent(text: str) -> str:
    return text if text.startswith("did:") else agent_name(text)


def _octets(text: str, option: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise typer.BadParameter(f"{option} {text!r}: write it in hex, as traces are shown") from None


def _micros(seconds: float) -> int:
    if not 0 < seconds <= 86_400:
        raise typer.BadParameter("--max-latency-p95: write seconds, more than 0 and at most a day")
    return round(seconds * 1_000_000)
