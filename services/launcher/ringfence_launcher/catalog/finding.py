"""`ringfence catalog search`, `similar`, `facets`, `select` and `export`."""

import enum
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, BinaryIO

import grpc
import typer
from ringfence.errors import RingfenceError, from_rpc_error
from ringfence.registry.v1 import catalog_pb2 as pb
from ringfence.registry.v1 import registry_pb2
from ringfence.registry.v1.catalog_pb2_grpc import CatalogServiceStub

from ringfence_launcher.agent.options import Risk
from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_bytes, unusable
from ringfence_launcher.options import speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.service_errors import problem_of
from ringfence_launcher.views import catalog as view
from ringfence_launcher.words import agent_name, namespace_name, number

app = typer.Typer()

InOption = Annotated[str, typer.Option("--in", metavar="NAMESPACE", help="Where to look; - means everywhere.")]
FilterOption = Annotated[str, typer.Option("--filter", help="An AIP-160 filter over an agent's fields.")]


class Mode(enum.StrEnum):
    """How to pick, as typed."""

    RANKED = "ranked"
    TWO_CHOICES = "two-choices"


class Form(enum.StrEnum):
    """The form of an inventory, as typed."""

    JSON_LINES = "json-lines"
    CSV = "csv"


@app.command(epilog="Example: ringfence catalog search 'reconcile ledger' --filter 'environments:\"prod\"'")
@speaks_to("registry")
def search(
    mesh: Mesh,
    out: Output,
    query: Annotated[list[str], typer.Argument(metavar="WORDS…", help='Words in any order; "in quotes" as they are.')],
    *,
    namespace: InOption = "-",
    filter_: FilterOption = "",
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 20,
) -> None:
    """Find agents by words, the best match first."""
    stub = CatalogServiceStub(mesh.channel("registry"))

    def page(token: str) -> pb.SearchAgentsResponse:
        return stub.SearchAgents(
            pb.SearchAgentsRequest(
                parent=namespace_name(namespace),
                query=" ".join(query),
                filter=filter_,
                page_size=min(limit, 100),
                page_token=token,
            )
        )

    out.many(list(pages(page, lambda response: response.results, limit=limit)), view.results)


@app.command(
    epilog="Examples: ringfence catalog similar --card new.card.json\n\nringfence catalog similar --agent demo/analyst"
)
@speaks_to("registry")
def similar(
    mesh: Mesh,
    out: Output,
    *,
    agent: Annotated[str, typer.Option(metavar="NAMESPACE/AGENT", help="Like this agent.")] = "",
    card: Annotated[Path | None, typer.Option(metavar="FILE", help="Like this card, JSON; - reads stdin.")] = None,
    purpose: Annotated[str, typer.Option(help="Like one for this purpose.")] = "",
    namespace: InOption = "-",
    least: Annotated[float, typer.Option(min=0, max=1, help="Leave out what scores less. 0: the registry's own.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Show at most this many.")] = 10,
) -> None:
    """Find agents that do what another does, or would do: before you build one, is there one already?"""
    if sum(map(bool, (agent, card, purpose))) != 1:
        raise typer.BadParameter("say like what: one of --agent, --card, --purpose")
    request = pb.FindSimilarAgentsRequest(parent=namespace_name(namespace), max_results=limit, min_score=least)
    if agent:
        request.agent = agent_name(agent)
    elif card:
        request.card = read_bytes(card)
    else:
        request.purpose = purpose
    answer = CatalogServiceStub(mesh.channel("registry")).FindSimilarAgents(request)
    out.many(answer.similar_agents, view.similar)


@app.command(epilog="Example: ringfence catalog facets risk_tier skills.tags --filter 'state = ACTIVE'")
@speaks_to("registry")
def facets(
    mesh: Mesh,
    out: Output,
    field: Annotated[list[str], typer.Argument(metavar="FIELD…", help="What to count by, e.g. labels.team.")],
    *,
    query: Annotated[str, typer.Option(help="Only agents with these words.")] = "",
    namespace: InOption = "-",
    filter_: FilterOption = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Show at most this many values a field.")] = 20,
) -> None:
    """Count agents by the values of fields."""
    request = pb.GetFacetsRequest(
        parent=namespace_name(namespace), filter=filter_, query=query, fields=field, max_values=limit
    )
    out.one(CatalogServiceStub(mesh.channel("registry")).GetFacets(request), view.facets)


