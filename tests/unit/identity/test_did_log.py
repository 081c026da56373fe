"""DID logs: built by the service, believed by two resolvers that are not the service."""

import pytest
from did_webvh.core.state import DocumentState
from did_webvh.verify import WebvhVerifier
from ringfence.proofs.did_log_check import check_log
from ringfence_identity.did_log import deactivate_log, next_version_time
from ringfence_kit.clock import DAY, MINUTE, SECOND, Instant
from ringfence_kit.errors import Unavailable
from support.identity import webvh_resolver
from support.identity.did_logs import NOW, did_of, first_entry, history, text_of
from support.identity.keys import seeded_key


async def believed_by_the_reference(log: str) -> DocumentState:
    """Load every entry with the did-webvh package, which raises when a rule is broken."""
    state: DocumentState | None = None
    lines = log.splitlines()
    verifier = WebvhVerifier(verify_proofs=True)
    for number, line in enumerate(lines, start=1):
        loaded = DocumentState.load_history_json(line, state)
        verification = verifier.verify_state(loaded, state, number == len(lines))
        if verification is not None:
            await verification
        state = loaded
    assert state is not None
    return state


@pytest.mark.parametrize("length", [1, 2, 3])
async def test_three_resolvers_agree_on_a_log(length: int) -> None:
    entries = history()[:length]
    log = text_of(entries)
    did = did_of(entries)
    ours = check_log(log, did=did, now=Instant(NOW + 2 * DAY))
    assert [entry.line for entry in ours] == log.splitlines()
    reference = await believed_by_the_reference(log)
    assert reference.document == entries[-1].state
    assert reference.deactivated is (length == 3)
    assert webvh_resolver.resolve(log, str(did)) == (None if length == 3 else entries[-1].state)


def test_two_entries_in_one_second_are_a_second_apart() -> None:
    first = first_entry(Instant(NOW + 999))
    second = deactivate_log(first, key=seeded_key(102), now=Instant(NOW + 999))
    assert (first.version_time, second.version_time) == (NOW, NOW + SECOND)


def test_a_clock_far_behind_the_log_signs_nothing() -> None:
    assert next_version_time(NOW, Instant(NOW - 4 * MINUTE)) == NOW + SECOND
    with pytest.raises(Unavailable):
        next_version_time(NOW, Instant(NOW - 5 * MINUTE))
