"""Times and periods as people type them, and who is who in a column."""

import datetime as dt

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from ringfence_launcher.words import counted, from_now, moment, period, time_text, unpriced, who


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
        ("2026-01-31T08:00:00+02:00", "2026-01-31T06:00:00Z"),
        ("2026-01-31 08:00:00Z", "2026-01-31T08:00:00Z"),
    ],
)
def test_a_moment_has_an_offset(typed: str, meant: str) -> None:
    found = moment(typed, option="--since")
    assert found is not None
    assert time_text(found) == meant


def test_no_moment_is_none() -> None:
    assert moment("", option="--since") is None


@pytest.mark.parametrize("typed", ["yesterday", "2026-01-31", "2026-01-31T08:00:00", "2026-02-30T00:00:00Z", "0"])
def test_a_moment_that_could_mean_two_things_is_none(typed: str) -> None:
    with pytest.raises(typer.BadParameter, match="--since"):
        moment(typed, option="--since")


@pytest.mark.parametrize(
    ("typed", "seconds"), [("1s", 1), ("45m", 2_700), ("12h", 43_200), ("7d", 604_800), ("90s", 90)]
)
def test_a_period_is_a_number_and_a_unit(typed: str, seconds: int) -> None:
    assert period(typed, option="--for").total_seconds() == seconds


@pytest.mark.parametrize("typed", ["", "0h", "-1h", "1", "h", "1w", "1.5h", "1 h", "9999999d", "1H", "\u0661h"])
def test_another_spelling_is_refused(typed: str) -> None:
    with pytest.raises(typer.BadParameter, match="--for"):
        period(typed, option="--for")


def test_a_period_from_now_ends_in_the_future() -> None:
    ends = from_now("1h", option="--for").ToDatetime(dt.UTC)
    assert dt.timedelta(minutes=59) < ends - dt.datetime.now(dt.UTC) <= dt.timedelta(hours=1)


@given(st.integers(1, 999_999), st.sampled_from("smhd"))
def test_every_period_that_can_be_typed_has_an_end(count: int, unit: str) -> None:
    assert period(f"{count}{unit}", option="--for") > dt.timedelta()
    assert from_now(f"{count}{unit}", option="--for").seconds > 0


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("did:web:mesh.example:agents:01J8ZQ5T3W:dev:analyst", "…ZQ5T3W:dev:analyst"),
        ("did:web:agents.example:analyst", "did:web:agents.example:analyst"),
        ("namespaces/demo/agents/an-agent-with-a-long-name", "namespaces/demo/agents/an-agent-with-a-long-name"),
        ("", ""),
    ],
)
def test_of_a_long_did_a_column_shows_the_end(agent: str, shown: str) -> None:
    assert who(agent) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 policies"), (1, "1 policy"), (2, "2 policies"), (1_200, "1,200 policies")]
)
def test_one_is_not_many(count: int, shown: str) -> None:
    assert counted(count, "policy", "policies") == shown
    assert counted(count, "rule") == shown.replace("policies", "rules").replace("policy", "rule")


def test_calls_without_a_price_say_what_to_do() -> None:
    assert unpriced(1) == "no price is known for 1 call: ringfence usage prices put FILE"
    assert unpriced(1200) == "no price is known for 1,200 calls: ringfence usage prices put FILE"
