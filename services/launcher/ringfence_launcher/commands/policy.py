"""`ringfence policy`: policies from files to the pdp, and the decisions they give."""

import enum
from pathlib import Path
from typing import Annotated, Any

import typer
from ringfence.pdp.v1 import bundle_pb2, decision_pb2
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub
from ringfence.pdp.v1.decision_pb2_grpc import DecisionServiceStub

from ringfence_launcher import policy_offline, policy_rollout
from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.input_files import unusable
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to, takes
from ringfence_launcher.origins import OriginOption, origins_of
from ringfence_launcher.output import Output
from ringfence_launcher.policy_files import PolicyFilesArgument, policy_files
from ringfence_launcher.structs import struct
from ringfence_launcher.views import decisions as view
from ringfence_launcher.words import agent_name, number

app = typer.Typer(
    no_args_is_help=True, help="Check, test, push and show policies; ask for a decision, or why it came out so."
)
policy_offline.add_to(app)
policy_rollout.add_to(app)


class SideEffects(enum.StrEnum):
    """What a tool does to the world, as typed."""

    READ = "read"
    REVERSIBLE = "reversible"
    IRREVERSIBLE = "irreversible"


class Side(enum.StrEnum):
    """Which side of a call asks, as typed."""

    CALLER = "caller"
    CALLEE = "callee"


EnvironmentOption = Annotated[str, typer.Option("--environment", "-e", metavar="NAME", help="Where it would act.")]


def _question(
    agent: Annotated[str, typer.Argument(metavar="NAMESPACE/AGENT|DID", help="The agent that wants to act.")],
    action: Annotated[str, typer.Argument(metavar="ACTION", help="What it wants to do, e.g. read_table.")],
    *,
    environment: EnvironmentOption = "dev",
    tool: Annotated[str, typer.Option(help="The tool it would use.")] = "",
    schema_hash: Annotated[str, typer.Option(metavar="SHA256-…", help="The tool's schema.")] = "",
    arguments: Annotated[
        list[str] | None, typer.Option("--arg", metavar="KEY=VALUE", help="An argument, its value as YAML; repeat.")
    ] = None,
    origins: OriginOption = None,
    side_effects: Annotated[SideEffects | None, typer.Option(help="What the tool does to the world.")] = None,
    resource: Annotated[str, typer.Option(metavar="TYPE:ID", help="Its object, e.g. table:orders.")] = "",
    data_class: Annotated[str, typer.Option(metavar="NAME", help="The object's class of data, e.g. pii.")] = "",
    context: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="What conditions see as context; repeat.")
    ] = None,
    side: Annotated[Side | None, typer.Option(help="Which side of the call asks. Default: caller.")] = None,
    session: Annotated[str, typer.Option(help="Session id, for the log and for usage.")] = "",
) -> decision_pb2.CheckRequest:
    """Make the question the options ask."""
    return decision_pb2.CheckRequest(
        subject=_subject(agent),
        action=decision_pb2.Action(
            name=action,
            tool=tool,
            tool_schema_hash=schema_hash,
            arguments=struct(arguments, option="--arg"),
            side_effects=number(decision_pb2.SideEffects, side_effects),
            argument_origins=dict(origins_of(origins)),
        ),
        resource=_resource(resource, data_class),
        environment=environment,
        side=number(decision_pb2.Side, side),
        session=session,
        context=struct(context, option="--context"),
    )


@app.command(epilog="Example: ringfence policy push policies/")
@speaks_to("pdp")
def push(
    mesh: Mesh,
    out: Output,
    files: PolicyFilesArgument,
    *,
    validate_only: Annotated[
        bool, typer.Option("--validate-only", help="Let the pdp check, activate nothing.")
    ] = False,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Replace all policies by these, whole or not at all. One mistake and everything stays as it was."""
    request = bundle_pb2.PushBundleRequest(
        files=policy_files(files),
        etag=etag,
        request_id=request_id,
        validate_only=validate_only,
    )
    out.one(BundleServiceStub(mesh.channel("pdp")).PushBundle(request).bundle, view.bundle)
    if validate_only:
        out.hint("nothing was activated: --validate-only")


@app.command(epilog="Examples: ringfence policy show\n\nringfence policy show --into policies/")
@speaks_to("pdp")
def show(
    mesh: Mesh,
    out: Output,
    name: Annotated[str, typer.Argument(metavar="BUNDLE", help="A kept bundle. Default: the active one.")] = "",
    *,
    into: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Write the files into a new folder.")] = None,
) -> None:
    """Show a bundle, the active one unless another is named, and its files."""
    stub = BundleServiceStub(mesh.channel("pdp"))
    wanted = policy_rollout.kept_bundle(stub, name) if name else ""
    active = stub.GetBundle(bundle_pb2.GetBundleRequest(name=wanted))
    if into is not None:
        _write_files(into, active.files)
    out.one(active, view.active_bundle)


@app.command(
    epilog="Example: ringfence policy check demo/analyst write_table --tool warehouse.update --arg rows=3 -e dev"
)
@speaks_to("pdp")
@takes("question", _question)
def check(mesh: Mesh, out: Output, question: decision_pb2.CheckRequest) -> None:
    """Ask for a decision, as a gateway does. Exit code 0 means allow, 1 anything else."""
    answer = DecisionServiceStub(mesh.channel("pdp")).Check(question)
    out.one(answer, view.decision)
    if answer.approval.approval:
        out.hint(f"people answer with: ringfence approval approve {answer.approval.approval}; then ask this again")
    _end_with(answer)


@app.command(epilog="Example: ringfence policy explain demo/analyst write_table --tool warehouse.update -e dev")
@speaks_to("pdp")
@takes("question", _question)
def explain(mesh: Mesh, out: Output, question: decision_pb2.CheckRequest) -> None:
    """Show how a decision comes about, stage by stage, and what would make it allow. Nothing is logged."""
    answer = DecisionServiceStub(mesh.channel("pdp")).Explain(decision_pb2.ExplainRequest(request=question))
    out.one(answer, view.explanation)
    _end_with(answer.response)


def _write_files(folder: Path, files: Any) -> None:
    """Write a bundle's files into a folder that did not exist; a path that leaves it is refused."""
    try:
        folder.mkdir(parents=True)
        for file in files:
            place = folder / file.path
            if not place.resolve().is_relative_to(folder.resolve()):
                raise unusable(Path(file.path), "the bundle names a path outside the folder")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.content)
    except OSError as error:
        raise unusable(folder, error.strerror or str(error)) from error


def _subject(agent: str) -> decision_pb2.Subject:
    if agent.startswith("did:"):
        return decision_pb2.Subject(did=agent)
    return decision_pb2.Subject(agent=agent_name(agent))


def _resource(text: str, data_class: str) -> decision_pb2.Resource | None:
    if not text and not data_class:
        return None
    kind, _, name = text.partition(":")
    return decision_pb2.Resource(type=kind, id=name, data_class=data_class)


def _end_with(answer: decision_pb2.CheckResponse) -> None:
    if answer.effect != decision_pb2.EFFECT_ALLOW:
        raise typer.Exit(int(ExitCode.NEGATIVE))
