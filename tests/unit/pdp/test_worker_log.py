"""The decision log between a leader and a worker: whole batches, room before there is none, and both of one mind."""

import msgspec
import pytest
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.spool import Position, SpooledItem, SpoolFull, SpoolUnwritable
from ringfence_kit.workers.link import Given
from ringfence_kit.workers.worker import Line
from ringfence_pdp.compile import compile_files
from ringfence_pdp.convert.audit import AuditWire
from ringfence_pdp.decision_batches import BATCH_BYTES, DecisionBatches
from ringfence_pdp.decision_log import DecisionLog
from ringfence_pdp.policy_state import PolicyState
from ringfence_pdp.workers.elsewhere import Where
from ringfence_pdp.workers.log_line import ROOM, WAITING_MAX, LeaderLog, Told, WorkerSpool, heed

GATHER = Millis(60_000)
"""Nothing leaves before it is flushed."""


class Tray:
    """A spool in memory."""

    def __init__(self) -> None:
        self.items: list[SpooledItem] = []
        self.breaks: Unavailable | None = None
        self.used_bytes = 0

    @property
    def undelivered(self) -> int:
        return len(self.items)

    def post(self, item_id: str, payload: bytes, /) -> None:
        if self.breaks is not None:
            raise self.breaks
        self.items.append(SpooledItem(Position(len(self.items) + 1), item_id, payload, Instant(0)))
        self.used_bytes += len(payload)


class Wire(AuditWire):
    """Writes entries, and sends none."""

    def __init__(self) -> None:
        super().__init__(lambda: pytest.fail("nothing is sent here"))


class Pair:
    """A leader and a worker."""

    def __init__(self, *, max_bytes: int = 64 << 20) -> None:
        self.tray, self.log = Tray(), DecisionLog(stops_when_full=False)
        self.batches = DecisionBatches(
            self.tray, Wire(), max_bytes=max_bytes, gather=GATHER, on_refused=self.log.refused
        )
        self.log.attach(self.batches)
        self.leader = LeaderLog(self.log, self.batches, count=2, max_bytes=max_bytes)

        self.given: list[Given] = []
        self.line, self.worker_log = Line(self.given.append), DecisionLog(stops_when_full=False)
        self.where = Where(PolicyState(compile_files))
        self.spool = WorkerSpool(self.line)
        self.worker = DecisionBatches(
            self.spool, Wire(), max_bytes=WAITING_MAX, gather=GATHER, on_refused=self.worker_log.refused
        )
        self.worker_log.attach(self.worker)
        self.line.on_took = self.worker.delivered
        heed(self.line, self.worker_log, self.spool, self.where)

    def tell(self, *, watched: bool = False) -> Told:
        """Tell the worker how the leader stands."""
        stands = self.leader.stands(watched=watched)
        self.line.heard_told(msgspec.json.encode(stands).decode())
        return stands

    def hand_over(self) -> None:
        """Have the leader take what the worker gave."""
        for given in self.given:
            self.leader.take(given.name, given.what)
        self.line.heard_took([len(given.what) for given in self.given])
        self.given.clear()


async def test_what_a_worker_gathers_lies_in_the_leaders_spool_as_it_was_written() -> None:
    pair, alone = Pair(), Tray()
    itself = DecisionBatches(alone, Wire(), max_bytes=1 << 20, gather=GATHER, on_refused=lambda *_: None)
    for number in range(3):
        pair.worker_log.take(f"id-{number}", b"{}")
        itself.post(f"id-{number}", b"{}")
    pair.worker.flush()
    itself.flush()
    assert (pair.worker.undelivered, pair.batches.undelivered) == (3, 0)
    pair.hand_over()
    assert (pair.worker.undelivered, pair.batches.undelivered) == (0, 3)
    pair.batches.flush()
    assert pair.batches.undelivered == 3
    assert [(item.id, item.payload) for item in pair.tray.items] == [(item.id, item.payload) for item in alone.items]


async def test_what_several_workers_give_is_one_item() -> None:
    pair = Pair()
    for number in range(2):
        pair.worker_log.take(f"id-{number}", b"{}")
        pair.worker.flush()
    pair.hand_over()
    pair.log.take("id-2", b"{}")
    pair.batches.flush()
    assert [item.id for item in pair.tray.items] == ["3:id-0"]


async def test_a_worker_hears_of_a_full_spool_before_it_is_full() -> None:
    pair = Pair(max_bytes=32 << 20)
    pair.tray.used_bytes = (32 << 20) - 2 * ROOM
    assert not pair.tell().full
    pair.worker_log.take("before", b"x" * (BATCH_BYTES - 100))
    pair.tray.used_bytes += 1
    assert pair.tell().full
    # What was on its way by then has room.
    pair.worker.flush()
    pair.hand_over()
    assert pair.log.unlogged == 0
    with pytest.raises(SpoolFull):
        pair.worker_log.take("after", b"{}")
    pair.tray.used_bytes = 0
    assert not pair.tell().full
    pair.worker_log.take("after", b"{}")
    assert pair.worker_log.unlogged == 1


async def test_what_has_no_room_after_all_is_counted_and_facts_are_told_again() -> None:
    pair = Pair(max_bytes=32 << 20)
    pair.worker_log.tell("sha256-fact", [("fact", b"{}")])
    pair.worker_log.take("id", b"{}")
    pair.worker.flush()
    pair.tray.used_bytes = 32 << 20
    pair.hand_over()
    assert pair.log.unlogged == 2
    pair.tray.used_bytes = 0
    pair.tell()
    assert not pair.worker_log.facts
    pair.worker_log.take("id-2", b"{}")


async def test_a_disk_that_keeps_nothing_is_the_workers_trouble_too() -> None:
    pair = Pair()
    pair.log.refused(SpoolUnwritable(problem="no space left"), 1)
    pair.tell()
    with pytest.raises(Unavailable, match="no space left"):
        pair.worker_log.take("id", b"{}")
    # It was offered all the same: once the disk keeps something, all is well.
    pair.worker.flush()
    pair.hand_over()
    pair.batches.flush()
    assert len(pair.tray.items) == 1
    pair.log.kept(1)
    pair.tell()
    pair.worker_log.take("id-2", b"{}")


async def test_a_leader_that_takes_nothing_is_not_waited_for_for_ever() -> None:
    pair = Pair()
    large = b"x" * BATCH_BYTES
    for number in range(WAITING_MAX // BATCH_BYTES - 1):
        pair.worker_log.take(f"id-{number}", large)
    with pytest.raises(SpoolFull):
        pair.worker_log.take("id", large)
    assert pair.line.waiting <= WAITING_MAX


async def test_who_watches_is_told() -> None:
    pair = Pair()
    heard = []
    for watched in (False, True, False):
        pair.tell(watched=watched)
        heard.append(pair.where.all_left)
    assert heard == [False, True, False]
