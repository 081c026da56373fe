"""`ringfence trust`: how far an agent is trusted now, and how that changes."""

from itertools import islice
from typing import Annotated

import typer
from ringfence.identity.v1 import identity_pb2 as pb
from ringfence.identity.v1 import trust_pb2
from ringfence.identity.v1.identity_pb2_grpc import IdentityServiceStub
from ringfence.identity.v1.trust_pb2_grpc import TrustServiceStub
from ringfence.watch import Changed
from ringfence_kit.clock import SystemClock

from ringfence_launcher.commands.did import EnvironmentOption, identity_request
from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.views import identities as view

app = typer.Typer(no_args_is_help=True, help="See how far an agent is trusted now.")

SubjectArgument = Annotated[str, typer.Argument(metavar="NAMESPACE/AGENT|DID", help="The agent, by name or DID.")]


@app.command(epilog="Example: ringfence trust get demo/analyst -e dev")
@speaks_to("identity")
def get(mesh: Mesh, out: Output, subject: SubjectArgument, *, environment: EnvironmentOption = "dev") -> None:
    """Show an agent's score and ring at this moment. Looking changes nothing."""
    did = _did(mesh, subject, environment)
    found = TrustServiceStub(mesh.channel("identity")).GetTrust(trust_pb2.GetTrustRequest(did=did))
    out.one(found.trust, view.trust)


@app.command(epilog="Example: ringfence trust watch demo/analyst")
@speaks_to("identity")
def watch(
    mesh: Mesh,
    out: Output,
    subject: Annotated[str, typer.Argument(metavar="[NAMESPACE/AGENT|DID]", help="The agent; all without it.")] = "",
    *,
    environment: EnvironmentOption = "",
    start: Annotated[int, typer.Option("--from", min=0, help="First revision wanted: the last one seen plus one.")] = 0,
    count: Annotated[int, typer.Option(min=0, help="End after this many events; 0 goes on until Ctrl-C.")] = 0,
) -> None:
    """Print an agent's trust now and whenever evidence changes it. Between events it decays without one."""
    did = _did(mesh, subject, environment or "dev") if subject else ""
    request = pb.WatchAgentsRequest(environment=environment, start_revision=start)
    steps = mesh.watch(
        "identity", lambda channel: IdentityServiceStub(channel).WatchAgents, request, initial_state=not start
    )
    changes = (step.answer for step in steps if isinstance(step, Changed) and did in ("", step.answer.identity.did))
    for change in islice(changes, count or None):
        out.event(change, lambda event: view.trust_line(event, now=SystemClock().now()))


def _did(mesh: Mesh, subject: str, environment: str) -> str:
    if subject.startswith("did:"):
        return subject
    found = IdentityServiceStub(mesh.channel("identity")).GetAgentIdentity(identity_request(subject, environment))
    return found.identity.did
