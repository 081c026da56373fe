"""`ringfence eval`: what is sent, what is shown, and what it ends with."""

import json
from pathlib import Path

import pytest
from ringfence.telemetry.v1 import evaluation_pb2 as pb
from ringfence_launcher.commands.eval import Layer
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.views.evaluations import WIDTH, interval
from ringfence_launcher.words import number
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

ANALYST = "namespaces/demo/agents/analyst"


def test_a_judgement_is_sent_as_typed(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.evaluations.answers["RecordEvaluations"] = pb.RecordEvaluationsResponse(recorded=1)
    shown = ringfence(
        *("eval", "record", "demo/analyst", "--metric", "tone", "--failed", "--score", "0.25", "--label", "rude"),
        *("--layer", "step", "--version", "1.4.0", "--trace", "0a" * 16, "--span", "0b" * 8, "--id", "e-1"),
    )
    assert shown.out == "1 recorded\n"
    (sent,) = mesh.last.request.evaluations
    assert sent == pb.Evaluation(
        agent=ANALYST,
        version="1.4.0",
        layer=pb.EVALUATION_LAYER_STEP,
        metric="tone",
        passed=False,
        score=0.25,
        label="rude",
        trace_id=b"\x0a" * 16,
        span_id=b"\x0b" * 8,
        evaluation_id="e-1",
    )


def test_what_is_not_typed_is_not_sent(ringfence: CommandLine, mesh: FakeMesh) -> None:
    assert (
        ringfence("eval", "record", "did:web:agents.example:a", "--label", "so-so").out
        == "0 recorded, 1 known already\n"
    )
    (sent,) = mesh.last.request.evaluations
    assert (sent.agent, sent.layer) == ("did:web:agents.example:a", pb.EVALUATION_LAYER_WORKFLOW)
    assert not sent.HasField("passed")
    assert not sent.HasField("score")
    assert len(sent.evaluation_id) == 36


def test_many_come_from_a_file(ringfence: CommandLine, mesh: FakeMesh, nowhere: Path) -> None:
    one = {"agent": ANALYST, "metric": "accuracy", "layer": "EVALUATION_LAYER_STEP", "passed": True}
    document = {"evaluations": [one | {"evaluation_id": f"e-{n}"} for n in range(3)]}
    (nowhere / "judged.json").write_text(json.dumps(document))
    ringfence("eval", "record", "--file", "judged.json")
    assert [each.evaluation_id for each in mesh.last.request.evaluations] == ["e-0", "e-1", "e-2"]


@pytest.mark.parametrize(
    "wrong",
    [
        ("record",),
        ("record", "analyst"),
        ("record", "demo/analyst", "--trace", "xyz"),
        ("acceptance", "demo/analyst", "--since", "yesterday"),
        ("gate", "demo/analyst", "--max-latency-p95", "0"),
        ("pin", "demo/analyst", "--since", "yesterday"),
        ("pin", "demo/analyst"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_usage_error(ringfence: CommandLine, wrong: tuple[str, ...]) -> None:
    assert ringfence("eval", *wrong).code == ExitCode.USAGE


def test_acceptance_shows_where_shares_surely_lie(ringfence: CommandLine, mesh: FakeMesh) -> None:
    found = pb.Acceptance(
        agent=ANALYST,
        accuracy=pb.Share(hits=97, total=100, low=0.9155, high=0.9897),
        escalation=pb.Share(high=1),
        safe_completion=pb.Share(hits=1, total=2, low=0.0945, high=0.9055),
        latency_p95_micros=1_500_000,
        workflows=1_234,
    )
    mesh.evaluations.answers["GetAcceptance"] = pb.GetAcceptanceResponse(acceptance=found)
    shown = ringfence("eval", "acceptance", "demo/analyst", "--also-known-as", "did:web:a").out
    assert "97 of 100" in shown
    assert "91.5 - 99.0 %" in shown
    assert "1,234" in shown
    assert "1.500 s" in shown
    assert list(mesh.last.request.also_known_as) == ["did:web:a"]
    assert mesh.last.request.HasField("start_time")


@pytest.mark.parametrize(
    ("share", "drawn"),
    [
        (pb.Share(high=1), "·" * WIDTH),
        (pb.Share(hits=1, total=1, low=0, high=1), "━" * WIDTH),
        (pb.Share(hits=1, total=2, low=0.5, high=0.5), "·" * 10 + "━" + "·" * 9),
        (pb.Share(hits=9, total=9, low=1, high=1), "·" * 19 + "━"),
    ],
)
def test_intervals(share: pb.Share, drawn: str) -> None:
    assert interval(share).plain == drawn


def test_a_gate_asks_only_for_what_is_typed(ringfence: CommandLine, mesh: FakeMesh) -> None:
    gate = pb.AcceptanceGate(
        agent=ANALYST, min_accuracy=0.9, max_latency_p95_micros=2_500_000, min_samples=30, days=7, etag='"8"'
    )
    mesh.evaluations.answers["PutAcceptanceGate"] = pb.PutAcceptanceGateResponse(gate=gate)
    shown = ringfence(
        *("eval", "gate", "demo/analyst", "--min-accuracy", "0.9", "--max-latency-p95", "2.5", "--etag", '"7"')
    ).out
    sent = mesh.last.request
    assert (sent.gate.min_accuracy, sent.gate.max_latency_p95_micros, sent.etag) == (0.9, 2_500_000, '"7"')
    assert not sent.gate.HasField("max_escalation")
    assert "at least 90 %, surely" in shown
    assert "at most 2.5 s" in shown
    assert "escalation" not in shown


@pytest.mark.parametrize("accepted", [True, False])
def test_a_check_ends_as_it_is_answered(ringfence: CommandLine, mesh: FakeMesh, accepted: bool) -> None:
    result = pb.AcceptanceResult(what="latency_p95", reached=accepted, detail="3 s; 2 s are allowed")
    mesh.evaluations.answers["CheckAcceptance"] = pb.CheckAcceptanceResponse(accepted=accepted, results=[result])
    shown = ringfence("eval", "check", "demo/analyst", "--version", "1")
    assert shown.code == (ExitCode.OK if accepted else ExitCode.NEGATIVE)
    assert shown.out.startswith("accepted" if accepted else "not accepted")
    assert "latency p95" in shown.out
    assert "2 s are allowed" in shown.out


def test_nothing_asked_is_said(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.evaluations.answers["CheckAcceptance"] = pb.CheckAcceptanceResponse(accepted=True)
    assert "nothing is asked of it" in ringfence("eval", "check", "demo/analyst").out


def test_a_baseline_is_of_a_time(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.evaluations.answers["PinBaseline"] = pb.PinBaselineResponse(workflows=1_040)
    shown = ringfence(
        "eval", "pin", "demo/analyst", "--since", "2026-11-01T00:00:00Z", "--until", "2026-11-08T00:00:00Z"
    )
    assert shown.out == "pinned, of 1,040 pieces of work\n"
    assert mesh.last.request.end_time.ToJsonString() == "2026-11-08T00:00:00Z"
    ringfence("eval", "pin", "demo/analyst", "--since", "2026-11-01T00:00:00Z")
    assert mesh.last.request.HasField("end_time")


@pytest.mark.parametrize(
    ("level", "said", "code"),
    [
        (pb.DRIFT_LEVEL_UNSPECIFIED, "unknown", ExitCode.OK),
        (pb.DRIFT_LEVEL_STABLE, "stable", ExitCode.OK),
        (pb.DRIFT_LEVEL_WATCH, "watch", ExitCode.OK),
        (pb.DRIFT_LEVEL_ALERT, "alert", ExitCode.NEGATIVE),
    ],
)
def test_drift_is_shown_and_is_an_answer(
    ringfence: CommandLine, mesh: FakeMesh, level: "pb.DriftLevel.ValueType", said: str, code: ExitCode
) -> None:
    moved = pb.Drift(what="slow_change", level=level, value=12.5, detail="60 scores")
    mesh.evaluations.answers["GetDrift"] = pb.GetDriftResponse(level=level, drifts=[moved])
    shown = ringfence("eval", "drift", "demo/analyst", "--version", "1", "--days", "3")
    assert (shown.code, shown.out.splitlines()[0]) == (code, said)
    assert "slow change" in shown.out
    assert mesh.last.request.days == 3


def test_programs_read_the_proto(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.evaluations.answers["CheckAcceptance"] = pb.CheckAcceptanceResponse(accepted=True)
    assert json.loads(ringfence("eval", "check", "demo/analyst", "-o", "json").out) == {"accepted": True, "results": []}


def test_words_are_the_protos() -> None:
    assert {number(pb.EvaluationLayer, one) for one in Layer} == set(pb.EvaluationLayer.values()) - {0}
