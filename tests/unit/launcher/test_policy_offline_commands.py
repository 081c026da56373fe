"""`ringfence policy lint|test|schema|presets`: no server is asked."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from ringfence_launcher.exit_codes import ExitCode
from ringfence_pdp.presets.catalog import PRESETS
from support.launcher.command_line import CommandLine

GOLDEN = Path(__file__).parents[2] / "golden" / "pdp" / "policy_tests"


@pytest.fixture
def policies(nowhere: Path) -> Path:
    for file in GOLDEN.glob("*.yaml"):
        (nowhere / file.name).write_bytes(file.read_bytes())
    return nowhere


def failing(policies: Path) -> None:
    path = policies / "guardrails_test.yaml"
    path.write_text(path.read_text().replace("rules: [guardrails/interns]", "rules: [guardrails/night]"))


def test_tests_that_pass(ringfence: CommandLine, policies: Path) -> None:
    ended = ringfence("policy", "test", ".")
    assert (ended.code, ended.out) == (0, "passed  22 of 22 tests\n")


def test_a_test_that_fails_is_told_with_its_place_and_what_came_out(ringfence: CommandLine, policies: Path) -> None:
    failing(policies)
    ended = ringfence("policy", "test", ".")
    assert ended.code == ExitCode.NEGATIVE
    assert "guardrails_test.yaml:25:7" in ended.out
    assert "expected rules guardrails/night, got guardrails/interns" in ended.out
    assert "failed  1 of 22 tests" in ended.out


def test_coverage_lists_what_no_test_would_miss(ringfence: CommandLine, policies: Path) -> None:
    assert "a test would miss each of the 5 rules" in ringfence("policy", "test", ".", "--coverage").out
    ended = ringfence("policy", "test", ".", "--coverage", "-k", "reads")
    assert "no test would miss 4 of 5 rules:\n  guardrails/delete\n" in ended.out


def test_programs_get_json_and_continuous_integration_gets_junit(ringfence: CommandLine, policies: Path) -> None:
    failing(policies)
    told = ringfence("policy", "test", ".", "--coverage", "--junit", "report.xml", "-o", "json").json
    assert (told["run"], told["failed"]) == (22, 1)
    assert [one["name"] for one in told["results"] if not one["passed"]] == ["an intern does not"]
    suites = ET.parse(policies / "report.xml").getroot()
    assert (suites.get("tests"), suites.get("failures")) == ("22", "1")
    (case,) = suites.findall("testsuite/testcase[failure]")
    assert (case.get("name"), case.get("file")) == ("an intern does not", "guardrails_test.yaml")


def test_policies_that_do_not_compile_are_not_tested(ringfence: CommandLine, policies: Path) -> None:
    (policies / "broken.yaml").write_text("]")
    ended = ringfence("policy", "test", ".")
    assert ended.code == ExitCode.CONFIGURATION
    assert "broken.yaml:1:1" in ended.err


def test_no_test_at_all_is_no_success(ringfence: CommandLine, policies: Path) -> None:
    assert ringfence("policy", "test", ".", "-k", "nothing is called so").code == ExitCode.CONFIGURATION


def test_a_report_that_cannot_be_written_is_told(ringfence: CommandLine, policies: Path) -> None:
    ended = ringfence("policy", "test", ".", "--junit", "nowhere/report.xml")
    assert ended.code == ExitCode.CONFIGURATION


def test_lint_reads_tests_too(ringfence: CommandLine, policies: Path) -> None:
    path = policies / "guardrails_test.yaml"
    path.write_text(path.read_text().replace("ask: {agent: intern,", "ask: {agent: interns,", 1))
    ended = ringfence("policy", "lint", ".")
    assert ended.code == ExitCode.NEGATIVE
    assert "guardrails_test.yaml:26" in ended.out
    assert "there is no agent 'interns'" in ended.out


def test_the_schema_is_json(ringfence: CommandLine, nowhere: Path) -> None:
    assert json.loads(ringfence("policy", "schema").out)["title"] == "Ringfence policy"


def test_presets_are_listed(ringfence: CommandLine, nowhere: Path) -> None:
    shown = ringfence("policy", "presets").out
    assert all(preset.example in shown for preset in PRESETS.values())


@pytest.mark.parametrize("call", [*PRESETS, "rate_limit(5, 1s, per=team)"])
def test_what_a_preset_stands_for_can_be_pasted_into_a_policy(ringfence: CommandLine, nowhere: Path, call: str) -> None:
    ended = ringfence("policy", "presets", call)
    assert ended.code == 0
    assert set(yaml.safe_load(ended.out)) <= {"rules", "limits", "filters"}


@pytest.mark.parametrize("call", ["readonly", "rate_limit(5)"])
def test_a_preset_that_there_is_not_is_a_usage_error(ringfence: CommandLine, nowhere: Path, call: str) -> None:
    assert ringfence("policy", "presets", call).code == ExitCode.USAGE
