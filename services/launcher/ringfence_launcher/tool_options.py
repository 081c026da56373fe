"""What people say of a tool on a command line: options shared by registering and changing one."""

import enum
from pathlib import Path
from typing import Annotated, Any

import typer
from ringfence.registry.v1 import tool_pb2 as pb
from ringfence.registry.v1.tool_pb2_grpc import ToolServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.input_files import read_bytes, read_message, unusable
from ringfence_launcher.words import duration, merged, number, owner_of, pairs, system_name, tool_name


class Protocol(enum.StrEnum):
    """How a tool is called, as typed."""

    MCP = "mcp"
    A2A = "a2a"
    HTTP = "http"
    GRPC = "grpc"


class SideEffect(enum.StrEnum):
    """What calling a tool does to the world, as typed."""

    NONE = "none"
    READ = "read"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


class Failure(enum.StrEnum):
    """What callers do when a tool fails, as typed."""

    FAIL_CLOSED = "fail-closed"
    CONTINUE = "continue"
    ASK_PERSON = "ask-person"


class Written(enum.StrEnum):
    """What an argument is written in, as typed."""

    FREE_TEXT = "free-text"
    SQL = "sql"
    SHELL = "shell"
    PATH = "path"
    URL = "url"
    IDENTIFIER = "identifier"
    CODE = "code"
    SECRET = "secret"  # noqa: S105 - the name of a type


ToolArgument = Annotated[str, typer.Argument(metavar="[NAMESPACE/]TOOL", help="The tool, e.g. warehouse.export.")]


def said_of_tool(
    *,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="All of this as a Tool in YAML or JSON; flags go first.")
    ] = None,
    input_schema: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON Schema 2020-12 of its arguments.")
    ] = None,
    output_schema: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON Schema 2020-12 of its result.")
    ] = None,
    protocol: Annotated[Protocol | None, typer.Option(help="How it is called.")] = None,
    side_effect: Annotated[SideEffect | None, typer.Option(help="What calling it does to the world.")] = None,
    owner: Annotated[
        str, typer.Option(metavar="'NAME <CONTACT>'", help="Who answers for it, and where to reach them.")
    ] = "",
    description: Annotated[str, typer.Option(help="What it does.")] = "",
    version: Annotated[str, typer.Option(help="Its own version, in its own words.")] = "",
    data_classes: Annotated[
        list[str] | None, typer.Option("--data-class", metavar="NAME", help="Data it takes or returns; repeat.")
    ] = None,
    permissions: Annotated[
        list[str] | None, typer.Option("--permission", metavar="NAME", help="What a caller needs there; repeat.")
    ] = None,
    systems: Annotated[
        list[str] | None,
        typer.Option("--reaches", metavar="NAMESPACE/SYSTEM", help="An external system it reaches; repeat."),
    ] = None,
    timeout_: Annotated[str, typer.Option("--call-timeout", metavar="PERIOD", help="How long a call may take.")] = "",
    on_failure: Annotated[Failure | None, typer.Option(help="What callers do when it fails.")] = None,
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="For filters; repeat.")
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Option("--argument", metavar="POINTER=TYPE", help="What an argument is written in, /query=sql; repeat."),
    ] = None,
    external_sink: Annotated[
        bool, typer.Option("--external-sink", help="What is passed to it leaves the mesh: mail, chat, payments.")
    ] = False,
    display_name: Annotated[str, typer.Option(help="Its name for people. Default: its id.")] = "",
) -> pb.Tool:
    """Return what was said; what was not said is not set."""
    typed = pb.Tool(
        display_name=display_name,
        description=description,
        version=version,
        protocol=number(pb.ToolProtocol, protocol),
        input_schema=_schema(input_schema),
        output_schema=_schema(output_schema),
        side_effect=number(pb.SideEffect, side_effect),
        data_classes=data_classes or (),
        required_permissions=permissions or (),
        timeout=duration(timeout_, option="--call-timeout"),
        failure_behaviour=number(pb.FailureBehaviour, on_failure),
        owner=owner_of(owner) if owner else None,
        external_systems=[system_name(text) for text in systems or ()],
        labels=pairs(labels, option="--label"),
        argument_types={pointer: _written(word) for pointer, word in pairs(arguments, option="--argument").items()},
        external_sink=external_sink,
    )
    if file is None:
        return typed
    return merged(read_message(file, pb.Tool(), documents=("inputSchema", "outputSchema")), typed)


def exact_name(mesh: Mesh, tool: str) -> str:
    """Return the full name of a tool; one that was typed by its id alone is looked up."""
    name = tool_name(tool)
    if not name.startswith("namespaces/-/"):
        return name
    return ToolServiceStub(mesh.channel("registry")).GetTool(pb.GetToolRequest(name=name)).tool.name


def _written(word: str) -> Any:
    try:
        return number(pb.ArgumentType, Written(word))
    except ValueError:
        raise typer.BadParameter(f"--argument: {word!r} is none of {', '.join(Written)}") from None


def _schema(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return read_bytes(file).decode()
    except UnicodeDecodeError:
        raise unusable(file, "it is not UTF-8") from None
