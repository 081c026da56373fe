"""`ringfence slo`: what is sent, what is shown, and what it ends with."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import health_pb2
from ringfence.telemetry.v1 import slo_pb2 as pb
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.views.slos import POINTS, WIDTH, budget, moments, spark
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

ANALYST = "namespaces/demo/agents/analyst"
HOUR = pb.BurnRule(share="0.02", long_window=Duration(seconds=3600), short_window=Duration(seconds=300), page=True)
SLO = pb.Slo(
    name="slos/checkout",
    agent=ANALYST,
    target="0.99",
    window=Duration(seconds=30 * 86_400),
    latency=Duration(seconds=2),
    dependencies=[pb.Dependency(agent="did:web:b", target="0.995", calls=1, kind=pb.DEPENDENCY_KIND_HARD, retries=1)],
    feasible_target="0.999975",
    burn_rules=[HOUR],
    etag='"7"',
)
STATUS = pb.SloStatus(
    slo="slos/checkout",
    state=health_pb2.SLO_STATE_BURNING,
    as_of_time=Timestamp(seconds=1_800_000_000),
    good=4_316_400,
    total=4_320_000,
    sli="1199/1200",
    budget_used="1/12",
    burn_rates=[pb.BurnRate(rule=HOUR, threshold="14.4", long_rate="15", short_rate="60", firing=True)],
    blame=[pb.Blame(agent="did:web:b", bad=3_600, errors=3_000, trace_ids=["ab" * 16])],
    order=pb.DEGRADE_ORDER_SHED,
)


def test_an_objective_is_sent_as_typed(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.slos.answers["CreateSlo"] = pb.CreateSloResponse(slo=SLO)
    shown = ringfence(
        *("slo", "create", "checkout", "demo/analyst", "--target", "0.99", "--window", "7d", "--latency", "800ms"),
        *("--operation", "quote", "--evaluation", "grounded", "--own", "0.999", "--display-name", "Checkout"),
        *("--needs", "did:web:b=0.995,retries=2,calls=3,or=demo/c=0.9", "--needs", "demo/d=0.5,soft", "--try"),
    )
    assert "99 % over 30d" in shown.out
    request = mesh.last.request
    assert (request.slo_id, request.validate_only) == ("checkout", True)
    assert request.slo == pb.Slo(
        agent=ANALYST,
        target="0.99",
        window=Duration(seconds=7 * 86_400),
        latency=Duration(nanos=800_000_000),
        operation="quote",
        evaluation="grounded",
        own_target="0.999",
        display_name="Checkout",
        dependencies=[
            pb.Dependency(
                agent="did:web:b",
                target="0.995",
                retries=2,
                calls=3,
                fallbacks=[pb.Fallback(agent="namespaces/demo/agents/c", target="0.9")],
            ),
            pb.Dependency(agent="namespaces/demo/agents/d", target="0.5", kind=pb.DEPENDENCY_KIND_SOFT),
        ],
    )


def test_a_file_is_read_and_options_win(ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> None:
    mesh.slos.answers["UpdateSlo"] = pb.UpdateSloResponse(slo=SLO)
    (nowhere / "slo.yaml").write_text("target: '0.9'\nmin_events: 50\n")
    ringfence("slo", "update", "slos/checkout", "--file", "slo.yaml", "--target", "0.95", "--etag", '"7"')
    request = mesh.last.request
    assert (request.slo.name, request.slo.target, request.slo.min_events) == ("slos/checkout", "0.95", 50)
    assert request.etag == '"7"'


@pytest.mark.parametrize("needs", ["demo/b", "demo/b=0.9,often", "demo/b=0.9,retries=x", "demo/b=0.9,or=c"])
def test_a_dependency_that_cannot_be_read_is_a_usage_error(ringfence: CommandLine, needs: str) -> None:
    shown = ringfence("slo", "feasible", "--needs", needs)
    assert (shown.code, "--needs" in shown.err) == (ExitCode.USAGE, True)


def test_how_it_stands_is_shown_with_bars(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.slos.answers["GetSlo"] = pb.GetSloResponse(slo=SLO, status=STATUS)
    out = ringfence("slo", "show", "checkout").out
    assert "4,316,400 of 4,320,000, 99.9166 %" in out
    assert "91.6666 %" in out
    assert "1h and 5m" in out
    assert "14.4" in out
    assert "page" in out
    assert "━" in out
    assert "did:web:b" in out
    assert mesh.last.request.name == "slos/checkout"
    found = json.loads(ringfence("slo", "show", "checkout", "-o", "json").out)
    assert found["status"]["budget_used" if "budget_used" in found["status"] else "budgetUsed"] == "1/12"


def test_many_are_listed_with_what_is_left(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.slos.answers["ListSlos"] = pb.ListSlosResponse(slos=[SLO], statuses=[STATUS])
    out = ringfence("slo", "list", "--agent", "demo/analyst").out
    assert "checkout" in out
    assert "91.6666 %" in out
    assert mesh.last.request.agent == ANALYST
    mesh.slos.answers["ListSlos"] = pb.ListSlosResponse()
    assert "No objectives" in ringfence("slo", "list").out


def test_a_history_is_charted_and_an_exhausted_budget_ends_with_one(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.slos.answers["EvaluateSlo"] = pb.EvaluateSloResponse(status=STATUS)
    out = ringfence("slo", "evaluate", "checkout", "--since", "6h").out
    assert "▄▄▄▄" in out
    assert "15 at most" in out
    exhausted = pb.SloStatus()
    exhausted.CopyFrom(STATUS)
    exhausted.state = health_pb2.SLO_STATE_BREACHED
    mesh.slos.answers["EvaluateSlo"] = pb.EvaluateSloResponse(status=exhausted)
    assert ringfence("slo", "evaluate", "checkout", "--at", "2026-11-22T08:00:00Z").code == ExitCode.NEGATIVE
    assert mesh.last.request.at_time.seconds == 1_795_334_400


def test_what_is_not_possible_ends_with_one(ringfence: CommandLine, mesh: FakeMesh) -> None:
    answer = pb.CheckFeasibilityResponse(feasible_target="0.98406495", decimal="0.98406495", feasible=False)
    mesh.slos.answers["CheckFeasibility"] = answer
    shown = ringfence("slo", "feasible", "--target", "0.99", "--needs", "demo/b=0.995")
    assert (shown.code, shown.out) == (ExitCode.NEGATIVE, "98.4064 % is possible; 99 % is out of reach\n")
    mesh.slos.answers["CheckFeasibility"] = pb.CheckFeasibilityResponse(feasible_target="0.5", feasible=True)
    assert ringfence("slo", "feasible").out == "50 % is possible\n"


def test_documents_come_and_go(ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> None:
    mesh.slos.answers["ImportOpenSlo"] = pb.ImportOpenSloResponse(slos=[SLO], remarks=["line 7: left out"])
    (nowhere / "slos.yaml").write_bytes(b"apiVersion: openslo/v1\n")
    shown = ringfence("slo", "import", "slos.yaml", "--try")
    assert "checkout" in shown.out
    assert "line 7: left out" in shown.err
    assert (mesh.last.request.document, mesh.last.request.validate_only) == (b"apiVersion: openslo/v1\n", True)
    mesh.slos.answers["ExportOpenSlo"] = pb.ExportOpenSloResponse(document=b"kind: SLO\n")
    assert ringfence("slo", "export", "checkout").out == "kind: SLO\n"
    assert list(mesh.last.request.names) == ["slos/checkout"]
    mesh.slos.answers["DeleteSlo"] = pb.DeleteSloResponse()
    assert ringfence("slo", "delete", "checkout").out == "slos/checkout is deleted\n"


def test_breakers_are_seen_and_moved(ringfence: CommandLine, mesh: FakeMesh) -> None:
    broken = pb.Breaker(
        agent=ANALYST,
        skill="quote",
        state=health_pb2.CIRCUIT_STATE_OPEN,
        override=pb.BREAKER_OVERRIDE_FORCED_OPEN,
        opened_in_a_row=2,
        reason="It loops.",
    )
    mesh.breakers.answers["ListBreakers"] = pb.ListBreakersResponse(breakers=[broken])
    out = ringfence("slo", "breakers", "list", "--open").out
    assert "forced open" in out
    assert "It loops." in out
    assert mesh.last.request.not_closed
    mesh.breakers.answers["OverrideBreaker"] = pb.OverrideBreakerResponse(breaker=broken)
    ringfence(
        *("slo", "breakers", "override", "demo/analyst", "forced-open", "--skill", "quote", "--reason", "It loops.")
    )
    request = mesh.last.request
    assert (request.agent, request.skill, request.override, request.reason) == (
        ANALYST,
        "quote",
        pb.BREAKER_OVERRIDE_FORCED_OPEN,
        "It loops.",
    )
    assert len(request.request_id) == 36


@pytest.mark.parametrize(
    ("used", "full"), [("0", WIDTH), ("1", 0), ("3", 0), ("1/2", WIDTH // 2), ("1/1000000", WIDTH)]
)
def test_a_bar_is_as_long_as_what_is_left(used: str, full: int) -> None:
    assert budget(pb.SloStatus(budget_used=used), WIDTH).plain.count("━") == full


def test_a_chart_has_as_many_points_as_fit() -> None:
    assert moments(10_000, 600) == list(range(9_400, 10_000, 60))
    assert len(moments(10**9, 7 * 86_400)) <= POINTS + 1
    assert spark([Fraction(0), Fraction(1, 100), Fraction(7), Fraction(99)], Fraction(7)).plain == " ▁▄█"
