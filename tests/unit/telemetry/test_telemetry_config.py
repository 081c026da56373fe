"""Telemetry's settings: the sample says what the defaults are, and what is wrong is named."""

from pathlib import Path

import pytest
from ringfence_kit.clock import ManualClock
from ringfence_kit.config import ConfigInvalid, load
from ringfence_kit.ids import counting_ids
from ringfence_kit.refusals import StartRefused
from ringfence_kit.server_config import ServerConfig
from ringfence_telemetry.app import build
from ringfence_telemetry.config import TelemetryConfig
from ringfence_telemetry.labels import LabelLimits

SAMPLE = Path(__file__).parents[3] / "services" / "telemetry" / "telemetry.toml"


def section(**flags: str) -> TelemetryConfig:
    return load(
        {"telemetry": TelemetryConfig}, flags={f"telemetry.{key}": text for key, text in flags.items()}
    ).section("telemetry", TelemetryConfig)


def test_the_sample_says_what_the_defaults_are() -> None:
    sample = load({"telemetry": TelemetryConfig}, file=SAMPLE).section("telemetry", TelemetryConfig)
    assert sample == TelemetryConfig()


def test_files_lie_in_the_data_directory_unless_told_otherwise() -> None:
    config = TelemetryConfig()
    assert config.database_url(Path("/data")) == "sqlite:////data/telemetry.db"
    assert config.log_path(Path("/data")) == Path("/data/telemetry-log")
    assert config.key_path(Path("/data")) == Path("/data/telemetry.keys")
    moved = section(database="postgresql://db/telemetry", log_directory="/log", key_file="/keys")
    assert moved.database_url(Path("/data")) == "postgresql://db/telemetry"
    assert (moved.log_path(Path("/data")), moved.key_path(Path("/data"))) == (Path("/log"), Path("/keys"))


def test_label_limits_are_the_settings() -> None:
    assert section(**{"ingest.agents_per_day": "7"}).ingest.label_limits() == LabelLimits(agents=7)


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "log.example/ä"])
def test_a_log_is_named_so_that_every_tool_can_read_it(origin: str) -> None:
    with pytest.raises(ConfigInvalid, match="audit_origin"):
        section(audit_origin=origin)


def test_a_request_limit_beyond_otlps_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="max_request_bytes"):
        section(**{"ingest.max_request_bytes": str((64 << 20) + 1)})


def test_outside_of_development_the_key_file_is_sealed() -> None:
    with pytest.raises(StartRefused, match="RINGFENCE_TELEMETRY_SEAL"):
        build(TelemetryConfig(), ServerConfig(), clock=ManualClock(), new_id=counting_ids())
