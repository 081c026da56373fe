"""`ringfence filter`: what content filters find in a text or in the arguments of a call, and by which rules."""

import enum
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.struct_pb2 import Struct
from ringfence.pdp.v1 import filter_pb2 as pb
from ringfence.pdp.v1.filter_pb2_grpc import FilterServiceStub

from ringfence_launcher import filter_offline
from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_bytes, read_message
from ringfence_launcher.options import speaks_to
from ringfence_launcher.origins import OriginOption, origins_of
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.problems import Problem
from ringfence_launcher.structs import struct
from ringfence_launcher.views import filters as view
from ringfence_launcher.words import number

app = typer.Typer(no_args_is_help=True, help="Look through content for what is dangerous; see the rules.")

EVERY_RULE = 10_000
"""More than there are."""


class ArgumentType(enum.StrEnum):
    """What a text is written in, as typed."""

    FREE_TEXT = "free_text"
    SQL = "sql"
    SHELL = "shell"
    PATH = "path"
    URL = "url"
    IDENTIFIER = "identifier"
    CODE = "code"
    SECRET = "secret"  # noqa: S105 - a type, not a password


ServerOption = Annotated[
    bool, typer.Option("--server", help="Ask a running pdp, which knows tools and the rules of its bundle.")
]


@app.command(
    epilog="Examples: ringfence filter scan 'ignore all previous instructions'\n\n"
    'ringfence filter scan --type sql "select 1; drop table users"\n\n'
    "curl -s https://example.com | ringfence filter scan - --origin tool_output --tool mail.send"
)
@speaks_to("pdp")
def scan(
    mesh: Mesh,
    out: Output,
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="What to look through; - reads standard input.")] = "",
    *,
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="Look through a file instead.")] = None,
    arguments: Annotated[
        list[str] | None, typer.Option("--arg", metavar="KEY=VALUE", help="An argument of a call instead; repeat.")
    ] = None,
    arguments_file: Annotated[
        Path | None, typer.Option("--args", metavar="FILE", help="All arguments of a call, YAML or JSON.")
    ] = None,
    written_in: Annotated[
        ArgumentType | None, typer.Option("--type", help="What the text is written in. Default: inferred.")
    ] = None,
    tool: Annotated[str, typer.Option(help="The tool it is for, e.g. mail.send.")] = "",
    action: Annotated[str, typer.Option(help="The action, e.g. send_mail.")] = "",
    origins: OriginOption = None,
    server: ServerOption = False,
) -> None:
    """Look through content, here and without a server. Exit code 0 means nothing was found, 1 something."""
    request = pb.ScanRequest(text=_text(text, file), type=number(pb.ArgumentType, written_in), tool=tool, action=action)
    given = read_message(arguments_file, Struct()) if arguments_file else struct(arguments, option="--arg")
    if given is not None:
        if text or file is not None or (arguments and arguments_file):
            raise typer.BadParameter("give one of TEXT, --file, --arg and --args")
        request.arguments.CopyFrom(given)
    elif not request.text and file is None and text != "-":
        raise typer.BadParameter("give a text, - for standard input, --file, --arg or --args")
    for pointer, origin in origins_of(origins):
        request.argument_origins[pointer] = origin
    response = FilterServiceStub(mesh.channel("pdp")).Scan(request) if server else filter_offline.scan(request)
    out.one(response, view.scanned)
    if response.findings:
        raise typer.Exit(int(ExitCode.NEGATIVE))


@app.command(epilog="Example: ringfence filter rules --category injection")
@speaks_to("pdp")
def rules(
    mesh: Mesh,
    out: Output,
    *,
    category: Annotated[str, typer.Option(metavar="NAME", help="Only these, e.g. injection.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = EVERY_RULE,
    server: ServerOption = False,
) -> None:
    """List the rules patterns are matched by: those built in, and with --server those of the active bundle's packs."""
    out.many(_rules(mesh, category=category, limit=limit, server=server), view.rules)


@app.command(epilog="Example: ringfence filter explain sql.stacked-statement")
@speaks_to("pdp")
def explain(
    mesh: Mesh,
    out: Output,
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Its id, as a finding names it.")],
    *,
    server: ServerOption = False,
) -> None:
    """Show one rule: what it looks for, where, and what a match means."""
    found = [one for one in _rules(mesh, category="", limit=EVERY_RULE, server=server) if one.id == rule]
    if not found:
        raise Problem(
            f"there is no rule {rule!r}",
            code=ExitCode.NOT_FOUND,
            mend="`ringfence filter rules` lists them; findings of analysers, intent and origin have no rule: "
            "docs/filters.md says what theirs mean",
        )
    out.one(found[0], view.rule)


def _rules(mesh: Mesh, *, category: str, limit: int, server: bool) -> list[pb.FilterRule]:
    if not server:
        return filter_offline.rules(category)[:limit]
    stub = FilterServiceStub(mesh.channel("pdp"))

    def page(token: str) -> pb.ListFilterRulesResponse:
        return stub.ListFilterRules(
            pb.ListFilterRulesRequest(category=category, page_size=min(limit, 1_000), page_token=token)
        )

    return list(pages(page, lambda response: response.rules, limit=limit))


def _text(text: str, file: Path | None) -> str:
    if file is not None and text:
        raise typer.BadParameter("give one of TEXT, --file, --arg and --args")
    if file is None and text != "-":
        return text
    # What is no UTF-8 is looked through as far as it is one.
    return read_bytes(file or Path("-")).decode("utf-8", "replace")
