from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ringfence.telemetry.v1 import budget_pb2
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
    assert "still on the way: 4 spans" in shown


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


def test_every_filter_and_switch_is_sent(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ringfence("usage", "--team", "red", "--model", "large", "--inclusive", "--percentiles", "--group-by", "tool")
    assert mesh.last.request == pb.GetUsageRequest(
        team="red", model="large", inclusive=True, percentiles=True, group_by=[pb.USAGE_GROUP_TOOL]
    )


def test_cost_is_shown_by_currency_and_marked_when_it_is_not_all(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.telemetry.usage = pb.GetUsageResponse(
        rows=[
            pb.UsageRow(
                agent="did:a", input_tokens=9, currency="USD", cost_nanos=1_234_560_000_000, unknown_cost_calls=2
            ),
            pb.UsageRow(agent="did:a", currency="EUR", cost_nanos=1_200),
            pb.UsageRow(agent="did:b", duration_p50_micros=1_500_000, duration_p99_micros=20_000),
        ]
    )
    first, second, third, *notes = ringfence("usage", "--percentiles").out.splitlines()[1:]
    assert "1,234.56 USD ?" in first
    assert "0.000001 EUR" in second
    assert "1.50 s" in third
    assert "0.02 s" in third
    assert any("no price is known for 2 calls" in note for note in notes)


def test_usage_by_time_is_in_its_order_with_a_sparkline(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.telemetry.usage = pb.GetUsageResponse(
        rows=[
            pb.UsageRow(start_time=Timestamp(seconds=120), input_tokens=80),
            pb.UsageRow(start_time=Timestamp(seconds=60), input_tokens=10),
        ]
    )
    shown = ringfence("usage", "--group-by", "time").out
    assert shown.index("1970-01-01T00:01:00Z") < shown.index("1970-01-01T00:02:00Z")
    assert "tokens ▁█" in shown


def test_json_is_the_answer_itself(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.telemetry.usage = pb.GetUsageResponse(rows=[pb.UsageRow(agent="did:a", cost_nanos=5, currency="USD")])
    assert ringfence("usage", "-o", "json").json["rows"][0]["costNanos"] == "5"


PRICES = """
prices:
  - model: large-*
    provider: example
    effective_time: 2026-01-01T00:00:00Z
    currency: USD
    input_nanos_per_million: 3000000000
    cache_read_nanos_per_million: 300000000
    output_nanos_per_million: 15000000000
    source: its price list
"""


def test_prices_are_put_from_a_file_and_listed(ringfence: CommandLine, mesh: FakeMesh, tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(PRICES)
    assert ringfence("usage", "prices", "list").out.startswith("No prices are known")
    assert ringfence("usage", "prices", "put", str(file)).out.startswith("1 prices are new")
    (price,) = mesh.telemetry.prices
    assert (price.model, price.effective_time.ToJsonString()) == ("large-*", "2026-01-01T00:00:00Z")
    shown = ringfence("usage", "prices", "list", "--model", "large-1").out.splitlines()
    assert mesh.last.request.model == "large-1"
    for part in ("large-*", "example", "3.00", "0.30", "15.00", "USD", "its price list"):
        assert part in shown[1]


@pytest.mark.parametrize("text", ["prices: 7", "prise: []", "[]", "prices: [{model: a, model: b}]"])
def test_a_file_that_holds_no_prices_is_told(ringfence: CommandLine, tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    assert ringfence("usage", "prices", "put", str(file)).code == ExitCode.CONFIGURATION


def test_many_prices_are_listed_page_by_page(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.telemetry.page_limit = 2
    mesh.telemetry.prices = [budget_pb2.Price(model=f"m{number}", currency="USD") for number in range(5)]
    assert len(ringfence("usage", "prices", "list").out.splitlines()) == 6
    assert len(ringfence("usage", "prices", "list", "--limit", "3").out.splitlines()) == 4


def test_words_are_the_protos() -> None:
    assert {number(pb.UsageGroup, one) for one in Group} == set(pb.UsageGroup.values()) - {0}


@pytest.mark.parametrize(
    ("amount", "most", "drawn"),
    [(0, 0, ""), (0, 10, ""), (1, 1_000_000, "▏"), (10, 10, "█" * BAR_WIDTH), (5, 10, "█" * (BAR_WIDTH // 2))],
)
def test_bars(amount: int, most: int, drawn: str) -> None:
    assert bar(amount, most).plain == drawn
