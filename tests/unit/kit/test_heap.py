"""While much is loaded nothing is collected, and afterwards everything is as it was; what is freed goes back."""

import gc
import subprocess
import sys

import pytest
from ringfence_kit.heap import collecting_seldom, loading

PROGRAM = """
from pathlib import Path
from ringfence_kit.heap import let_go

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096

let_go()
bytearray(30 << 20)  # freed: by itself the library would now keep blocks up to that size, and twice as much in all
before = resident()
blocks = [bytearray(b"x" * 200_000) for _ in range(200)]
most = resident()
del blocks
print(most - before, resident() - before)
"""


def test_nothing_is_collected_while_much_is_made() -> None:
    assert gc.isenabled()
    with loading():
        assert not gc.isenabled()
        with loading():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_was_made_is_left_alone_afterwards() -> None:
    before = gc.get_freeze_count()
    with loading():
        made = [[number] for number in range(1_000)]
    assert gc.get_freeze_count() >= before + len(made)


def test_a_load_that_fails_leaves_collection_as_it_was() -> None:
    with pytest.raises(ValueError, match="damaged"), loading():
        raise ValueError("damaged")
    assert gc.isenabled()


def test_where_objects_come_and_go_it_looks_seldom_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with collecting_seldom():
        assert gc.isenabled()
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before


def test_what_many_blocks_took_is_given_back() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    most, left = map(int, told.stdout.split())
    assert most > 35 << 20
    assert left < 8 << 20
