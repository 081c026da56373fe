"""`ringfence policy upload`, `shadow`, `canary`, `promote`, `rollback`, `bundles`, `flips` and `status`."""

from typing import Annotated

import typer
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence.pdp.v1.bundle_pb2_grpc import BundleServiceStub

from ringfence_launcher.connection import Mesh
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.policy_files import PolicyFilesArgument, policy_files
from ringfence_launcher.problems import Problem
from ringfence_launcher.views import decisions as view
from ringfence_launcher.views import rollouts as rollout_view

PAGE_SIZE = 100
MOST = 10_000

BundleArgument = Annotated[
    str,
    typer.Argument(
        metavar="BUNDLE", help="A kept bundle's digest, or its beginning. Default: the newest that does not decide."
    ),
]
FlipRateOption = Annotated[
    float, typer.Option("--max-flips", metavar="SHARE", min=0, max=1, help="End it when more come out otherwise.")
]
ErrorRateOption = Annotated[
    float, typer.Option("--max-errors", metavar="SHARE", min=0, max=1, help="End it when more conditions fail.")
]
MinDecisionsOption = Annotated[
    int, typer.Option("--min-decisions", metavar="N", min=0, help="Decisions to see before either counts.")
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to `ringfence policy`."""
    app.command(epilog="Example: ringfence policy upload policies/")(upload)
    app.command(epilog="Examples: ringfence policy shadow\n\nringfence policy shadow sha256-3f2a --max-flips 0.05")(
        shadow
    )
    app.command(epilog="Example: ringfence policy canary sha256-3f2a --percent 10 --max-flips 0.05")(canary)
    app.command(epilog="Example: ringfence policy promote")(promote)
    app.command(epilog="Example: ringfence policy rollback --reason 'exports were denied'")(rollback)
    app.command(epilog="Example: ringfence policy bundles")(bundles)
    app.command(epilog="Example: ringfence policy flips")(flips)
    app.command(epilog="Example: ringfence policy status")(status)


@speaks_to("pdp")
def upload(
    mesh: Mesh,
    out: Output,
    files: PolicyFilesArgument,
    *,
    ignore_tests: Annotated[bool, typer.Option("--ignore-tests", help="Keep it although its tests fail.")] = False,
    request_id: RequestIdOption = "",
) -> None:
    """Check and keep a bundle without letting it decide. `shadow`, `canary` and `promote` let it, step by step."""
    request = pb.UploadBundleRequest(files=policy_files(files), request_id=request_id, ignore_tests=ignore_tests)
    answer = BundleServiceStub(mesh.channel("pdp")).UploadBundle(request)
    out.one(answer.bundle, view.bundle)
    for finding in answer.findings:
        out.hint(f"{finding.path}:{finding.line}: {finding.problem}")
    out.hint("it decides nothing yet: ringfence policy shadow")


@speaks_to("pdp")
def shadow(
    mesh: Mesh,
    out: Output,
    bundle: BundleArgument = "",
    *,
    stop: Annotated[bool, typer.Option("--stop", help="End what is being tried, and try nothing.")] = False,
    max_flips: FlipRateOption = 0.0,
    max_errors: ErrorRateOption = 0.0,
    min_decisions: MinDecisionsOption = 100,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Ask a kept bundle beside the active one, and count where it would decide otherwise. It decides nothing."""
    stub = BundleServiceStub(mesh.channel("pdp"))
    request = pb.SetRolloutRequest(
        candidate="" if stop else kept_bundle(stub, bundle),
        mode=pb.ROLLOUT_MODE_NONE if stop else pb.ROLLOUT_MODE_SHADOW,
        auto_abort=None if stop else _auto_abort(max_flips, max_errors, min_decisions),
        etag=etag,
        request_id=request_id,
    )
    out.one(stub.SetRollout(request).rollout, rollout_view.rollout)
    if not stop:
        out.hint("see how it differs: ringfence policy flips")


@speaks_to("pdp")
def canary(
    mesh: Mesh,
    out: Output,
    bundle: BundleArgument = "",
    *,
    percent: Annotated[int, typer.Option("--percent", "-p", min=0, max=100, help="Of 100 agents, how many.")],
    max_flips: FlipRateOption = 0.0,
    max_errors: ErrorRateOption = 0.0,
    min_decisions: MinDecisionsOption = 100,
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Let a kept bundle decide for a share of the agents: always the same ones, and more of them with more percent."""
    stub = BundleServiceStub(mesh.channel("pdp"))
    request = pb.SetRolloutRequest(
        candidate=_tried(stub) if not bundle else kept_bundle(stub, bundle),
        mode=pb.ROLLOUT_MODE_CANARY,
        percent=percent,
        auto_abort=_auto_abort(max_flips, max_errors, min_decisions),
        etag=etag,
        request_id=request_id,
    )
    out.one(stub.SetRollout(request).rollout, rollout_view.rollout)
    out.hint("see how it differs: ringfence policy flips; end it: ringfence policy shadow --stop")


@speaks_to("pdp")
def promote(mesh: Mesh, out: Output, *, etag: EtagOption = "", request_id: RequestIdOption = "") -> None:
    """Let the bundle that is tried decide everything."""
    request = pb.PromoteBundleRequest(etag=etag, request_id=request_id)
    out.one(BundleServiceStub(mesh.channel("pdp")).PromoteBundle(request).rollout, rollout_view.rollout)
    out.hint("take it back: ringfence policy rollback --reason …")


@speaks_to("pdp")
def rollback(
    mesh: Mesh,
    out: Output,
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="A kept bundle's digest, or its beginning. Default: the one before.")
    ] = "",
    *,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept with the rollout.")],
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Let an earlier bundle decide everything again, at once."""
    stub = BundleServiceStub(mesh.channel("pdp"))
    name = kept_bundle(stub, bundle) if bundle else ""
    request = pb.RollbackBundleRequest(name=name, reason=reason, etag=etag, request_id=request_id)
    out.one(stub.RollbackBundle(request).rollout, rollout_view.rollout)


@speaks_to("pdp")
def bundles(mesh: Mesh, out: Output) -> None:
    """List the bundles that are kept, the newest first."""
    stub = BundleServiceStub(mesh.channel("pdp"))
    rollout = stub.GetRollout(pb.GetRolloutRequest()).rollout
    out.many(_kept(stub), lambda listed: rollout_view.bundles(listed, rollout))


@speaks_to("pdp")
def flips(mesh: Mesh, out: Output) -> None:
    """Show how the bundle that is tried would decide otherwise. Exit code 1 when it would."""
    answer = BundleServiceStub(mesh.channel("pdp")).GetWouldFlips(pb.GetWouldFlipsRequest())
    out.one(answer, rollout_view.would_flips)
    if answer.by_rule:
        out.hint(f"look at one: ringfence replay --decision {answer.by_rule[0].example_decision_id}")
    if answer.flips:
        raise typer.Exit(int(ExitCode.NEGATIVE))


@speaks_to("pdp")
def status(mesh: Mesh, out: Output) -> None:
    """Show what decides, what is tried beside it, and why a trial ended."""
    out.one(BundleServiceStub(mesh.channel("pdp")).GetRollout(pb.GetRolloutRequest()).rollout, rollout_view.rollout)


def _auto_abort(max_flips: float, max_errors: float, min_decisions: int) -> pb.AutoAbort:
    return pb.AutoAbort(max_flip_rate=max_flips, max_error_rate=max_errors, min_decisions=min_decisions)


def _kept(stub: BundleServiceStub) -> list[pb.Bundle]:
    return list(
        pages(
            lambda token: stub.ListBundles(pb.ListBundlesRequest(page_size=PAGE_SIZE, page_token=token)),
            lambda page: page.bundles,
            limit=MOST,
        )
    )


def _tried(stub: BundleServiceStub) -> str:
    """Return the bundle that is tried already, or the newest that does not decide."""
    return stub.GetRollout(pb.GetRolloutRequest()).rollout.candidate or kept_bundle(stub, "")


def kept_bundle(stub: BundleServiceStub, typed: str) -> str:
    """Return the name of the kept bundle whose digest begins as typed."""
    beginning = typed.removeprefix("bundles/").removeprefix("sha256-")
    active = "" if typed else stub.GetRollout(pb.GetRolloutRequest()).rollout.active
    found = [one for one in _kept(stub) if one.digest.removeprefix("sha256-").startswith(beginning)]
    if not typed:
        found = [one for one in found if one.name != active][:1]
    if len(found) == 1:
        return found[0].name
    if not found:
        problem = f"no kept bundle begins with {typed}" if typed else "every kept bundle decides already"
        raise Problem(problem, code=ExitCode.NOT_FOUND, mend="see them with `ringfence policy bundles`")
    raise Problem(
        f"{len(found)} kept bundles begin with {typed}",
        code=ExitCode.CONFLICT,
        mend="type more of the digest; `ringfence policy bundles` shows them",
    )
