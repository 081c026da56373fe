"""`ringfence agent`: the registry's catalog of agents."""

import enum
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated

import grpc
import typer
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence.watch import Bookmark, Changed, StateBegins, StateComplete, Step, WatchMethod

from ringfence_launcher.connection import Mesh
from ringfence_launcher.input_files import read_bytes
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import agents as view
from ringfence_launcher.words import agent_name, namespace_name, number, pairs, split_agent_name

app = typer.Typer(no_args_is_help=True, help="Register agents, find them, change them, retire them, watch them.")


class Risk(enum.StrEnum):
    """How much harm an agent can do, as typed."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


AgentArgument = Annotated[str, typer.Argument(metavar="NAMESPACE/AGENT", help="The agent, e.g. demo/analyst.")]
CardOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Its A2A Agent Card, JSON; - reads stdin.")]
PurposeOption = Annotated[str, typer.Option(help="What the agent is for, in a sentence.")]
OwnerOption = Annotated[
    str, typer.Option(metavar="'NAME <CONTACT>'", help="Who answers for it, and where to reach them.")
]
RiskOption = Annotated[Risk | None, typer.Option(help="How much harm it can do.")]
EnvironmentsOption = Annotated[
    list[str] | None, typer.Option("--environment", metavar="NAME", help="Where it may run; repeat for more.")
]
ToolsOption = Annotated[
    list[str] | None,
    typer.Option("--tool", metavar="NAME[@SHA256-…]", help="A tool it may call, pinned to a schema or not; repeat."),
]
TeamOption = Annotated[str, typer.Option(help="The team that runs it.")]
OnCallOption = Annotated[str, typer.Option(help="Whom to page.")]
DataClassesOption = Annotated[
    list[str] | None, typer.Option("--data-class", metavar="NAME", help="Data it touches, e.g. pii; repeat.")
]
LabelsOption = Annotated[list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="For filters; repeat.")]
DisplayNameOption = Annotated[str, typer.Option(help="Its name for people. Default: the card's.")]
ValidateOption = Annotated[bool, typer.Option("--validate-only", help="Check everything and change nothing.")]


@app.command(
    epilog="Example: ringfence agent register demo/analyst --card analyst.card.json --purpose 'Answers questions.' "
    "--owner 'Sales <sales@example.com>' --risk low --environment dev --tool warehouse.query"
)
@speaks_to("registry")
def register(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    card: Annotated[Path, typer.Option(metavar="FILE", help="Its A2A Agent Card, JSON; - reads stdin.")],
    purpose: PurposeOption,
    owner: OwnerOption,
    risk: Annotated[Risk, typer.Option(help="How much harm it can do.")],
    environments: Annotated[
        list[str], typer.Option("--environment", metavar="NAME", help="Where it may run; repeat for more.")
    ],
    tools: ToolsOption = None,
    team: TeamOption = "",
    on_call: OnCallOption = "",
    data_classes: DataClassesOption = None,
    labels: LabelsOption = None,
    display_name: DisplayNameOption = "",
    validate_only: ValidateOption = False,
    request_id: RequestIdOption = "",
) -> None:
    """Register an agent from its A2A Agent Card, which is kept byte for byte."""
    parent, agent_id = split_agent_name(agent)
    request = pb.RegisterAgentRequest(
        parent=parent,
        agent_id=agent_id,
        agent=pb.Agent(
            display_name=display_name,
            purpose=purpose,
            owner=_owner(owner),
            team=team,
            on_call=on_call,
            risk_tier=number(pb.RiskTier, risk),
            data_classes=data_classes or (),
            environments=environments,
            approved_tools=_tools(tools),
            labels=pairs(labels, option="--label"),
        ),
        card=read_bytes(card),
        request_id=request_id,
        validate_only=validate_only,
    )
    registered = RegistryServiceStub(mesh.channel("registry")).RegisterAgent(request).agent
    out.one(registered, view.details)
    out.hint("nothing was registered: --validate-only" if validate_only else f"next: ringfence did enrol {agent} …")


@app.command(epilog="Example: ringfence agent get demo/analyst")
@speaks_to("registry")
def get(mesh: Mesh, out: Output, agent: AgentArgument) -> None:
    """Show one agent, retired ones included."""
    request = pb.GetAgentRequest(name=agent_name(agent))
    out.one(RegistryServiceStub(mesh.channel("registry")).GetAgent(request).agent, view.details)


@app.command(epilog="Example: ringfence agent card demo/analyst > analyst.card.json")
@speaks_to("registry")
def card(mesh: Mesh, out: Output, agent: AgentArgument) -> None:
    """Print an agent's card, the very bytes that were registered."""
    request = pb.GetCardRequest(name=agent_name(agent))
    out.raw(RegistryServiceStub(mesh.channel("registry")).GetCard(request).card)


