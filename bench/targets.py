"""The table of targets: what is measured, the floor it must never be below, and the goal it is to reach.

The rules:

- a figure is made of *series*, numbers of which there is one for each round. It is the median of a series, or the
  median over the rounds of one series against another of the same round;
- a ratio that shall be small is what the one takes of the other; one that shall be large is how many times more the one
  does with the same;
- only ratios of CPU and of memory are *gated*: what depends on who else uses the machine is shown and judged, and
  never fails a build.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

Series = Mapping[str, Sequence[float]]
"""By name, a number for each round."""


class Verdict(Enum):
    """How a figure stands to its targets."""

    GOAL = "goal"
    FLOOR = "floor"
    """At the floor or above, short of the goal."""
    MISSED = "missed"
    """Below the floor."""
    UNMEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of a row."""

    row: int
    what: str
    of: str
    """The series that is judged."""
    against: str = ""
    """The series it is put into relation to, if any."""
    unit: str
    most: tuple[float | None, float] | None = None
    """Floor and goal of what shall be small; a floor of None is none."""
    least: tuple[float, float] | None = None
    """Floor and goal of what shall be large."""
    gated: bool = True

    @property
    def needs(self) -> frozenset[str]:
        """The series it is made of."""
        return frozenset(filter(None, (self.of, self.against)))

    @property
    def floor(self) -> float | None:
        """What it must never be below; None when nothing was promised."""
        return self._bounds[0]

    @property
    def goal(self) -> float:
        """What it is to reach."""
        return self._bounds[1]

    @property
    def _bounds(self) -> tuple[float | None, float]:
        bounds = self.most or self.least
        if bounds is None:
            raise ValueError(f"{self.what} has no target")
        return bounds

    def rounds(self, series: Series) -> list[float]:
        """Return the figure of each round; none when something it needs was not measured."""
        if not self.needs <= series.keys():
            return []
        if not self.against:
            return list(series[self.of])
        over, under = (self.of, self.against) if self.most else (self.against, self.of)
        return [upper / lower for upper, lower in zip(series[over], series[under], strict=True)]

    def measured(self, series: Series) -> float | None:
        """Return the median over the rounds; None when it was not measured."""
        rounds = self.rounds(series)
        return statistics.median(rounds) if rounds else None

    def verdict(self, measured: float | None) -> Verdict:
        """Judge it."""
        if measured is None:
            return Verdict.UNMEASURED
        if self._keeps(measured, self.goal):
            return Verdict.GOAL
        if self.floor is None or self._keeps(measured, self.floor):
            return Verdict.FLOOR
        return Verdict.MISSED

    def _keeps(self, measured: float, bound: float) -> bool:
        return measured <= bound if self.most else measured >= bound


R0, CERBOS, BATCH, MS, S = "x R0", "x Cerbos", "x its batch", "ms", "s"


def _small(  # noqa: PLR0917 - the columns of the table below
    row: int, floor: float | None, goal: float, unit: str, what: str, of: str, against: str = "", *, gated: bool = True
) -> Figure:
    return Figure(row=row, what=what, of=of, against=against, unit=unit, most=(floor, goal), gated=gated)


def _large(  # noqa: PLR0917 - the columns of the table below
    row: int, floor: float, goal: float, unit: str, what: str, of: str, against: str = "", *, gated: bool = True
) -> Figure:
    return Figure(row=row, what=what, of=of, against=against, unit=unit, least=(floor, goal), gated=gated)


