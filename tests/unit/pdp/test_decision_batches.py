"""Decisions on their way to telemetry: gathered into batches, bounded, sent together, and lost alone if at all."""

import asyncio
import itertools
from collections.abc import Sequence

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.errors import Details, RingfenceError
from ringfence.telemetry.v1 import audit_pb2
from ringfence_kit.clock import Instant, Millis
from ringfence_kit.errors import Unavailable
from ringfence_kit.spool import Position, SpooledItem, SpoolFull, SpoolUnwritable
from ringfence_pdp.convert.audit import AuditWire, entry_bytes
from ringfence_pdp.decision_batches import BATCH_ENTRIES, CALL_ENTRIES, DecisionBatches, send_batches

AT = Instant(0)


class Tray:
    """A spool in memory."""

    def __init__(self) -> None:
        self.items: list[SpooledItem] = []
        self.breaks: Unavailable | None = None
        self.undelivered = 0

    @property
    def used_bytes(self) -> int:
        return sum(len(item.payload) for item in self.items)

    def post(self, item_id: str, payload: bytes) -> None:
        if self.breaks is not None:
            raise self.breaks
        self.items.append(SpooledItem(Position(len(self.items) + 1), item_id, payload, AT))
        self.undelivered += 1


class Telemetry(AuditWire):
    """Takes calls, but for entries it refuses."""

    def __init__(self, *bad: str, reason: str = "DECISION_ENTRY_INVALID") -> None:
        super().__init__(_no_channel)
        self.calls: list[list[str]] = []
        self._bad = bad
        self._reason = reason

    async def append(self, call: bytes) -> None:
        ids = [entry.decision_id for entry in audit_pb2.AppendDecisionsRequest.FromString(call).entries]
        if any(each in self._bad for each in ids):
            details = Details(reason=self._reason)
            raise RingfenceError("refused", details=details, code=grpc.StatusCode.INVALID_ARGUMENT)
        self.calls.append(ids)


def _no_channel() -> grpc.aio.Channel:
    raise AssertionError("nothing is sent over a channel here")


def gathering(
    tray: Tray, *, max_bytes: int = 1 << 20, lost: list[int] | None = None, left: Sequence[str] = ()
) -> DecisionBatches:
    lost = [] if lost is None else lost
    wire = Telemetry()
    return DecisionBatches(
        tray, wire, left=left, max_bytes=max_bytes, gather=Millis(1), on_refused=lambda _, entries: lost.append(entries)
    )


def batch(*ids: str, number: int = 1) -> SpooledItem:
    body = b"".join(entry_bytes(each, b"{}") for each in ids)
    return SpooledItem(Position(number), f"{len(ids)}:{ids[0]}", body, AT)


@given(st.text(max_size=300).filter(lambda text: "\ud800" not in text), st.binary(max_size=70_000))
def test_an_entry_is_written_as_protobuf_writes_it(decision_id: str, body: bytes) -> None:
    try:
        entry = audit_pb2.DecisionEntry(decision_id=decision_id, body=body)
    except ValueError:  # no text: nobody's id
        return
    parsed = audit_pb2.AppendDecisionsRequest.FromString(entry_bytes(decision_id, body))
    assert parsed == audit_pb2.AppendDecisionsRequest(entries=[entry])


async def test_what_comes_together_is_one_item_and_one_call() -> None:
    tray = Tray()
    batches = gathering(tray)
    for number in range(3):
        batches.post(f"d{number}", b"{}")
    assert (tray.items, batches.undelivered) == ([], 3)
    assert batches.used_bytes > 0
    batches.flush()
    assert [item.id for item in tray.items] == ["3:d0"]
    telemetry = Telemetry()
    await send_batches(telemetry, tray.items, lost=pytest.fail)
    assert telemetry.calls == [["d0", "d1", "d2"]]
    batches.delivered(1)
    assert batches.undelivered == 0


async def test_nobody_has_to_come_for_a_batch_to_leave() -> None:
    tray = Tray()
    gathering(tray).post("d", b"{}")
    loop = asyncio.get_running_loop()
    ends = loop.time() + 10
    while not tray.items:
        assert loop.time() < ends
        await asyncio.sleep(0)
    assert tray.items[0].id == "1:d"


