"""Whatever single thing is done to an export, it is found, named and placed; and a verifier of its own agrees."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ringfence.proofs.cosignature import with_signatures
from ringfence.proofs.log_export import write_checkpoint, write_entry, write_header
from ringfence.proofs.log_export_check import verify_export
from ringfence.proofs.log_export_report import Finding, Problem, Report, TrustedKey
from ringfence.proofs.merkle import Frontier, leaf_hash
from ringfence.proofs.signed_note import Checkpoint, NoteSigner
from support import rfc_verifier
from support.telemetry.heads import note_signer
from support.telemetry.witnessing import cosigner, line_under

ORIGIN = "log.example/audit"
LOG, OLD, STRANGER = (note_signer(ORIGIN, seed) for seed in (1, 2, 3))
W1, W2 = cosigner(), cosigner("witness.example/w2", seed=102)


def note_of(bodies: list[bytes], size: int, by: NoteSigner = LOG) -> str:
    frontier, _ = Frontier().grow(leaf_hash(body) for body in bodies[:size])
    return by.sign(Checkpoint(ORIGIN, size, frontier.root()).text())


@dataclass(slots=True)
class Exported:
    """An export to tamper with: what it states, entry by entry and head by head, and what was seen before."""

    bodies: list[bytes]
    sizes: list[int]
    stated: list[tuple[int, str, bytes]] = field(init=False)
    """Index, leaf hash and body of each line."""
    notes: list[str] = field(init=False)
    seen: list[str] = field(default_factory=list)
    keys: list[TrustedKey] = field(default_factory=lambda: [TrustedKey(LOG.verifier)])
    quorum: int = 0

    def __post_init__(self) -> None:
        self.stated = [(index, leaf_hash(body).hex(), body) for index, body in enumerate(self.bodies)]
        self.notes = [note_of(self.bodies, size) for size in self.sizes]

    @property
    def count(self) -> int:
        return len(self.bodies)

    def state(self, bodies: list[bytes]) -> None:
        """State these entries, numbered and hashed anew."""
        self.stated = [(index, leaf_hash(body).hex(), body) for index, body in enumerate(bodies)]

    def lines(self) -> list[str]:
        entries = [
            json.dumps({"index": index, "leaf_hash": stated, "body": base64.b64encode(body).decode()}) + "\n"
            for index, stated, body in self.stated
        ]
        return [write_header(ORIGIN), *entries, *map(write_checkpoint, self.notes)]

    def judge(self) -> Report:
        witnesses = [W1.witness, W2.witness]
        return verify_export(self.lines(), self.keys, self.seen, witnesses=witnesses, least_witnesses=self.quorum)

    def holds_for_the_other(self) -> bool:
        return rfc_verifier.export_holds(self.lines(), origin=ORIGIN, public_key=LOG.verifier.public_key)


@st.composite
def exports(draw: st.DrawFn) -> Exported:
    """Draw an honest export of at least two different entries, with heads anywhere and one of all."""
    bodies = draw(st.lists(st.binary(max_size=12), min_size=2, max_size=24, unique=True))
    return Exported(bodies, [*sorted(draw(st.lists(st.integers(0, len(bodies)), max_size=3))), len(bodies)])


def covers(finding: Finding, index: int) -> bool:
    return (
        finding.first_index is not None
        and finding.end_index is not None
        and (finding.first_index <= index < finding.end_index)
    )


def named(report: Report, problem: Problem, *places: int) -> None:
    """Fail unless a finding of this kind covers these places."""
    found = [each for each in report.findings if each.problem is problem]
    assert any(all(covers(each, place) for place in places) for each in found), (problem, places, report.findings)


def said(report: Report, words: str) -> None:
    assert any(words in each.detail for each in report.findings), (words, report.findings)


Draw = Callable[[st.SearchStrategy[int]], int]


def alter(it: Exported, draw: Draw) -> Callable[[Report], None]:
    place = draw(st.integers(0, it.count - 1))
    index, stated, body = it.stated[place]
    it.stated[place] = (index, stated, body + b"!")
    return lambda report: named(report, Problem.ALTERED, place)


def rewrite(it: Exported, draw: Draw) -> Callable[[Report], None]:
    place = draw(st.integers(0, it.count - 1))
    it.state([*it.bodies[:place], it.bodies[place] + b"!", *it.bodies[place + 1 :]])
    return lambda report: named(report, Problem.REWRITTEN, place)


def rewrite_several(it: Exported, draw: Draw) -> Callable[[Report], None]:
    first = draw(st.integers(0, it.count - 1))
    end = draw(st.integers(first + 1, it.count))
    it.state([body + b"!" if first <= place < end else body for place, body in enumerate(it.bodies)])
    return lambda report: named(report, Problem.REWRITTEN, first)


def swap_bodies(it: Exported, draw: Draw) -> Callable[[Report], None]:
    one = draw(st.integers(0, it.count - 2))
    other = draw(st.integers(one + 1, it.count - 1))
    for place, source in ((one, other), (other, one)):
        index, stated, _ = it.stated[place]
        it.stated[place] = (index, stated, it.bodies[source])

    def check(report: Report) -> None:
        said(report, f"entries {one} and {other} stand in each other's place")

    return check


def swap_and_rehash(it: Exported, draw: Draw) -> Callable[[Report], None]:
    one = draw(st.integers(0, it.count - 2))
    other = draw(st.integers(one + 1, it.count - 1))
    bodies = list(it.bodies)
    bodies[one], bodies[other] = bodies[other], bodies[one]
    it.state(bodies)
    return lambda report: named(report, Problem.REWRITTEN, one)


def swap_lines(it: Exported, draw: Draw) -> Callable[[Report], None]:
    one = draw(st.integers(0, it.count - 2))
    other = draw(st.integers(one + 1, it.count - 1))
    it.stated[one], it.stated[other] = it.stated[other], it.stated[one]
    return lambda report: named(report, Problem.SWAPPED, one)


def drop_from_the_middle(it: Exported, draw: Draw) -> Callable[[Report], None]:
    place = draw(st.integers(0, it.count - 2))
    del it.stated[place]
    return lambda report: named(report, Problem.MISSING, place)


def drop_the_last(it: Exported, draw: Draw) -> Callable[[Report], None]:
    del it.stated[-1]
    return lambda report: named(report, Problem.TRUNCATED, it.count - 1)


def drop_and_renumber(it: Exported, draw: Draw) -> Callable[[Report], None]:
    place = draw(st.integers(0, it.count - 2))
    it.state([*it.bodies[:place], *it.bodies[place + 1 :]])

    def check(report: Report) -> None:
        named(report, Problem.TRUNCATED, it.count - 1)
        if any(place < size < it.count for size in it.sizes):
            named(report, Problem.REWRITTEN, place)

    return check


def truncate(it: Exported, draw: Draw) -> Callable[[Report], None]:
    left = draw(st.integers(0, it.count - 1))
    del it.stated[left:]
    return lambda report: named(report, Problem.TRUNCATED, *range(left, it.count))


def roll_back(it: Exported, draw: Draw) -> Callable[[Report], None]:
    """Take entries and heads away together: only who looked before can tell."""
    left = draw(st.integers(0, it.count - 1))
    it.seen = [note_of(it.bodies, it.count)]
    del it.stated[left:]
    it.notes = [note_of(it.bodies, left)]
    return lambda report: named(report, Problem.TRUNCATED, *range(left, it.count))


def insert(it: Exported, draw: Draw) -> Callable[[Report], None]:
    place = draw(st.integers(0, it.count - 1))
    it.state([*it.bodies[:place], b"inserted by somebody", *it.bodies[place:]])

    def check(report: Report) -> None:
        said(report, f"entry {place} was inserted")
        named(report, Problem.UNSIGNED, it.count)

    return check


def append(it: Exported, draw: Draw) -> Callable[[Report], None]:
    it.state([*it.bodies, b"appended by somebody"])
    return lambda report: named(report, Problem.UNSIGNED, it.count)


def repeat(it: Exported, draw: Draw) -> Callable[[Report], None]:
    place = draw(st.integers(0, it.count - 1))
    it.stated.insert(place, it.stated[place])
    return lambda report: named(report, Problem.REPEATED, place)


def fork(it: Exported, draw: Draw) -> Callable[[Report], None]:
    """Another history from an entry on, signed by the log's own key: only who looked before can tell."""
    place = draw(st.integers(0, it.count - 1))
    it.seen = [note_of(it.bodies, size) for size in it.sizes]
    other = [*it.bodies[:place], *(body + b"!" for body in it.bodies[place:])]
    it.state(other)
    it.notes = [note_of(other, it.count)]
    return lambda report: named(report, Problem.FORKED, place)


