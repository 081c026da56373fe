"""docs/telemetry.md says all there is to know by name: kinds of alerts, orders, settings and methods it points to."""

import re
from pathlib import Path

from ringfence.telemetry.v1 import alert_pb2, slo_pb2
from ringfence_kit.config import load
from ringfence_telemetry.config import TelemetryConfig
from ringfence_telemetry.foreign_reports import NOTE
from ringfence_telemetry.grants import GRANTS

PAGE = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text()


def words(names: list[str], prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in names if not name.endswith("UNSPECIFIED")]


def test_every_kind_of_alert_is_told() -> None:
    kinds = words(alert_pb2.AlertKind.keys(), "ALERT_KIND_")
    assert re.findall(r"^\| `([A-Z_]+)` \| .* \| .* \|$", PAGE, re.MULTILINE) == kinds


def test_the_orders_are_told_the_mildest_first() -> None:
    orders = words(slo_pb2.DegradeOrder.keys(), "DEGRADE_ORDER_")
    assert ", ".join(f"`{order}`" for order in orders) in " ".join(PAGE.split())


def test_settings_it_names_are_there() -> None:
    config = load({"telemetry": TelemetryConfig}).section("telemetry", TelemetryConfig)
    named = set(re.findall(r"`(ingest|forward)\.(\w+)`", PAGE))
    assert len(named) >= 6
    assert {(part, name) for part, name in named if not hasattr(getattr(config, part), name)} == set()


def test_methods_it_names_are_served() -> None:
    named = set(re.findall(r"\b(\w+Service/\w+)", PAGE))
    served = {method.removeprefix("/").rpartition(".")[2] for method in GRANTS}
    assert len(named) >= 8
    assert named - served == set()


def test_what_it_says_is_in_the_audit_log_is_called_that() -> None:
    assert f"`{NOTE}`" in PAGE
    assert "`slo-budget-exhausted`" in PAGE
