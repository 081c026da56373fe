"""`ringfence budget`: what is sent, what is shown, and what it ends with."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import budget_pb2 as pb
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.views.budgets import WIDTH, amount, bar
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

ANALYST = "namespaces/demo/agents/analyst"
DAILY = pb.Budget(
    name="budgets/daily",
    scope=pb.BUDGET_SCOPE_AGENT,
    unit=pb.BUDGET_UNIT_COST_NANOS,
    currency="EUR",
    amount=50_000_000_000,
    period=Duration(seconds=86_400),
    soft_levels=[0.5, 0.8],
    hard=True,
    etag='"7"',
)
STATUS = pb.BudgetStatus(
    budget="budgets/daily",
    subject=ANALYST,
    spent=41_250_000_000,
    amount=50_000_000_000,
    state=pb.BUDGET_STATE_SOFT,
    level=0.8,
    period_end_time=Timestamp(seconds=1_800_057_600),
    forecast=62_000_000_000,
    exhaust_time=Timestamp(seconds=1_800_050_000),
    unknown_cost_calls=3,
)


def test_whose_usage_counts_is_sent_as_typed_and_shown(ringfence: CommandLine, mesh: FakeMesh) -> None:
    agents = ["namespaces/demo/agents/*", "did:web:a"]
    budget = pb.Budget(name="budgets/demo", scope=pb.BUDGET_SCOPE_EVERYTHING, unit=pb.BUDGET_UNIT_CALLS, agents=agents)
    named = "--agent", "demo/*", "--agent", "did:web:a"
    mesh.budgets.answers["CreateBudget"] = pb.CreateBudgetResponse(budget=budget)
    shown = ringfence("budget", "create", "demo", "--per", "everything", "--calls", "5", *named)
    assert "of agents" in shown.out
    assert "namespaces/demo/agents/*, did:web:a" in shown.out
    assert list(mesh.last.request.budget.agents) == agents
    mesh.budgets.answers["UpdateBudget"] = pb.UpdateBudgetResponse(budget=budget)
    ringfence("budget", "update", "demo", *named)
    assert (list(mesh.last.request.budget.agents), mesh.last.request.update_mask.paths) == (agents, ["agents"])


def test_a_budget_is_sent_as_typed(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.budgets.answers["CreateBudget"] = pb.CreateBudgetResponse(budget=DAILY)
    shown = ringfence(
        *("budget", "create", "daily", "--cost", "50 eur", "--every", "1d", "--warn-at", "0.5", "--warn-at", "0.8"),
        *("--hard", "--only", "demo/analyst", "--only", "demo/*", "--only", "did:web:a", "--display-name", "Money"),
    )
    assert shown.code == ExitCode.OK
    assert "50.00 EUR" in shown.out
    request = mesh.last.request
    assert request.budget_id == "daily"
    assert request.budget == pb.Budget(
        display_name="Money",
        scope=pb.BUDGET_SCOPE_AGENT,
        subjects=[ANALYST, "namespaces/demo/agents/*", "did:web:a"],
        unit=pb.BUDGET_UNIT_COST_NANOS,
        amount=50_000_000_000,
        currency="EUR",
        period=Duration(seconds=86_400),
        soft_levels=[0.5, 0.8],
        hard=True,
    )


@pytest.mark.parametrize(
    ("typed", "unit", "number"),
    [
        (["--tokens", "2000000"], pb.BUDGET_UNIT_TOKENS, 2_000_000),
        (["--calls", "100"], pb.BUDGET_UNIT_CALLS, 100),
        (["--cost", "0.000000001 USD"], pb.BUDGET_UNIT_COST_NANOS, 1),
    ],
)
def test_it_is_in_one_unit(ringfence: CommandLine, mesh: FakeMesh, typed: list[str], unit: int, number: int) -> None:
    assert ringfence("budget", "create", "b", "--per", "team", *typed).code == ExitCode.OK
    sent = mesh.last.request.budget
    assert (sent.unit, sent.amount, sent.scope) == (unit, number, pb.BUDGET_SCOPE_TEAM)
    assert not sent.HasField("period")


@pytest.mark.parametrize(
    "typed",
    [
        [],
        ["--tokens", "1", "--calls", "1"],
        ["--tokens", "0"],
        ["--cost", "50"],
        ["--cost", "fifty EUR"],
        ["--cost", "0.0000000001 EUR"],
        ["--cost", "-1 EUR"],
        ["--cost", "NaN EUR"],
        ["--tokens", "1", "--every", "a day"],
    ],
)
def test_what_is_no_amount_is_a_usage_error(ringfence: CommandLine, typed: list[str]) -> None:
    assert ringfence("budget", "create", "b", *typed).code == ExitCode.USAGE


def test_a_list_shows_who_is_nearest_to_the_end(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.budgets.answers["ListBudgets"] = pb.ListBudgetsResponse(budgets=[DAILY], statuses=[STATUS])
    line = next(line for line in ringfence("budget", "list").out.splitlines() if line.startswith("daily"))
    for said in ("50.00 EUR /1d", "hard", "demo/analyst", "41.25 EUR", "62.00 EUR", "2027-01-15T21:53:20Z"):
        assert said in line
    assert line.count("━") == 9
    (told,) = ringfence("budget", "list", "-o", "json").json
    assert told["statuses"][0]["spent"] == "41250000000"


def test_one_is_shown_with_what_is_to_be_expected(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.budgets.answers["GetBudget"] = pb.GetBudgetResponse(budget=DAILY, statuses=[STATUS])
    shown = ringfence("budget", "show", "daily", "--of", ANALYST).out
    assert (mesh.last.request.name, mesh.last.request.subject) == ("budgets/daily", ANALYST)
    for said in ("by the pdp", "0.5, 0.8", "41.25 EUR", "62.00 EUR", "no price is known for 3 calls"):
        assert said in shown


def test_only_what_is_named_is_changed(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.budgets.answers["UpdateBudget"] = pb.UpdateBudgetResponse(budget=DAILY)
    ringfence("budget", "update", "daily", "--tokens", "5", "--soft", "--etag", '"7"')
    request = mesh.last.request
    assert request.budget == pb.Budget(name="budgets/daily", amount=5)
    assert (list(request.update_mask.paths), request.etag) == (["amount", "hard"], '"7"')
    ringfence(
        "budget", "update", "daily", "--every", "1h", "--warn-at", "0.9", "--only", "demo/x", "--display-name", "D"
    )
    assert list(mesh.last.request.update_mask.paths) == ["period", "soft_levels", "subjects", "display_name"]
    assert ringfence("budget", "update", "daily").code == ExitCode.USAGE


def test_one_is_deleted(ringfence: CommandLine, mesh: FakeMesh) -> None:
    assert ringfence("budget", "delete", "daily", "--etag", '"7"').out == "budgets/daily is deleted\n"
    assert (mesh.last.request.name, mesh.last.request.etag) == ("budgets/daily", '"7"')


@pytest.mark.parametrize(("spent", "full"), [(0, 0), (1, 1), (50, WIDTH // 2), (99, WIDTH), (100, WIDTH), (500, WIDTH)])
def test_a_bar_is_as_long_as_what_is_spent(spent: int, full: int) -> None:
    assert bar(pb.BudgetStatus(spent=spent, amount=100)).plain == "━" * full + "·" * (WIDTH - full)


def test_amounts_are_exact() -> None:
    assert amount(DAILY, 1_000_000_001) == "1.000000001 EUR"
    assert amount(pb.Budget(unit=pb.BUDGET_UNIT_TOKENS), 1_234) == "1,234 tokens"