def fork_in_the_file(it: Exported, draw: Draw) -> Callable[[Report], None]:
    size = draw(st.integers(1, it.count))
    it.notes.append(note_of([body + b"!" for body in it.bodies], size))

    def check(report: Report) -> None:
        found = {each.problem for each in report.findings}
        assert found & {Problem.FORKED, Problem.REWRITTEN}

    return check


def sign_with_an_unknown_key(it: Exported, draw: Draw) -> Callable[[Report], None]:
    it.notes = [note_of(it.bodies, size, STRANGER) for size in it.sizes]
    return lambda report: said(report, f"is signed by {ORIGIN}+{STRANGER.verifier.key_id.hex()} only")


def sign_with_an_old_key(it: Exported, draw: Draw) -> Callable[[Report], None]:
    retired_at = draw(st.integers(0, it.count - 1))
    it.keys.append(TrustedKey(OLD.verifier, last_size=retired_at))
    it.notes[-1] = note_of(it.bodies, it.count, OLD)
    return lambda report: said(report, f"a key retired at {retired_at} entries")


def spoil_a_signature(it: Exported, draw: Draw) -> Callable[[Report], None]:
    place = draw(st.integers(0, len(it.notes) - 1))
    text, _, line = it.notes[place].rpartition(" ")
    raw = bytearray(base64.b64decode(line.strip()))
    raw[draw(st.integers(4, len(raw) - 1))] ^= 1 << draw(st.integers(0, 7))
    it.notes[place] = f"{text} {base64.b64encode(raw).decode()}\n"
    return lambda report: named_at_all(report, Problem.BAD_SIGNATURE)