@app.command(epilog="Example: ringfence catalog select --skill convert-currency -e prod --least-trust 700")
@speaks_to("registry")
def select(
    mesh: Mesh,
    out: Output,
    *,
    skill: Annotated[str, typer.Option(metavar="ID", help="The skill wanted.")] = "",
    tags: Annotated[list[str] | None, typer.Option("--tag", help="A tag its skills carry; repeat.")] = None,
    environment: Annotated[str, typer.Option("--environment", "-e", metavar="NAME", help="Where the call is made.")],
    most_risk: Annotated[Risk | None, typer.Option(help="The riskiest wanted.")] = None,
    least_trust: Annotated[int, typer.Option(min=0, max=1_000, help="The least score wanted.")] = 0,
    region: Annotated[str, typer.Option(help="Only agents that run there.")] = "",
    data_classes: Annotated[
        list[str] | None, typer.Option("--data-class", metavar="NAME", help="Data the call carries; repeat.")
    ] = None,
    bindings: Annotated[
        list[str] | None, typer.Option("--speaks", metavar="BINDING", help="What you speak, e.g. GRPC; repeat.")
    ] = None,
    namespace: InOption = "-",
    filter_: FilterOption = "",
    mode: Annotated[Mode, typer.Option(help="All by rank, or one by the better of two.")] = Mode.RANKED,
    affinity: Annotated[str, typer.Option(metavar="KEY", help="The same key, the same pick.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=50, help="Show at most this many.")] = 5,
) -> None:
    """Pick agents to call now, with weights and reasons, and why others were left out. Exit code 1 means none."""
    if not skill and not tags:
        raise typer.BadParameter("say what it has to do: --skill or --tag")
    request = pb.SelectAgentRequest(
        parent=namespace_name(namespace),
        skill=skill,
        tags=tags or (),
        environment=environment,
        max_risk_tier=number(registry_pb2.RiskTier, most_risk),
        min_trust_score=least_trust,
        region=region,
        data_classes=data_classes or (),
        protocol_bindings=bindings or (),
        filter=filter_,
        mode=number(pb.SelectionMode, mode),
        max_candidates=limit,
        affinity_key=affinity,
    )
    selected = CatalogServiceStub(mesh.channel("registry")).SelectAgent(request)
    out.one(selected, view.selected)
    if not selected.candidates:
        raise typer.Exit(int(ExitCode.NEGATIVE))


@app.command(
    epilog="Examples: ringfence catalog export --form csv --into agents.csv\n\n"
    "ringfence catalog export --filter 'risk_tier = CRITICAL' | jq .owner"
)
@speaks_to("registry")
def export(
    mesh: Mesh,
    out: Output,
    *,
    form: Annotated[Form, typer.Option(help="A JSON object a line, or CSV for a spreadsheet.")] = Form.JSON_LINES,
    into: Annotated[Path | None, typer.Option(metavar="FILE", help="A new file. Default: standard output.")] = None,
    namespace: InOption = "-",
    filter_: FilterOption = "",
) -> None:
    """Write the whole inventory: every agent with owner, risk tier and how it can do harm."""
    request = pb.ExportInventoryRequest(
        parent=namespace_name(namespace), filter=filter_, format=number(pb.InventoryFormat, form)
    )
    parts = CatalogServiceStub(mesh.channel("registry")).ExportInventory(request)
    try:
        with _opened(into) as file:
            for part in parts:
                if file is None:
                    out.raw(part.data)
                else:
                    file.write(part.data)
    except (grpc.RpcError, RingfenceError) as error:
        typed = error if isinstance(error, RingfenceError) else from_rpc_error(error)
        raise problem_of(typed, service="registry", address=mesh.endpoints.address("registry")) from None
    except OSError as error:
        raise unusable(into or Path("-"), error.strerror or str(error)) from error


def _opened(into: Path | None) -> AbstractContextManager[BinaryIO | None]:
    """Open a file that is not there yet: nobody's document is written over."""
    return nullcontext() if into is None else into.open("xb")
