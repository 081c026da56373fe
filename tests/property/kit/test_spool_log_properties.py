import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ringfence_kit.clock import Instant
from ringfence_kit.spool_frames import HEADER_BYTES, NewItem, Position, SpooledItem
from ringfence_kit.spool_log import SpoolCorruptError, SpoolLog
from support.frail_disk import FrailDisk, PowerCutError

SEGMENT_BYTES = 400
PAYLOADS = st.binary(max_size=120)
GROUPS = st.lists(PAYLOADS, min_size=1, max_size=4)
ZEROS = bytes


class AnySequenceOfAppendsDeliveriesAndPowerCuts(RuleBasedStateMachine):
    """Nothing acknowledged is lost before it is delivered, order holds, and nothing turns up that nobody appended."""

    def __init__(self) -> None:
        super().__init__()
        self.room = tempfile.TemporaryDirectory()
        self.lives = 0
        self.disk = FrailDisk()
        self.offered: list[bytes] = []
        """Every payload ever handed in, in order of position; a cut may take back what was not acknowledged."""
        self.acknowledged = 0
        self.delivered = 0

    @property
    def directory(self) -> Path:
        return Path(self.room.name, str(self.lives))

    @initialize()
    def begin(self) -> None:
        self.open()

    def teardown(self) -> None:
        self.log.close()
        self.room.cleanup()

    def open(self) -> None:
        self.log = SpoolLog(self.directory, segment_bytes=SEGMENT_BYTES, sync=self.disk.sync)

    @rule(payloads=GROUPS)
    def append(self, payloads: list[bytes]) -> None:
        first = self.log.append(self.group(payloads))
        assert first == self.acknowledged + 1
        self.offered += payloads
        self.acknowledged += len(payloads)

    def group(self, payloads: list[bytes]) -> list[NewItem]:
        begin = self.acknowledged + 1
        return [NewItem(f"id-{begin + i}", payload, Instant(begin + i)) for i, payload in enumerate(payloads)]

    @precondition(lambda self: self.delivered < self.acknowledged)
    @rule(max_items=st.integers(1, 6), max_bytes=st.integers(1, 300))
    def deliver(self, max_items: int, max_bytes: int) -> None:
        batch = self.log.read(Position(self.delivered), max_items=max_items, max_bytes=max_bytes)
        assert 1 <= len(batch) <= max_items
        self.check(batch, after=self.delivered)
        self.log.release(batch[-1].position)
        self.delivered = batch[-1].position

    @rule()
    def restart(self) -> None:
        self.log.close()
        self.open()
        assert self.log.delivered == self.delivered

    @rule(payloads=GROUPS, syncs=st.integers(0, 2), data=st.data())
    def cut_the_power(self, payloads: list[bytes], syncs: int, data: st.DataObject) -> None:
        """The power goes in the middle of an append, or right after it."""
        self.disk.cut_power_in = syncs
        try:
            self.log.append(self.group(payloads))
            in_doubt = 0
        except PowerCutError:
            in_doubt = len(payloads)
        self.disk.cut_power_in = None
        self.offered += payloads
        self.acknowledged += len(payloads) - in_doubt
        self.log.close()
        before = self.directory
        self.lives += 1
        self.disk.after_power_cut(
            before,
            self.directory,
            cut=lambda durable, end: data.draw(st.integers(durable, end)),
            garble=lambda tail: data.draw(st.sampled_from([tail, ZEROS(len(tail)), tail[::-1]])),
        )
        hint = self.directory / "delivered"
        match data.draw(st.sampled_from(["kept", "gone", "empty", "torn"])):
            case "gone":
                hint.unlink(missing_ok=True)
            case "empty":
                hint.write_bytes(b"")
            case "torn":
                hint.write_bytes((1 << 40).to_bytes(8) + hint.read_bytes()[8:])
            case _:
                pass
        self.open()
        survived = self.log.last - self.acknowledged
        assert survived in {0, in_doubt}, "a group survives whole or not at all"
        self.acknowledged += survived
        del self.offered[self.acknowledged :]
        assert self.log.delivered <= self.delivered, "nothing is taken for delivered that was not"
        self.delivered = self.log.delivered

    @invariant()
    def everything_undelivered_is_there_in_order(self) -> None:
        if hasattr(self, "log"):
            rest = self.log.read(Position(self.delivered), max_items=10_000, max_bytes=10**9)
            self.check(rest, after=self.delivered)
            assert len(rest) == self.acknowledged - self.delivered

    @invariant()
    def its_size_is_that_of_the_files(self) -> None:
        if hasattr(self, "log"):
            assert self.log.size == sum(path.stat().st_size for path in self.directory.glob("*.seg"))

    def check(self, items: list[SpooledItem], *, after: int) -> None:
        assert [item.position for item in items] == list(range(after + 1, after + 1 + len(items)))
        assert [item.payload for item in items] == self.offered[after : after + len(items)]
        assert [item.id for item in items] == [f"id-{item.position}" for item in items]


AnySequenceOfAppendsDeliveriesAndPowerCuts.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None
)
TestAnySequence = AnySequenceOfAppendsDeliveriesAndPowerCuts.TestCase


@given(groups=st.lists(GROUPS, min_size=2, max_size=5), data=st.data())
@settings(max_examples=60, deadline=None)
def test_damage_to_anything_but_the_last_frame_is_refused_never_skipped(
    groups: list[list[bytes]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as room:
        directory = Path(room, "spool")
        log = SpoolLog(directory, segment_bytes=SEGMENT_BYTES)
        for payloads in groups[:-1]:
            log.append([NewItem("id", payload, Instant(0)) for payload in payloads])
        sizes = {path: path.stat().st_size for path in directory.glob("*.seg")}
        log.append([NewItem("id", payload, Instant(0)) for payload in groups[-1]])
        log.close()
        path = data.draw(st.sampled_from(sorted(directory.glob("*.seg"))))
        content = bytearray(path.read_bytes())
        before_last_frame = sizes.get(path, HEADER_BYTES) if path == max(directory.glob("*.seg")) else len(content)
        content[data.draw(st.integers(0, before_last_frame - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(bytes(content))
        with pytest.raises(SpoolCorruptError, match="restore it from a back-up"):
            SpoolLog(directory, segment_bytes=SEGMENT_BYTES)
        assert path.read_bytes() == content, "what is refused is left as it was found"


@given(cut=st.integers(min_value=1))
@settings(max_examples=40, deadline=None)
def test_a_last_frame_cut_anywhere_is_removed_whole(cut: int) -> None:
    with tempfile.TemporaryDirectory() as room:
        directory = Path(room, "spool")
        log = SpoolLog(directory, segment_bytes=10_000)
        log.append([NewItem("kept", b"kept", Instant(0))])
        path = next(directory.glob("*.seg"))
        kept = path.stat().st_size
        log.append([NewItem("torn", b"torn" * 9, Instant(0))])
        log.close()
        os.truncate(path, kept + cut % (path.stat().st_size - kept))
        log = SpoolLog(directory, segment_bytes=10_000)
        assert [item.id for item in log.read(Position(0), max_items=9, max_bytes=999)] == ["kept"]
        assert path.stat().st_size == kept
        log.close()