def take_the_heads_away(it: Exported, draw: Draw) -> Callable[[Report], None]:
    it.notes = []
    return lambda report: named(report, Problem.UNSIGNED, *range(it.count))


def another_log(it: Exported, draw: Draw) -> Callable[[Report], None]:
    other = note_signer("other.example", 1)
    frontier, _ = Frontier().grow(leaf_hash(body) for body in it.bodies)
    it.notes = [other.sign(Checkpoint("other.example", it.count, frontier.root()).text())]
    return lambda report: said(report, "of the log other.example")


def named_at_all(report: Report, problem: Problem) -> None:
    assert any(each.problem is problem for each in report.findings), report.findings


SEEN_BY_OTHERS_ONLY = (roll_back, fork)
"""What no file shows by itself."""

TAMPERINGS = [
    alter,
    rewrite,
    rewrite_several,
    swap_bodies,
    swap_and_rehash,
    swap_lines,
    drop_from_the_middle,
    drop_the_last,
    drop_and_renumber,
    truncate,
    roll_back,
    insert,
    append,
    repeat,
    fork,
    fork_in_the_file,
    sign_with_an_unknown_key,
    sign_with_an_old_key,
    spoil_a_signature,
    take_the_heads_away,
    another_log,
]


@given(exports())
def test_an_honest_export_holds_for_both(it: Exported) -> None:
    assert it.judge().ok
    assert it.holds_for_the_other()


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
@given(exports(), st.data())
def test_every_tampering_is_found_named_and_placed(
    tamper: Callable[[Exported, Draw], Callable[[Report], None]], it: Exported, data: st.DataObject
) -> None:
    check = tamper(it, data.draw)
    report = it.judge()
    assert not report.ok
    check(report)
    assert it.holds_for_the_other() == (tamper in SEEN_BY_OTHERS_ONLY)


