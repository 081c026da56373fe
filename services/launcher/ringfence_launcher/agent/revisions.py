"""`ringfence agent revisions`, `tag`, `rollback`, `rollout` and `compare`."""

from pathlib import Path
from typing import Annotated

import typer
from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub

from ringfence_launcher.agent.options import AgentArgument, ReasonOption
from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import read_bytes
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import agents as view
from ringfence_launcher.views import revisions as revisions_view
from ringfence_launcher.words import agent_name, revision_name

app = typer.Typer()


@app.command(epilog="Example: ringfence agent revisions demo/analyst")
@speaks_to("registry")
def revisions(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 100,
) -> None:
    """List what an agent and its card were, the newest first."""
    stub = RegistryServiceStub(mesh.channel("registry"))

    def page(token: str) -> pb.ListAgentRevisionsResponse:
        return stub.ListAgentRevisions(
            pb.ListAgentRevisionsRequest(parent=agent_name(agent), page_size=min(limit, 1_000), page_token=token)
        )

    out.many(list(pages(page, lambda response: response.revisions, limit=limit)), revisions_view.listed)


@app.command(
    epilog="Examples: ringfence agent tag demo/analyst 3 stable\n\nringfence agent tag demo/analyst 3 old --remove"
)
@speaks_to("registry")
def tag(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    revision: Annotated[str, typer.Argument(metavar="NUMBER|ALIAS", help="Which revision.")],
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="Its new alias, e.g. stable. One in use moves.")],
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Take the alias away; the revision stays.")] = False,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Give a revision an alias, or take it away."""
    request = pb.TagRevisionRequest(
        name=revision_name(agent, revision), alias=alias, remove=remove, etag=etag, request_id=request_id
    )
    out.one(RegistryServiceStub(mesh.channel("registry")).TagRevision(request).agent, view.details)


@app.command(epilog="Example: ringfence agent rollback demo/analyst --to 3 --reason 'revision 4 answers in French'")
@speaks_to("registry")
def rollback(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    to: Annotated[str, typer.Option(metavar="NUMBER|ALIAS", help="Back to which revision.")] = "stable",
    reason: ReasonOption = "",
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Make a new revision with the content of an older one."""
    request = pb.RollbackAgentRequest(
        name=agent_name(agent), revision=to, reason=reason, etag=etag, request_id=request_id
    )
    out.one(RegistryServiceStub(mesh.channel("registry")).RollbackAgent(request).agent, view.details)


@app.command(
    epilog="Examples: ringfence agent rollout demo/analyst 5 --canary 4\n\nringfence agent rollout demo/analyst 0"
)
@speaks_to("registry")
def rollout(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    percent: Annotated[int, typer.Argument(metavar="PERCENT", min=0, max=100, help="The canary's share; 0 ends it.")],
    *,
    canary: Annotated[str, typer.Option(metavar="NUMBER|ALIAS", help="Default: canary.")] = "",
    stable: Annotated[str, typer.Option(metavar="NUMBER|ALIAS", help="What gets the rest. Default: stable.")] = "",
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Send a share of the calls to a canary revision, or end that."""
    request = pb.SetRolloutRequest(
        name=agent_name(agent),
        canary_revision=canary,
        stable_revision=stable,
        canary_percent=percent,
        etag=etag,
        request_id=request_id,
    )
    out.one(RegistryServiceStub(mesh.channel("registry")).SetRollout(request).agent, view.details)


@app.command(
    epilog="Examples: ringfence agent compare demo/analyst --before 3 --after 4\n\n"
    "ringfence agent compare demo/analyst --card new.card.json"
)
@speaks_to("registry")
def compare(
    mesh: Mesh,
    out: Output,
    agent: AgentArgument,
    *,
    before: Annotated[str, typer.Option(metavar="NUMBER|ALIAS", help="What callers know. Default: stable.")] = "",
    after: Annotated[str, typer.Option(metavar="NUMBER|ALIAS", help="What they would get. Default: latest.")] = "",
    card: Annotated[Path | None, typer.Option(metavar="FILE", help="Compare with a card not yet there.")] = None,
) -> None:
    """Say whether callers of one revision can go on with another. Exit code 1 means some would break."""
    if card and after:
        raise typer.BadParameter("--after and --card say the same thing twice: give one of them")
    request = pb.CompareRevisionsRequest(
        name=agent_name(agent), before=before, after=after, card=read_bytes(card) if card else b""
    )
    compared = RegistryServiceStub(mesh.channel("registry")).CompareRevisions(request)
    out.one(compared, revisions_view.compared)
    if compared.compatibility == card_pb2.COMPATIBILITY_BREAKING:
        raise typer.Exit(int(ExitCode.NEGATIVE))
