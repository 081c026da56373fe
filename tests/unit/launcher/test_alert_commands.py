"""`ringfence alert`: what is sent, what is shown, and what it ends with."""

import json

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import alert_pb2 as pb
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

SILENCE_ID = "123e4567-e89b-42d3-a456-426614174000"
ALERT = pb.Alert(
    name="alerts/42",
    dedupe_key="budget/daily/x/1",
    kind=pb.ALERT_KIND_BUDGET,
    urgency=pb.ALERT_URGENCY_PAGE,
    state=pb.ALERT_STATE_FIRING,
    message="The budget daily of agent x is used up.",
    subject="budgets/daily",
    agent="x",
    evidence={"spent": "120", "amount": "100"},
    trace_ids=["ab" * 16],
    fire_time=Timestamp(seconds=1_800_000_000),
)
SILENCE = pb.Silence(
    name=f"silences/{SILENCE_ID}",
    kind=pb.ALERT_KIND_BUDGET,
    agent="x",
    reason="load test",
    actor="dev:operator",
    expire_time=Timestamp(seconds=1_800_000_000),
)


def test_a_list_shows_what_is_wrong(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.alerts.answers["ListAlerts"] = pb.ListAlertsResponse(alerts=[ALERT])
    shown = ringfence("alert", "list", "--firing", "--agent", "x", "--kind", "budget", "--kind", "drift").out
    for said in ("42", "fires now!", "budget", "2027-01-15T08:00:00Z", "The budget daily of agent x is used up."):
        assert said in shown
    request = mesh.last.request
    assert (request.firing_only, request.agent) == (True, "x")
    assert list(request.kinds) == [pb.ALERT_KIND_BUDGET, pb.ALERT_KIND_DRIFT]


def test_a_watch_prints_each_event_on_a_line(ringfence: CommandLine, mesh: FakeMesh) -> None:
    over = pb.Alert()
    over.CopyFrom(ALERT)
    over.state = pb.ALERT_STATE_RESOLVED
    mesh.alerts.answers["WatchAlerts"] = [
        pb.WatchAlertsResponse(firing=ALERT),
        pb.WatchAlertsResponse(bookmark=pb.AlertBookmark(next_sequence=43)),
        pb.WatchAlertsResponse(event=pb.AlertEvent(sequence=43, alert=over, type=pb.ALERT_EVENT_TYPE_RESOLVED)),
    ]
    lines = ringfence("alert", "watch", "--firing", "--count", "2").out.splitlines()
    assert ["fires" in lines[0], lines[1].split()[0], "resolved" in lines[1]] == [True, "43", True]
    assert mesh.last.request.send_firing
    told = ringfence("alert", "watch", "--bookmarks", "--count", "3", "--from", "42", "-o", "json").out.splitlines()
    assert [next(iter(json.loads(line))) for line in told] == ["firing", "bookmark", "event"]
    assert mesh.last.request.from_sequence == 42
    assert ringfence("alert", "watch", "--from", "1", "--firing").code == ExitCode.USAGE


def test_somebody_looks_at_it(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.alerts.answers["AckAlert"] = pb.AckAlertResponse(alert=ALERT)
    shown = ringfence("alert", "ack", "42").out
    assert mesh.last.request.name == "alerts/42"
    for said in ("amount 100, spent 120", "budgets/daily", "ab" * 16):
        assert said in shown


def test_alerts_are_kept_quiet_and_told_again(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.alerts.answers["CreateSilence"] = pb.CreateSilenceResponse(silence=SILENCE)
    ended = ringfence("alert", "silence", "--kind", "budget", "--agent", "x", "--for", "2h", "--reason", "load test")
    assert ended.code == ExitCode.OK
    assert mesh.last.request.duration == Duration(seconds=7_200)
    assert mesh.last.request.silence == pb.Silence(kind=pb.ALERT_KIND_BUDGET, agent="x", reason="load test")
    assert "budget, x" in ended.out
    mesh.alerts.answers["ListSilences"] = pb.ListSilencesResponse(silences=[SILENCE])
    assert "load test" in ringfence("alert", "silences").out
    assert "is over" in ringfence("alert", "unsilence", SILENCE_ID).out
    assert mesh.last.request.name == SILENCE.name


@pytest.mark.parametrize("typed", [["--for", "2h"], ["--reason", "x"], ["--for", "soon", "--reason", "x"]])
def test_a_silence_needs_a_reason_and_an_end(ringfence: CommandLine, typed: list[str]) -> None:
    assert ringfence("alert", "silence", "--kind", "budget", *typed).code == ExitCode.USAGE
