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

from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.subjects import EnvironmentOption, SubjectArgument, did_of
from ringfence_launcher.views import explained
from ringfence_launcher.views import identities as view
from ringfence_launcher.words import from_now

app = typer.Typer(no_args_is_help=True, help="See how far an agent is trusted now, and why.")


@app.command("get", hidden=True, epilog="The same as `ringfence trust show`.")
@app.command("show", epilog="Example: ringfence trust show demo/analyst -e dev")
@speaks_to("identity")
def show(mesh: Mesh, out: Output, subject: SubjectArgument, *, environment: EnvironmentOption = "dev") -> None:
    """Show an agent's score and ring at this moment. Looking changes nothing."""
    did = did_of(mesh, subject, environment)
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
    did = did_of(mesh, subject, environment or "dev") if subject else ""
    request = pb.WatchAgentsRequest(environment=environment, start_revision=start)
    steps = mesh.watch(
        "identity", lambda channel: IdentityServiceStub(channel).WatchAgents, request, initial_state=not start
    )
    changes = (step.answer for step in steps if isinstance(step, Changed) and did in ("", step.answer.identity.did))
    for change in islice(changes, count or None):
        out.event(change, lambda event: view.trust_line(event, now=SystemClock().now()))


@app.command(epilog="Example: ringfence trust explain demo/analyst -e prod")
@speaks_to("identity")
def explain(
    mesh: Mesh,
    out: Output,
    subject: SubjectArgument,
    *,
    environment: EnvironmentOption = "dev",
    signals: Annotated[int, typer.Option(min=1, max=200, help="How many of the newest signals to show.")] = 20,
) -> None:
    """Show how a score comes about: the sum, the caps, what the next ring needs, the evidence."""
    request = trust_pb2.ExplainTrustRequest(did=did_of(mesh, subject, environment), signals=signals)
    out.one(TrustServiceStub(mesh.channel("identity")).ExplainTrust(request), explained.explanation)


@app.command("grant-ring", epilog="Example: ringfence trust grant-ring demo/analyst --for 7d --reason migration")
@speaks_to("identity")
def grant_ring(
    mesh: Mesh,
    out: Output,
    subject: SubjectArgument,
    *,
    environment: EnvironmentOption = "dev",
    period: Annotated[str, typer.Option("--for", metavar="PERIOD", help="How long, at most 30d: 12h, 7d.")],
    reason: Annotated[str, typer.Option(help="Why, for the log.")],
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Let an agent that has earned it into ring 0, for a while. Nothing else leads there."""
    request = trust_pb2.GrantRingRequest(
        did=did_of(mesh, subject, environment),
        expire_time=from_now(period, option="--for"),
        reason=reason,
        etag=etag,
        request_id=request_id,
    )
    out.one(TrustServiceStub(mesh.channel("identity")).GrantRing(request).trust, view.trust)


@app.command(epilog="Example: ringfence trust elevate demo/analyst --action write --resource orders --ring 1 --for 1h")
@speaks_to("identity")
def elevate(
    mesh: Mesh,
    out: Output,
    subject: SubjectArgument,
    *,
    environment: EnvironmentOption = "dev",
    action: Annotated[str, typer.Option(help="The one action.")],
    resource: Annotated[str, typer.Option(help="The one resource or tool.")],
    ring: Annotated[int, typer.Option(min=0, max=2, help="The ring to judge it at.")],
    approvals: Annotated[int, typer.Option(min=1, max=10, help="How many people must approve each use.")] = 1,
    period: Annotated[str, typer.Option("--for", metavar="PERIOD", help="How long, at most 24h: 30m, 12h.")],
    reason: Annotated[str, typer.Option(help="Why, for the log.")],
    request_id: RequestIdOption = "",
) -> None:
    """Let an agent be judged at a better ring for one action on one resource, for a while. Prints the grant."""
    elevation = trust_pb2.Elevation(
        origin=did_of(mesh, subject, environment),
        action=action,
        resource=resource,
        ring=ring,
        approvals=approvals,
        expire_time=from_now(period, option="--for"),
        reason=reason,
    )
    request = trust_pb2.GrantElevationRequest(elevation=elevation, request_id=request_id)
    granted = TrustServiceStub(mesh.channel("identity")).GrantElevation(request)
    out.one(granted, lambda shown: shown.grant)
    out.hint(f"end it early with: ringfence trust end-elevation {granted.elevation.name} --reason …")


@app.command("end-elevation", epilog="Example: ringfence trust end-elevation elevations/0191… --reason 'done'")
@speaks_to("identity")
def end_elevation(
    mesh: Mesh,
    out: Output,
    name: Annotated[str, typer.Argument(metavar="ELEVATION", help="Its name, as `trust elevate` said it.")],
    *,
    reason: Annotated[str, typer.Option(help="Why.")],
    request_id: RequestIdOption = "",
) -> None:
    """End an elevation before its time."""
    full_name = name if name.startswith("elevations/") else f"elevations/{name}"
    request = trust_pb2.RevokeElevationRequest(name=full_name, reason=reason, request_id=request_id)
    out.one(TrustServiceStub(mesh.channel("identity")).RevokeElevation(request).elevation, explained.elevation)
