"""`ringfence budget`: what agents may spend, and how much of it is left."""

import enum
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.telemetry.v1 import budget_pb2 as pb
from ringfence.telemetry.v1.budget_pb2_grpc import BudgetServiceStub
from ringfence_kit.names import is_resource_id

from ringfence_launcher.connection import Mesh
from ringfence_launcher.options import EtagOption, RequestIdOption, speaks_to
from ringfence_launcher.output import Output
from ringfence_launcher.paging import pages
from ringfence_launcher.views import budgets as view
from ringfence_launcher.words import duration, number

app = typer.Typer(no_args_is_help=True, help="Set what agents may spend, see what is left of it.")

_PAGE = 1_000
_NANOS = 10**9


class Per(enum.StrEnum):
    """Whom a budget is for, as typed."""

    AGENT = "agent"
    SESSION = "session"
    TEAM = "team"
    MODEL = "model"
    EVERYTHING = "everything"


BudgetArgument = Annotated[str, typer.Argument(metavar="BUDGET", help="Its id.")]
TokensOption = Annotated[int | None, typer.Option("--tokens", min=1, help="So many tokens, in and out together.")]
CallsOption = Annotated[int | None, typer.Option("--calls", min=1, help="So many calls of models and tools.")]
CostOption = Annotated[str, typer.Option("--cost", metavar="'AMOUNT CURRENCY'", help="So much money: '50 EUR'.")]
PeriodOption = Annotated[
    str, typer.Option("--every", metavar="PERIOD", help="Begins anew after this: 1h, 1d, 30d; aligned to midnight UTC.")
]
WarnOption = Annotated[
    list[float] | None, typer.Option("--warn-at", metavar="SHARE", help="Raise an alert at this share; repeat.")
]
OnlyOption = Annotated[
    list[str] | None, typer.Option("--only", metavar="NAME", help="Only these; NAMESPACE/AGENT, a DID, or x*; repeat.")
]
AgentOption = Annotated[
    list[str] | None,
    typer.Option(
        "--agent",
        metavar="NAME",
        help="Only what these agents use counts, and only they are denied; NAMESPACE/AGENT, a DID, or x*; repeat.",
    ),
]
NameOption = Annotated[str, typer.Option("--display-name", help="For people.")]


