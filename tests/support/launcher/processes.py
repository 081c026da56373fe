"""Runs the real `ringfence` command as processes: their output line by line, their signals, their exit codes."""

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from support.mesh.process import environment

COMMAND = [sys.executable, "-m", "ringfence_launcher"]
PATIENCE = 60.0
"""Seconds to wait for anything: a busy machine is no failure."""


class Process:
    """One running command."""

    def __init__(self, arguments: tuple[str, ...], folder: Path, variables: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            env=environment() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._heard: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read_out, daemon=True),
            threading.Thread(target=self._read_err, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def wait_for(self, text: str) -> str:
        """Return the next line of standard output with `text` in it."""
        deadline = time.monotonic() + PATIENCE
        while (line := self._heard.get(timeout=max(0.0, deadline - time.monotonic()))) is not None:
            if text in line:
                return line
        raise AssertionError(f"it ended without saying {text!r}: {self.lines} {self.errors}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ended(self) -> int:
        """Wait for the end and return the exit code."""
        code = self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def stop(self) -> int:
        """Ask it to end and return the exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.ended()

    def _read_out(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._heard.put(line.rstrip("\n"))
        self._heard.put(None)

    def _read_err(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.errors.append(line.rstrip("\n"))


@contextlib.contextmanager
def running(*arguments: str, folder: Path, **variables: str) -> Iterator[Process]:
    """Run `ringfence ARGUMENTS` in `folder` for as long as the block lasts."""
    process = Process(arguments, folder, variables)
    try:
        yield process
    finally:
        process.kill()


def run(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `ringfence ARGUMENTS` in `folder` to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment() | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def shell(command: str, *, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line as somebody pastes it, with `ringfence` on the PATH."""
    variables = environment()
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{variables['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def free_addresses(count: int) -> list[str]:
    """Loopback addresses nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
