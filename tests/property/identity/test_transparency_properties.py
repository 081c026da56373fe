"""What holds for the log of mutations whatever happens: every prefix, every entry, every byte that somebody changes."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from ringfence.proofs.canonical_json import canonical
from ringfence.proofs.merkle import (
    EMPTY_ROOT,
    Digest,
    Frontier,
    ProofInvalid,
    consistency_proof,
    frontier_at,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from ringfence_identity.registrars import PRINCIPAL
from ringfence_identity.store_memory.transparency import CHECKPOINT, ENTRIES, TILES, TREE, MemoryEventLog, MemoryLog
from ringfence_identity.transparency.entries import entry_body, revision_of
from ringfence_identity.transparency.log import LogDoesNotFit, check_log, log_keys
from ringfence_kit.callers import ANONYMOUS
from ringfence_kit.clock import EPOCH, Instant
from ringfence_kit.events import Change, Event, Revision
from ringfence_kit.log_keys import LogKeys
from ringfence_kit.log_tiles import TileId, add_to_tiles, subtrees_of
from ringfence_kit.memory import MemoryRows
from support.identity.logged import ORIGIN, open_log_keys

SIZE = 700
"""Entries of the log that is tampered with: tiles on two levels, with a ragged edge."""

names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
instants = st.integers(0, 253_402_300_799_999).map(Instant)


@cache
def keys() -> LogKeys:
    with TemporaryDirectory() as directory:
        return open_log_keys(Path(directory))


def event(revision: int, *, name: str = "sponsors/a", actor: str = "dev:operator", record: bytes = b"{}") -> Event:
    change = Change.MODIFIED
    return Event(
        revision=Revision(revision), change=change, kind="sponsor", name=name, record=record, at=EPOCH, actor=actor
    )


def logged(groups: Sequence[int]) -> MemoryRows:
    """Return a log that grew by transactions of so many events."""
    rows, append, revision = MemoryRows({}), MemoryEventLog(keys()), 0
    for size in groups:
        append(rows, [event(revision + n + 1, name=f"sponsors/{revision + n}") for n in range(size)])
        revision += size
    return rows


def leaves_of(rows: MemoryRows) -> list[Digest]:
    return [leaf_hash(entry.body) for _, entry in sorted(rows.table(ENTRIES).items())]


def root_of(leaves: Sequence[Digest]) -> Digest:
    """Return the root as RFC 9162 2.1.1 defines it: by itself, not by our code."""
    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(root_of(leaves[:split]), root_of(leaves[split:]))


groups = st.lists(st.integers(1, 40), max_size=12)


@given(groups)
def test_however_it_grew_it_is_the_tree_of_its_entries(sizes: list[int]) -> None:
    rows = logged(sizes)
    leaves, tree = leaves_of(rows), MemoryLog(rows).log_tree()
    assert (tree.size, tree.root()) == (len(leaves), root_of(leaves))
    assert [entry.index for _, entry in sorted(rows.table(ENTRIES).items())] == list(range(sum(sizes)))
    assert MemoryLog(rows).log_tree() == MemoryLog(logged([1] * sum(sizes))).log_tree()
    check_log(MemoryLog(rows), keys(), revision=sum(sizes))


@given(groups.filter(bool), st.data())
def test_every_prefix_is_consistent_and_every_entry_is_provable(sizes: list[int], data: st.DataObject) -> None:
    rows = logged(sizes)
    leaves, subtree = leaves_of(rows), subtrees_of(MemoryLog(rows).log_tile)
    first = data.draw(st.integers(0, len(leaves)))
    second = data.draw(st.integers(first, len(leaves)))
    old, new = root_of(leaves[:first]), root_of(leaves[:second])
    verify_consistency(first, old, second, new, consistency_proof(first, second, subtree))
    assume(second > 0)
    index = data.draw(st.integers(0, second - 1))
    verify_inclusion(leaves[index], index, second, inclusion_proof(index, second, subtree), new)


@cache
def big() -> tuple[MemoryRows, Digest]:
    rows = logged([SIZE])
    return rows, MemoryLog(rows).log_tree().root()


def copied() -> MemoryRows:
    rows, _ = big()
    fresh = MemoryRows({})
    fresh.table(ENTRIES).update(rows.table(ENTRIES))
    fresh.table(TILES).update(rows.table(TILES))
    fresh.table(TREE).update(rows.table(TREE))
    return fresh


def verify(rows: MemoryRows, indexes: set[int]) -> None:
    """Check entries as whoever has the signed root does. Tiles that do not even have their size prove nothing."""
    _, root = big()
    for index in indexes:
        subtree = subtrees_of(MemoryLog(rows).log_tile)
        try:
            proof = inclusion_proof(index, SIZE, subtree)
        except (ValueError, IndexError) as error:
            raise ProofInvalid(str(error)) from error
        verify_inclusion(leaf_hash(rows.table(ENTRIES)[index].body), index, SIZE, proof, root)


LARGE = 70_000
"""Leaves of a tree whose tiles stand on three levels."""


@cache
def large() -> Mapping[TileId, bytes]:
    _, completed = Frontier().grow(leaf_hash(f"{number}".encode()) for number in range(LARGE))
    return add_to_tiles(completed, lambda _: b"")


@given(st.integers(1, LARGE), st.data())
def test_a_proof_reads_a_few_tiles_however_large_the_log(size: int, data: st.DataObject) -> None:
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    for prove in (
        lambda subtree: inclusion_proof(index, size, subtree),
        lambda subtree: consistency_proof(first, size, subtree),
        lambda subtree: frontier_at(size, subtree),
    ):
        read = list[TileId]()

        def tile(wanted: TileId, read: list[TileId] = read) -> bytes:
            read.append(wanted)
            return large()[wanted]

        prove(subtrees_of(tile))
        assert len(read) <= 6  # two on each of three levels: the one on the way and the one at the edge


@given(st.integers(0, SIZE - 1), st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_of_any_entry_is_found(index: int, place: int, flip: int) -> None:
    rows = copied()
    entry = rows.table(ENTRIES)[index]
    body = bytearray(entry.body)
    body[place % len(body)] ^= flip
    rows.table(ENTRIES)[index] = type(entry)(
        index=index, subject=entry.subject, body=bytes(body), appended_at=entry.appended_at
    )
    with pytest.raises(ProofInvalid):
        verify(rows, {index})


@given(st.sampled_from(sorted(big()[0].table(TILES))), st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_of_any_tile_is_found(tile: TileId, place: int, flip: int) -> None:
    rows = copied()
    hashes = bytearray(rows.table(TILES)[tile])
    place %= len(hashes)
    hashes[place] ^= flip
    rows.table(TILES)[tile] = bytes(hashes)
    # Its sibling's proof holds it, or that of an entry in the subtree beside it.
    changed = (tile.index * 256 + place // 32) << 8 * tile.level
    beside = ((tile.index * 256 + place // 32) ^ 1) << 8 * tile.level
    found = {index for index in (changed, beside, 0, 256, 512, SIZE - 1) if index < SIZE}
    with pytest.raises(ProofInvalid):
        verify(rows, found)


@given(st.integers(1, SIZE), st.booleans())
def test_no_other_log_passes_for_the_signed_one(size: int, longer: bool) -> None:
    rows = copied()
    other, _ = Frontier().grow(leaf_hash(f"{n}".encode()) for n in range(size if longer else max(1, size - 1)))
    rows.table(CHECKPOINT)[""] = keys().head(other, EPOCH)
    with pytest.raises(LogDoesNotFit):
        check_log(MemoryLog(rows), keys(), revision=SIZE)


@given(names, names, names, instants, st.sampled_from(Change), st.integers(1, 2**53 - 1))
def test_an_entry_is_canonical_and_says_what_happened(
    kind: str, name: str, environment: str, at: Instant, change: Change, revision: int
) -> None:
    record = json.dumps({"environment": environment, "more": [1, 2]}).encode()
    happened = Event(
        revision=Revision(revision), change=change, kind=kind, name=name, record=record, at=at, actor=PRINCIPAL
    )
    body = entry_body(happened, keys().in_the_log)
    said = json.loads(body)
    assert canonical(said) == body
    assert (said["kind"], said["name"], said["environment"]) == (kind, name, environment)
    assert (said["change"], said["actor"], revision_of(body)) == (change.name.lower(), PRINCIPAL, revision)


@given(st.lists(st.tuples(names, st.binary(max_size=20)), min_size=2, max_size=2, unique=True))
def test_different_events_have_different_entries(two: list[tuple[str, bytes]]) -> None:
    one, other = (
        entry_body(event(1, name=name, record=json.dumps({"a": raw.hex()}).encode()), keys().in_the_log)
        for name, raw in two
    )
    assert one != other


@given(names.filter(lambda name: not name.startswith(("did:", "spiffe://", "dns:", "dev:"))))
def test_a_person_is_a_digest_that_stays_the_same(name: str) -> None:
    assume(name not in (PRINCIPAL, ANONYMOUS.principal))
    told = keys().in_the_log(name)
    assert told == keys().in_the_log(name)
    assert told.startswith("person:")
    assert len(name) < 3 or name not in told.removeprefix("person:") or set(name) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    "principal", [PRINCIPAL, ANONYMOUS.principal, "did:web:a.example", "spiffe://mesh/pdp", "dns:pdp", "dev:operator"]
)
def test_agents_and_services_are_named(principal: str) -> None:
    assert keys().in_the_log(principal) == principal


def test_keys_are_opened_before_they_are_used() -> None:
    unopened: Callable[[str], str] = log_keys(ORIGIN, own=PRINCIPAL).in_the_log
    with pytest.raises(RuntimeError, match="before its keys"):
        unopened("somebody")
