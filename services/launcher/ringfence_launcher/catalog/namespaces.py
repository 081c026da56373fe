"""`ringfence catalog namespace`: who sees what is in a namespace, and what is let into it."""

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import namespace_pb2 as pb
from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.input_files import read_bytes, read_message, unusable
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import namespaces as view
from ringfence_launcher.words import namespace_name, number

app = typer.Typer(no_args_is_help=True, help="Who sees what is in a namespace, and what is let into it.")

NamespaceArgument = Annotated[str, typer.Argument(metavar="NAMESPACE", help="The namespace, e.g. demo.")]


class Visibility(enum.StrEnum):
    """Who sees a namespace, as typed."""

    PRIVATE = "private"
    ENTITLED = "entitled"
    PUBLIC = "public"


class Signatures(enum.StrEnum):
    """What signatures have to show, as typed."""

    NONE = "none"
    VERIFIED = "verified"
    FULL_COVERAGE = "full-coverage"


class Verdict(enum.StrEnum):
    """The worst verdict that is admitted, as typed."""

    VALID = "valid"
    VALID_WITH_WARNINGS = "valid-with-warnings"
    UPCONVERTED = "upconverted"
    NONCONFORMANT = "nonconformant"


@app.command(epilog="Example: ringfence catalog namespace get demo")
@speaks_to("registry")
def get(mesh: Mesh, out: Output, namespace: NamespaceArgument) -> None:
    """Show a namespace with the policy in force."""
    request = pb.GetNamespaceRequest(name=_one(namespace))
    out.one(NamespaceServiceStub(mesh.channel("registry")).GetNamespace(request).namespace, view.details)


@app.command("list", epilog="Example: ringfence catalog namespace list")
@speaks_to("registry")
def list_namespaces(
    mesh: Mesh, out: Output, *, limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 1_000
) -> None:
    """List the namespaces you see."""
    stub = NamespaceServiceStub(mesh.channel("registry"))

    def page(token: str) -> pb.ListNamespacesResponse:
        return stub.ListNamespaces(pb.ListNamespacesRequest(page_size=min(limit, 1_000), page_token=token))

    out.many(list(pages(page, lambda response: response.namespaces, limit=limit)), view.listed)


@app.command(
    "set",
    epilog="Example: ringfence catalog namespace set demo --visibility public --signatures verified --review-required",
)
@speaks_to("registry")
def set_policy(
    mesh: Mesh,
    out: Output,
    namespace: NamespaceArgument,
    *,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="All of this as a Namespace in YAML or JSON, instead.")
    ] = None,
    display_name: Annotated[str | None, typer.Option(help="Its name for people.")] = None,
    visibility: Annotated[Visibility | None, typer.Option(help="Who sees what is in it.")] = None,
    entitled: Annotated[
        list[str] | None, typer.Option("--entitled", metavar="NAMESPACE", help="Whose callers see it too; repeat.")
    ] = None,
    least_verdict: Annotated[Verdict | None, typer.Option(help="The worst card that is admitted.")] = None,
    signatures: Annotated[Signatures | None, typer.Option(help="What signatures have to show.")] = None,
    refuse_breaking: Annotated[
        bool | None, typer.Option("--refuse-breaking/--allow-breaking", help="Cards that break callers.")
    ] = None,
    refuse_look_alikes: Annotated[
        bool | None, typer.Option("--refuse-look-alikes/--allow-look-alikes", help="Names that look like others.")
    ] = None,
    trusted_jwks: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keys trusted for signatures, a JWK set; - reads stdin.")
    ] = None,
    review: Annotated[
        bool | None, typer.Option("--review-required/--no-review", help="Whether every agent needs an approver.")
    ] = None,
    distinct: Annotated[
        bool | None, typer.Option("--distinct-approver/--any-approver", help="Not who submitted it.")
    ] = None,
    etags: Annotated[
        bool | None, typer.Option("--etag-required/--etag-optional", help="Whether changes name an etag.")
    ] = None,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Set what is given of a namespace's policy and leave the rest."""
    typed = {
        "display_name": display_name,
        "visibility": visibility and number(pb.Visibility, visibility),
        "entitled_namespaces": entitled and [_one(name) for name in entitled],
        "review_required": review,
        "distinct_approver_required": distinct,
        "etag_required": etags,
    }
    admission = {
        "least_verdict": least_verdict and number(card_pb2.CardVerdict, least_verdict),
        "signatures": signatures and number(pb.SignatureRequirement, signatures),
        "refuse_breaking_changes": refuse_breaking,
        "refuse_look_alikes": refuse_look_alikes,
        "trusted_jwks": trusted_jwks and _text(trusted_jwks),
    }
    mask = [*_given(typed), *(f"admission.{name}" for name in _given(admission))]
    if bool(mask) == (file is not None):
        raise typer.BadParameter("say what to set: with options, or all of it in a --file")
    if file is not None:
        changed = read_message(file, pb.Namespace())
        mask = [field.name for field, _ in changed.ListFields() if field.name != "name"]
    else:
        changed = pb.Namespace(**_given(typed), admission=pb.AdmissionPolicy(**_given(admission)))
    changed.name = _one(namespace)
    request = pb.UpdateNamespaceRequest(
        namespace=changed, update_mask=FieldMask(paths=mask), etag=etag, request_id=request_id
    )
    out.one(NamespaceServiceStub(mesh.channel("registry")).UpdateNamespace(request).namespace, view.details)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _one(namespace: str) -> str:
    if (name := namespace_name(namespace)) == "namespaces/-":
        raise typer.BadParameter("name one namespace")
    return name


def _text(file: Path) -> str:
    try:
        return read_bytes(file).decode()
    except UnicodeDecodeError:
        raise unusable(file, "it is not UTF-8") from None
