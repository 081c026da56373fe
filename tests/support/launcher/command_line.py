"""Runs `ringfence …` in the test's own process, as a shell would: arguments in, exit code and two streams out."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from ringfence_launcher.cli import main


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command line ended."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CommandLine:
    """`ringfence("agent", "list")`."""

    def __init__(self, capture: pytest.CaptureFixture[bytes]) -> None:
        self._capture = capture

    def __call__(self, *arguments: str) -> Ended:
        self._capture.readouterr()
        code = main(list(arguments))
        captured = self._capture.readouterr()
        return Ended(code, captured.out, captured.err.decode())
