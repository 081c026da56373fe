"""Whether two runs say the same: which figures differ by more than a fifth.

    python bench/compare.py A.json B.json     ends with 1 when one does

The difference is that of the ratios, not of what they are made of: another machine has other microseconds. Figures that
are times are shown, and not judged, as is what only one of the runs measured.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from results import Finding, Results, UnreadableResultsError, read
from table import number, rows_in_columns

TOLERANCE = 0.2
HEAD = ("#", "what", "unit", "first", "second", "difference", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One figure in two runs."""

    finding: Finding
    first: float | None
    second: float | None

    @property
    def share(self) -> float | None:
        """By how much the larger exceeds the smaller; None when there are not two."""
        if self.first is None or self.second is None:
            return None
        return max(self.first, self.second) / min(self.first, self.second) - 1

    def differs(self, tolerance: float) -> bool:
        """Say whether a ratio is another one."""
        return self.finding.gated and self.share is not None and self.share > tolerance


def differences(first: Results, second: Results) -> Iterator[Difference]:
    """Yield every figure that either run measured."""
    found = {(each.row, each.what): each.measured for each in first.findings}
    others = {(each.row, each.what): each for each in second.findings}
    named = {(each.row, each.what): each for each in first.findings} | others
    for key, finding in sorted(named.items()):
        there, here = found.get(key), others[key].measured if key in others else None
        if there is not None or here is not None:
            yield Difference(finding=finding, first=there, second=here)


def table(found: list[Difference], tolerance: float) -> str:
    """Return the differences for a terminal."""
    return rows_in_columns([HEAD, *(_cells(each, tolerance) for each in found)], left={1, 2, 6})


def _cells(each: Difference, tolerance: float) -> tuple[str, ...]:
    share = "-" if each.share is None else f"{each.share:.0%}"
    judged = "differs" if each.differs(tolerance) else "" if each.finding.gated else "not judged"
    finding = each.finding
    return (str(finding.row), finding.what, finding.unit, number(each.first), number(each.second), share, judged)


def main() -> int:
    """Compare two files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="the share that is still the same")
    arguments = parser.parse_args()
    try:
        found = list(differences(read(arguments.first), read(arguments.second)))
    except (OSError, UnreadableResultsError) as error:
        parser.error(str(error))
    print(table(found, arguments.tolerance))
    others = [each for each in found if each.differs(arguments.tolerance)]
    judged = sum(each.finding.gated and each.share is not None for each in found)
    print(f"{len(others)} of {judged} ratios differ by more than {arguments.tolerance:.0%}")
    return 1 if others else 0


if __name__ == "__main__":
    sys.exit(main())
