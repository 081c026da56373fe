"""What is freed goes back to the system."""

import subprocess
import sys

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


def test_what_many_blocks_took_is_given_back() -> None:
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    most, left = map(int, told.stdout.split())
    assert most > 35 << 20
    assert left < 8 << 20
