"""docs/audit.md names every finding, every doubt and every setting as they are."""

import re
from pathlib import Path

from ringfence.proofs.log_export_report import Problem
from ringfence.proofs.log_witness import Doubt
from ringfence_kit.clock import ManualClock
from ringfence_kit.readiness import Readiness
from ringfence_kit.witness import LogWitness, WitnessConfig, WitnessMetrics
from ringfence_kit.witness_files import WitnessFiles
from ringfence_launcher.commands.audit import app
from ringfence_telemetry.config import TelemetryConfig
from support.witnessed_log import SteeredLog

PAGE = (Path(__file__).parents[3] / "docs" / "audit.md").read_text()


def first_cells(heading: str) -> list[str]:
    """Return what stands first in the rows of the table after a heading."""
    table = PAGE.partition(heading)[2].partition("\n\n")[0]
    return re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)


def test_every_finding_is_explained() -> None:
    assert set(first_cells("| it says |")) == {problem.value for problem in Problem}


def test_every_split_view_is_explained() -> None:
    assert set(first_cells("| doubt |")) == {doubt.value for doubt in Doubt if doubt.is_split}
    assert {doubt.value for doubt in Doubt if not doubt.is_split} == {"unsigned", "foreign"}
    assert "`unsigned` and `foreign` doubts" in PAGE


def test_commands_it_names_are_there() -> None:
    named = set(re.findall(r"ringfence audit (\w+)", PAGE))
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert named <= known
    assert named >= {"checkpoint", "entry", "prove", "export", "verify", "witnesses"}


def test_metrics_and_files_it_names_are_there(tmp_path: Path) -> None:
    witness = LogWitness(
        "registry",
        WitnessConfig(),
        log=SteeredLog,
        data=tmp_path,
        seal=None,
        clock=ManualClock(),
        readiness=Readiness(),
    )
    metrics = {metric.name for metric in WitnessMetrics("ringfence_registry", witness, ManualClock()).collect()}
    for name in re.findall(r"…(_audit_witness_\w+)", PAGE):
        assert f"ringfence_registry{name}" in metrics
    files = WitnessFiles(tmp_path, "<service>")
    assert f"witnesses/{files.evidence_file.name}" in PAGE
    assert f"witnesses/{files.believed_file.name}" in PAGE


def test_settings_it_names_are_there() -> None:
    assert hasattr(TelemetryConfig(), "witnesses")
    assert hasattr(WitnessConfig(), "log_key")
