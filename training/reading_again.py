"""Judges what the encoder adds: what was kept apart, with the two readers of intent and with the first alone.

    python -m training.reading_again    writes the numbers where the report finds them

One pass: the second reader is asked about what the first is in doubt about and nothing else, as in a decision.
"""

import time
from collections.abc import Sequence
from typing import Any

from ringfence_pdp.filters.arguments import content_of_text
from ringfence_pdp.filters.encoder.second_reader import second_reader
from ringfence_pdp.filters.finding import ArgumentType, Content
from ringfence_pdp.filters.intent.classifier import intent

from training.evaluate import kept_apart_texts, write
from training.judging import Judged, gates, layer_one, table, verdict_of
from training.texts import Text


def judged_twice(texts: Sequence[Text]) -> dict[str, Any]:
    """Return what is found without and with the encoder, how often it is asked, and what that takes."""
    patterns, first, second = layer_one(), intent(), second_reader()
    without: list[Judged] = []
    both: list[Judged] = []
    asked: dict[str, list[bool]] = {}
    took = 0.0
    for text in texts:
        content = _content(text)
        found = [*patterns.findings(content), *first.findings(content)]
        rarity = first.p_value(content)
        doubts = first.doubts(content)
        started = time.process_time()
        again = second.findings(doubts) if doubts else ()
        took += time.process_time() - started
        asked.setdefault(text.stratum, []).append(bool(doubts))
        without.append(Judged(text=text, verdict=verdict_of(found, rarity)))
        both.append(Judged(text=text, verdict=verdict_of([*found, *again], rarity)))
    count = sum(map(sum, asked.values()))
    return {
        "without": _numbers(without),
        "with": _numbers(both),
        "asked": {stratum: round(sum(said) / len(said), 4) for stratum, said in sorted(asked.items())},
        "milliseconds": round(1_000 * took / max(1, count), 1),
    }


def _numbers(rows: Sequence[Judged]) -> dict[str, Any]:
    return {"gates": gates(rows), "by_stratum": table(rows, lambda text: text.stratum)}


def _content(text: Text) -> Content:
    return content_of_text(text.text, type=None if text.type is ArgumentType.FREE_TEXT else text.type)


if __name__ == "__main__":
    write("encoder", judged_twice(kept_apart_texts()))
