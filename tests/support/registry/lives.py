"""The registry and a follower of it as processes that are killed and started again, many times in seconds.

They are forked from a server of forks that has imported what takes long, so a life begins in half a second; each is a
process of its own, killed by its id as the machine would.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from ringfence.channel import ChannelOptions
from ringfence.client import Ringfence
from ringfence.credentials import token_file
from ringfence.registry_watch import Position
from ringfence.watch import Changed, StateBegins, StateComplete
from ringfence_kit.entry import serve
from ringfence_registry.app import build
from ringfence_registry.config import RegistryConfig

EAGER = tuple((f"grpc.{which}_reconnect_backoff_ms", 50) for which in ("initial", "min", "max"))
"""Channel options of who waits for a registry to come back."""


PRELOADED = ["ringfence_kit.entry", "ringfence_registry.app", "ringfence.client"]
"""Installed modules: the tests' own are not on the path of the server of forks."""


def nursery() -> ForkServerContext:
    """Return where processes are forked: what takes long to import is imported, and nothing is opened."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    # Who is killed never says what it covered, and lives twice as slowly for it.
    coverage = {name: os.environ.pop(name) for name in tuple(os.environ) if name.startswith("COVERAGE_")}
    try:
        forkserver.ensure_running()
    finally:
        os.environ.update(coverage)
    return context


class Life:
    """A process that may be killed and begun again."""

    def __init__(self, context: ForkServerContext, does: Callable[..., None], *arguments: Any) -> None:
        self._context = context
        self._does = does
        self._arguments = arguments
        self._process: ForkServerProcess | None = None
        self.kills = 0

    def begin(self) -> None:
        """Start it, and wait for nothing."""
        self._process = self._context.Process(target=self._does, args=self._arguments, daemon=True)
        self._process.start()

    def kill(self) -> None:
        """End it without warning."""
        assert self._process is not None
        self._process.kill()
        self._process.join()
        self.kills += 1


def serve_registry(data: Path, address: str) -> None:
    """Be the registry, until killed."""
    settings = {"registry.listen": address, "registry.http_listen": "127.0.0.1:0", "server.log.calls": "none"}
    flags = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    with open(data / "log", "a") as log:  # noqa: PTH123 - what the process's own streams become
        os.dup2(log.fileno(), 2)
    sys.exit(serve("registry", RegistryConfig, build, arguments=["--dev", "--data", str(data), *flags]))


class Diary(Position):
    """What a follower did, a line each, and so where it stands: one write is the deed and the position."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def load(self) -> int:
        lines = self.lines()
        # A line that a kill cut short was not written.
        self._file.write_text("".join(f"{line}\n" for line in lines))
        return int(lines[-1].split()[0]) if lines else 0

    def save(self, revision: int) -> None:
        """Do nothing: the deed was written with its revision."""

    def lines(self) -> list[str]:
        """Return the lines that were written to their end."""
        written = self._file.read_text() if self._file.exists() else ""
        return [line.removesuffix("\n") for line in written.splitlines(keepends=True) if line.endswith("\n")]

    def write(self, *lines: str) -> None:
        """Write lines in one step."""
        with self._file.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))


def follow_registry(address: str, token: Path, diary_file: Path) -> None:
    """Be a follower, until killed: the state as one line, then a line for each change."""
    diary = Diary(diary_file)
    options = ChannelOptions(token=token_file(token), extra=EAGER)
    with Ringfence(registry=address, options=options) as mesh:
        state: list[str] | None = None
        for step in mesh.follow_agents(diary):
            match step:
                case StateBegins():
                    state = []
                case StateComplete(revision):
                    diary.write(f"{revision} STATE {','.join(sorted(state or []))}")
                    state = None
                case Changed(revision, _, answer) if state is not None:
                    state.append(answer.agent.name)
                case Changed(revision, change, answer):
                    diary.write(f"{revision} {change.name} {answer.agent.name} {answer.agent.team}")
