"""The way to where gates are kept, typed as a person types it: refused with the list, let through when it is supplied.

Gates are kept in dev here, where `ringfence did enrol` needs no results of months.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.command_line import CommandLine, Ended
from support.launcher.processes import Process, running

ANALYST = "demo/analyst"
EXAMPLES = ".ringfence/examples"
PLAN = "https://example.com/plans/analyst"


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Process]:
    with running("up", "--free-ports", "--set", 'registry.gated_environments=["dev"]', folder=tmp_path) as process:
        process.wait_for("agent list")
        yield process


@pytest.fixture
def ringfence(
    mesh: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> CommandLine:
    """The command line in a newcomer's folder."""
    monkeypatch.chdir(tmp_path)
    return CommandLine(capfdbinary)


def does(ringfence: CommandLine, *arguments: str) -> Ended:
    ended = ringfence(*arguments)
    assert ended.code == 0, f"{arguments}: {ended.out} {ended.err}"
    return ended


def lacks(ringfence: CommandLine) -> list[str]:
    """Return the gates that are not met, as `agent readiness` lists them."""
    checked = ringfence("agent", "readiness", ANALYST, "-o", "json")
    assert checked.code in {ExitCode.OK, ExitCode.NEGATIVE}
    return [gate["kind"] for gate in checked.json["gates"] if not gate.get("met")]


def test_what_lacks_is_listed_and_supplied_one_after_another(ringfence: CommandLine) -> None:
    hashes = {}
    for tool in ("query", "update"):
        registered = does(
            ringfence, "tool", "register", "--file", f"{EXAMPLES}/warehouse.{tool}.tool.yaml", "-o", "json"
        )
        hashes[f"warehouse.{tool}"] = registered.json["schemaHash"]
    does(
        ringfence,
        *("agent", "register", ANALYST, "--card", f"{EXAMPLES}/analyst.card.json", "--purpose", "Answers questions."),
        *("--risk", "low", "--owner", "Ada <ada@example.com>", "--environment", "dev", "--tool", "warehouse.query"),
    )
    does(ringfence, "agent", "submit", ANALYST)
    refused = ringfence("agent", "approve", ANALYST)
    assert refused.code == ExitCode.CONFLICT
    assert "READINESS_NOT_MET" in refused.err
    shown = ringfence("agent", "readiness", ANALYST)
    assert shown.code == ExitCode.NEGATIVE
    assert "TagRevision" in shown.out or "stable" in shown.out
    before = lacks(ringfence)

    supplies = [
        ("agent", "update", ANALYST, "--tool", f"warehouse.query@{hashes['warehouse.query']}"),
        ("agent", "update", ANALYST, "--escalate", "ada@example.com 15m"),
        ("boundary", "create", "demo/sales", "--owner", "Ada <ada@example.com>", "--agent", ANALYST),
        ("agent", "update", ANALYST, "--evaluation-plan", PLAN),
        ("agent", "evaluate", ANALYST, "--plan", PLAN, "--passed"),
        ("agent", "update", ANALYST, "--slo", "https://example.com/slos/analyst"),
        ("agent", "tag", ANALYST, "latest", "stable"),
    ]
    for supply in supplies:
        does(ringfence, *supply)
        now = lacks(ringfence)
        assert len(now) == len(before) - 1, (supply, now)
        before = now

    for sponsor in ("first", "second"):
        contact = f"{sponsor}@example.com"
        does(ringfence, "sponsor", "register", sponsor, "--name", sponsor, "--contact", contact)
    does(ringfence, "did", "enrol", ANALYST, "--certificate", f"{EXAMPLES}/analyst.birth.yaml", "--key", "analyst.key")
    for _ in range(200):
        if not lacks(ringfence):
            break
    assert ringfence("agent", "readiness", ANALYST).code == ExitCode.OK
    assert does(ringfence, "agent", "approve", ANALYST, "-o", "json").json["state"] == "AGENT_STATE_ACTIVE"
