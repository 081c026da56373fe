"""What people say of an agent on a command line: options shared by registering and changing one.

`said_of_agent` is a signature more than a function: `takes` hangs its parameters on the commands that need them.
"""

import enum
from pathlib import Path
from typing import Annotated

import typer
from ringfence.registry.v1 import registry_pb2 as pb

from ringfence_launcher.input_files import read_message
from ringfence_launcher.words import duration, merged, number, owner_of, pairs


class Risk(enum.StrEnum):
    """How much harm an agent can do, as typed."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


AgentArgument = Annotated[str, typer.Argument(metavar="NAMESPACE/AGENT", help="The agent, e.g. demo/analyst.")]
NamespaceArgument = Annotated[str, typer.Argument(metavar="[NAMESPACE]", help="Whose agents; - means all.")]
CardOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Its A2A Agent Card, JSON; - reads stdin.")]
ValidateOption = Annotated[bool, typer.Option("--validate-only", help="Check everything and change nothing.")]
ReasonOption = Annotated[str, typer.Option(help="Why, in a sentence; kept and shown.")]


def said_of_agent(
    *,
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="All of this as an Agent in YAML or JSON; flags go first."),
    ] = None,
    purpose: Annotated[str, typer.Option(help="What the agent is for, in a sentence.")] = "",
    owner: Annotated[
        str, typer.Option(metavar="'NAME <CONTACT>'", help="Who answers for it, and where to reach them.")
    ] = "",
    risk: Annotated[Risk | None, typer.Option(help="How much harm it can do.")] = None,
    environments: Annotated[
        list[str] | None, typer.Option("--environment", "-e", metavar="NAME", help="Where it may run; repeat for more.")
    ] = None,
    tools: Annotated[
        list[str] | None,
        typer.Option(
            "--tool", metavar="NAME[@SHA256-…]", help="A tool it may call, pinned to a schema or not; repeat."
        ),
    ] = None,
    team: Annotated[str, typer.Option(help="The team that runs it.")] = "",
    on_call: Annotated[str, typer.Option(help="Whom to page, in words.")] = "",
    escalation: Annotated[
        list[str] | None,
        typer.Option("--escalate", metavar="'CONTACT [WAIT]'", help="Whom to page next, and how long to wait; repeat."),
    ] = None,
    data_classes: Annotated[
        list[str] | None, typer.Option("--data-class", metavar="NAME", help="Data it touches, e.g. pii; repeat.")
    ] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="For filters; repeat.")
    ] = None,
    policies: Annotated[
        list[str] | None, typer.Option("--policy", metavar="ID", help="A policy that governs it; repeat.")
    ] = None,
    evaluation_plan: Annotated[str, typer.Option(metavar="REF", help="What it is measured against.")] = "",
    slo: Annotated[str, typer.Option(metavar="REF", help="The service level objective it is held to.")] = "",
    deployments: Annotated[
        list[str] | None,
        typer.Option("--runs", metavar="ENVIRONMENT[@REGION][=PLACE]", help="Where it runs; repeat for more."),
    ] = None,
    display_name: Annotated[str, typer.Option(help="Its name for people. Default: the card's.")] = "",
    did: Annotated[str, typer.Option(help="Its DID, once it is enrolled.")] = "",
) -> pb.Agent:
    """Return what was said; what was not said is not set."""
    typed = pb.Agent(
        purpose=purpose,
        owner=owner_of(owner) if owner else None,
        risk_tier=number(pb.RiskTier, risk),
        environments=environments or (),
        approved_tools=_tools(tools),
        team=team,
        on_call=on_call,
        escalation_path=[_escalation(text) for text in escalation or ()],
        data_classes=data_classes or (),
        labels=pairs(labels, option="--label"),
        policies=policies or (),
        evaluation_plan=evaluation_plan,
        slo=slo,
        deployments=[_deployment(text) for text in deployments or ()],
        display_name=display_name,
        did=did,
    )
    return typed if file is None else merged(read_message(file, pb.Agent()), typed)


def _tools(given: list[str] | None) -> list[pb.ApprovedTool]:
    found = []
    for text in given or ():
        name, _, schema_hash = text.partition("@")
        found.append(pb.ApprovedTool(name=name, schema_hash=schema_hash))
    return found


def _escalation(text: str) -> pb.EscalationStep:
    match text.split():
        case [contact]:
            return pb.EscalationStep(contact=contact)
        case [contact, wait]:
            return pb.EscalationStep(contact=contact, wait=duration(wait, option="--escalate"))
    raise typer.BadParameter(
        f"--escalate {text!r}: write a contact, and how long to wait, such as 'ada@example.com 15m'"
    )


def _deployment(text: str) -> pb.Deployment:
    where, _, location = text.partition("=")
    environment, _, region = where.partition("@")
    return pb.Deployment(environment=environment, region=region, location=location)
