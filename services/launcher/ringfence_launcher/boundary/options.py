"""What people say of a boundary or an external system on a command line, and options both share."""

from pathlib import Path
from typing import Annotated

import typer
from ringfence.registry.v1 import boundary_pb2, external_system_pb2, registry_pb2

from ringfence_launcher.agent.options import Risk
from ringfence_launcher.input_files import read_message
from ringfence_launcher.words import agent_name, boundary_name, merged, number, owner_of, pairs, system_name

BoundaryArgument = Annotated[str, typer.Argument(metavar="NAMESPACE/BOUNDARY", help="Which, e.g. demo/payments.")]
SystemArgument = Annotated[str, typer.Argument(metavar="NAMESPACE/SYSTEM", help="Which, e.g. demo/bank.")]
NamespaceArgument = Annotated[str, typer.Argument(metavar="[NAMESPACE]", help="Whose; - means all.")]
FilterOption = Annotated[str, typer.Option("--filter", help="An AIP-160 filter over the fields.")]
LimitOption = Annotated[int, typer.Option(min=1, help="Show at most this many.")]
ReasonOption = Annotated[str, typer.Option(help="Why, in a sentence; kept and shown.")]
ClearOption = Annotated[list[str] | None, typer.Option("--clear", metavar="FIELD", help="Empty a field, e.g. labels.")]

OwnerOption = Annotated[
    str, typer.Option(metavar="'NAME <CONTACT>'", help="Who answers for it, and where to reach them.")
]
DescriptionOption = Annotated[str, typer.Option(help="What it is, and why.")]
LabelsOption = Annotated[list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="For filters; repeat.")]
DisplayNameOption = Annotated[str, typer.Option(help="Its name for people. Default: its id.")]


def said_of_boundary(
    *,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="All of this as a Boundary in YAML or JSON; flags go first.")
    ] = None,
    owner: OwnerOption = "",
    description: DescriptionOption = "",
    agents: Annotated[
        list[str] | None, typer.Option("--agent", metavar="NAMESPACE/AGENT", help="An agent in it; repeat.")
    ] = None,
    systems: Annotated[
        list[str] | None, typer.Option("--system", metavar="NAMESPACE/SYSTEM", help="A system in it; repeat.")
    ] = None,
    teams: Annotated[
        list[str] | None, typer.Option("--team", metavar="NAME", help="Agents of this team are in it; repeat.")
    ] = None,
    environments: Annotated[
        list[str] | None, typer.Option("--environment", "-e", metavar="NAME", help="Agents of this one are; repeat.")
    ] = None,
    data_classes: Annotated[
        list[str] | None, typer.Option("--data-class", metavar="NAME", help="Agents that touch it are; repeat.")
    ] = None,
    risks: Annotated[list[Risk] | None, typer.Option("--risk", help="Agents of this risk are in it; repeat.")] = None,
    selected: Annotated[
        list[str] | None, typer.Option("--has-label", metavar="KEY=VALUE", help="Agents with this are; repeat.")
    ] = None,
    single_sided: Annotated[
        list[str] | None,
        typer.Option(
            "--single-sided-with", metavar="NAMESPACE/BOUNDARY", help="One side's decision is enough with it; repeat."
        ),
    ] = None,
    labels: LabelsOption = None,
    display_name: DisplayNameOption = "",
) -> boundary_pb2.Boundary:
    """Return what was said; what was not said is not set."""
    selector = boundary_pb2.BoundarySelector(
        teams=teams or (),
        environments=environments or (),
        data_classes=data_classes or (),
        risk_tiers=[number(registry_pb2.RiskTier, risk) for risk in risks or ()],
        labels=pairs(selected, option="--has-label"),
    )
    typed = boundary_pb2.Boundary(
        display_name=display_name,
        description=description,
        owner=owner_of(owner) if owner else None,
        selector=selector if selector.ByteSize() else None,
        agents=[agent_name(text) for text in agents or ()],
        external_systems=[system_name(text) for text in systems or ()],
        single_sided_with=[boundary_name(text) for text in single_sided or ()],
        labels=pairs(labels, option="--label"),
    )
    return typed if file is None else merged(read_message(file, boundary_pb2.Boundary()), typed)


def said_of_system(
    *,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="All of this as an ExternalSystem in YAML or JSON.")
    ] = None,
    owner: OwnerOption = "",
    description: DescriptionOption = "",
    url: Annotated[str, typer.Option(help="Where it is; never fetched.")] = "",
    operator: Annotated[str, typer.Option(help="Who runs it.")] = "",
    data_classes: Annotated[
        list[str] | None, typer.Option("--data-class", metavar="NAME", help="Data it gets or gives; repeat.")
    ] = None,
    risk: Annotated[Risk | None, typer.Option(help="How much harm it can do.")] = None,
    labels: LabelsOption = None,
    display_name: DisplayNameOption = "",
) -> external_system_pb2.ExternalSystem:
    """Return what was said; what was not said is not set."""
    typed = external_system_pb2.ExternalSystem(
        display_name=display_name,
        description=description,
        url=url,
        operator=operator,
        data_classes=data_classes or (),
        owner=owner_of(owner) if owner else None,
        risk_tier=number(registry_pb2.RiskTier, risk),
        labels=pairs(labels, option="--label"),
    )
    return typed if file is None else merged(read_message(file, external_system_pb2.ExternalSystem()), typed)
