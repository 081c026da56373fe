"""Makes the model again and compares it with the committed one: `make train-check`, in every run of CI.

The tolerance: the same texts, to the number; of each head the two lists of weights point the same way, cosine at least
0.999; a score of a curve is off by 5 % of the curve's length at most; a share that `metrics.json` tells by 0.01.
Releases of numpy and scipy round differently, and nothing else may differ: other sources, other pairs or a dictionary
that reads much differently make another model, which has to be committed with them. The head of the encoder is checked
as `training/encoder.py` says, without making it again.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from ringfence_pdp.filters.intent.features import BUCKETS
from ringfence_pdp.filters.intent.readings import CATEGORIES

from training import encoder
from training.train import MODEL, train

COSINE_LEAST: Final = 0.999
CURVE_SHARE: Final = 0.05
SHARE_OFF: Final = 0.01


def differences(made: Path, committed: Path) -> Iterator[str]:
    """Yield in what two models differ more than they may, in sentences."""
    now, before = _json(made / "metrics.json"), _json(committed / "metrics.json")
    for name in ("sources", "texts", "strata"):
        if now[name] != before[name]:
            yield f"{name} were {before[name]} and are {now[name]}"
    for name, share in now["attacks_above_99_percent_of_fitted_benign"].items():
        known = before["attacks_above_99_percent_of_fitted_benign"][name]
        if abs(share - known) > SHARE_OFF:
            yield f"the share of {name} was {known} and is {share}"
    yield from _curves(_json(made / "model.json")["curves"], _json(committed / "model.json")["curves"])
    ours, theirs = _weights(made), _weights(committed)
    for head, category in enumerate(CATEGORIES):
        cosine = _cosine(ours[:, head], theirs[:, head])
        if cosine < COSINE_LEAST:
            yield f"the weights of {category} point elsewhere: the cosine is {cosine:.4f}"


def _curves(now: dict[str, list[float]], before: dict[str, list[float]]) -> Iterator[str]:
    for name, scores in now.items():
        length = max(1.0, before[name][-1] - before[name][0])
        off = max(abs(score - known) for score, known in zip(scores, before[name], strict=True))
        if off > CURVE_SHARE * length:
            yield f"the curve of {name} is off by {off:.3f} of {length:.3f}"


def _weights(folder: Path) -> NDArray[np.float64]:
    with np.load(folder / "heads.npz", allow_pickle=False) as arrays:
        weights = np.zeros((BUCKETS, len(CATEGORIES)))
        weights[np.cumsum(arrays["steps"], dtype=np.int64)] = arrays["rows"]
        return weights


def _cosine(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    length = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / length if length else 1.0


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Make it again; exit 1 and say what differs when it is another model."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        train(made)
        found = [*differences(made, MODEL), *encoder.differences()]
    for difference in found:
        sys.stderr.write(f"{difference}\n")
    if found:
        sys.stderr.write("the committed model is not what training makes: run `make train`, judge it, and commit it\n")
        raise SystemExit(1)
    sys.stdout.write("the model that was made again is the committed one\n")


if __name__ == "__main__":
    main()
