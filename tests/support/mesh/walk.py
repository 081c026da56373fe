"""Walks through a page of documentation as its reader would: the commands in one shell, in order, and what they show.

A page's ```sh blocks are run; the ```text block after them holds lines that their output has, in that order, where
`…` stands for anything. Nothing else of the page is looked at.
"""

import asyncio
import os
import re
import signal
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

LONGEST_COMMANDS_S = 60.0
_MARK = "-- the shell has come to the end of block --"
_FENCE = "```"
_MEMBER = re.compile(r'^"\w+":')


@dataclass(frozen=True, slots=True)
class Step:
    """What the reader types, and what the page says it shows."""

    commands: str
    shown: tuple[str, ...]

    def on(self, ports: Mapping[str, str]) -> "Step":
        """Return the step with other ports: those of the page → those that are free."""
        pattern = re.compile(r"\b(" + "|".join(ports) + r")\b")

        def moved(text: str) -> str:
            return pattern.sub(lambda found: ports[found[0]], text)

        return Step(moved(self.commands), tuple(map(moved, self.shown)))


def steps_of(page: str, heading: str) -> list[Step]:
    """Return the steps of one section: the text from `heading` to the next one of its level or above."""
    steps: list[Step] = []
    for language, lines in _blocks_of(page, heading):
        if language == "sh":
            steps.append(Step("\n".join(lines), ()))
        elif language == "text":
            steps[-1] = Step(steps[-1].commands, tuple(lines))
    assert steps, f"the page has no commands under {heading!r}"
    return steps


def _blocks_of(page: str, heading: str) -> Iterator[tuple[str, list[str]]]:
    """Give each fenced block of the section with its language."""
    inside, language = False, ""
    block: list[str] | None = None
    for line in page.splitlines():
        if block is not None:
            if line == _FENCE:
                yield language, block
                block = None
            else:
                block.append(line)  # a # in a block is a comment, not a heading
        elif line.startswith("#"):
            depth = len(line) - len(line.lstrip("#"))
            inside = line == heading or (inside and depth > heading.count("#"))
        elif inside and line.startswith(_FENCE):
            language, block = line.removeprefix(_FENCE), []


def check_shown(step: Step, output: str) -> None:
    """Fail unless the lines the page shows are in the output, in that order.

    grpcurl before 1.8.7 writes the members of messages as they stand in the proto, newer ones in lowerCamelCase.
    """
    lines = iter([_in_camel_case(line.strip()) for line in output.splitlines()])
    for shown in step.shown:
        literals = _in_camel_case(shown.strip().rstrip(",")).split("…")
        pattern = re.compile(".*".join(map(re.escape, literals)) + ",?")
        if not any(pattern.fullmatch(line) for line in lines):
            raise AssertionError(f"{shown!r} is not shown, or not in this place, by\n{step.commands}\nbut:\n{output}")


def _in_camel_case(line: str) -> str:
    return _MEMBER.sub(lambda name: re.sub("_([a-z0-9])", lambda found: found[1].upper(), name[0]), line)


class Shell:
    """One bash, with `set -euo pipefail`."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def run(self, commands: str) -> str:
        """Return what a block writes; AssertionError when one of its commands fails."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{commands}\necho '{_MARK}'\n".encode())
        await self._process.stdin.drain()
        said: list[str] = []
        how = f"took over {LONGEST_COMMANDS_S} s"
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_COMMANDS_S):
                async for raw in self._process.stdout:
                    line = raw.decode()
                    if line.rstrip("\n").endswith(_MARK):
                        return "".join(said) + line.removesuffix(f"{_MARK}\n")
                    said.append(line)
                how = "failed"
        raise AssertionError(f"a command {how} in\n{commands}\nthe shell said:\n{''.join(said)}")

    async def take(self, step: Step) -> None:
        """Run a step's commands and hold their output against what the page shows."""
        check_shown(step, await self.run(step.commands))


@asynccontextmanager
async def shell(folder: Path, *, path: Sequence[Path], environment: Mapping[str, str]) -> AsyncIterator[Shell]:
    """Give a shell in `folder` that finds commands in `path` first. What it started ends with the block."""
    found = os.pathsep.join([*map(str, path), environment["PATH"]])
    process = await asyncio.create_subprocess_exec(
        "bash",
        cwd=folder,
        env={**environment, "PATH": found},
        stdin=PIPE,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,  # so that its background jobs can be ended with it
    )
    try:
        opened = Shell(process)
        await opened.run("set -euo pipefail")
        yield opened
    finally:
        assert process.stdin is not None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), LONGEST_COMMANDS_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
