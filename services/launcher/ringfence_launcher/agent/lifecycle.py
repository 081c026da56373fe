"""`ringfence agent submit`, `approve`, `suspend` and the other steps of an agent's life."""

from typing import Annotated

import typer
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub

from ringfence_launcher.agent.options import AgentArgument, ReasonOption
from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.views import agents as view
from ringfence_launcher.words import agent_name, duration, moment, time_text

app = typer.Typer()


@app.command(epilog="Example: ringfence agent submit demo/analyst")
@speaks_to("registry")
def submit(
    mesh: Mesh, out: Output, agent: AgentArgument, *, etag: EtagOption = "", request_id: RequestIdOption = ""
) -> None:
    """Hand a draft in for review, and show what it still lacks."""
    request = pb.SubmitAgentRequest(name=agent_name(agent), etag=etag, request_id=request_id)
    out.one(RegistryServiceStub(mesh.channel("registry")).SubmitAgent(request), view.submitted)


@app.command(epilog="Example: ringfence agent approve demo/analyst --etag '\"12-1f0c…\"'")
@speaks_to("registry")
def approve(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    reason: ReasonOption = "",
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Let an agent that waits for review serve, when every readiness gate is met."""
    request = pb.ApproveAgentRequest(name=agent_name(agent), etag=etag, request_id=request_id, reason=reason)
    out.one(RegistryServiceStub(mesh.channel("registry")).ApproveAgent(request).agent, view.details)


@app.command(epilog="Example: ringfence agent reject demo/analyst --reason 'its purpose says nothing'")
@speaks_to("registry")
def reject(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    reason: ReasonOption,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Send an agent that waits for review back to be a draft."""
    request = pb.ApproveAgentRequest(
        name=agent_name(agent), etag=etag, request_id=request_id, reason=reason, reject=True
    )
    out.one(RegistryServiceStub(mesh.channel("registry")).ApproveAgent(request).agent, view.details)


@app.command(epilog="Example: ringfence agent suspend demo/analyst --reason 'it books flights nobody asked for'")
@speaks_to("registry")
def suspend(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    reason: ReasonOption,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Stop an agent for now. Every pdp denies it within a second."""
    request = pb.SuspendAgentRequest(name=agent_name(agent), reason=reason, etag=etag, request_id=request_id)
    out.one(RegistryServiceStub(mesh.channel("registry")).SuspendAgent(request).agent, view.details)


@app.command(epilog="Example: ringfence agent resume demo/analyst --reason 'fixed in 1.4'")
@speaks_to("registry")
def resume(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    reason: ReasonOption,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Let a suspended agent serve again, when the readiness gates are met."""
    request = pb.ResumeAgentRequest(name=agent_name(agent), reason=reason, etag=etag, request_id=request_id)
    out.one(RegistryServiceStub(mesh.channel("registry")).ResumeAgent(request).agent, view.details)


@app.command(
    epilog="Example: ringfence agent deprecate demo/analyst --reason 'analyst-2 does it better' "
    "--until 2027-01-31T00:00:00Z --replaced-by demo/analyst-2"
)
@speaks_to("registry")
def deprecate(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    reason: ReasonOption,
    until: Annotated[str, typer.Option(metavar="TIME", help="From when it is not to be used any more.")] = "",
    replaced_by: Annotated[str, typer.Option(metavar="NAMESPACE/AGENT", help="What takes its place.")] = "",
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Say that an agent will end; it serves until then."""
    request = pb.DeprecateAgentRequest(
        name=agent_name(agent),
        deprecation=pb.Deprecation(
            reason=reason,
            end_of_life_time=moment(until, option="--until"),
            replaced_by=agent_name(replaced_by) if replaced_by else "",
        ),
        etag=etag,
        request_id=request_id,
    )
    out.one(RegistryServiceStub(mesh.channel("registry")).DeprecateAgent(request).agent, view.details)


@app.command(epilog="Example: ringfence agent retire demo/analyst")
@speaks_to("registry")
def retire(
    mesh: Mesh, out: Output, agent: AgentArgument, *, etag: EtagOption = "", request_id: RequestIdOption = ""
) -> None:
    """Retire an agent for good. It stays readable; every pdp denies it within a second."""
    request = pb.RetireAgentRequest(name=agent_name(agent), etag=etag, request_id=request_id)
    out.one(RegistryServiceStub(mesh.channel("registry")).RetireAgent(request).agent, view.details)


@app.command(epilog="Example: ringfence agent delete demo/analyst")
@speaks_to("registry")
def delete(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="End well when there is none.")] = False,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Delete a retired agent or a draft. It can be brought back until its purge time; its name is not used again."""
    request = pb.DeleteAgentRequest(
        name=agent_name(agent), etag=etag, request_id=request_id, allow_missing=allow_missing
    )
    deleted = RegistryServiceStub(mesh.channel("registry")).DeleteAgent(request)
    if deleted.HasField("agent"):
        out.one(deleted.agent, view.details)
        out.hint(f"until {time_text(deleted.agent.purge_time)}: ringfence agent undelete {agent}")
    else:
        out.one(deleted, lambda _: f"there was no {request.name}")


@app.command(epilog="Example: ringfence agent undelete demo/analyst")
@speaks_to("registry")
def undelete(
    mesh: Mesh, out: Output, agent: AgentArgument, *, etag: EtagOption = "", request_id: RequestIdOption = ""
) -> None:
    """Bring a deleted agent back as it was."""
    request = pb.UndeleteAgentRequest(name=agent_name(agent), etag=etag, request_id=request_id)
    out.one(RegistryServiceStub(mesh.channel("registry")).UndeleteAgent(request).agent, view.details)


@app.command(epilog="Example: ringfence agent renew demo/analyst --for 1h")
@speaks_to("registry")
def renew(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    ttl: Annotated[str, typer.Option("--for", metavar="PERIOD", help="60s to 7d from now. Default: a day.")] = "",
    request_id: RequestIdOption = "",
) -> None:
    """Say that an agent is alive and good for another while. The first renewal begins its lease."""
    request = pb.RenewLeaseRequest(name=agent_name(agent), ttl=duration(ttl, option="--for"), request_id=request_id)
    renewed = RegistryServiceStub(mesh.channel("registry")).RenewLease(request)
    out.one(renewed, lambda answer: f"its lease runs until {time_text(answer.expire_time)}")
