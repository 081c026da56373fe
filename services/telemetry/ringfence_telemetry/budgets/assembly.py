"""Alerts and budgets, put together: budgets raise alerts, and both follow the events of the store."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ringfence_kit.background import background
from ringfence_kit.clock import Clock
from ringfence_kit.events import Event
from ringfence_kit.ids import NewId
from ringfence_kit.store import Writer
from ringfence_kit.watch import EventHub

from ringfence_telemetry.alerts.alert import ALERT
from ringfence_telemetry.alerts.desk import AlertDesk
from ringfence_telemetry.alerts.feed import AlertFeed
from ringfence_telemetry.alerts.upkeep import AlertUpkeep
from ringfence_telemetry.budgets.board import BudgetBoard
from ringfence_telemetry.budgets.book import BUDGET, STANDING, BudgetBook
from ringfence_telemetry.budgets.desk import BudgetDesk
from ringfence_telemetry.budgets.rising import RisingCost
from ringfence_telemetry.budgets.upkeep import BudgetUpkeep
from ringfence_telemetry.store import TelemetryStore, TelemetryTx


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What of alerts and budgets is in memory: it follows the hub of the service."""

    store: TelemetryStore
    alerts: AlertFeed
    budgets: BudgetBoard

    @property
    def keepers(self) -> Mapping[str, Callable[[Event], None]]:
        """Who keeps which kind of event."""
        return {ALERT: self.alerts.apply, BUDGET: self.budgets.apply, STANDING: self.budgets.apply}

    @asynccontextmanager
    async def following(self, hub: EventHub) -> AsyncIterator[None]:
        """Load what is stored, start the hub there, and follow it as long as the block lasts."""
        stored = await self.store.stored_budgets()
        self.budgets.load(stored.budgets, stored.raised)
        hub.start(stored.revision)
        async with self.alerts.running():
            yield


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Who answers for alerts and budgets."""

    alerts: AlertDesk
    budgets: BudgetDesk
    book: BudgetBook
    alert_upkeep: AlertUpkeep
    budget_upkeep: BudgetUpkeep
    rising: RisingCost

    async def run(self) -> None:
        """Do what time asks for, until cancelled."""
        async with background(self.alert_upkeep.run(), self.rising.run()):
            await self.budget_upkeep.run()


def memory(store: TelemetryStore, *, clock: Clock) -> Memory:
    """Return what is in memory, empty."""
    return Memory(store=store, alerts=AlertFeed(store, clock=clock), budgets=BudgetBoard(clock=clock))


def spending(
    writer: Writer[TelemetryTx], store: TelemetryStore, board: BudgetBoard, *, clock: Clock, new_id: NewId
) -> Spending:
    """Put it together."""
    return Spending(
        alerts=AlertDesk(writer, store, new_id=new_id),
        budgets=BudgetDesk(writer, store, board, clock=clock, new_id=new_id),
        book=BudgetBook(),
        alert_upkeep=AlertUpkeep(writer, store, clock=clock),
        budget_upkeep=BudgetUpkeep(writer, store, clock=clock),
        rising=RisingCost(writer, store, clock=clock),
    )
