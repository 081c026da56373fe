"""Makes the model: fits the heads, finds their curves, and writes what is committed: weights, a card, and numbers.

    python -m training.train            writes services/pdp/ringfence_pdp/filters/intent/model
    python -m training.train --to DIR   writes it elsewhere

There is no chance in it: the same sources make the same model, up to what another release of numpy or scipy rounds
differently.
"""

import argparse
import hashlib
import io
import json
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from ringfence_pdp.filters.intent.features import VERSION
from ringfence_pdp.filters.intent.readings import CATEGORIES

from training.calibrate import Curves, curves
from training.corpus import training_texts
from training.fit import Fitted, fit, quantised
from training.matrix import matrix
from training.sources import HERE, Role, of_role, read_sources
from training.texts import Text

MODEL: Final = HERE.parent / "services" / "pdp" / "ringfence_pdp" / "filters" / "intent" / "model"
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


def train(folder: Path) -> dict[str, Any]:
    """Make the model, write it, and return its numbers."""
    started = time.process_time()
    texts = training_texts()
    rows = matrix(texts)
    found = curves(rows, texts)
    fitted = fit(rows, texts)
    numbers = measured(texts, fitted, found)
    folder.mkdir(parents=True, exist_ok=True)
    weights = packed(fitted)
    card = {
        "version": VERSION,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "categories": list(CATEGORIES),
        "curves": {name: [round(score, 6) for score in scores] for name, scores in found.items()},
    }
    (folder / "heads.npz").write_bytes(weights)
    (folder / "model.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (folder / "metrics.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    print(f"{len(texts)} texts, {len(weights)} bytes, {time.process_time() - started:.0f} s of CPU")
    return numbers


def packed(fitted: Fitted) -> bytes:
    """Return the weights as a file that is the same whenever the weights are."""
    whole, scales = quantised(fitted.weights)
    used = np.flatnonzero((whole != 0).any(axis=1))
    arrays: dict[str, NDArray[Any]] = {
        "steps": np.diff(used, prepend=0).astype(np.uint16),
        "rows": whole[used],
        "scales": scales,
        "biases": fitted.biases,
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _LONG_AGO), _npy(array), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def measured(texts: Sequence[Text], fitted: Fitted, found: Curves) -> dict[str, Any]:
    """Return what `check.py` compares: sizes, and how the heads separate what they were fitted on.

    The second is no quality, and is not quoted as one: it only shows whether a model made again is the same model.
    """
    heads = fitted.heads()
    values = np.stack([heads.scores(text.text).values for text in texts])
    benign = np.array([not text.is_attack for text in texts])
    fitted_on = {}
    for head, category in enumerate(CATEGORIES):
        own = np.array([text.category == category for text in texts])
        over = np.quantile(values[benign, head], 0.99)
        fitted_on[category] = round(float((values[own, head] > over).mean()), 4) if own.any() else 0.0
    return {
        "sources": {
            source.name: {"version": source.version, "sha256": source.sha256}
            for source in of_role(read_sources(), Role.TRAIN)
        },
        "texts": dict(sorted(Counter(text.source.split("/")[0] for text in texts).items())),
        "strata": dict(sorted(Counter(text.stratum for text in texts).items())),
        "attacks_above_99_percent_of_fitted_benign": fitted_on,
        "fused_at_1_percent": round(found["fused"][6], 4),
    }


def main() -> None:
    """Make the model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, default=MODEL)
    train(parser.parse_args().to)


if __name__ == "__main__":
    main()
