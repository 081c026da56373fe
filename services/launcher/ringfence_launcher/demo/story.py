"""Tells the demo: each step's title, what is expected, what came; and stops where the two differ."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from ringfence.errors import RingfenceError

from ringfence_launcher.output import Output
from ringfence_launcher.plain_text import plain
from ringfence_launcher.problems import Problem


class ExpectationFailed(Exception):  # noqa: N818 - named for what happened
    """A step of the demo did not come out as it must."""

    def __init__(self, *, step: str, expected: str, came: str) -> None:
        super().__init__(f"step {step!r}: expected {expected}; came {came}")
        self.step = step
        self.expected = expected
        self.came = came


class Surprise(Exception):  # noqa: N818 - named for what happened
    """Inside a step: what came is not what was expected."""


@dataclass(slots=True)
class Step:
    """One step while it is played."""

    number: int
    title: str
    expected: str
    came: list[str] = field(default_factory=list)

    def saw(self, text: str) -> None:
        """Tell what came."""
        self.came.append(text)

    def require(self, holds: bool, otherwise: str) -> None:
        """Go on only if the expectation holds; `otherwise` says what came instead."""
        if not holds:
            raise Surprise(otherwise)


class Story:
    """Prints the steps as they happen, or keeps them for a program."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self.told: list[dict[str, object]] = []
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the story has taken on the wall clock."""
        return time.monotonic() - self._begun

    def remark(self, text: str) -> None:
        """Say something between steps."""
        self._print(Text(f"\n{text}", style="italic"))

    @asynccontextmanager
    async def step(self, title: str, *, expected: str) -> AsyncIterator[Step]:
        """Play one step. Whatever goes wrong inside is an ExpectationFailed that names it."""
        step = Step(len(self.told) + 1, title, expected)
        self._print(Text.assemble((f"\n{step.number:>2}  ", "dim"), (title, "bold")))
        self._tell("expected", Text(expected))
        begun = time.monotonic()
        try:
            yield step
        except (Surprise, RingfenceError, Problem, TimeoutError) as error:
            came = str(error) or type(error).__name__
            self._tell("came", Text.assemble((plain(came), "red"), ("  ✗", "bold red")))
            raise ExpectationFailed(step=title, expected=expected, came=came) from error
        took = time.monotonic() - begun
        lines = step.came or ["so it did"]
        for index, line in enumerate(lines):
            told = Text(plain(line))
            if index == len(lines) - 1:
                told.append("  ✓", style="bold green").append(f"  {took * 1_000:,.0f} ms", style="dim")
            self._tell("" if index else "came", told)
        self.told.append({"step": title, "expected": expected, "came": lines, "seconds": round(took, 3)})

    def _tell(self, label: str, text: Text) -> None:
        """Print a line of a step; what does not fit goes on below where it began."""
        line = Table.grid(padding=0)
        line.add_column(width=14, style="dim")
        line.add_column(overflow="fold")
        line.add_row(f"    {label}", text)
        self._print(line)

    def _print(self, text: RenderableType) -> None:
        if not self._out.is_json:
            self._out.stdout.print(text)
