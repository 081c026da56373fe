"""What a snapshot is not enough for is told apart, and nothing is made up about it."""

from typing import Any

import pytest
from ringfence_kit.clock import EPOCH
from ringfence_pdp.limits.metering import NOTHING_COUNTED
from ringfence_pdp.reckoning import Unsettled
from ringfence_pdp.snapshots.elsewhere import AskedElsewhere, CountedElsewhere, DecidedElsewhere, refuse_unsettled

UNREAD: Any = None
"""What nobody may look at here."""


def unsettled(*awaited: str) -> Unsettled:
    return Unsettled(UNREAD, UNREAD, UNREAD, UNREAD, b"", awaited)


@pytest.mark.parametrize(("awaited", "why"), [(("guard",), "the classifier guard"), ((), "people have to approve it")])
def test_who_has_a_say_is_named(awaited: tuple[str, ...], why: str) -> None:
    with pytest.raises(DecidedElsewhere, match=why):
        refuse_unsettled(unsettled(*awaited))


def test_what_nothing_counts_is_not_elsewhere() -> None:
    assert CountedElsewhere().reserve((), EPOCH) is NOTHING_COUNTED


async def test_people_are_not_asked_and_said_nothing() -> None:
    people = AskedElsewhere()
    said = await people.put(UNREAD, UNREAD)
    assert (said.yes, said.waits, said.problem) == (False, False, "only the pdp asks people")
    assert people.peek(UNREAD) is None
    assert people.refusing(UNREAD) is None
