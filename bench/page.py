"""The table in `docs/performance.md`, made of a recorded run and of nothing else.

    python bench/page.py [RESULTS]     records `bench/results.json`, or another run, and writes the page's table

What is recorded is a whole run: `docs/performance.json`, beside the page.
"""

import argparse
import shutil
import sys
from pathlib import Path

from results import Results, UnreadableResultsError, read
from table import markdown, said
from targets import FIGURES

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
RECORD = PAGE.with_suffix(".json")
BEGINS, ENDS = "<!-- measured: written by bench/page.py -->\n", "<!-- end of measured -->\n"
NOTHING = "No run is recorded yet.\n"


class NotWholeError(ValueError):
    """A run that left rows out."""


def body(found: Results | None) -> str:
    """Return what stands between the markers."""
    if found is None:
        return NOTHING
    failures = [f"- *not measured*, {name}: {why}\n" for name, why in sorted(found.failures.items())]
    conditions = "".join(f"- {line}\n" for line in said(found.conditions))
    return f"{conditions}\n{markdown(found)}{'' if not failures else chr(10)}{''.join(failures)}"


def with_body(page: str, text: str) -> str:
    """Return the page with other text between its markers. Raises ValueError when it has none."""
    before, begins, rest = page.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not begins or not ends:
        raise ValueError("the page has no markers")
    return f"{before}{begins}{text}{ends}{after}"


def require_whole(found: Results) -> None:
    """Raise NotWholeError when figures are missing from it."""
    there = {(each.row, each.what) for each in found.findings}
    missing = [f"{each.row}, {each.what}" for each in FIGURES if (each.row, each.what) not in there]
    if missing:
        raise NotWholeError(f"the run has no {'; '.join(missing)}")


def main() -> int:
    """Record a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="?", default=HERE / "results.json")
    path: Path = parser.parse_args().results
    try:
        found = read(path)
        require_whole(found)
    except (OSError, UnreadableResultsError, NotWholeError) as error:
        parser.error(str(error))
    PAGE.write_text(with_body(PAGE.read_text(), body(found)))
    if path.resolve() != RECORD:
        shutil.copyfile(path, RECORD)
    return 0


if __name__ == "__main__":
    sys.exit(main())
