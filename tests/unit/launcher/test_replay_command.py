"""`ringfence replay` over a log of the tests' own: found by id, from the end, or in an export."""

import json
from pathlib import Path

import pytest
from ringfence.proofs.log_export import write_entry, write_header
from ringfence_launcher.exit_codes import ExitCode
from ringfence_pdp.bundle import PolicyFile
from ringfence_pdp.evidence import entries
from support.launcher.command_line import CommandLine
from support.launcher.fake_services import FakeMesh
from support.pdp.replays import logged_in
from support.pdp.world import ALLOW_ALL, ask, policy

DENY_ALL = policy("{name: none, match: {actions: ['*']}, effect: DENY}")


@pytest.fixture
def ids(mesh: FakeMesh) -> list[str]:
    """A log of three decisions with their facts, and what belongs to others between them."""
    bodies = logged_in([PolicyFile(path="p.yaml", content=ALLOW_ALL.encode())], [ask(f"read_{n}") for n in range(3)])
    mesh.telemetry.log.bodies[:] = [b'{"type":"outcome"}', *bodies]
    decisions = [json.loads(body) for body in bodies if json.loads(body)["type"] == "decision"]
    return [decision["decision_id"] for decision in decisions]


def counts(out: str) -> dict[str, int]:
    return {name: count for name, count in json.loads(out).items() if isinstance(count, int) and count}


def test_the_last_decisions_are_replayed_from_the_log(ringfence: CommandLine, ids: list[str]) -> None:
    ended = ringfence("replay", "--last", "2", "-o", "json")
    assert ended.code == 0, ended.err
    assert counts(ended.out) == {"decisions": 2, "same": 2}
    assert [one["decisionId"] for one in json.loads(ended.out)["replays"]] == ids[-2:]


def test_one_decision_is_found_by_its_id_with_the_facts_it_names(ringfence: CommandLine, ids: list[str]) -> None:
    ended = ringfence("replay", "--decision", ids[0], "-o", "json")
    assert counts(ended.out) == {"decisions": 1, "same": 1}, ended.err


def test_another_bundle_says_what_would_change_and_is_an_answer(
    ringfence: CommandLine, ids: list[str], nowhere: Path
) -> None:
    (nowhere / "strict.yaml").write_text(DENY_ALL)
    ended = ringfence("replay", "--last", "10", "--bundle", "strict.yaml")
    assert ended.code == ExitCode.NEGATIVE
    assert "ALLOW ALLOWED" in ended.out
    assert "DENY RULE_DENIED" in ended.out
    assert ids[0] in ended.out


def test_what_was_changed_after_the_fact_is_found(ringfence: CommandLine, mesh: FakeMesh, ids: list[str]) -> None:
    place, body = len(mesh.telemetry.log.bodies) - 1, mesh.telemetry.log.bodies[-1]
    mesh.telemetry.log.bodies[place] = body.replace(b'"ALLOW"', b'"DENY"')
    ended = ringfence("replay", "--last", "3")
    assert ended.code == ExitCode.NEGATIVE
    assert ids[-1] in ended.out
    assert "other bytes" in ended.out


def test_a_fact_that_is_not_in_the_log_is_told(ringfence: CommandLine, mesh: FakeMesh, ids: list[str]) -> None:
    mesh.telemetry.log.bodies[:] = [body for body in mesh.telemetry.log.bodies if b'"address":"bundle:' not in body]
    ended = ringfence("replay", "--last", "3")
    assert (ended.code, "is not in the log" in ended.out) == (ExitCode.NEGATIVE, True)
    assert ids


def test_an_export_is_replayed_without_a_server(
    ringfence: CommandLine, mesh: FakeMesh, ids: list[str], nowhere: Path
) -> None:
    lines = [write_entry(index, body) for index, body in enumerate(mesh.telemetry.log.bodies)]
    (nowhere / "log.jsonl").write_text(write_header("x") + "".join(lines))
    ended = ringfence("replay", "--export", "log.jsonl", "-o", "json")
    assert counts(ended.out) == {"decisions": len(ids), "same": len(ids)}, ended.err


@pytest.mark.parametrize("arguments", [(), ("--last", "1", "--decision", "x"), ("--last", "1", "--export", "x")])
def test_it_is_said_which_decisions(ringfence: CommandLine, arguments: tuple[str, ...]) -> None:
    assert ringfence("replay", *arguments).code == ExitCode.USAGE


def test_policies_that_do_not_compile_are_told_by_file_and_line(ringfence: CommandLine, nowhere: Path) -> None:
    (nowhere / "bad.yaml").write_text("kind: nonsense\n")
    ended = ringfence("replay", "--last", "1", "--bundle", "bad.yaml")
    assert (ended.code, "bad.yaml:1" in ended.err) == (ExitCode.CONFIGURATION, True)


def test_a_long_fact_is_cut_and_put_together_again() -> None:
    assert [len(json.loads(body)["content"]) for _, body in entries("bundle:x", "y" * 25_000)] == [
        10_000,
        10_000,
        5_000,
    ]
    assert [json.loads(body)["parts"] for _, body in entries("bundle:x", "")] == [1]
