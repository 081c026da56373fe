"""What cannot be decided from a snapshot alone, told apart before anything is logged or counted: the pdp is asked.

Calls that limits count, people who approve, what a session did before, and classifiers elsewhere need one place for all
who ask. Which calls these are follows from the policy, so most are decided here.
"""

from collections.abc import Sequence
from typing import NoReturn

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.approvals.approval import Approval, Asked, Question
from ringfence_pdp.approvals.desk import Said
from ringfence_pdp.compiled import CompiledBundle
from ringfence_pdp.limits.counters import Charge, Meter, Refusal, Reservation, Status
from ringfence_pdp.limits.metering import NOTHING_COUNTED
from ringfence_pdp.model import CheckRequest
from ringfence_pdp.policy_state import InForce
from ringfence_pdp.reckoning import Unsettled


class DecidedElsewhere(Exception):  # noqa: N818 - named for what is the case
    """This question has to be put to the pdp. Nothing was logged or counted for it here."""


def refuse_sessions(in_force: InForce[CompiledBundle], request: CheckRequest) -> None:
    """Raise DecidedElsewhere for a question in a session, when a policy asks what sessions did before."""
    policies = (in_force.compiled, in_force.candidate)
    if request.session is not None and any(one is not None and one.has_history for one in policies):
        raise DecidedElsewhere("a policy asks what sessions did before, and the pdp remembers it")


def refuse_unsettled(unsettled: Unsettled) -> NoReturn:
    """Raise DecidedElsewhere for a decision that others have a say in."""
    if unsettled.awaited:
        raise DecidedElsewhere(f"the classifier {unsettled.awaited[0]} has to be heard, and the pdp asks it")
    raise DecidedElsewhere("people have to approve it, and the pdp asks them")


class CountedElsewhere:
    """Counters that are the pdp's: whatever has to be counted is decided there."""

    def reserve(self, charges: Sequence[Charge], now: Instant) -> Reservation | Refusal:  # noqa: ARG002 - see Counters
        """Count nothing. Raises DecidedElsewhere when there is something to count."""
        if charges:
            raise DecidedElsewhere(f"{charges[0].meter.id} counts it, and the pdp counts for all")
        return NOTHING_COUNTED

    def refund(self, reservation: Reservation, now: Instant) -> None:
        """Give back nothing: nothing was counted."""

    def status(self, meter: Meter, now: Instant) -> Status:  # noqa: ARG002 - see Counters
        """Raise DecidedElsewhere."""
        raise DecidedElsewhere(f"the pdp knows how {meter.id} stands")


class AskedElsewhere:
    """People that the pdp asks."""

    async def put(self, question: Question, asked: Asked, *, named: str = "") -> Said:  # noqa: ARG002 - see People
        """Ask nobody."""
        return Said(None, "only the pdp asks people")

    def peek(self, question: Question) -> Approval | None:  # noqa: ARG002 - see People
        """Know of nothing they said."""
        return None

    def refusing(self, approval: Approval) -> Millis | None:  # noqa: ARG002 - see People
        """Know of nothing they said."""
        return None