@app.command(epilog="Example: ringfence budget create daily --cost '50 EUR' --every 1d --warn-at 0.8 --hard")
@speaks_to("telemetry")
def create(
    mesh: Mesh,
    out: Output,
    budget: BudgetArgument,
    *,
    per: Annotated[Per, typer.Option(help="Whom it is for: each one has it for itself.")] = Per.AGENT,
    tokens: TokensOption = None,
    calls: CallsOption = None,
    cost: CostOption = "",
    every: PeriodOption = "",
    warn_at: WarnOption = None,
    only: OnlyOption = None,
    agent: AgentOption = None,
    hard: Annotated[bool, typer.Option("--hard", help="The pdp denies what would spend more.")] = False,
    display_name: NameOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Set a budget: in tokens, calls or money. What is spent already in the present period counts."""
    wanted = pb.Budget(
        display_name=display_name,
        scope=number(pb.BudgetScope, per),
        subjects=[_subject(each, per) for each in only or ()],
        agents=[_subject(each, Per.AGENT) for each in agent or ()],
        period=duration(every, option="--every"),
        soft_levels=warn_at,
        hard=hard,
        **_amount(tokens, calls, cost),
    )
    request = pb.CreateBudgetRequest(budget_id=budget, budget=wanted, request_id=request_id)
    out.one(_service(mesh).CreateBudget(request), lambda found: view.budget(found.budget))


@app.command("list", epilog="Example: ringfence budget list")
@speaks_to("telemetry")
def list_(
    mesh: Mesh, out: Output, *, limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100
) -> None:
    """List budgets, each with whoever is nearest to its end."""
    stub = _service(mesh)

    def page(token: str) -> pb.ListBudgetsResponse:
        return stub.ListBudgets(pb.ListBudgetsRequest(page_size=min(limit, _PAGE), page_token=token))

    def rows(response: pb.ListBudgetsResponse) -> list[pb.GetBudgetResponse]:
        return [
            pb.GetBudgetResponse(budget=budget, statuses=[status])
            for budget, status in zip(response.budgets, response.statuses, strict=True)
        ]

    out.many(list(pages(page, rows, limit=limit)), view.listed)


@app.command(epilog="Example: ringfence budget show daily")
@speaks_to("telemetry")
def show(
    mesh: Mesh,
    out: Output,
    budget: BudgetArgument,
    *,
    subject: Annotated[str, typer.Option("--of", metavar="NAME", help="Only how it stands for this one.")] = "",
) -> None:
    """Show a budget and how it stands for those nearest to its end, with what is to be expected."""
    request = pb.GetBudgetRequest(name=_name(budget), subject=subject)
    out.one(_service(mesh).GetBudget(request), view.shown)


@app.command(epilog="Example: ringfence budget update daily --cost '80 EUR'")
@speaks_to("telemetry")
def update(
    mesh: Mesh,
    out: Output,
    budget: BudgetArgument,
    *,
    tokens: TokensOption = None,
    calls: CallsOption = None,
    cost: CostOption = "",
    every: PeriodOption = "",
    warn_at: WarnOption = None,
    only: OnlyOption = None,
    agent: AgentOption = None,
    hard: Annotated[bool | None, typer.Option("--hard/--soft", help="Whether the pdp denies.")] = None,
    display_name: NameOption = "",
    etag: EtagOption = "",
    request_id: RequestIdOption = "",
) -> None:
    """Change what is named; what was spent stays spent. Whom it is for and what it is in stay."""
    changed, paths = pb.Budget(name=_name(budget)), []
    if tokens is not None or calls is not None or cost:
        changed.amount = _amount(tokens, calls, cost)["amount"]
        paths.append("amount")
    length = duration(every, option="--every")
    if length is not None:
        changed.period.CopyFrom(length)
        paths.append("period")
    if warn_at is not None:
        changed.soft_levels.extend(warn_at)
        paths.append("soft_levels")
    if only is not None:
        changed.subjects.extend(_subject(each, Per.AGENT) for each in only)
        paths.append("subjects")
    if agent is not None:
        changed.agents.extend(_subject(each, Per.AGENT) for each in agent)
        paths.append("agents")
    if hard is not None:
        changed.hard = hard
        paths.append("hard")
    if display_name:
        changed.display_name = display_name
        paths.append("display_name")
    if not paths:
        raise typer.BadParameter("name something to change, e.g. --tokens 2000000")
    request = pb.UpdateBudgetRequest(
        budget=changed, update_mask=FieldMask(paths=paths), etag=etag, request_id=request_id
    )
    out.one(_service(mesh).UpdateBudget(request), lambda found: view.budget(found.budget))


@app.command(epilog="Example: ringfence budget delete daily")
@speaks_to("telemetry")
def delete(
    mesh: Mesh, out: Output, budget: BudgetArgument, *, etag: EtagOption = "", request_id: RequestIdOption = ""
) -> None:
    """Delete a budget, with its alerts; what it denied is allowed again."""
    request = pb.DeleteBudgetRequest(name=_name(budget), etag=etag, request_id=request_id)
    out.one(_service(mesh).DeleteBudget(request), lambda _: view.deleted(_name(budget)))


def _service(mesh: Mesh) -> BudgetServiceStub:
    return BudgetServiceStub(mesh.channel("telemetry"))


def _name(text: str) -> str:
    return text if text.startswith("budgets/") else f"budgets/{text}"


def _subject(text: str, per: Per) -> str:
    """Return a subject as telemetry names it: agents may be typed as `NAMESPACE/AGENT` or `NAMESPACE/*`."""
    match text.split("/"):
        case [namespace, agent] if per is Per.AGENT and is_resource_id(namespace) and ":" not in agent:
            return f"namespaces/{namespace}/agents/{agent}"
    return text


def _amount(tokens: int | None, calls: int | None, cost: str) -> dict[str, Any]:
    if sum((tokens is not None, calls is not None, bool(cost))) != 1:
        raise typer.BadParameter("give one of --tokens, --calls and --cost")
    if tokens is not None:
        return {"unit": pb.BUDGET_UNIT_TOKENS, "amount": tokens}
    if calls is not None:
        return {"unit": pb.BUDGET_UNIT_CALLS, "amount": calls}
    amount, _, currency = cost.strip().partition(" ")
    try:
        nanos = Decimal(amount) * _NANOS
    except InvalidOperation:
        nanos = Decimal("NaN")
    if not nanos.is_finite() or nanos <= 0 or nanos != nanos.to_integral_value() or not currency.strip():
        raise typer.BadParameter(f"--cost {cost!r}: write an amount and a currency, such as '50 EUR'")
    return {"unit": pb.BUDGET_UNIT_COST_NANOS, "amount": int(nanos), "currency": currency.strip().upper()}
