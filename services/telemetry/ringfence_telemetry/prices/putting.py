"""Putting prices: a price that is known stays, since it is what the past cost."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ringfence_kit import records
from ringfence_kit.clock import SECOND, Instant
from ringfence_kit.events import Change
from ringfence_kit.store import Mutation, Writer

from ringfence_telemetry.alerts.book import resolve
from ringfence_telemetry.alerts.draft import AlertKind
from ringfence_telemetry.errors import PriceConflict
from ringfence_telemetry.prices.book import PRICE, KnownPrice
from ringfence_telemetry.prices.price import Price
from ringfence_telemetry.store.alerts import AlertRows
from ringfence_telemetry.store.usage import PriceTx

MODEL = "model"
"""Under this the evidence of an alert about an unknown price names the model."""


class PuttingTx(PriceTx, AlertRows, Protocol):
    """What prices are put with."""


class PriceDesk:
    """Takes prices."""

    def __init__(self, writer: Writer[PuttingTx]) -> None:
        self._writer = writer

    async def put(self, prices: Sequence[Price], *, mutation: Mutation) -> int:
        """Add prices, all or none; return how many were new. Raises PriceConflict.

        What is charged from now on is charged by them, and who waited for one of them is told no more that it lacks.
        """

        def work(tx: PuttingTx) -> int:
            new = [price for price in prices if not _is_known(tx, price)]
            for price in new:
                revision = tx.record(Change.ADDED, PRICE, price.model, records.encode(price))
                tx.keep_price(KnownPrice(revision, price))
            _resolve(tx, new, mutation.at)
            return len(new)

        return await self._writer.write(work, mutation=mutation, result=int)


def _is_known(tx: PriceTx, price: Price) -> bool:
    known = tx.price(*price.key)
    if known is None:
        return False
    if replace(known, source=price.source) != price:
        effective = dt.datetime.fromtimestamp(price.effective_at / SECOND, dt.UTC).isoformat()
        raise PriceConflict(model=price.model, provider=price.provider, effective=effective)
    return True


def _resolve(tx: PuttingTx, new: Sequence[Price], at: Instant) -> None:
    for alert in tx.firing_alerts() if new else ():
        if alert.kind is AlertKind.PRICE_UNKNOWN and any(price.is_for(alert.evidence[MODEL]) for price in new):
            resolve(tx, alert.key, at=at)
