"""`make bench`: measures the rows of the target table, prints them and writes down what was found.

    python bench/run.py                      every row, 7 rounds of a second: ten to fifteen minutes on two quiet cores
    python bench/run.py --quick              3 short rounds and 10,000 cards: to see that it works, not how fast
    python bench/run.py --rows 1-6,17        these rows only
    python bench/run.py --check              the rows that are gated; ends with 1 when a floor is missed

A whole run is written to `bench/results.json`; any other to `.build/bench/results.json`, unless `--output` says where.
"""

import argparse
import asyncio
import datetime as dt
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from apart import ABSENT, APART
from cerbos_process import VERSION
from contenders import in_turns
from entrants import ENTRANTS
from results import Results, conditions, findings
from stage import Plan, Stage
from table import table
from targets import FIGURES, Figure, figures_of, needed_by

HERE = Path(__file__).resolve().parent
WHOLE = HERE / "results.json"
PARTIAL = HERE.parent / ".build" / "bench" / "results.json"

PLAN = Plan(rounds=7, slice_s=1.0, cards=100_000)
QUICK = Plan(rounds=3, slice_s=0.3, cards=10_000)


class Run:
    """What was measured so far, and what could not be."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.series: dict[str, list[float]] = {}
        self.failures: dict[str, str] = {}

    async def take(self, wanted: frozenset[str]) -> None:
        """Measure these series."""
        self.failures |= {name: why for name, why in ABSENT.items() if name in wanted}
        with tempfile.TemporaryDirectory() as name:
            await self._on_stage(wanted, Path(name))
            await self._apart(wanted, Path(name))

    async def _on_stage(self, wanted: frozenset[str], folder: Path) -> None:
        async with Stage(folder, self._plan) as stage:
            contenders = []
            for name, enter in ENTRANTS.items():
                if name not in wanted:
                    continue
                say(f"{name} enters")
                try:
                    contenders.append(await enter(name, stage, self._plan))
                except Exception as error:  # noqa: BLE001 - the others are measured all the same
                    self._failed([name], error)
            found, failed = await in_turns(
                contenders, rounds=self._plan.rounds, slice_s=self._plan.slice_s, progress=say
            )
        self.series |= found
        self.failures |= failed

    async def _apart(self, wanted: frozenset[str], folder: Path) -> None:
        for each in APART:
            if wanted.isdisjoint(each.series):
                continue
            say(", ".join(each.series))
            try:
                found = await each.measure(self._plan, folder)
            except Exception as error:  # noqa: BLE001 - the others are measured all the same
                self._failed(each.series, error)
            else:
                self.series |= {name: list(rounds) for name, rounds in found.items()}

    def _failed(self, names: Iterable[str], error: Exception) -> None:
        why = f"{type(error).__name__}: {error}"
        say(f"failed: {why}")
        self.failures |= dict.fromkeys(names, why)


async def measure(figures: list[Figure], plan: Plan) -> Results:
    """Measure what the figures are made of."""
    begun, clock, load = dt.datetime.now(dt.UTC), time.perf_counter(), os.getloadavg()[0]
    run = Run(plan)
    await run.take(needed_by(figures))
    return Results(
        conditions=conditions(
            begun=begun,
            seconds=time.perf_counter() - clock,
            load_before=load,
            rounds=plan.rounds,
            slice_s=plan.slice_s,
            cards=plan.cards,
            cerbos=VERSION,
            empty=run.series.get("empty", []),
        ),
        findings=findings(figures, run.series),
        series=run.series,
        failures=run.failures,
    )


def say(what: str) -> None:
    """Tell whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def rows_of(text: str) -> list[int]:
    """Return the rows of `1-6,17`. Raises ValueError."""
    rows: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        rows += range(int(first), int(last or first) + 1)
    return rows


def options(arguments: argparse.Namespace) -> tuple[list[Figure], Plan]:
    """Return what is to be measured, and how much. Raises ValueError."""
    plan = QUICK if arguments.quick else PLAN
    figures = list(FIGURES) if arguments.rows is None else figures_of(rows_of(arguments.rows))
    if arguments.check:
        figures = [figure for figure in figures if figure.gated and figure.needs.isdisjoint(ABSENT)]
    rounds = arguments.rounds or plan.rounds
    return figures, Plan(rounds=rounds, slice_s=plan.slice_s, cards=plan.cards, with_cerbos=not arguments.no_cerbos)


def main() -> int:
    """Measure, print, write down; with --check, also judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help="rows to measure, as in 1-6,17")
    parser.add_argument("--quick", action="store_true", help="short rounds and fewer cards")
    parser.add_argument("--rounds", type=int, help="how many rounds are counted")
    parser.add_argument("--check", action="store_true", help="gated figures only; end with 1 when a floor is missed")
    parser.add_argument("--no-cerbos", action="store_true", help="leave Cerbos out")
    parser.add_argument("--output", type=Path, help="where the results are written")
    arguments = parser.parse_args()
    try:
        figures, plan = options(arguments)
    except ValueError as error:
        parser.error(str(error))
    found = asyncio.run(measure(figures, plan))
    print(table(found))
    output = arguments.output or (WHOLE if plan == PLAN and len(figures) == len(FIGURES) else PARTIAL)
    output.parent.mkdir(parents=True, exist_ok=True)
    found.write(output)
    print(f"\nwritten to {os.path.relpath(output)}")
    missed = found.missed() if arguments.check else []
    for each in missed:
        print(f"row {each.row}, {each.what}: {each.verdict.value}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
