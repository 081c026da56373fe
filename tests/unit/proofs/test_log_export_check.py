"""Attack stories on an exported audit log: each must be named for what it is, and an honest export must pass."""

import base64
import json
from collections.abc import Callable
from itertools import pairwise

import pytest
from ringfence.proofs.log_export import write_checkpoint, write_entry, write_header
from ringfence.proofs.log_export_check import FINDINGS_MAX, verify_export
from ringfence.proofs.log_export_report import Problem, Report, TrustedKey
from ringfence.proofs.merkle import EMPTY_ROOT, Frontier, leaf_hash
from ringfence.proofs.signed_note import Checkpoint, NoteSigner
from support.telemetry.heads import note_signer

ORIGIN = "log.example/audit"


OLD, CURRENT, STRANGER = (note_signer(ORIGIN, seed) for seed in (1, 2, 3))
KEYS = (TrustedKey(CURRENT.verifier), TrustedKey(OLD.verifier, last_size=4))
SIZES = (4, 8, 12)


def bodies(count: int = 12) -> list[bytes]:
    return [json.dumps({"decision": number}).encode() for number in range(count)]


def head(entries: list[bytes], size: int, by: NoteSigner = CURRENT, origin: str = ORIGIN) -> str:
    frontier, _ = Frontier().grow([leaf_hash(entry) for entry in entries[:size]])
    return by.sign(Checkpoint(origin, size, frontier.root()).text())


def export(entries: list[bytes], heads: list[str]) -> list[str]:
    return [
        write_header(ORIGIN),
        *(write_entry(index, body) for index, body in enumerate(entries)),
        *(write_checkpoint(note) for note in heads),
    ]


def honest() -> list[str]:
    entries = bodies()
    return export(entries, [head(entries, 4, OLD), head(entries, 8), head(entries, 12)])


def verify(lines: list[str], seen: tuple[str, ...] = ()) -> Report:
    return verify_export(lines, KEYS, seen)


def problems(report: Report) -> list[tuple[Problem, int | None, int | None]]:
    return [(finding.problem, finding.first_index, finding.end_index) for finding in report.findings]


def entry_line(index: int) -> int:
    """Where entry `index` stands in an export."""
    return index + 1


def with_body(line: str, body: bytes) -> str:
    """Return the line of an entry with another body and the hash it had."""
    return json.dumps({**json.loads(line), "body": base64.b64encode(body).decode()})


def test_an_honest_export_is_whole_and_signed() -> None:
    report = verify(honest())
    assert report.ok
    assert (report.origin, report.entries, report.proven, report.heads) == (ORIGIN, 12, 12, 3)
    assert report.root == Frontier().grow([leaf_hash(body) for body in bodies()])[0].root()


def test_an_earlier_look_at_an_honest_log_agrees() -> None:
    assert verify(honest(), seen=(head(bodies(), 0), head(bodies(), 7), head(bodies(), 12))).ok


def test_an_empty_log_with_a_signed_head_is_honest() -> None:
    report = verify(export([], [head([], 0)]))
    assert report.ok
    assert report.root == EMPTY_ROOT


def test_an_altered_entry_is_named() -> None:
    lines = honest()
    lines[entry_line(5)] = with_body(lines[entry_line(5)], b'{"decision":"none"}')
    report = verify(lines)
    assert problems(report) == [
        (Problem.ALTERED, 5, 6),
        (Problem.REWRITTEN, 4, 8),
        (Problem.UNSIGNED, 4, 12),
    ]
    assert report.findings[0].detail == "entry 5 is not what the log hashed"


def test_swapped_bodies_are_named_as_a_swap() -> None:
    lines, entries = honest(), bodies()
    for place, other in ((2, 9), (9, 2)):
        lines[entry_line(place)] = with_body(lines[entry_line(place)], entries[other])
    report = verify(lines)
    assert report.findings[0].detail == "entries 2 and 9 stand in each other's place"
    assert report.findings[0].problem is Problem.SWAPPED


def test_swapped_lines_are_named() -> None:
    lines = honest()
    lines[entry_line(6)], lines[entry_line(7)] = lines[entry_line(7)], lines[entry_line(6)]
    assert problems(verify(lines)) == [(Problem.SWAPPED, 6, 7)]


