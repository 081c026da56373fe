import pytest
from ringfence.telemetry.v1 import telemetry_pb2 as pb
from ringfence_launcher.commands.usage import Group
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.views.usage import BAR_WIDTH, bar
from ringfence_launcher.words import number
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh


def test_rows_are_exact_and_have_bars(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.telemetry.usage = pb.GetUsageResponse(
        rows=[
            pb.UsageRow(
                agent="did:a", input_tokens=1_200_000, output_tokens=80, span_count=3, duration_micros=1_500_000
            ),
            pb.UsageRow(agent="did:b", input_tokens=600_000, untrusted=True),
        ],
        pending_spans=4,
    )
    shown = ringfence("usage").out
    first, second = shown.splitlines()[1:3]
    assert "1,200,080" in first
    assert "1.5 s" in first
    assert first.count("█") == BAR_WIDTH
    assert BAR_WIDTH // 2 - 1 <= second.count("█") <= BAR_WIDTH // 2
    assert "reported by somebody not bound" in shown
    assert "4 more spans" in shown


def test_the_window_and_the_filters_are_sent(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ringfence(
        *("usage", "--agent", "did:a", "--session", "s", "--group-by", "model", "--group-by", "session"),
        *("--since", "2026-11-01", "--until", "2026-11-02T10:30:00Z"),
    )
    sent = mesh.last.request
    assert (sent.agent, sent.session) == ("did:a", "s")
    assert list(sent.group_by) == [pb.USAGE_GROUP_MODEL, pb.USAGE_GROUP_SESSION]
    assert sent.start_time.ToJsonString() == "2026-11-01T00:00:00Z"
    assert sent.end_time.ToJsonString() == "2026-11-02T10:30:00Z"


def test_without_a_window_none_is_sent(ringfence: CommandLine, mesh: FakeMesh) -> None:
    assert ringfence("usage").out == "nothing was used\n"
    assert not mesh.last.request.HasField("start_time")
    assert list(mesh.last.request.group_by) == [pb.USAGE_GROUP_AGENT]


def test_a_time_that_is_none_is_a_usage_error(ringfence: CommandLine) -> None:
    assert ringfence("usage", "--since", "yesterday").code == ExitCode.USAGE


def test_words_are_the_protos() -> None:
    assert {number(pb.UsageGroup, one) for one in Group} == set(pb.UsageGroup.values()) - {0}


@pytest.mark.parametrize(
    ("amount", "most", "drawn"),
    [(0, 0, ""), (0, 10, ""), (1, 1_000_000, "▏"), (10, 10, "█" * BAR_WIDTH), (5, 10, "█" * (BAR_WIDTH // 2))],
)
def test_bars(amount: int, most: int, drawn: str) -> None:
    assert bar(amount, most).plain == drawn
