"""docs/filters.md says what is so: its policies and rules compile, its Python runs, its metrics and reasons exist."""

import re
import tomllib
from pathlib import Path

from ringfence_kit.clock import ManualClock
from ringfence_kit.config import load
from ringfence_kit.ids import counting_ids
from ringfence_kit.server_config import ServerConfig
from ringfence_pdp.app import build
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.classifiers.reply import Cause
from ringfence_pdp.compile import compile_files
from ringfence_pdp.config import PdpConfig
from ringfence_pdp.filters.finding import Action, ArgumentType, Origin, Severity
from ringfence_pdp.model import Reason
from ringfence_pdp.policy_filters import FilterUse
from ringfence_pdp.presets.catalog import PRESETS

PAGE = (Path(__file__).parents[3] / "docs" / "filters.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_its_policies_and_rules_are_one_bundle_with_nothing_to_remark() -> None:
    files = [PolicyFile(path=f"{n}.yaml", content=text.encode()) for n, text in enumerate(blocks("yaml"))]
    compiled = compile_files(files)
    assert compiled.findings == ()
    assert [one.written.use for one in compiled.filters] == [FilterUse.INTENT, FilterUse.ORIGIN, FilterUse.PATTERNS]


def test_its_python_runs_and_finds_what_it_says(capsys: object) -> None:
    [program] = blocks("python")
    known = {"page": "The report for May.", "Origin": Origin, "Severity": Severity}
    exec(program, known)
    found = known["found"]
    assert [one.id for one in found.findings] == ["origin.mail"]  # type: ignore[attr-defined] # what the page's program made


def test_its_settings_are_ones() -> None:
    sections = [tomllib.loads(text)["pdp"] for text in blocks("toml")]
    [classifier] = [one for section in sections for one in section.get("classifiers", ())]
    flags = {f"pdp.classifiers.{name}": value for name, value in classifier.items()}
    assert set(flags) == {f"pdp.classifiers.{name}" for name in ("name", "address", "ca_file", "deadline")}


def test_every_metric_exists(tmp_path: Path) -> None:
    config = load({"pdp": PdpConfig}).section("pdp", PdpConfig)
    server = ServerConfig(dev=True, data=tmp_path)
    service = build(config, server, clock=ManualClock(), new_id=counting_ids())
    there = {metric.name for collector in service.collectors for metric in collector.collect()}
    named = {name.removesuffix("_total") for name in re.findall(r"`(ringfence_pdp_\w+)", PAGE)}
    assert named - there == set()
    for metric in ("filter_findings", "scans", "scan_seconds", "classifier_questions", "classifier_resting"):
        assert f"ringfence_pdp_{metric}" in named


def test_every_word_there_is_to_choose_is_told() -> None:
    words = [
        *(use.value for use in FilterUse),
        *(reason.name for reason in Reason if reason.name.startswith(("CONTENT_", "FILTER_", "ORIGIN_"))),
        *(one.word for one in ArgumentType),
        *(cause.value for cause in Cause),
    ]
    assert [word for word in words if f"`{word}`" not in PAGE] == []
    assert all(action.name in PAGE for action in Action if action)
    assert "content_filters" in PRESETS
