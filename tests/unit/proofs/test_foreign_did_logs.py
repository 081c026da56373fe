"""DID logs the `did-webvh` package wrote: what keeps our rules is taken, and each rule that is broken is refused.

Its signer does as it is told, so a log can break a rule and still be well hashed and well signed throughout.
"""

import pytest
from ringfence.instants import HOUR, Instant
from ringfence.proofs.did_log_check import DidLogError, check_log
from support.identity.foreign_logs import ForeignLog
from support.identity.keys import seeded_key

NOW = Instant(1_767_225_600_000)
LATER = Instant(NOW + HOUR)
ONE, TWO, THREE, THIEF = seeded_key(1), seeded_key(2), seeded_key(3), seeded_key(66)


def begun(**parameters: object) -> ForeignLog:
    return ForeignLog(ONE, committed=[TWO], at=NOW, **parameters)


def test_a_log_that_begins_goes_on_and_ends() -> None:
    log = begun()
    assert len(check_log(log.text, did=log.did, now=NOW)) == 1
    log.go_on(TWO, committed=[THREE], at=LATER)
    assert len(check_log(log.text, did=log.did, now=LATER)) == 2
    log.go_on(THREE, committed=[], at=Instant(LATER + HOUR), deactivated=True)
    entries = check_log(log.text, did=log.did, now=Instant(LATER + HOUR))
    assert [entry.version_time for entry in entries] == [NOW, LATER, LATER + HOUR]
    assert entries[-1].parameters["deactivated"] is True


def test_one_of_several_committed_keys_may_be_shown() -> None:
    log = ForeignLog(ONE, committed=[TWO, THREE], at=NOW)
    log.go_on(THREE, committed=[TWO], at=LATER)
    assert len(check_log(log.text, did=log.did, now=LATER)) == 2


def test_a_key_nobody_committed_to_does_not_go_on() -> None:
    log = begun()
    log.go_on(THIEF, committed=[THREE], at=LATER)
    with pytest.raises(DidLogError, match="not committed"):
        check_log(log.text, did=log.did, now=LATER)


def test_a_key_in_force_cannot_be_used_again_where_another_was_committed_to() -> None:
    log = begun()
    log.go_on(ONE, committed=[TWO], at=LATER)
    with pytest.raises(DidLogError, match="not committed"):
        check_log(log.text, did=log.did, now=LATER)


def test_nothing_follows_the_end() -> None:
    log = begun()
    log.go_on(TWO, committed=[THREE], at=LATER, deactivated=True)
    log.go_on(THREE, committed=[ONE], at=Instant(LATER + HOUR))
    with pytest.raises(DidLogError, match="follows the one that deactivated"):
        check_log(log.text, did=log.did, now=Instant(LATER + HOUR))


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"portable": True}, "portable"),
        ({"witness": {"threshold": 1, "witnesses": []}}, "not allowed here"),
        ({"watchers": ["https://watcher.example.com"]}, "not allowed here"),
        ({"ttl": 60}, "not allowed here"),
    ],
)
def test_what_we_do_not_check_is_not_taken(parameters: dict[str, object], problem: str) -> None:
    log = begun(**parameters)
    with pytest.raises(DidLogError, match=problem):
        check_log(log.text, did=log.did, now=NOW)


def test_a_log_from_a_clock_that_is_ahead_is_refused_until_then() -> None:
    log = begun()
    with pytest.raises(DidLogError, match="future"):
        check_log(log.text, did=log.did, now=Instant(NOW - HOUR))


def test_two_logs_cannot_be_spliced() -> None:
    log, other = begun(), ForeignLog(ONE, committed=[TWO], at=Instant(NOW + 1_000))
    log.go_on(TWO, committed=[THREE], at=LATER)
    other.go_on(TWO, committed=[THREE], at=LATER)
    spliced = f"{log.lines[0]}\n{other.lines[1]}\n"
    with pytest.raises(DidLogError, match="another DID"):
        check_log(spliced, did=log.did, now=LATER)
