import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from ringfence_kit.clock import ManualClock, Millis
from ringfence_kit.spool import Spool, SpooledItem, SpoolFull, SpoolLimits

LIMITS = SpoolLimits(
    max_bytes=2_400, segment_bytes=500, max_item_bytes=200, group_items=3, group_bytes=300, batch_items=2
)


class ImpatientClock(ManualClock):
    """Lets every sleep pass at once, in its own time."""

    async def sleep(self, duration: Millis) -> None:
        self.advance(duration)
        await asyncio.sleep(0)


class Refused(Exception):  # noqa: N818 - what the receiver did
    """The receiver did not take the batch."""


class FickleReceiver:
    """Takes a batch, refuses it, or takes it and is cut off before it can say so, as a script tells it."""

    def __init__(self, script: list[str]) -> None:
        self.script = script
        self.taken: list[str] = []

    async def __call__(self, batch: Sequence[SpooledItem]) -> None:
        deed = self.script.pop(0) if self.script else "take"
        if deed == "refuse":
            raise Refused
        self.taken += [item.id for item in batch]
        if deed == "take and be cut off":
            raise Refused


LIVES = st.lists(
    st.tuples(
        st.lists(st.integers(0, 200), max_size=8),  # payload sizes offered in this life
        st.lists(st.sampled_from(["take", "refuse", "take and be cut off"]), max_size=6),
        st.booleans(),  # whether this life waits until all is delivered
        st.booleans(),  # whether its producer waits for each item
    ),
    min_size=1,
    max_size=4,
)


@given(lives=LIVES, recent_bytes=st.sampled_from([0, 150, 2**20]), gather_batch=st.sampled_from([0, 1]).map(Millis))
@settings(max_examples=50, deadline=None)
def test_every_acknowledged_item_arrives_in_order_whatever_the_receiver_does(
    lives: list[tuple[list[int], list[str], bool, bool]], recent_bytes: int, gather_batch: Millis
) -> None:
    with tempfile.TemporaryDirectory() as room:
        limits = replace(LIMITS, recent_bytes=recent_bytes, gather_batch=gather_batch)
        asyncio.run(_live(Path(room, "spool"), lives, limits))


async def _live(directory: Path, lives: list[tuple[list[int], list[str], bool, bool]], limits: SpoolLimits) -> None:
    acknowledged: list[str] = []
    received: list[str] = []
    for sizes, script, waits, awaits_each in [*lives, ([], [], True, True)]:
        receiver = FickleReceiver(list(script))
        async with Spool(directory, clock=ImpatientClock(), limits=limits) as spool:
            delivery = asyncio.create_task(spool.deliver(receiver, retry_on=(Refused,)))
            for size in sizes:
                item_id = f"id-{len(acknowledged)}"
                try:
                    if awaits_each:
                        await spool.append(item_id, bytes(size))
                    else:
                        spool.post(item_id, bytes(size))
                        await asyncio.sleep(0)
                except SpoolFull:
                    assert spool.used_bytes > LIMITS.max_bytes // 2
                else:
                    acknowledged.append(item_id)
                assert spool.used_bytes <= LIMITS.max_bytes
            if waits:
                await spool.drained()
            delivery.cancel()
            await asyncio.wait([delivery])
        received += receiver.taken
    assert list(dict.fromkeys(received)) == acknowledged, "first arrivals: all of them, in order"
