"""`ringfence kill`: the stop button."""

from typing import Annotated

import typer
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence.pdp.v1.bundle_pb2_grpc import KillSwitchServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import decisions as view
from ringfence_launcher.words import agent_name, namespace_name

app = typer.Typer(no_args_is_help=True, help="Stop an agent, a tool, a delegation, a namespace or everything; let go.")


@app.command(epilog="Example: ringfence kill engage --agent demo/analyst --reason 'it deletes orders'")
@speaks_to("pdp")
def engage(
    mesh: Mesh,
    out: Output,
    *,
    reason: Annotated[str, typer.Option(help="Why; shown to whoever is denied.")],
    agent: Annotated[str, typer.Option(metavar="NAMESPACE/AGENT", help="Stop one agent, in every environment.")] = "",
    tool: Annotated[str, typer.Option(metavar="NAME", help="Stop a tool, for every agent.")] = "",
    namespace: Annotated[str, typer.Option(metavar="NAME", help="Stop all agents of a namespace.")] = "",
    chain: Annotated[str, typer.Option(metavar="DELEGATION", help="Stop a grant or chain, and all made on it.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="Stop every agent.")] = False,
    request_id: RequestIdOption = "",
) -> None:
    """Deny everything of a target from now on, in every pdp within a second, also after a restart."""
    if sum(map(bool, (agent, tool, namespace, chain, everything))) != 1:
        raise typer.BadParameter("say what to stop: one of --agent, --tool, --namespace, --chain, --everything")
    target = pb.KillTarget()
    if agent:
        target.agent = agent_name(agent)
    elif tool:
        target.tool = tool
    elif chain:
        target.chain = chain
    elif namespace == "-":
        raise typer.BadParameter("--namespace names one namespace; stop all with --everything")
    elif namespace:
        target.namespace = namespace_name(namespace)
    else:
        target.everything = True
    request = pb.EngageKillSwitchRequest(target=target, reason=reason, request_id=request_id)
    engaged = KillSwitchServiceStub(mesh.channel("pdp")).EngageKillSwitch(request).kill_switch
    out.one(engaged, view.kill_switch)
    out.hint(f"let go with: ringfence kill release {engaged.name} --reason …")


@app.command(epilog="Example: ringfence kill release killSwitches/0191… --reason 'fixed in 1.4'")
@speaks_to("pdp")
def release(
    mesh: Mesh,
    out: Output,
    name: Annotated[str, typer.Argument(metavar="KILL-SWITCH", help="Its name, as `kill list` shows it.")],
    *,
    reason: Annotated[str, typer.Option(help="Why it is safe again.")],
    request_id: RequestIdOption = "",
) -> None:
    """Let a target be decided on normally again."""
    full_name = name if name.startswith("killSwitches/") else f"killSwitches/{name}"
    request = pb.ReleaseKillSwitchRequest(name=full_name, reason=reason, request_id=request_id)
    out.one(KillSwitchServiceStub(mesh.channel("pdp")).ReleaseKillSwitch(request), lambda _: f"{full_name} is released")


@app.command("list", epilog="Example: ringfence kill list")
@speaks_to("pdp")
def list_engaged(mesh: Mesh, out: Output) -> None:
    """List what is stopped."""
    stub = KillSwitchServiceStub(mesh.channel("pdp"))

    def page(token: str) -> pb.ListKillSwitchesResponse:
        return stub.ListKillSwitches(pb.ListKillSwitchesRequest(page_size=1_000, page_token=token))

    out.many(list(pages(page, lambda response: response.kill_switches, limit=100_000)), view.kill_switches)
