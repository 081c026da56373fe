"""Signals to identity: in order, at least once, and no fault of one holds up the others."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from ringfence.backoff import Backoff
from ringfence_kit.background import background
from ringfence_kit.clock import SECOND, ManualClock, Millis
from ringfence_telemetry.signal_delivery import BATCH, LOOK_EVERY, ReceiverAway, SignalDelivery, SignalsUnreadable
from ringfence_telemetry.signals import Signal, SignalKind
from support.backends import Backend
from support.telemetry.ingesting import FrailWriter
from support.telemetry.opened import BY_TELEMETRY, OpenedStore, opened_store
from support.telemetry.spans import NOW


def signal(name: str) -> Signal:
    return Signal(
        signal_id=name,
        did="did:web:agents.example:a",
        environment="prod",
        kind=SignalKind.ACTION_DENIED,
        evidence_hash=bytes(32),
        evidence="audit/0",
        at=NOW,
    )


@dataclass(slots=True)
class Identity:
    """Takes signals as identity does, unless told otherwise."""

    away: bool = False
    unreadable: frozenset[str] = frozenset()
    taken: list[str] = field(default_factory=list)
    calls: int = 0
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def record(self, signals: Sequence[Signal]) -> Sequence[str]:
        self.calls += 1
        self.heard.set()
        if self.away:
            raise ReceiverAway("nobody answers")
        names = [each.signal_id for each in signals]
        if self.unreadable.intersection(names):
            raise SignalsUnreadable("signals[0].did: must not be empty")
        self.taken += names
        return ["APPLIED"] * len(names)

    async def next_call(self) -> None:
        self.heard.clear()
        await self.heard.wait()


@dataclass(frozen=True, slots=True)
class Delivering:
    """Delivery at work."""

    delivery: SignalDelivery
    identity: Identity
    writer: FrailWriter
    opened: OpenedStore
    clock: ManualClock

    async def queue(self, *names: str) -> None:
        await self.opened.writer.write(
            lambda tx: tx.queue_signals([signal(name) for name in names]), mutation=BY_TELEMETRY, result=type(None)
        )
        self.delivery.look()

    async def drained(self) -> None:
        """Wait, moving the clock, until nothing waits for delivery."""
        while await self.opened.store.pending_signal_count() or self.delivery.counts.pending:
            self.clock.advance(Millis(SECOND))
            with suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await self.identity.next_call()


@asynccontextmanager
async def delivering(opened: OpenedStore, identity: Identity) -> AsyncIterator[Delivering]:
    clock, writer = ManualClock(), FrailWriter(opened.writer)
    backoff = Backoff(first=1.0, cap=4.0, draw=lambda: 1.0)
    delivery = SignalDelivery(writer, opened.store, clock=clock, backoff=backoff)
    async with background(delivery.run(identity)):
        yield Delivering(delivery, identity, writer, opened, clock)


@pytest.fixture
async def opened(backend: Backend) -> AsyncIterator[OpenedStore]:
    async with opened_store(backend) as store:
        yield store


@pytest.fixture
def identity() -> Identity:
    return Identity()


async def test_signals_are_delivered_in_order_and_once(opened: OpenedStore, identity: Identity) -> None:
    async with delivering(opened, identity) as at_work:
        await at_work.queue("one", "two")
        await at_work.queue("three")
        await at_work.drained()
        assert identity.taken == ["one", "two", "three"]
        assert (at_work.delivery.counts.delivered, at_work.delivery.counts.pending) == (3, 0)


async def test_what_waited_before_the_start_is_delivered_first(opened: OpenedStore, identity: Identity) -> None:
    identity.away = True
    async with delivering(opened, identity) as at_work:
        await at_work.queue("before")
        await identity.heard.wait()
    identity.away = False
    async with delivering(opened, identity) as at_work:
        await at_work.queue("after")
        await at_work.drained()
        assert identity.taken == ["before", "after"]


async def test_while_identity_is_away_signals_wait_and_are_counted(opened: OpenedStore, identity: Identity) -> None:
    identity.away = True
    async with delivering(opened, identity) as at_work:
        await at_work.queue("one", "two")
        await identity.heard.wait()
        for _ in range(3):
            calls = identity.calls
            at_work.clock.advance(Millis(4 * SECOND))
            await identity.next_call()
            assert identity.calls == calls + 1
        assert (at_work.delivery.counts.pending, at_work.delivery.counts.put_off) == (2, 4)
        identity.away = False
        await at_work.drained()
        assert identity.taken == ["one", "two"]


async def test_an_answer_that_could_not_be_stored_sends_the_signal_again(
    opened: OpenedStore, identity: Identity
) -> None:
    async with delivering(opened, identity) as at_work:
        at_work.writer.away = True
        await at_work.queue("one")
        await identity.heard.wait()
        at_work.writer.away = False
        await at_work.drained()
        assert set(identity.taken) == {"one"}
        assert len(identity.taken) >= 2  # identity knows it by its id


async def test_a_signal_that_cannot_be_read_is_set_aside_alone(opened: OpenedStore, identity: Identity) -> None:
    identity.unreadable = frozenset({"bad"})
    async with delivering(opened, identity) as at_work:
        await at_work.queue("one", "bad", "two")
        await at_work.drained()
        assert identity.taken == ["one", "two"]
        assert (at_work.delivery.counts.unreadable, at_work.delivery.counts.delivered) == (1, 3)


async def test_more_than_a_batch_goes_in_batches(opened: OpenedStore, identity: Identity) -> None:
    names = [f"signal {number}" for number in range(BATCH + 7)]
    async with delivering(opened, identity) as at_work:
        await at_work.queue(*names)
        await at_work.drained()
        assert identity.taken == names
        assert identity.calls == 2


async def test_the_queue_is_looked_at_even_when_nobody_says_so(opened: OpenedStore, identity: Identity) -> None:
    async with delivering(opened, identity) as at_work:
        await opened.writer.write(
            lambda tx: tx.queue_signals([signal("another replica's")]), mutation=BY_TELEMETRY, result=type(None)
        )
        at_work.clock.advance(LOOK_EVERY)
        await at_work.drained()
        assert identity.taken == ["another replica's"]