FIGURES: Sequence[Figure] = (
    _small(1, 1.35, 1.15, R0, "Check, standard port, everything on", "standard", "empty"),
    _small(2, 0.13, 0.08, R0, "Check, fast port, 1,000 rules, everything on", "fast", "empty"),
    _large(2, 6, 12, CERBOS, "the same, per CPU second", "fast", "cerbos"),
    _large(3, 12, 25, CERBOS, "CheckStream, fast port, per check", "fast stream", "cerbos"),
    _large(4, 3, 5, BATCH, "batch of 64, standard port, per check", "standard batch", "cerbos batch"),
    _large(4, 5, 8, BATCH, "batch of 64, fast port, per check", "fast batch", "cerbos batch"),
    _small(5, 0.55, 0.35, "of Cerbos", "p50, one call at a time", "fast alone p50", "cerbos alone p50", gated=False),
    _small(6, 0.15, 0.08, R0, "ext_authz, fast port, our side", "ext_authz", "empty"),
    _small(6, 0.15, 0.08, R0, "the same, asked by an Envoy", "ext_authz by Envoy", "empty", gated=False),
    _small(7, 0.045, 0.025, R0, "a decision alone, bytes to bytes, 1,000 rules", "decision, 1,000 rules", "empty"),
    _small(7, 1.5, 1.3, "x", "its growth from 1 to 10,000 rules", "decision, 10,000 rules", "decision, 1 rule"),
    _small(8, 1.8, 1.4, "x plaintext", "Check, fast port, mutual TLS, warm", "mtls", "fast"),
    _small(9, 1.05, 1.02, "x untraced", "Check with a trace its caller does not sample", "unsampled", "fast"),
    _small(10, 1.5, 1.2, "x a verify", "the verdict on a peer, its proof fresh", "peer verdict", "bare verify"),
    _small(10, 0.10, 0.05, R0, "VerifyPeer, fast port, a proof seen before", "cached proof", "empty"),
    _small(11, 0.10, 0.05, R0, "registry GetAgent, fast port, many cards", "get agent", "empty"),
    _small(12, 25, 5, MS, "ListAgents of 50 by a filter, p99", "list p99", gated=False),
    _small(12, 50, 15, MS, "SearchAgents, ranked, p99", "search p99", gated=False),
    _large(13, 5, 10, "x as many", "durable writes, 64 writers", "grouped write", "lone write", gated=False),
    _small(14, 250, 100, MS, "one change to the last of 1,000 watchers", "watchers told", gated=False),
    _large(15, 50_000, 100_000, "a CPU s", "spans stored with a durable answer", "spans", gated=False),
    _small(16, 1.15, 1.05, "x one", "Check, fast port, two workers", "two workers", "fast"),
    _small(17, 0.7, 0.4, "of Cerbos", "memory of a pdp, 1,000 rules, after load", "memory", "cerbos memory"),
    _small(18, 1, 0.2, S, "1,000 policies pushed under load decide", "reload", gated=False),
    _small(18, None, 1, MS, "the longest wait for an answer meanwhile", "reload stall", gated=False),
    _small(19, 1_000, 100, MS, "kill switch to the first denial", "killed", gated=False),
    _small(19, 1_000, 100, MS, "suspension by identity to the first denial", "suspended", gated=False),
    _small(20, 3, 1.5, S, "`ringfence up` to ready, nothing stored", "cold start", gated=False),
    _small(20, 20, 8, S, "the same with many cards", "cold start with cards", gated=False),
    _small(20, 20, 8, S, "with many cards, after an upgrade", "cold start, no checkpoint", gated=False),
    _small(21, 0.06, 0.03, R0, "LocalPdp: a decision, log included", "local pdp", "empty", gated=False),
)

ROWS = tuple(dict.fromkeys(figure.row for figure in FIGURES))


def figures_of(rows: Iterable[int]) -> list[Figure]:
    """Return the figures of these rows. Raises ValueError for a row there is none of."""
    wanted = set(rows)
    unknown = wanted - set(ROWS)
    if unknown:
        raise ValueError(f"there is no row {', '.join(map(str, sorted(unknown)))}; rows are {ROWS[0]} to {ROWS[-1]}")
    return [figure for figure in FIGURES if figure.row in wanted]


def needed_by(figures: Iterable[Figure]) -> frozenset[str]:
    """Return every series the figures are made of."""
    return frozenset().union(*(figure.needs for figure in figures))
