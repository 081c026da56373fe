"""What counts: the contract of counters, and what is charged, refused and told.

The rules every implementation keeps (`tests/contract/pdp`):

- a charge is made for all its parts or for none, and no interleaving of charges and refunds lets more through than the
  limits say;
- what was charged stays charged unless it is refunded. A process that ends in between has charged: the safe side;
- a refund gives back exactly what was charged, to the window it was charged in, and never more than is still there;
- a clock that is set back opens nothing: a window that was over stays over;
- the number of keys is bounded, and of those one agent makes as well. What cannot be counted is refused.

Answers are immediate: the hot path does not wait. A store that several pdps share hands each of them portions to spend,
behind this same contract.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ringfence_kit.clock import Instant, Millis

from ringfence_pdp.limit import Limit


class Meter(NamedTuple):
    """A limit, for one key."""

    id: str
    """`policy/limit`."""
    key: str
    """Whom it counts, e.g. `agent:namespaces/data/agents/analyst@prod`."""
    limit: Limit
    until: Instant | None = None
    """For a budget that is never renewed: when it ends altogether."""


class Charge(NamedTuple):
    """A part of what one call counts."""

    meter: Meter
    amount: int
    owner: str
    """The agent that makes the key, for the bound on how many."""


class Status(NamedTuple):
    """How a meter stands."""

    meter: Meter
    remaining: int
    reset_at: Instant
    """When all of it is there again, or its window ends."""
    alerts: tuple[float, ...] = ()
    """Shares of it that are crossed and that the policy wants to be told of, ascending."""
    started_at: Instant | None = None
    """When its window began; None for a rate."""


class Receipt(NamedTuple):
    """What was charged, for a refund."""

    charge: Charge
    mark: int
    """Which window, or when it would have drained: the counters' own."""


class Reservation(NamedTuple):
    """A charge that was made, and how everything it touched stands since."""

    receipts: tuple[Receipt, ...]
    statuses: tuple[Status, ...]


class Refusal(NamedTuple):
    """A charge that was not made: nothing was counted. `status` is of the meter that takes longest to recover."""

    status: Status
    retry_after: Millis | None
    """When asking again makes sense; None when it never does."""
    crowded: bool = False
    """Whether it was refused because too many keys are counted."""


class Counters(Protocol):
    """Counts what agents do."""

    def reserve(self, charges: Sequence[Charge], now: Instant) -> Reservation | Refusal:
        """Charge all of `charges`, whose meters are distinct, or none."""
        ...

    def refund(self, reservation: Reservation, now: Instant) -> None:
        """Give back what a reservation took, once."""
        ...

    def status(self, meter: Meter, now: Instant) -> Status:
        """Return how a meter stands; one that was never charged is whole."""
        ...
