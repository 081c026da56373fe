"""What usage and prices ask of storage."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, TypeAlias

from ringfence_kit.clock import Instant
from ringfence_kit.store import Recorder

from ringfence_telemetry.durations import Buckets
from ringfence_telemetry.prices.book import KnownPrice
from ringfence_telemetry.prices.price import Price
from ringfence_telemetry.usage import CallerKey, Counts, UsageKey
from ringfence_telemetry.usage_query import UsageQuery, UsageTotals

NO_DURATIONS: Mapping[UsageKey, Buckets] = {}
NOBODY_CALLED: Mapping[CallerKey, Counts] = {}

PricePlace: TypeAlias = tuple[str, str, Instant]
"""A price's place in the list: by model, provider and date."""


class RollupTx(Protocol):
    """Usage in a transaction."""

    def add_usage(
        self,
        changes: Mapping[UsageKey, Counts],
        durations: Mapping[UsageKey, Buckets] = NO_DURATIONS,
        called: Mapping[CallerKey, Counts] = NOBODY_CALLED,
    ) -> None:
        """Add `changes` to the totals, in whatever row their minutes are counted by now; a total that becomes all zero
        may be kept or dropped. `durations` are of keys of `changes`; `called` is what callers had others do."""
        ...

    def fold_usage(self, step: int, *, before: int, limit: int) -> int:
        """Fold up to `limit` rows that begin before a minute into rows of `step` minutes; return how many were folded.

        The minute is a multiple of an hour, and what is folded into hours has been folded into five minutes before.
        When fewer than `limit` were left, whatever comes for those minutes is counted in the rows they became.
        """
        ...

    def forget_usage(self, *, before: int, sessions_before: int, hours_before: int) -> int:
        """Drop the oldest hour of rows that begin before a minute: of all, of sessions, of agents by the hour.

        Return how many rows were dropped; 0 when nothing older is left. The minutes are multiples of a day, `before`
        of four days.
        """
        ...

    def has_usage(self, agent: str) -> bool:
        """Say whether any trusted usage is counted for `agent`."""
        ...


class PriceRows(Protocol):
    """Prices in a transaction. Reads see the transaction's own writes."""

    def price(self, model: str, provider: str, effective_at: Instant) -> Price | None:
        """Return the price of exactly this model, provider and date, or None."""
        ...

    def keep_price(self, known: KnownPrice) -> None:
        """Keep a new price."""
        ...


class PriceTx(PriceRows, Recorder, Protocol):
    """What prices are put with."""


class UsageStore(Protocol):
    """Reads of usage and prices outside a mutation."""

    async def usage(self, query: UsageQuery) -> Sequence[UsageTotals]:
        """Return the totals a query asks for, most tokens first, ties by their groups' values.

        Raises InvalidRequest when percentiles of very many rows are asked for.
        """
        ...

    async def known_prices(self) -> Sequence[KnownPrice]:
        """Return every price, in the order they became known."""
        ...

    async def prices(self, *, models: Collection[str], after: PricePlace | None, limit: int) -> Sequence[Price]:
        """Return up to `limit` prices after a place, in order; of the names `models` only, when any are given."""
        ...
