"""`ringfence approval`: what agents wait for people to say yes to, and saying it."""

import enum
from itertools import islice
from typing import Annotated

import typer
from ringfence.pdp.v1 import approval_pb2 as pb
from ringfence.pdp.v1.approval_pb2_grpc import ApprovalServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.people import AsOption, GroupOption, being
from ringfence_launcher.views import approvals as view
from ringfence_launcher.watching import (
    BookmarksOption,
    CountOption,
    FromOption,
    InitialOption,
    events,
    require_one_beginning,
)
from ringfence_launcher.words import agent_name, namespace_name, number

app = typer.Typer(no_args_is_help=True, help="See what waits for people, and approve or deny it.")

ApprovalArgument = Annotated[str, typer.Argument(metavar="APPROVAL", help="Its name, as `approval list` shows it.")]
ScopeOption = Annotated[
    str, typer.Option("--for", metavar="NAMESPACE[/AGENT]", help="Only for these agents. Default: all you may see.")
]


class State(enum.StrEnum):
    """Where an approval stands, as typed."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    USED = "used"


@app.command("list", epilog="Example: ringfence approval list --state pending")
@speaks_to("pdp")
def list_approvals(
    mesh: Mesh,
    out: Output,
    *,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    scope: ScopeOption = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 1_000,
    person: AsOption = "",
    group: GroupOption = None,
) -> None:
    """List approvals, the newest first."""
    with being(mesh, person, group) as theirs:
        stub = ApprovalServiceStub(theirs.channel("pdp"))

        def page(token: str) -> pb.ListApprovalsResponse:
            return stub.ListApprovals(
                pb.ListApprovalsRequest(
                    state=number(pb.ApprovalState, state),
                    scope=_scope(scope),
                    page_size=min(limit, 1_000),
                    page_token=token,
                )
            )

        out.many(list(pages(page, lambda response: response.approvals, limit=limit)), view.listed)


@app.command(epilog="Example: ringfence approval get approvals/0191…")
@speaks_to("pdp")
def get(
    mesh: Mesh, out: Output, approval: ApprovalArgument, *, person: AsOption = "", group: GroupOption = None
) -> None:
    """Show one approval: what is asked, for whom, and who said what."""
    with being(mesh, person, group) as theirs:
        request = pb.GetApprovalRequest(name=_name(approval))
        out.one(ApprovalServiceStub(theirs.channel("pdp")).GetApproval(request).approval, view.details)


@app.command(epilog="Example: ringfence approval approve approvals/0191… --as ada --group data-oncall")
@speaks_to("pdp")
def approve(
    mesh: Mesh,
    out: Output,
    approval: ApprovalArgument,
    *,
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    binding: Annotated[str, typer.Option(metavar="DIGEST", help="Only what has this binding digest.")] = "",
    request_id: RequestIdOption = "",
    person: AsOption = "",
    group: GroupOption = None,
) -> None:
    """Say yes. When enough people did, the same question asked again is allowed, once."""
    with being(mesh, person, group) as theirs:
        request = pb.ApproveRequest(
            name=_name(approval), comment=comment, binding_digest=binding, request_id=request_id
        )
        voted = ApprovalServiceStub(theirs.channel("pdp")).Approve(request).approval
        out.one(voted, view.details)
        out.hint(view.lacking(voted))


@app.command(epilog="Example: ringfence approval deny approvals/0191… --comment 'not before the audit'")
@speaks_to("pdp")
def deny(
    mesh: Mesh,
    out: Output,
    approval: ApprovalArgument,
    *,
    comment: Annotated[str, typer.Option(help="Why; whoever asked reads it.")],
    request_id: RequestIdOption = "",
    person: AsOption = "",
    group: GroupOption = None,
) -> None:
    """Say no."""
    with being(mesh, person, group) as theirs:
        request = pb.DenyRequest(name=_name(approval), comment=comment, request_id=request_id)
        out.one(ApprovalServiceStub(theirs.channel("pdp")).Deny(request).approval, view.details)


@app.command(epilog="Example: ringfence approval cancel approvals/0191… --reason 'the table is gone'")
@speaks_to("pdp")
def cancel(
    mesh: Mesh,
    out: Output,
    approval: ApprovalArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    request_id: RequestIdOption = "",
) -> None:
    """Call an approval off that nobody needs any more."""
    request = pb.CancelRequest(name=_name(approval), reason=reason, request_id=request_id)
    out.one(ApprovalServiceStub(mesh.channel("pdp")).Cancel(request).approval, view.details)


@app.command(epilog="Example: ringfence approval watch --initial")
@speaks_to("pdp")
def watch(
    mesh: Mesh,
    out: Output,
    *,
    scope: ScopeOption = "",
    start: FromOption = 0,
    initial: InitialOption = False,
    bookmarks: BookmarksOption = False,
    count: CountOption = 0,
) -> None:
    """Print approvals as they are opened, voted on and used."""
    require_one_beginning(start=start, initial=initial)
    request = pb.WatchApprovalsRequest(scope=_scope(scope), start_revision=start)
    steps = mesh.watch(
        "pdp", lambda channel: ApprovalServiceStub(channel).WatchApprovals, request, initial_state=initial
    )
    for event in islice(events(steps, out, bookmark=_bookmark if bookmarks else None), count or None):
        out.event(event, view.event)


def _bookmark(revision: int, completes: bool) -> pb.WatchApprovalsResponse:
    return pb.WatchApprovalsResponse(
        type=pb.APPROVAL_EVENT_TYPE_BOOKMARK, revision=revision, initial_state_end=completes
    )


def _name(text: str) -> str:
    return text if text.startswith("approvals/") else f"approvals/{text}"


def _scope(text: str) -> str:
    if not text:
        return ""
    return agent_name(text) if "/" in text.removeprefix("namespaces/") else namespace_name(text)
