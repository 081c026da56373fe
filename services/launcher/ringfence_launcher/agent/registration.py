"""`ringfence agent register`, `validate` and `update`: what is said of an agent, and its card."""

from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub

from ringfence_launcher.agent.defaults import DEFAULT_NAMESPACE, Defaults
from ringfence_launcher.agent.options import AgentArgument, CardOption, ValidateOption, said_of_agent
from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_bytes
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to, takes
from ringfence_launcher.output import Output
from ringfence_launcher.views import agents as view
from ringfence_launcher.views import cards
from ringfence_launcher.words import agent_name, duration, namespace_name, short, split_agent_name

app = typer.Typer()


@app.command(
    epilog="Examples: ringfence agent register --card analyst.card.json\n\n"
    "ringfence agent register demo/analyst --card analyst.card.json --purpose 'Answers questions.' "
    "--owner 'Sales <sales@example.com>' --risk low --environment dev --tool warehouse.query"
)
@speaks_to("registry")
@takes("said", said_of_agent)
def register(
    mesh: Mesh,
    out: Output,
    agent: Annotated[
        str,
        typer.Argument(
            metavar="[NAMESPACE/AGENT]", help="Its name. Default: the file's, or the card's in --namespace."
        ),
    ] = "",
    *,
    card: Annotated[Path, typer.Option(metavar="FILE", help="Its A2A Agent Card, JSON; - reads stdin.")],
    said: pb.Agent,
    namespace: Annotated[str, typer.Option(metavar="NAME", help="Where, when no name is given.")] = DEFAULT_NAMESPACE,
    as_draft: Annotated[bool, typer.Option("--draft", help="Begin as a draft, also where it could serve.")] = False,
    lease: Annotated[str, typer.Option(metavar="PERIOD", help="Begin a lease, e.g. 1h; it is renewed or ends.")] = "",
    validate_only: ValidateOption = False,
    request_id: RequestIdOption = "",
) -> None:
    """Register an agent from its A2A Agent Card, which is kept byte for byte. What is not said comes from the card."""
    content = read_bytes(card)
    defaults = Defaults.of_card(content)
    parent, agent_id = _name(agent or said.name, namespace, defaults)
    defaults.complete(said)
    request = pb.RegisterAgentRequest(
        parent=parent,
        agent_id=agent_id,
        agent=said,
        card=content,
        request_id=request_id,
        validate_only=validate_only,
        as_draft=as_draft,
        lease_ttl=duration(lease, option="--lease"),
    )
    registered = RegistryServiceStub(mesh.channel("registry")).RegisterAgent(request)
    for assumed in defaults.assumed:
        out.hint(f"assumed {assumed}")
    out.one(registered, view.registered)
    if validate_only:
        out.hint("nothing was registered: --validate-only")
    elif registered.unmet_gates:
        out.hint(f"next: supply what it lacks, then ringfence agent submit {short(registered.agent.name)}")
    else:
        out.hint(f"next: ringfence did enrol {short(registered.agent.name)} …")


@app.command(epilog="Example: ringfence agent validate analyst.card.json --namespace demo")
@speaks_to("registry")
def validate(
    mesh: Mesh,
    out: Output,
    card: Annotated[Path, typer.Argument(metavar="CARD", help="An A2A Agent Card, JSON; - reads stdin.")],
    *,
    namespace: Annotated[str, typer.Option(metavar="NAME", help="Apply its policy. Default: the registry's.")] = "",
) -> None:
    """Judge a card without registering it: verdict, signatures, findings. Exit code 0 means it would be admitted."""
    parent = namespace_name(namespace) if namespace else ""
    request = pb.ValidateCardRequest(card=read_bytes(card), parent=parent)
    judged = RegistryServiceStub(mesh.channel("registry")).ValidateCard(request)
    out.one(judged, cards.judged)
    if not judged.admissible:
        raise typer.Exit(int(ExitCode.NEGATIVE))


@app.command(
    epilog="Example: ringfence agent update demo/analyst --team sales --tool warehouse.query --tool warehouse.update"
)
@speaks_to("registry")
@takes("said", said_of_agent)
def update(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    card: CardOption = None,
    said: pb.Agent,
    clear: Annotated[list[str] | None, typer.Option(metavar="FIELD", help="Empty a field, e.g. team.")] = None,
    etag: EtagOption = "",
    validate_only: ValidateOption = False,
    request_id: RequestIdOption = "",
) -> None:
    """Change what is given and leave the rest. A list replaces the list that was there."""
    said.name = agent_name(agent)
    named = [field.name for field, _ in said.ListFields() if field.name != "name"]
    mask = [*named, *(["card"] if card else []), *(clear or [])]
    if not mask:
        raise typer.BadParameter("say what to change: at least one option besides the agent's name")
    request = pb.UpdateAgentRequest(
        agent=said,
        update_mask=FieldMask(paths=mask),
        card=read_bytes(card) if card else b"",
        etag=etag,
        request_id=request_id,
        validate_only=validate_only,
    )
    out.one(RegistryServiceStub(mesh.channel("registry")).UpdateAgent(request).agent, view.details)


def _name(given: str, namespace: str, defaults: Defaults) -> tuple[str, str]:
    """Return parent and id of the agent to be: as given, else the card's name in the namespace."""
    if given:
        return split_agent_name(given)
    if not (agent_id := defaults.agent_id()):
        raise typer.BadParameter("the card's name makes no id: give the agent's name as NAMESPACE/AGENT")
    if (parent := namespace_name(namespace)) == "namespaces/-":
        raise typer.BadParameter("--namespace names one namespace")
    return parent, agent_id
