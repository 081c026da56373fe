"""Histories of DIDs: however they came about they hold, in whole seconds, and no bit of them can be changed."""

from bisect import bisect_right
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.did_document import LostKey, agent_document
from ringfence.proofs.did_log import FUTURE_TOLERANCE, LogEntry
from ringfence.proofs.did_log_check import DidLogError, check_log
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.did_history import Wanted, find_version
from ringfence_identity.did_log import deactivate_log, next_version_time, update_log
from ringfence_identity.errors import DidVersionNotFound
from ringfence_kit.clock import HOUR, MINUTE, SECOND, Instant
from ringfence_kit.errors import Unavailable
from support.identity.did_logs import CARD, NOW, REGISTRAR, did_of, first_entry, text_of
from support.identity.keys import seeded_key

# What passes between two changes: mostly nothing, so that many fall into one second.
gaps = st.lists(st.one_of(st.integers(0, 999), st.integers(0, 2 * HOUR)), max_size=40)


def history(waits: list[int], *, ended: bool = False) -> tuple[list[LogEntry], Instant]:
    """Return the log of an agent that rotated after each wait, with one key lost on the way, and the time it is now."""
    entries, now = [first_entry()], NOW
    for number, wait in enumerate(waits, start=2):
        now = Instant(now + wait)
        state = agent_document(
            did=did_of(entries),
            key=public_key_of(seeded_key(number)),
            registrar=REGISTRAR,
            card_url=CARD,
            lost=[LostKey(key=public_key_of(seeded_key(2)), since=NOW)] if number > 2 else (),
        )
        key, following = seeded_key(100 + number), public_key_of(seeded_key(101 + number))
        entries.append(update_log(entries[-1], state=state, key=key, next_key=following, now=now))
    if ended:
        entries.append(deactivate_log(entries[-1], key=seeded_key(102 + len(waits)), now=now))
    return entries, now


@cache
def ended_life() -> tuple[str, list[LogEntry], Instant]:
    entries, now = history([0, 0, HOUR], ended=True)
    return text_of(entries), entries, now


@given(gaps, st.booleans())
def test_every_history_holds_in_whole_seconds_strictly_increasing(waits: list[int], ended: bool) -> None:
    entries, now = history(waits, ended=ended)
    assert check_log(text_of(entries), did=did_of(entries), now=now) == tuple(entries)
    times = [entry.version_time for entry in entries]
    assert times == sorted(set(times))
    assert all(time % SECOND == 0 for time in times)
    assert times[-1] <= now + len(entries) * SECOND


@given(st.integers(0, 10 * HOUR), st.integers(-10 * MINUTE, 10 * MINUTE))
def test_the_next_time_is_after_the_last_and_never_too_far_ahead(previous: int, drift: int) -> None:
    last = Instant(previous - previous % SECOND)
    now = Instant(max(0, last + drift))
    if last + SECOND > now + FUTURE_TOLERANCE:
        with pytest.raises(Unavailable):
            next_version_time(last, now)
        return
    following = next_version_time(last, now)
    assert last < following <= now + FUTURE_TOLERANCE
    assert following % SECOND == 0
    assert following == max(now - now % SECOND, last + SECOND)


@given(st.integers(0))
def test_any_bit_flip_of_a_log_is_refused(place: int) -> None:
    text, entries, now = ended_life()
    flipped = bytearray(text.encode())
    index, bit = divmod(place % (8 * len(flipped)), 8)
    flipped[index] ^= 1 << bit
    try:
        touched = flipped.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(DidLogError):
        check_log(touched, did=did_of(entries), now=now)


@pytest.mark.parametrize("bit", range(8))
def test_not_even_the_end_of_a_line_can_be_another_one(bit: int) -> None:
    """A vertical tab ends a line for str.splitlines, and for nobody else."""
    text, entries, now = ended_life()
    flipped = bytearray(text.encode())
    flipped[text.index("\n")] ^= 1 << bit
    with pytest.raises(DidLogError):
        check_log(flipped.decode("latin-1"), did=did_of(entries), now=now)


@given(st.data())
def test_no_line_can_be_left_out_doubled_or_moved(data: st.DataObject) -> None:
    text, entries, now = ended_life()
    lines = text.splitlines(keepends=True)
    order = data.draw(st.lists(st.integers(0, len(lines) - 1), max_size=len(lines) + 1))
    if order == list(range(len(order))) and order:
        # A beginning of a log is a log: that it goes on is for its host to tell.
        assert check_log("".join(lines[: len(order)]), did=did_of(entries), now=now)
        return
    with pytest.raises(DidLogError):
        check_log("".join(lines[index] for index in order), did=did_of(entries), now=now)


@given(gaps, st.integers(-HOUR, 90 * HOUR))
def test_by_a_moment_the_last_version_that_is_not_after_it_is_found(waits: list[int], offset: int) -> None:
    entries, _ = history(waits)
    lines, at = [entry.line for entry in entries], Instant(NOW + offset)
    wanted = Wanted(version_time=at)
    earlier = [entry for entry in entries if entry.version_time <= at]
    if not earlier:
        with pytest.raises(DidVersionNotFound):
            find_version("did:x", lines, wanted)
        return
    found = find_version("did:x", lines, wanted)
    assert found.entry == earlier[-1]
    assert found.first == entries[0]
    assert bisect_right([entry.version_time for entry in entries], at) == found.entry.number


@given(gaps, st.booleans())
def test_every_version_is_found_by_its_id_with_the_one_after_it(waits: list[int], ended: bool) -> None:
    entries, _ = history(waits, ended=ended)
    lines = [entry.line for entry in entries]
    for entry, following in zip(entries, [*entries[1:], None], strict=True):
        found = find_version("did:x", lines, Wanted(version_id=entry.version_id))
        assert (found.entry, found.following, found.deactivated) == (entry, following, ended)
        assert found.ends_the_did == (ended and following is None)


@given(gaps, st.text(max_size=60))
def test_an_id_that_is_none_of_them_finds_nothing(waits: list[int], version_id: str) -> None:
    entries, _ = history(waits[:5])
    if not version_id:
        return
    with pytest.raises(DidVersionNotFound):
        find_version("did:x", [entry.line for entry in entries], Wanted(version_id=version_id))