def test_a_swap_with_hashes_computed_anew_is_still_named() -> None:
    entries = bodies()
    heads = [head(entries, size) for size in SIZES]
    entries[5], entries[7] = entries[7], entries[5]
    report = verify(export(entries, heads))
    assert problems(report) == [(Problem.REWRITTEN, 4, 8), (Problem.UNSIGNED, 4, 12)]
    assert report.findings[0].detail == "entries 5 and 7 were swapped and their hashes computed anew"


def test_a_change_with_hashes_computed_anew_is_placed_between_two_heads() -> None:
    entries = bodies()
    heads = [head(entries, size) for size in SIZES]
    entries[9] = b"{}"
    report = verify(export(entries, heads))
    assert problems(report) == [(Problem.REWRITTEN, 8, 12), (Problem.UNSIGNED, 8, 12)]
    assert "computed anew" in report.findings[0].detail
    assert report.proven == 8


def test_a_dropped_entry_is_named() -> None:
    lines = honest()
    del lines[entry_line(3)]
    report = verify(lines)
    assert report.findings[0].detail == "entry 3 is missing: dropped from the file"
    assert problems(report)[:2] == [(Problem.MISSING, 3, 4), (Problem.TRUNCATED, 3, 12)]


def test_dropped_runs_are_named_each() -> None:
    lines = honest()
    del lines[entry_line(8) : entry_line(10)], lines[entry_line(1) : entry_line(3)]
    assert [finding.detail for finding in verify(lines).findings if finding.problem is Problem.MISSING] == [
        "entries 1 to 2 are missing: dropped from the file",
        "entries 8 to 9 are missing: dropped from the file",
    ]


def test_the_last_entry_dropped_is_a_truncation() -> None:
    lines = honest()
    del lines[entry_line(11)]
    assert (Problem.TRUNCATED, 11, 12) in problems(verify(lines))


def test_a_dropped_entry_hidden_by_renumbering_is_noticed() -> None:
    entries = bodies()
    heads = [head(entries, size) for size in SIZES]
    del entries[6]
    found = problems(verify(export(entries, heads)))
    assert (Problem.REWRITTEN, 4, 8) in found
    assert (Problem.TRUNCATED, 11, 12) in found


def test_a_rollback_is_noticed_by_whoever_looked_before() -> None:
    entries = bodies()
    rolled_back = export(entries[:8], [head(entries, 4), head(entries, 8)])
    assert verify(rolled_back).ok
    assert problems(verify(rolled_back, seen=(head(entries, 12),))) == [(Problem.TRUNCATED, 8, 12)]


def test_a_fork_is_proven_by_two_heads() -> None:
    entries = bodies()
    shown_before = head(entries, 10)
    entries[6] = b'{"decision":"forged"}'
    report = verify(export(entries, [head(entries, size) for size in SIZES]), seen=(head(bodies(), 5), shown_before))
    assert problems(report) == [(Problem.FORKED, 5, 10)]
    assert "part between entries 5 and 9" in report.findings[0].detail


def test_a_fork_inside_one_file_is_noticed() -> None:
    entries, other = bodies(), bodies()
    other[0] = b"{}"
    found = problems(verify(export(entries, [head(entries, 12), head(other, 12)])))
    assert (Problem.FORKED, 0, 12) in found


def test_a_fork_at_a_size_the_file_does_not_reach() -> None:
    entries, other = bodies(), bodies()
    other[11] = b"{}"
    report = verify(export(entries[:8], [head(entries, 12)]), seen=(head(other, 12),))
    assert (Problem.FORKED, 0, 12) in problems(report)


def test_a_head_by_a_retired_key_is_named() -> None:
    entries = bodies()
    report = verify(export(entries, [head(entries, 8), head(entries, 12, OLD)]))
    assert problems(report) == [(Problem.RETIRED_KEY, None, None), (Problem.UNSIGNED, 8, 12)]
    assert "retired at 4 entries" in report.findings[0].detail
    assert OLD.verifier.key_id.hex() in report.findings[0].detail


