"""`ringfence agent readiness` and `evaluate`: what an agent lacks to serve, and the evidence it is measured by."""

import datetime as dt
from typing import Annotated

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub

from ringfence_launcher.agent.options import AgentArgument
from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.views import agents as view
from ringfence_launcher.views import gates
from ringfence_launcher.words import agent_name, moment

app = typer.Typer()


@app.command(epilog="Example: ringfence agent readiness demo/analyst --environment prod")
@speaks_to("registry")
def readiness(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    environment: Annotated[
        str, typer.Option("--environment", "-e", metavar="NAME", help="Default: every gated one of the agent's.")
    ] = "",
) -> None:
    """List, gate by gate, what an agent lacks to serve. Exit code 0 means nothing."""
    request = pb.CheckReadinessRequest(name=agent_name(agent), environment=environment)
    checked = RegistryServiceStub(mesh.channel("registry")).CheckReadiness(request)
    out.one(checked, gates.checked)
    if not checked.ready:
        raise typer.Exit(int(ExitCode.NEGATIVE))


@app.command(
    epilog="Example: ringfence agent evaluate demo/analyst --plan https://example.com/plans/analyst --passed "
    "--report https://example.com/reports/17"
)
@speaks_to("registry")
def evaluate(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    plan: Annotated[str, typer.Option(metavar="REF", help="The plan that was run.")],
    passed: Annotated[bool, typer.Option("--passed/--failed", help="Whether its gate was passed.")],
    report: Annotated[str, typer.Option(metavar="REF", help="The report.")] = "",
    at: Annotated[str, typer.Option(metavar="TIME", help="When it was run. Default: now.")] = "",
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Record that an agent's evaluation plan was run, for the card it has now."""
    evaluation = pb.Evaluation(plan=plan, passed=passed, report=report)
    evaluation.evaluate_time.CopyFrom(moment(at, option="--at") or _now())
    request = pb.RecordEvaluationRequest(
        name=agent_name(agent), evaluation=evaluation, etag=etag, request_id=request_id
    )
    out.one(RegistryServiceStub(mesh.channel("registry")).RecordEvaluation(request).agent, view.details)


def _now() -> Timestamp:
    made = Timestamp()
    made.FromDatetime(dt.datetime.now(dt.UTC))
    return made
