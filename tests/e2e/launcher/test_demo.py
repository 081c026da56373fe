"""`ringfence demo`: the closed loop, and what it says when the loop does not close."""

import json
from pathlib import Path

from ringfence_launcher.exit_codes import ExitCode
from support.launcher.processes import run

DENIES_READING = """
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: planted}
spec:
  governs: {agents: ["namespaces/demo/agents/*"]}
  rules:
    - {name: no-reading, match: {actions: ["read_*"]}, effect: DENY}
    - {name: write, match: {actions: ["write_*"]}, effect: ALLOW}
"""


def test_the_loop_closes(tmp_path: Path) -> None:
    ended = run("demo", "-o", "json", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    steps = json.loads(ended.stdout)["steps"]
    came = "\n".join(line for step in steps for line in step["came"])
    for expected in (
        "ALLOW ALLOWED (ring 3",
        "DENY RING_INSUFFICIENT",
        "1200 in, 80 out",
        "ALLOW ALLOWED (ring 2",
        "ring 2 → 3",
        "DENY AGENT_REVOKED",
        "DENY KILLED",
        "is not what the log hashed",
    ):
        assert expected in came
    assert list(tmp_path.iterdir()) == []


def test_it_is_told_step_by_step(tmp_path: Path) -> None:
    told = run("demo", folder=tmp_path).stdout
    assert "Time is injected: the next eight days pass in a moment." in told
    assert told.count("expected  ") == told.count("came      ") > 20
    assert "The loop is closed" in told


def test_a_planted_failure_stops_it_and_names_the_step(tmp_path: Path) -> None:
    (tmp_path / "planted.yaml").write_text(DENIES_READING)
    ended = run("demo", "--policy", "planted.yaml", folder=tmp_path)
    assert ended.returncode == ExitCode.NEGATIVE
    assert "stopped at the step 'The analyst reads'" in ended.stderr
    assert "came: DENY RULE_DENIED" in ended.stderr
    assert "The loop is closed" not in ended.stdout
    assert "Traceback" not in ended.stderr


def test_a_policy_that_does_not_compile_stops_it_too(tmp_path: Path) -> None:
    (tmp_path / "planted.yaml").write_text("kind: Nonsense\n")
    ended = run("demo", "--policy", "planted.yaml", folder=tmp_path)
    assert ended.returncode == ExitCode.NEGATIVE
    assert "stopped at the step 'Push the policy planted.yaml'" in ended.stderr
    assert "BUNDLE_INVALID" in ended.stderr
