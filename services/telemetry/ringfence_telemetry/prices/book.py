"""The prices that are known, and which of them a call is charged by.

The rules:

- of the prices that hold in the call's minute, the one whose model matches longest counts: the whole name before a
  beginning with `*`; of those, one for the call's provider before one for any; of those, the newest;
- a price that is known stays; a call is charged by what was known when it was counted. The number of that state of the
  book is kept with the call, so that what it was charged can be taken back to the billionth, whatever is known by then.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ringfence_kit import records
from ringfence_kit.events import EMPTY, Event, Revision

from ringfence_telemetry.prices.price import Price

_REMEMBERED = 10_000
"""Models and providers whose prices were looked for."""

_VIEWS = 100
"""States of the book in memory. A trace is open for some days at most, and prices come now and then."""


PRICE = "price"
"""The kind of the events by which prices become known."""


class KnownPrice(NamedTuple):
    """A price, and since when it is known."""

    revision: Revision
    price: Price


class _Series(NamedTuple):
    """The prices of one model and provider, by date."""

    minutes: Sequence[int]
    prices: Sequence[Price]

    def at(self, minute: int) -> Price | None:
        place = bisect_right(self.minutes, minute)
        return self.prices[place - 1] if place else None


class Prices:
    """One state of the book."""

    def __init__(self, revision: Revision, prices: Iterable[Price]) -> None:
        self.revision = revision
        """Its number: the revision of the newest price in it, EMPTY without any."""
        self._series: dict[tuple[str, str], _Series] = {}
        found: dict[tuple[str, str], list[Price]] = {}
        for price in prices:
            found.setdefault((price.model, price.provider), []).append(price)
        for key, each in found.items():
            each.sort(key=lambda price: price.effective_at)
            self._series[key] = _Series([price.first_minute for price in each], each)
        beginnings = {model for model, _ in self._series if model.endswith("*")}
        self._beginnings = sorted(beginnings, key=lambda model: (-len(model), model))
        self._known: dict[tuple[str, str], Sequence[_Series]] = {}

    def price(self, model: str, provider: str, minute: int) -> Price | None:
        """Return what a call in `minute` is charged by; None when nobody said."""
        series = self._known.get((model, provider))
        if series is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            series = self._known[model, provider] = self._candidates(model, provider)
        for each in series:
            found = each.at(minute)
            if found is not None:
                return found
        return None

    def _candidates(self, model: str, provider: str) -> Sequence[_Series]:
        if not model:
            return ()
        names = [model, *(beginning for beginning in self._beginnings if model.startswith(beginning[:-1]))]
        keys = [(name, by) for name in dict.fromkeys(names) for by in dict.fromkeys((provider, ""))]
        return [self._series[key] for key in keys if key in self._series]


NO_PRICES = Prices(EMPTY, ())


class PriceBook:
    """All prices, in the order they became known. Read and added to on the event loop."""

    def __init__(self) -> None:
        self._known: dict[Revision, Price] = {}
        self._views: OrderedDict[Revision, Prices] = OrderedDict()
        self._newest = EMPTY

    @property
    def newest(self) -> Prices:
        """The book as it is now."""
        return self.as_of(self._newest)

    def learn(self, known: Iterable[KnownPrice]) -> None:
        """Add prices; those that are known already stay."""
        for revision, price in known:
            self._known[revision] = price
            self._newest = max(self._newest, revision)
        self._views.clear()

    def apply(self, event: Event) -> None:
        """Learn what an event of a price says."""
        self.learn([KnownPrice(event.revision, records.decode(event.record, Price))])

    def as_of(self, revision: Revision) -> Prices:
        """Return the book as it was when `revision` was the newest in it."""
        if revision == EMPTY:
            return NO_PRICES
        view = self._views.get(revision)
        if view is None:
            prices = [price for known_at, price in self._known.items() if known_at <= revision]
            view = self._views[revision] = Prices(revision, prices)
            if len(self._views) > _VIEWS:
                self._views.popitem(last=False)
        self._views.move_to_end(revision)
        return view
