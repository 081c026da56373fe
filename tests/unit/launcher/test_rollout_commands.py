"""`ringfence policy upload` to `status`: what is sent, what is shown, and what is not done when it is not clear."""

from pathlib import Path

import pytest
from ringfence.pdp.v1 import bundle_pb2 as pb
from ringfence_launcher.exit_codes import ExitCode
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh

ACTIVE, BEFORE, KEPT = (f"sha256-{digit * 64}" for digit in "abc")


@pytest.fixture(autouse=True)
def kept(mesh: FakeMesh, nowhere: Path) -> None:
    """Three bundles, the newest of which decides nothing yet; and a policy to upload."""
    mesh.pdp.kept = [pb.Bundle(name=f"bundles/{digest}", digest=digest) for digest in (KEPT, ACTIVE, BEFORE)]
    mesh.pdp.rollout = pb.Rollout(active=f"bundles/{ACTIVE}", previous=f"bundles/{BEFORE}", etag='"3-rollout"')
    (nowhere / "policies").mkdir(exist_ok=True)
    (nowhere / "policies" / "a.yaml").write_text("a: 1\n")


def test_what_is_uploaded_decides_nothing_and_says_what_is_next(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ended = ringfence("policy", "upload", "policies", "--ignore-tests")
    assert ended.code == 0, ended.err
    assert mesh.last.request.ignore_tests
    assert [file.path for file in mesh.last.request.files] == ["a.yaml"]
    assert "ringfence policy shadow" in ended.err


def test_without_a_name_the_newest_that_does_not_decide_is_tried(ringfence: CommandLine, mesh: FakeMesh) -> None:
    ended = ringfence("policy", "shadow", "--max-flips", "0.05", "--min-decisions", "20", "--etag", '"3-rollout"')
    assert ended.code == 0, ended.err
    sent = mesh.last.request
    assert (sent.candidate, sent.mode, sent.etag) == (f"bundles/{KEPT}", pb.ROLLOUT_MODE_SHADOW, '"3-rollout"')
    assert (sent.auto_abort.max_flip_rate, sent.auto_abort.min_decisions) == (0.05, 20)
    assert "tried in the shadow" in ended.out


def test_a_trial_is_ended(ringfence: CommandLine, mesh: FakeMesh) -> None:
    assert ringfence("policy", "shadow", "--stop").code == 0
    assert (mesh.last.request.mode, mesh.last.request.candidate) == (pb.ROLLOUT_MODE_NONE, "")


@pytest.mark.parametrize("typed", ["sha256-bb", "bb", f"bundles/{BEFORE}"])
def test_a_bundle_is_named_by_the_beginning_of_its_digest(ringfence: CommandLine, mesh: FakeMesh, typed: str) -> None:
    assert ringfence("policy", "canary", typed, "--percent", "10").code == 0
    sent = mesh.last.request
    assert (sent.candidate, sent.mode, sent.percent) == (f"bundles/{BEFORE}", pb.ROLLOUT_MODE_CANARY, 10)


def test_a_canary_goes_on_with_what_is_tried(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.pdp.rollout.candidate = f"bundles/{BEFORE}"
    assert ringfence("policy", "canary", "-p", "50").code == 0
    assert mesh.last.request.candidate == f"bundles/{BEFORE}"


def test_what_names_several_bundles_or_none_changes_nothing(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.pdp.kept.append(pb.Bundle(name="bundles/sha256-cd", digest="sha256-cd"))
    several, none = ringfence("policy", "shadow", "c"), ringfence("policy", "shadow", "f")
    assert (several.code, none.code) == (ExitCode.CONFLICT, ExitCode.NOT_FOUND)
    assert "2 kept bundles begin with c" in several.err
    assert not mesh.pdp.changes


def test_a_canary_without_a_share_is_no_command(ringfence: CommandLine) -> None:
    assert ringfence("policy", "canary").code == ExitCode.USAGE


def test_promoting_says_how_to_go_back(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.pdp.rollout.candidate = f"bundles/{KEPT}"
    ended = ringfence("policy", "promote")
    assert (ended.code, "ringfence policy rollback" in ended.err) == (0, True)


def test_going_back_needs_a_reason(ringfence: CommandLine, mesh: FakeMesh) -> None:
    assert ringfence("policy", "rollback").code == ExitCode.USAGE
    assert ringfence("policy", "rollback", "-r", "exports were denied").code == 0
    assert (mesh.last.request.name, mesh.last.request.reason) == ("", "exports were denied")
    assert ringfence("policy", "rollback", "bb", "-r", "older").code == 0
    assert mesh.last.request.name == f"bundles/{BEFORE}"


def test_the_list_says_what_part_each_bundle_has(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.pdp.rollout.candidate = f"bundles/{KEPT}"
    lines = ringfence("policy", "bundles").out.splitlines()
    parts = {line.split()[0]: line.split()[1] for line in lines[1:]}
    assert parts == {KEPT: "tried", ACTIVE: "decides", BEFORE: "before"}


def test_flips_are_an_answer_and_show_where_to_look(ringfence: CommandLine, mesh: FakeMesh) -> None:
    assert ringfence("policy", "flips").code == 0
    mesh.pdp.flips = pb.GetWouldFlipsResponse(
        candidate=f"bundles/{KEPT}",
        decisions=10,
        flips=4,
        by_rule=[pb.WouldFlip(before="ALLOW", after="DENY", rule="house/read", count=4, example_decision_id="d-1")],
    )
    ended = ringfence("policy", "flips")
    assert ended.code == ExitCode.NEGATIVE
    assert "4 (40.0%)" in ended.out
    assert "ringfence replay --decision d-1" in ended.err


def test_the_status_says_why_a_trial_ended(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.pdp.rollout.aborted_because = "60 of 100 decisions came out otherwise"
    assert "60 of 100 decisions came out otherwise" in ringfence("policy", "status").out


def test_a_kept_bundle_is_shown_by_name(ringfence: CommandLine, mesh: FakeMesh) -> None:
    mesh.pdp.files = [pb.PolicyFile(path="a.yaml", content=b"a: 1\n")]
    assert ringfence("policy", "show", "cc").code == 0
    assert mesh.last.request.name == f"bundles/{KEPT}"