@app.command(
    "list",
    epilog="Examples: ringfence agent list demo\n\n"
    """ringfence agent list --filter 'risk_tier = HIGH AND environments:"prod" AND skills.tags:"sql"'""",
)
@speaks_to("registry")
def list_agents(
    mesh: Mesh,
    out: Output,
    namespace: Annotated[str, typer.Argument(metavar="[NAMESPACE]", help="Whose agents; - means all.")] = "-",
    *,
    filter_: Annotated[str, typer.Option("--filter", help="An AIP-160 filter over an agent's fields.")] = "",
    retired: Annotated[bool, typer.Option("--retired", help="Include retired agents.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 1_000,
) -> None:
    """List agents, ordered by name."""
    stub = RegistryServiceStub(mesh.channel("registry"))

    def page(token: str) -> pb.ListAgentsResponse:
        return stub.ListAgents(
            pb.ListAgentsRequest(
                parent=namespace_name(namespace),
                filter=filter_,
                show_retired=retired,
                page_size=min(limit, 1_000),
                page_token=token,
            )
        )

    out.many(list(pages(page, lambda response: response.agents, limit=limit)), view.listed)


@app.command(
    epilog="Example: ringfence agent update demo/analyst --team sales --tool warehouse.query --tool warehouse.update"
)
@speaks_to("registry")
def update(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    card: CardOption = None,
    purpose: PurposeOption = "",
    owner: OwnerOption = "",
    risk: RiskOption = None,
    environments: EnvironmentsOption = None,
    tools: ToolsOption = None,
    team: TeamOption = "",
    on_call: OnCallOption = "",
    data_classes: DataClassesOption = None,
    labels: LabelsOption = None,
    display_name: DisplayNameOption = "",
    did: Annotated[str, typer.Option(help="Its DID, once it is enrolled.")] = "",
    clear: Annotated[list[str] | None, typer.Option(metavar="FIELD", help="Empty a field, e.g. team.")] = None,
    etag: EtagOption = "",
    validate_only: ValidateOption = False,
    request_id: RequestIdOption = "",
) -> None:
    """Change what is given and leave the rest. A list replaces the list that was there."""
    changed = pb.Agent(
        name=agent_name(agent),
        did=did,
        display_name=display_name,
        purpose=purpose,
        owner=_owner(owner) if owner else None,
        team=team,
        on_call=on_call,
        risk_tier=number(pb.RiskTier, risk),
        data_classes=data_classes or (),
        environments=environments or (),
        approved_tools=_tools(tools),
        labels=pairs(labels, option="--label"),
    )
    named = [field.name for field, _ in changed.ListFields() if field.name != "name"]
    mask = [*named, *(["card"] if card else []), *(clear or [])]
    if not mask:
        raise typer.BadParameter("say what to change: at least one option besides the agent's name")
    request = pb.UpdateAgentRequest(
        agent=changed,
        update_mask=FieldMask(paths=mask),
        card=read_bytes(card) if card else b"",
        etag=etag,
        request_id=request_id,
        validate_only=validate_only,
    )
    out.one(RegistryServiceStub(mesh.channel("registry")).UpdateAgent(request).agent, view.details)


@app.command(epilog="Example: ringfence agent retire demo/analyst")
@speaks_to("registry")
def retire(
    mesh: Mesh, out: Output, agent: AgentArgument, *, etag: EtagOption = "", request_id: RequestIdOption = ""
) -> None:
    """Retire an agent for good. It stays readable; every pdp denies it within a second."""
    request = pb.RetireAgentRequest(name=agent_name(agent), etag=etag, request_id=request_id)
    out.one(RegistryServiceStub(mesh.channel("registry")).RetireAgent(request).agent, view.details)


@app.command(epilog="Example: ringfence agent watch --from 1842")
@speaks_to("registry")
def watch(
    mesh: Mesh,
    out: Output,
    namespace: Annotated[str, typer.Argument(metavar="[NAMESPACE]", help="Whose agents; - means all.")] = "-",
    *,
    start: Annotated[int, typer.Option("--from", min=0, help="First revision wanted: the last one seen plus one.")] = 0,
    initial: Annotated[bool, typer.Option("--initial", help="First every current agent, then changes.")] = False,
    bookmarks: Annotated[bool, typer.Option("--bookmarks", help="Show heartbeats too.")] = False,
    count: Annotated[int, typer.Option(min=0, help="End after this many events; 0 goes on until Ctrl-C.")] = 0,
) -> None:
    """Print changes to agents as they happen, through every break: none lost, none twice."""
    if start and initial:
        raise typer.BadParameter("--from goes on where a watch ended, --initial begins anew: give one of them")
    request = pb.WatchAgentsRequest(parent=namespace_name(namespace), start_revision=start)
    steps = mesh.watch("registry", _watch_agents, request, initial_state=initial)
    for event in islice(_events(steps, out, bookmarks=bookmarks), count or None):
        out.event(event, view.event)


def _watch_agents(channel: grpc.Channel) -> WatchMethod[pb.WatchAgentsRequest, pb.WatchAgentsResponse]:
    return RegistryServiceStub(channel).WatchAgents


def _events(
    steps: Iterator[Step[pb.WatchAgentsResponse]], out: Output, *, bookmarks: bool
) -> Iterator[pb.WatchAgentsResponse]:
    for place, step in enumerate(steps):
        match step:
            case Changed(answer=event):
                yield event
            case StateBegins() if place:
                out.hint("the history that was watched is gone: the whole state follows again")
            case StateComplete(revision) | Bookmark(revision) if bookmarks:
                yield pb.WatchAgentsResponse(
                    type=pb.WATCH_EVENT_TYPE_BOOKMARK,
                    revision=revision,
                    initial_state_end=isinstance(step, StateComplete),
                )


def _owner(text: str) -> pb.Owner:
    name, separator, rest = text.partition("<")
    if not separator or not rest.endswith(">") or not name.strip():
        raise typer.BadParameter(f"--owner {text!r}: write 'Name <contact>'")
    return pb.Owner(display_name=name.strip(), contact=rest[:-1])


def _tools(given: list[str] | None) -> list[pb.ApprovedTool]:
    found = []
    for text in given or ():
        name, _, schema_hash = text.partition("@")
        found.append(pb.ApprovedTool(name=name, schema_hash=schema_hash))
    return found