async def test_a_batch_is_bounded_in_entries_and_in_bytes() -> None:
    tray = Tray()
    batches = gathering(tray, max_bytes=1 << 30)
    for number in range(BATCH_ENTRIES + 1):
        batches.post(f"d{number}", b"{}")
    assert [item.id for item in tray.items] == [f"{BATCH_ENTRIES}:d0"]
    for number in range(8):
        batches.post(f"large{number}", bytes(64 << 10))
    assert len(tray.items) == 3
    batches.flush()
    assert max(len(item.payload) for item in tray.items) < (512 << 10)


async def test_a_spool_without_room_refuses_before_the_answer() -> None:
    tray = Tray()
    batches = gathering(tray, max_bytes=900)
    for _ in range(8):
        batches.post("d", bytes(100))
    with pytest.raises(SpoolFull):
        batches.post("one more", bytes(100))
    batches.flush()
    with pytest.raises(SpoolFull):
        batches.post("one more", bytes(100))
    tray.items.clear()
    batches.post("one more", bytes(100))


async def test_a_batch_the_spool_does_not_take_is_told_with_its_size() -> None:
    tray, lost = Tray(), list[int]()
    batches = gathering(tray, lost=lost)
    tray.breaks = SpoolUnwritable(problem="it is closed")
    batches.post("a", b"{}")
    batches.post("b", b"{}")
    batches.flush()
    assert (lost, batches.undelivered) == ([2], 0)


async def test_batches_that_are_not_kept_are_counted_and_nothing_is_left_of_them() -> None:
    tray = Tray()
    batches = gathering(tray)
    for size in (1, 2, 3):
        for number in range(size):
            batches.post(f"d{number}", b"{}")
        batches.flush()
    assert batches.undelivered == 6
    assert batches.dropped() == 3
    batches.delivered(2)
    assert (batches.undelivered, batches.dropped()) == (0, 0)
    batches.delivered(1)
    assert batches.undelivered == 0


async def test_what_an_earlier_run_left_counts_until_it_is_delivered() -> None:
    batches = gathering(Tray(), left=["an-id-of-old", "40:d0"])
    assert batches.undelivered == 41
    batches.delivered(1)
    assert batches.undelivered == 40
    batches.delivered(1)
    assert batches.undelivered == 0


async def test_small_batches_travel_together_up_to_what_telemetry_takes() -> None:
    telemetry = Telemetry()
    ids = (f"d{number}" for number in itertools.count())
    items = [batch(*itertools.islice(ids, size), number=number) for number, size in enumerate((400, 400, 400, 1), 1)]
    await send_batches(telemetry, items, lost=pytest.fail)
    assert [len(call) for call in telemetry.calls] == [800, 401]
    assert max(len(call) for call in telemetry.calls) <= CALL_ENTRIES
    assert [each for call in telemetry.calls for each in call] == [f"d{number}" for number in range(1_201)]


async def test_an_entry_refused_for_good_does_not_hold_up_the_others() -> None:
    telemetry, lost = Telemetry("bad"), list[str]()
    await send_batches(telemetry, [batch("a", "bad", "b"), batch("c", number=2)], lost=lost.append)
    assert lost == ["bad"]
    assert [each for call in telemetry.calls for each in call] == ["a", "b", "c"]


async def test_a_refusal_that_may_pass_is_left_to_be_tried_again() -> None:
    with pytest.raises(RingfenceError):
        await send_batches(Telemetry("a", reason="UNAVAILABLE"), [batch("a")], lost=pytest.fail)


async def test_entries_of_an_earlier_release_lie_in_the_spool_one_by_one() -> None:
    old: Sequence[SpooledItem] = [SpooledItem(Position(1), "decision-1", b'{"a":1}', AT), batch("d", number=2)]
    telemetry = Telemetry()
    await send_batches(telemetry, old, lost=pytest.fail)
    assert telemetry.calls == [["decision-1", "d"]]
