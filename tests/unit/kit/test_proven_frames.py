"""A file of frames: proven one by one, whole or not at all."""

import stat
from pathlib import Path

import pytest
from ringfence_kit.proven_frames import FRAME_MAX, MAC_SIZE, NoFrames, read_frames, write_frames

MARK, KEY = b"a mark\n", b"k" * 32
FRAMES = [b"first", b"second" * 1_000, b"\x00"]


def written(folder: Path, frames: list[bytes] | None = None) -> Path:
    path = folder / "frames"
    write_frames(path, MARK, KEY, FRAMES if frames is None else frames)
    return path


def read(path: Path, *, key: bytes = KEY) -> list[bytes]:
    return list(read_frames(path, lambda _mark: key, len(MARK)))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert read(path) == FRAMES
    assert write_frames(path, MARK, KEY, []) == path.stat().st_size
    assert read(path) == []


def test_nobody_else_may_read_it_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_reader_learns_the_mark_before_anything_is_read(tmp_path: Path) -> None:
    marks: list[bytes] = []

    def key_of(mark: bytes) -> bytes:
        marks.append(mark)
        raise NoFrames("not ours")

    with pytest.raises(NoFrames, match="not ours"):
        next(read_frames(written(tmp_path), key_of, len(MARK)))
    assert marks == [MARK]


def test_none_is_there(tmp_path: Path) -> None:
    with pytest.raises(NoFrames, match="there is none"):
        read(tmp_path / "frames")


def test_a_file_torn_anywhere_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [b"first", b"second"])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(NoFrames):
            read(path)


def test_a_changed_bit_anywhere_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [b"first", b"second"])
    whole = path.read_bytes()
    for at in range(len(MARK), len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(NoFrames):
            read(path)


def test_frames_that_were_swapped_or_taken_out_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, [b"1", b"2"])
    whole, size = path.read_bytes(), 4 + MAC_SIZE + 1
    first, second = (whole[len(MARK) + at * size :][:size] for at in (0, 1))
    rest = whole[len(MARK) + 2 * size :]
    for changed in (second + first + rest, second + rest, first + rest, first + first + second + rest):
        path.write_bytes(MARK + changed)
        with pytest.raises(NoFrames):
            read(path)


def test_with_another_key_nothing_is_read(tmp_path: Path) -> None:
    with pytest.raises(NoFrames, match="of another database"):
        read(written(tmp_path), key=b"x" * 32)


def test_a_length_that_is_not_proven_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    path.write_bytes(MARK + (FRAME_MAX + 1).to_bytes(4, "big") + bytes(MAC_SIZE) + b"x")
    with pytest.raises(NoFrames, match="damaged"):
        read(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    written(tmp_path).rename(tmp_path / "elsewhere")
    (tmp_path / "frames").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NoFrames):
        read(tmp_path / "frames")
    (tmp_path / "frames.new").symlink_to(tmp_path / "victim")
    assert read(written(tmp_path)) == FRAMES
    assert not (tmp_path / "victim").exists()


def test_what_a_crash_left_behind_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "frames.new").write_bytes(b"half a")
    assert read(written(tmp_path)) == FRAMES


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = written(tmp_path)

    def broken() -> list[bytes]:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_frames(path, MARK, KEY, (frame for _ in (1, 2) for frame in broken()))
    assert read(path) == FRAMES
    assert list(tmp_path.iterdir()) == [path]
