"""The ingest log: durable before answered, in order, repaired after a crash, and never taken for another's."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from ringfence_kit.clock import Instant
from ringfence_kit.ids import counting_ids
from ringfence_kit.store import DataInUse
from ringfence_telemetry.frames import SEGMENT_HEADER_SIZE, Frame
from ringfence_telemetry.segment_files import OpenSegment, Position, SegmentDirectory
from ringfence_telemetry.segments import Logged, LogUnwritable, SegmentLog

IDS = counting_ids()


def frame(name: str, *, at: int = 1_000) -> Frame:
    return Frame(received_at=Instant(at), reporter=b"{}", payload=name.encode())


class Log:
    """A log, and what it handed on."""

    def __init__(self, directory: Path, segment_bytes: int) -> None:
        self.handed_on: list[str] = []
        self.refused: list[str] = []
        self.log: SegmentLog[str] = SegmentLog(
            directory, on_durable=self.take, on_refused=self.refused.append, new_id=IDS, segment_bytes=segment_bytes
        )

    def take(self, logged: Sequence[Logged[str]]) -> None:
        self.handed_on += [each.carried for each in logged]

    async def append(self, name: str, *, at: int = 1_000) -> Position:
        return await self.log.append(frame(name, at=at), name)

    def names(self, after: int = 0) -> list[str]:
        found = self.log.recover(Position(after))
        return [each.frame.payload.decode() if each.frame else f"{each.damaged_bytes} damaged" for each in found]


@asynccontextmanager
async def opened(directory: Path, *, segment_bytes: int = 10_000) -> AsyncIterator[Log]:
    log = Log(directory, segment_bytes)
    async with log.log:
        yield log


def segment_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.seg"))


async def test_what_was_appended_is_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        ends = [await log.append(name) for name in ("a", "b", "c")]
    assert ends == sorted(set(ends))
    async with opened(tmp_path) as log:
        assert log.names() == ["a", "b", "c"]
        assert log.names(after=ends[0]) == ["b", "c"]
        assert log.names(after=ends[2]) == []
        assert log.log.end == ends[2]
        assert await log.append("d") > ends[2]
        assert log.names(after=ends[1]) == ["c", "d"]


async def test_waiting_appends_share_a_group_and_keep_their_order(tmp_path: Path) -> None:
    names = [str(number) for number in range(2_500)]
    async with opened(tmp_path, segment_bytes=50_000) as log:
        await asyncio.gather(*[log.append(name) for name in names])
        assert log.handed_on == names == log.names()


async def test_segments_roll_and_positions_go_on(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_bytes=1) as log:
        ends = [await log.append(name) for name in ("a", "b", "c")]
        assert log.names(after=ends[0]) == ["b", "c"]
    assert len(segment_files(tmp_path)) == 3


async def test_a_sender_that_has_gone_does_not_take_its_request_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        leaving = asyncio.ensure_future(log.append("leaving"))
        await asyncio.sleep(0)
        leaving.cancel()
        await log.append("staying")
        assert leaving.cancelled()
        assert log.handed_on == ["leaving", "staying"] == log.names()


async def test_closing_finishes_what_waits_and_refuses_the_rest(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        waiting = asyncio.ensure_future(log.append("in time"))
        await asyncio.sleep(0)
    assert await waiting > 0
    with pytest.raises(LogUnwritable, match="closed"):
        await log.append("too late")
    assert log.refused == ["too late"]


@pytest.mark.parametrize("cut", range(1, 62))
async def test_a_torn_tail_is_cut_off(tmp_path: Path, cut: int) -> None:
    async with opened(tmp_path) as log:
        kept = await log.append("kept")
        await log.append("torn")
    (segment,) = segment_files(tmp_path)
    content = segment.read_bytes()
    segment.write_bytes(content[: len(content) - cut])
    async with opened(tmp_path) as log:
        assert (log.names(), log.log.end) == (["kept"], kept)
        assert log.log.torn_bytes == len(content) - cut - kept
        await log.append("next")
        assert log.names(after=kept) == ["next"]


async def test_zeros_at_the_end_are_a_torn_tail(tmp_path: Path) -> None:
    # After a power cut a file system may show the length that was asked for and zeros where data should be.
    async with opened(tmp_path) as log:
        end = await log.append("kept")
    with segment_files(tmp_path)[0].open("ab") as file:
        file.write(bytes(4_096))
    async with opened(tmp_path) as log:
        assert (log.names(), log.log.end, log.log.torn_bytes) == (["kept"], end, 4_096)


async def test_damage_in_the_middle_costs_one_frame_and_is_reported(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        first = await log.append("first")
        second = await log.append("second")
        await log.append("third")
    (segment,) = segment_files(tmp_path)
    content = bytearray(segment.read_bytes())
    content[first + 65] ^= 1
    segment.write_bytes(content)
    async with opened(tmp_path) as log:
        assert log.names() == ["first", f"{second - first} damaged", "third"]
        assert log.log.torn_bytes == 0


async def test_a_segment_without_a_header_is_reported_whole_and_kept(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_bytes=1) as log:
        first = await log.append("first")
        second = await log.append("second")
    segment = segment_files(tmp_path)[1]
    content = bytearray(segment.read_bytes())
    content[0] ^= 1
    segment.write_bytes(content)
    async with opened(tmp_path) as log:
        assert log.names() == ["first", f"{second - first} damaged"]
        await log.append("third")
        assert log.names(after=second) == ["third"]
    assert segment.read_bytes() == content


async def test_a_segment_that_was_being_made_is_made_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        end = await log.append("kept")
    (tmp_path / f"{end:020d}.seg").write_bytes(b"RFSEG")
    async with opened(tmp_path) as log:
        assert log.log.end == end
        await log.append("next")
        assert log.names() == ["kept", "next"]


async def test_a_full_disk_refuses_and_later_accepts_again(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    async with opened(directory, segment_bytes=1) as log:
        await log.append("before")
        end = log.log.end
        shutil.rmtree(directory)
        with pytest.raises(LogUnwritable, match="No such file"):
            await log.append("refused")
        assert log.refused == ["refused"]
        assert (log.log.end, log.handed_on) == (end, ["before"])
        directory.mkdir()
        await log.append("after")
        assert log.names() == ["after"]


def test_a_write_that_fails_raises() -> None:
    full = OpenSegment(os.open("/dev/full", os.O_WRONLY), b"markmark", Position(0))
    with pytest.raises(OSError, match="No space left"):
        full.append([frame("lost")])
    full.close()


def test_what_a_failed_write_left_is_not_read_twice(tmp_path: Path) -> None:
    # The group that failed is in the old file all the same; the next segment starts before it.
    directory = SegmentDirectory(tmp_path)
    directory.open()
    failed = directory.new_segment(Position(0), mark=b"markmark")
    (end,) = failed.append([frame("accepted")])
    failed.append([frame("failed"), frame("failed too")])
    failed.close()
    following = directory.new_segment(end, mark=b"another!")
    following.append([frame("next")])
    following.close()
    found = [each.frame.payload for each in directory.recover(Position(0)) if each.frame]
    directory.close()
    assert found == [b"accepted", b"next"]


async def test_two_processes_do_not_share_a_log(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(DataInUse, match="is in use"):
            async with opened(tmp_path):
                pass
    async with opened(tmp_path):
        pass


async def test_a_log_keeps_its_name_and_another_has_another(tmp_path: Path) -> None:
    names = []
    for directory in ("one", "one", "two"):
        async with opened(tmp_path / directory) as log:
            names.append(log.log.log_id)
    assert names[0] == names[1] != names[2]


async def test_segments_are_forgotten_when_done_with_and_old(tmp_path: Path) -> None:
    async with opened(tmp_path, segment_bytes=1) as log:
        ends = [await log.append(str(at), at=at) for at in (1_000, 2_000, 3_000, 4_000)]
        assert log.log.forget(Position(ends[0] - 1), older_than=Instant(9_000)) == 0
        assert log.log.forget(ends[2], older_than=Instant(3_000)) == 1
        assert log.names() == ["2000", "3000", "4000"]
        assert log.log.forget(ends[3], older_than=Instant(9_000)) == 2
        assert log.names() == ["4000"]  # the last one stays: the next position must not be used twice
    async with opened(tmp_path) as log:
        assert log.log.end == ends[3]


async def test_a_log_whose_segments_were_deleted_goes_on_behind_them(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        end = await log.append("rolled up")
    segment_files(tmp_path)[0].unlink()
    async with opened(tmp_path) as log:
        log.log.skip_to(end)
        assert await log.append("next") > end
        assert log.names(after=end) == ["next"]


async def test_an_empty_log_ends_where_it_begins(tmp_path: Path) -> None:
    async with opened(tmp_path) as log:
        assert (log.log.end, log.names(), log.log.torn_bytes) == (0, [], 0)
        assert log.log.free_bytes > 0
        assert await log.append("first") == SEGMENT_HEADER_SIZE + frame("first").size


async def test_a_broken_consumer_ends_the_log_instead_of_hanging_it(tmp_path: Path) -> None:
    def broken(logged: Sequence[Logged[str]]) -> None:
        raise ZeroDivisionError

    refused: list[str] = []
    log: SegmentLog[str] = SegmentLog(tmp_path, on_durable=broken, on_refused=refused.append, new_id=IDS)
    await log.__aenter__()
    results = await asyncio.gather(*[log.append(frame(name), name) for name in "xy"], return_exceptions=True)
    assert [type(result) for result in results] == [LogUnwritable, LogUnwritable]
    assert refused == ["x", "y"]
    with pytest.raises(ZeroDivisionError):
        await log.__aexit__()