@given(exports(), st.data())
def test_a_swap_hidden_by_hashes_is_named_when_it_lies_between_two_heads(it: Exported, data: st.DataObject) -> None:
    it.sizes = [it.count]
    it.notes = it.notes[-1:]
    one = data.draw(st.integers(0, it.count - 2))
    other = data.draw(st.integers(one + 1, it.count - 1))
    bodies = list(it.bodies)
    bodies[one], bodies[other] = bodies[other], bodies[one]
    it.state(bodies)
    said(it.judge(), f"entries {one} and {other} were swapped and their hashes computed anew")


class TestWitnesses:
    @given(exports())
    def test_who_stands_behind_what_is_told(self, it: Exported) -> None:
        it.notes[-1] = with_signatures(it.notes[-1], [line_under(it.notes[-1], by=W1, seconds=77)])
        it.quorum = 1
        report = it.judge()
        assert report.ok
        assert [(each.witness, each.size, each.seconds) for each in report.witnesses] == [
            (W1.witness, it.count, 77),
            (W2.witness, None, 0),
        ]
        assert report.standing_behind == 1

    @given(exports())
    def test_too_few_are_a_finding(self, it: Exported) -> None:
        it.notes[-1] = with_signatures(it.notes[-1], [line_under(it.notes[-1], by=W1)])
        it.quorum = 2
        named_at_all(it.judge(), Problem.UNWITNESSED)

    @given(exports())
    def test_who_signed_an_earlier_head_stands_behind_that_much(self, it: Exported) -> None:
        size = it.sizes[0]
        assume(size < it.count)
        it.notes[0] = with_signatures(it.notes[0], [line_under(it.notes[0], by=W2)])
        report = it.judge()
        assert report.ok
        assert (report.witnesses[1].size, report.standing_behind) == (size, 0)

    @given(exports(), st.integers(0, 71), st.integers(0, 7))
    def test_a_spoilt_cosignature_is_named(self, it: Exported, place: int, bit: int) -> None:
        text, _, encoded = line_under(it.notes[-1], by=W1).rpartition(" ")
        raw = bytearray(base64.b64decode(encoded))
        raw[4 + place] ^= 1 << bit
        it.notes[-1] = with_signatures(it.notes[-1], [f"{text} {base64.b64encode(raw).decode()}"])
        report = it.judge()
        named_at_all(report, Problem.BAD_SIGNATURE)
        assert report.witnesses[0].size is None

    @given(exports())
    def test_strangers_count_for_nothing(self, it: Exported) -> None:
        posing = cosigner(W1.witness.name, seed=9)
        lines = [line_under(it.notes[-1], by=posing), line_under(it.notes[-1], by=cosigner("x.example", seed=8))]
        it.notes[-1] = with_signatures(it.notes[-1], lines)
        report = it.judge()
        assert report.ok
        assert report.standing_behind == 0

    @given(exports())
    def test_a_witness_does_not_stand_in_for_the_log(self, it: Exported) -> None:
        unsigned = note_of(it.bodies, it.count, STRANGER)
        it.notes = [with_signatures(unsigned, [line_under(unsigned, by=W1), line_under(unsigned, by=W2)])]
        report = it.judge()
        named_at_all(report, Problem.UNKNOWN_KEY)
        assert [each.size for each in report.witnesses] == [None, None]


def test_an_export_written_by_the_package_is_read_by_the_other() -> None:
    bodies = [b"a", b"b", b"c"]
    lines = [write_header(ORIGIN), *(write_entry(i, body) for i, body in enumerate(bodies))]
    lines.append(write_checkpoint(note_of(bodies, 3)))
    assert rfc_verifier.export_holds(lines, origin=ORIGIN, public_key=LOG.verifier.public_key)