def test_a_head_by_a_key_nobody_pinned_is_named() -> None:
    entries = bodies()
    report = verify(export(entries, [head(entries, 12, STRANGER)]))
    assert problems(report) == [(Problem.UNKNOWN_KEY, None, None), (Problem.UNSIGNED, 0, 12)]


def test_a_forged_signature_is_named() -> None:
    entries = bodies()
    forged = head(entries, 8).replace("\n8\n", "\n12\n")
    report = verify(export(entries, [forged]))
    assert problems(report)[0] == (Problem.BAD_SIGNATURE, None, None)
    assert not report.heads


def test_a_head_of_another_log_proves_nothing_here() -> None:
    entries = bodies()
    other = note_signer("another.example/audit", 2)
    report = verify(export(entries, [head(entries, 12, other, origin="another.example/audit")]))
    assert "of the log another.example/audit" in report.findings[0].detail


def test_entries_after_the_newest_head_are_not_vouched_for() -> None:
    entries = bodies()
    assert problems(verify(export(entries, [head(entries, 8)]))) == [(Problem.UNSIGNED, 8, 12)]


def test_a_file_without_heads_proves_nothing() -> None:
    assert problems(verify(export([], []))) == [(Problem.UNSIGNED, None, None)]


def test_a_repeated_entry_is_named() -> None:
    lines = honest()
    lines.insert(entry_line(4), write_entry(3, b"{}"))
    assert problems(verify(lines)) == [(Problem.REPEATED, 3, 4)]


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[" * 100_000,
        "[]",
        "{}",
        '{"index":true,"leaf_hash":"","body":""}',
        '{"index":12,"leaf_hash":"00","body":"e30="}',
        '{"index":12,"leaf_hash":"zz","body":"e30="}',
        '{"index":12,"leaf_hash":"' + "00" * 32 + '","body":"***"}',
        '{"format":"ringfence-audit-export/2","origin":"x"}',
        '{"index":12,"body":"' + "A" * 1_000_000 + '"}',
        '{"index":' + "9" * 4_300 + ',"leaf_hash":"' + "00" * 32 + '","body":"e30="}',
        '{"index":-1,"leaf_hash":"' + "00" * 32 + '","body":"e30="}',
    ],
    ids=range(12),
)
def test_a_line_that_is_none_is_reported(line: str) -> None:
    assert problems(verify([*honest(), line])) == [(Problem.UNREADABLE, None, None)]


@pytest.mark.parametrize("origin", ["", "\ud800", "\x1b[2J", "two\nlines"])
def test_a_log_whose_name_no_checkpoint_can_hold(origin: str) -> None:
    report = verify([write_header(origin), *honest()[1:]])
    assert report.origin == ""
    assert "names its log in characters that no checkpoint holds" in report.findings[0].detail


def test_two_exports_joined_are_reported() -> None:
    lines = honest()
    assert (Problem.UNREADABLE, None, None) in problems(verify([*lines, *lines]))


def test_a_file_that_is_no_export() -> None:
    report = verify(["hello\n"])
    assert [finding.problem for finding in report.findings] == [
        Problem.UNREADABLE,
        Problem.UNREADABLE,
        Problem.UNSIGNED,
    ]


def test_a_thoroughly_broken_file_is_bounded() -> None:
    report = verify([write_header(ORIGIN), *["garbage"] * (FINDINGS_MAX + 50)])
    assert len(report.findings) == FINDINGS_MAX
    assert report.more_findings == 51  # the lines, and that nothing is signed


def test_entries_with_absurd_numbers_are_a_gap_and_no_more() -> None:
    found = problems(verify([*honest(), write_entry(2**62, b"{}"), write_entry(-1, b"{}")]))
    assert (Problem.MISSING, 12, 2**62) in found


@pytest.mark.parametrize(
    "attack", [lambda line: line, str.upper, lambda line: line[:-10]], ids=["none", "upper", "cut"]
)
def test_the_signed_head_of_a_file_stands_for_all_of_it(attack: Callable[[str], str]) -> None:
    lines = honest()
    changed = [*lines[:-1], attack(lines[-1])]
    assert verify(changed).ok == (changed == lines)


def test_the_sizes_used_here_are_in_order() -> None:
    assert all(first < second for first, second in pairwise(SIZES))
