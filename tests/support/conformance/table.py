"""The table of conformance cases as the drivers in Python read it, and what they write about each.

A driver is a program. `DRIVER ADDRESS CASES` runs every case of the file and writes a line of JSON for each.
`DRIVER ADDRESS` alone calls on four connections. It writes `begun` when it has called on all; from the first line of
its input on it makes one call after another on each, until the input has ended and there was one more answer; then it
writes how many calls ended with which code.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

SERVICE = "test.echo.v1.EchoService"
LANES = 4
"""Connections of a driver that calls without a pause."""
LONGEST_CALL_S = 60
"""Seconds such a call may take."""

Trailers = list[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the table, without what is expected."""

    name: str
    call: str
    method: str
    send: list[Mapping[str, Any]]
    metadata: list[tuple[str, str]] = field(default_factory=list)
    timeout_ms: int | None = None
    compress: bool = False
    at_once: int = 1
    cancel_after: int | None = None
    """After so many answers the client gives up."""
    in_turn: bool = False
    """Whether each message waits for the answer to the one before."""
    read_late: int = 0
    """After so many messages it begins to read."""

    @property
    def path(self) -> str:
        """The path of its method; a method of another service is named in full."""
        return f"/{self.method}" if "/" in self.method else f"/{SERVICE}/{self.method}"

    @property
    def timeout(self) -> float | None:
        """Seconds."""
        return None if self.timeout_ms is None else self.timeout_ms / 1_000

    def texts(self) -> Iterator[str]:
        """Give what is sent, message by message."""
        for each in self.send:
            text = each["text"] * each.get("times", 1)
            for _ in range(each.get("count", 1)):
                yield text

    def sent_metadata(self) -> list[tuple[str, str | bytes]]:
        """Return its metadata as gRPC takes it."""
        return [(key, base64.b64decode(text) if key.endswith("-bin") else text) for key, text in self.metadata]


def read_cases(path: Path) -> list[Case]:
    """Return the cases of a file."""
    known = {field.name for field in fields(Case)}
    return [Case(**{key: each[key] for key in known & each.keys()}) for each in json.loads(path.read_text())]


class Answers:
    """The answers to a call, as many as there were and what they said."""

    def __init__(self) -> None:
        self.count = 0
        self._said = hashlib.sha256()

    def add(self, text: str) -> None:
        """Take one in."""
        self.count += 1
        self._said.update(text.encode() + b"\n")

    @property
    def said(self) -> str:
        """All of them together, in short."""
        return self._said.hexdigest()


def line_of(case: Case, code: int, message: str, trailers: Trailers, answers: list[Answers]) -> str:
    """Return what a driver writes about a case."""
    told = {key: base64.b64encode(value).decode() if isinstance(value, bytes) else value for key, value in trailers}
    return json.dumps(
        {
            "case": case.name,
            "code": code,
            "message": message,
            "status": told.pop("grpc-status-details-bin", ""),
            "trailers": told,
            "answers": [(each.count, each.said) for each in answers],
        }
    )


def line_of_lanes(lanes: Sequence[Sequence[int]]) -> str:
    """Return what a driver writes that called without a pause: code → calls, of all its connections."""
    return json.dumps(Counter(code for lane in lanes for code in lane))
