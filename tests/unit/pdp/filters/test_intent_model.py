import hashlib
import io
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from ringfence_pdp.filters.intent.artefact import (
    WEIGHTS_MAX,
    Card,
    ModelRefusedError,
    installed,
    read_model,
)
from ringfence_pdp.filters.intent.features import BUCKETS, VERSION
from ringfence_pdp.filters.intent.p_values import CHANCES
from ringfence_pdp.filters.intent.readings import CATEGORIES

CURVE = tuple(float(place) for place in range(len(CHANCES)))


def weights(**changed: NDArray[Any]) -> bytes:
    arrays: dict[str, NDArray[Any]] = {
        "steps": np.array([5, 7], dtype=np.uint16),
        "rows": np.ones((2, len(CATEGORIES)), dtype=np.int8),
        "scales": np.ones(len(CATEGORIES)),
        "biases": np.zeros(len(CATEGORIES)),
    }
    file = io.BytesIO()
    np.savez(file, allow_pickle=True, **(arrays | changed))
    return file.getvalue()


def card(of: bytes, **changed: object) -> bytes:
    told: dict[str, object] = {
        "version": VERSION,
        "sha256": hashlib.sha256(of).hexdigest(),
        "categories": CATEGORIES,
        "curves": dict.fromkeys((*CATEGORIES, "frame", "fused"), CURVE),
    }
    return msgspec.json.encode(told | changed)


def test_a_model_is_read() -> None:
    model = read_model(card(weights()), weights())

    assert model.heads.scores("").values.tolist() == [0.0] * len(CATEGORIES)
    assert model.digest.startswith("sha256-")
    assert len(model.of_heads) == len(CATEGORIES)


REFUSED = {
    "another file of weights": (card(b"other"), weights(), "has SHA-256"),
    "a torn file of weights": (card(weights()), weights()[:-20], "has SHA-256"),
    "no file of weights": (card(weights()), b"", "has SHA-256"),
    "weights that are no archive": (card(b"no archive"), b"no archive", "cannot be used"),
    "too many weights": (card(b"0" * (WEIGHTS_MAX + 1)), b"0" * (WEIGHTS_MAX + 1), "more than"),
    "another version of n-grams": (card(weights(), version=VERSION + 1), weights(), "n-grams of version"),
    "heads in another order": (card(weights(), categories=CATEGORIES[::-1]), weights(), "has heads for"),
    "a card that is no JSON": (b"{", weights(), "model.json cannot be read"),
    "a card that says more": (card(weights(), run="me"), weights(), "model.json cannot be read"),
    "a curve too few": (card(weights(), curves={"fused": CURVE}), weights(), "cannot be used"),
    "a curve that falls": (
        card(weights(), curves=dict.fromkeys((*CATEGORIES, "frame", "fused"), CURVE[::-1])),
        weights(),
        "does not fall",
    ),
    "a bucket out of range": (
        card(weights(steps=np.array([BUCKETS - 1, 7], dtype=np.uint32))),
        weights(steps=np.array([BUCKETS - 1, 7], dtype=np.uint32)),
        "cannot be used",
    ),
    "weights of another shape": (
        card(weights(rows=np.ones((2, 3), dtype=np.int8))),
        weights(rows=np.ones((2, 3), dtype=np.int8)),
        "cannot be used",
    ),
    "objects among the weights": (
        card(weights(scales=np.array([{}], dtype=object))),
        weights(scales=np.array([{}], dtype=object)),
        "cannot be used",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_anything_but_the_model_is_refused_with_the_reason(name: str) -> None:
    told, file, reason = REFUSED[name]

    with pytest.raises(ModelRefusedError, match=reason):
        read_model(told, file)


def test_the_installed_model_is_small_and_made_for_this_version() -> None:
    model = installed()

    assert model is installed()
    assert set(model.curves) == {*CATEGORIES, "frame", "fused"}


def test_the_card_documents_every_curve() -> None:
    told = msgspec.json.decode(card(weights()), type=Card)

    assert len(told.curves) == len(CATEGORIES) + 2
