"""`ringfence agent get`, `card`, `list` and `watch`."""

from itertools import islice
from typing import Annotated

import grpc
import typer
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.watch import WatchMethod

from ringfence_launcher.agent.options import AgentArgument, NamespaceArgument
from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import agents as view
from ringfence_launcher.views import cards
from ringfence_launcher.watching import (
    BookmarksOption,
    CountOption,
    FromOption,
    InitialOption,
    events,
    require_one_beginning,
)
from ringfence_launcher.words import agent_name, namespace_name, revision_name

app = typer.Typer()


@app.command(epilog="Example: ringfence agent get demo/analyst")
@speaks_to("registry")
def get(mesh: Mesh, out: Output, agent: AgentArgument) -> None:
    """Show one agent, retired and deleted ones included."""
    request = pb.GetAgentRequest(name=agent_name(agent))
    out.one(RegistryServiceStub(mesh.channel("registry")).GetAgent(request).agent, view.details)


@app.command(epilog="Example: ringfence agent card demo/analyst > analyst.card.json")
@speaks_to("registry")
def card(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    revision: Annotated[str, typer.Option(metavar="NUMBER|ALIAS", help="Of which revision. Default: now's.")] = "",
) -> None:
    """Print an agent's card, the very bytes that were registered."""
    name = revision_name(agent, revision) if revision else agent_name(agent)
    out.raw(RegistryServiceStub(mesh.channel("registry")).GetCard(pb.GetCardRequest(name=name)).card)


@app.command(
    epilog="Examples: ringfence agent attestation demo/analyst\n\n"
    "ringfence agent attestation demo/analyst -o json | jq .signature"
)
@speaks_to("registry")
def attestation(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    revision: Annotated[str, typer.Option(metavar="NUMBER|ALIAS", help="Of which revision. Default: now's.")] = "",
) -> None:
    """Show the registry's own signature on an agent's card: that it holds this card, for this agent."""
    name = revision_name(agent, revision) if revision else agent_name(agent)
    request = pb.GetCardAttestationRequest(name=name)
    out.one(RegistryServiceStub(mesh.channel("registry")).GetCardAttestation(request), cards.attested)


@app.command(
    "list",
    epilog="Examples: ringfence agent list demo\n\n"
    """ringfence agent list --filter 'risk_tier = HIGH AND environments:"prod" AND skills.tags:"sql"'""",
)
@speaks_to("registry")
def list_agents(
    mesh: Mesh,
    out: Output,
    namespace: NamespaceArgument = "-",
    *,
    filter_: Annotated[str, typer.Option("--filter", help="An AIP-160 filter over an agent's fields.")] = "",
    order_by: Annotated[str, typer.Option(metavar="FIELDS", help="E.g. 'risk_tier desc, name'. Default: name.")] = "",
    retired: Annotated[bool, typer.Option("--retired", help="Include retired agents.")] = False,
    deleted: Annotated[bool, typer.Option("--deleted", help="Include deleted agents.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 1_000,
) -> None:
    """List agents, ordered by name."""
    stub = RegistryServiceStub(mesh.channel("registry"))

    def page(token: str) -> pb.ListAgentsResponse:
        return stub.ListAgents(
            pb.ListAgentsRequest(
                parent=namespace_name(namespace),
                filter=filter_,
                order_by=order_by,
                show_retired=retired,
                show_deleted=deleted,
                page_size=min(limit, 1_000),
                page_token=token,
            )
        )

    out.many(list(pages(page, lambda response: response.agents, limit=limit)), view.listed)


@app.command(epilog="Example: ringfence agent watch --from 1842")
@speaks_to("registry")
def watch(
    mesh: Mesh,
    out: Output,
    namespace: NamespaceArgument = "-",
    *,
    filter_: Annotated[str, typer.Option("--filter", help="An AIP-160 filter over an agent's fields.")] = "",
    start: FromOption = 0,
    initial: InitialOption = False,
    bookmarks: BookmarksOption = False,
    count: CountOption = 0,
) -> None:
    """Print changes to agents as they happen, through every break: none lost, none twice."""
    require_one_beginning(start=start, initial=initial)
    request = pb.WatchAgentsRequest(parent=namespace_name(namespace), start_revision=start, filter=filter_)
    steps = mesh.watch("registry", _watch_agents, request, initial_state=initial)
    for event in islice(events(steps, out, bookmark=_bookmark if bookmarks else None), count or None):
        out.event(event, view.event)


def _watch_agents(channel: grpc.Channel) -> WatchMethod[pb.WatchAgentsRequest, pb.WatchAgentsResponse]:
    return RegistryServiceStub(channel).WatchAgents


def _bookmark(revision: int, initial_state_end: bool) -> pb.WatchAgentsResponse:
    return pb.WatchAgentsResponse(
        type=pb.WATCH_EVENT_TYPE_BOOKMARK, revision=revision, initial_state_end=initial_state_end
    )
