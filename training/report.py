"""Writes the tables of `docs/filters-report.md` from what `evaluate.py` and `peers.py` measured.

python -m training.report    replaces what stands between the markers; the words around them are ours
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from training.sources import BUILT, HERE

REPORT: Final = HERE.parent / "docs" / "filters-report.md"
Numbers = Mapping[str, Any]


def percent(share: float) -> str:
    """Return a share as the report writes it."""
    return f"{100 * share:.1f} %"


def gates(numbers: Numbers) -> str:
    """Return the gates, and what was measured."""
    both = numbers["kept_apart"]["both"]["gates"]
    flagged, denied = both["flagged"], both["denied"]
    contrast = numbers["contrast"]
    rows = (
        ("recall of core attacks, strata alike", "≥ 70 %", percent(both["core_recall_strata_alike"])),
        ("false positives in all", "≤ 3 %", percent(both["false_positives"])),
        ("payloads", "≥ 92 %", percent(flagged["payload"])),
        ("injections", "≥ 88 %", percent(flagged["injection"])),
        ("goals in plain words", "≥ 35 %", percent(flagged["goal"])),
        ("false positives, ordinary", "≤ 0.8 %", percent(flagged["ordinary"])),
        ("false positives, security-flavoured", "≤ 5 %", percent(flagged["security"])),
        ("deny alone: precision", "≥ 97 %", percent(both["deny_precision"])),
        ("deny alone: ordinary", "≤ 0.2 %", percent(denied["ordinary"])),
        ("AUC, core", "≥ 0.92", f"{both['auc_core']:.3f}"),
        ("the same by findings alone", "", f"{both['auc_core_told']:.3f}"),
        ("AUC, contrast pairs", "≥ 0.85", f"{contrast['auc']:.3f}"),
        ("the same by findings alone", "", f"{contrast['auc_told']:.3f}"),
        ("contrast pairs: the twin is stopped, the other passes", "", percent(contrast["told_apart"])),
    )
    return _table(("", "gate", "measured"), rows)


def by_layer(numbers: Numbers) -> str:
    """Return what each layer finds of what was kept apart, by stratum."""
    names = ("payload", "injection", "goal", "context", "ordinary", "security")
    layers = {"first": "patterns and analysers", "second": "intent", "both": "both"}
    rows = []
    for layer, told in layers.items():
        shares = numbers["kept_apart"][layer]["by_stratum"]
        rows.append((told, *(percent(shares[name]["flagged"]) for name in names)))
    return _table(("flagged", *names), rows)


def encoder(numbers: Numbers) -> str:
    """Return what the second reader of intent adds to both layers, over what was kept apart."""
    told = numbers["encoder"]
    rows = []
    for name, words in (("without", "both layers"), ("with", "both layers and the encoder")):
        of = told[name]["gates"]
        flagged = of["flagged"]
        strata = (percent(flagged[stratum]) for stratum in ("payload", "injection", "goal", "ordinary", "security"))
        rows.append((words, *strata, percent(of["false_positives"]), f"{of['auc_core']:.4f}"))
    asked = (percent(told["asked"][stratum]) for stratum in ("payload", "injection", "goal", "ordinary", "security"))
    rows.append(("read again", *asked, "", ""))
    head = ("flagged", "payload", "injection", "goal", "ordinary", "security", "false positives", "AUC, core")
    return _table(head, rows)


def by_source(numbers: Numbers) -> str:
    """Return what both layers find of each source that was kept apart."""
    return _sources(numbers["kept_apart"]["both"]["by_source"])


def left_out(numbers: Numbers) -> str:
    """Return what is found of each source by a model made without it."""
    second, both = numbers["left_out"]["second"]["by_source"], numbers["left_out"]["both"]["by_source"]
    rows = [
        (
            name,
            str(row["texts"]),
            percent(row["flagged"]),
            percent(row["denied"]),
            percent(both[name]["flagged"]),
            percent(both[name]["denied"]),
        )
        for name, row in second.items()
    ]
    return _table(("left out", "texts", "intent: flagged", "denied", "both layers: flagged", "denied"), rows)


def peers(numbers: Numbers) -> str:
    """Return what the detectors of others find of the same texts."""
    rows = []
    for name, told in numbers["peers"].items():
        of = told["gates"]
        flagged = of["flagged"]
        rows.append(
            (
                name,
                str(told["judged"]),
                percent(of["core_recall_strata_alike"]),
                *(percent(flagged.get(stratum, 0.0)) for stratum in ("payload", "injection", "goal")),
                percent(flagged.get("ordinary", 0.0)),
                percent(flagged.get("security", 0.0)),
                f"{of['auc_core']:.3f}",
                f"{told['milliseconds']:.2f}",
            )
        )
    strata = ("payload", "injection", "goal", "ordinary", "security")
    return _table(("detector", "texts", "core", *strata, "AUC, core", "ms of CPU a text"), rows)


def obfuscators(numbers: Numbers) -> str:
    """Return how much of what is found is still found when it is disguised."""
    rows = [(name, percent(share)) for name, share in numbers["disguised"].items()]
    return _table(("disguise", "of what is found plain, still found"), rows)


def _sources(shares: Numbers) -> str:
    rows = [(name, str(row["texts"]), percent(row["flagged"]), percent(row["denied"])) for name, row in shares.items()]
    return _table(("source and stratum", "texts", "flagged", "denied"), rows)


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- " + "| ---: " * (len(head) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


class Table(NamedTuple):
    """One table of the report."""

    made_of: tuple[str, ...]
    """What has to be measured for it, as `evaluation.json` names it."""
    lines: Callable[[Numbers], str]


TABLES: Final[Mapping[str, Table]] = {
    "gates": Table(("kept_apart", "contrast"), gates),
    "by-layer": Table(("kept_apart",), by_layer),
    "encoder": Table(("encoder",), encoder),
    "by-source": Table(("kept_apart",), by_source),
    "left-out": Table(("left_out",), left_out),
    "peers": Table(("peers",), peers),
    "disguised": Table(("disguised",), obfuscators),
}


def with_tables(page: str, numbers: Numbers) -> tuple[str, list[str]]:
    """Return the page with the tables that were measured, and the names of those that stay as they were."""
    unmeasured: list[str] = []
    for name, table in TABLES.items():
        before, opened, rest = page.partition(f"<!-- {name} -->\n")
        _, closed, after = rest.partition(f"<!-- /{name} -->")
        if not closed:
            raise ValueError(f"{REPORT.name} has no place for {name}")
        if all(part in numbers for part in table.made_of):
            page = f"{before}{opened}{table.lines(numbers)}\n{closed}{after}"
        else:
            unmeasured.append(name)
    return page, unmeasured


def main() -> None:
    """Put the tables into the report."""
    numbers = json.loads((BUILT / "evaluation.json").read_text(encoding="utf-8"))
    page, unmeasured = with_tables(REPORT.read_text(encoding="utf-8"), numbers)
    REPORT.write_text(page, encoding="utf-8")
    if unmeasured:
        print(f"not measured here, so left as they were: {', '.join(unmeasured)}")


if __name__ == "__main__":
    main()
