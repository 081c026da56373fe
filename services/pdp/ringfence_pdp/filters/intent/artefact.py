"""Reads the intent model from where it is installed, and refuses anything but exactly that model.

Rules. The weights are the ones whose SHA-256 stands in `model.json`, of the n-grams of this version; a torn file, a
foreign one, or one that was made for other n-grams is refused with the reason, and whoever wanted to filter by it is
told so: there is no judging without the model. What is read is numbers; nothing in the files is ever run.
"""

import hashlib
import io
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final
from zipfile import BadZipFile

import msgspec
import numpy as np

from ringfence_pdp.filters.intent.features import BUCKETS, VERSION
from ringfence_pdp.filters.intent.heads import Heads
from ringfence_pdp.filters.intent.p_values import PValues
from ringfence_pdp.filters.intent.readings import CATEGORIES

WEIGHTS_MAX: Final = 2 * 1024 * 1024
_WEIGHTS: Final = "heads.npz"
_CARD: Final = "model.json"


class ModelRefusedError(Exception):
    """The intent model cannot be used, and why."""


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `model.json` says: which weights, and how their scores are read."""

    version: int
    """Of the n-grams."""
    sha256: str
    """Of `heads.npz`."""
    categories: tuple[str, ...]
    curves: Mapping[str, tuple[float, ...]]
    """Of each head, by category; of the frame, by `frame`; of both together, by `fused`."""


class Model:
    """The heads, and the curves their scores are read by."""

    def __init__(self, card: Card, heads: Heads, digest: str) -> None:
        self.heads = heads
        self.digest = digest
        self.curves = {name: PValues(scores) for name, scores in card.curves.items()}
        self.of_heads = tuple(self.curves[category] for category in CATEGORIES)


def read_model(card: bytes, weights: bytes) -> Model:
    """Return the model of two files. Raises ModelRefusedError."""
    try:
        told = msgspec.json.decode(card, type=Card)
    except msgspec.MsgspecError as problem:
        raise ModelRefusedError(f"{_CARD} cannot be read: {problem}") from problem
    if told.version != VERSION:
        raise ModelRefusedError(f"the model is made for n-grams of version {told.version}, and these are of {VERSION}")
    if len(weights) > WEIGHTS_MAX:
        raise ModelRefusedError(f"{_WEIGHTS} has {len(weights)} bytes, more than {WEIGHTS_MAX}")
    digest = hashlib.sha256(weights).hexdigest()
    if digest != told.sha256:
        raise ModelRefusedError(f"{_WEIGHTS} has SHA-256 {digest}, and {_CARD} says {told.sha256}")
    if told.categories != CATEGORIES:
        raise ModelRefusedError(
            f"the model has heads for {', '.join(told.categories)}, not for {', '.join(CATEGORIES)}"
        )
    try:
        return Model(told, _heads(weights), f"sha256-{hashlib.sha256(card).hexdigest()}")
    except (ValueError, LookupError, OSError, EOFError, BadZipFile) as problem:
        raise ModelRefusedError(f"the model's numbers cannot be used: {problem}") from problem


def _heads(file: bytes) -> Heads:
    with np.load(io.BytesIO(file), allow_pickle=False) as arrays:
        weights = np.zeros((BUCKETS, len(CATEGORIES)), dtype=np.int8)
        weights[np.cumsum(arrays["steps"], dtype=np.int64)] = arrays["rows"]
        return Heads(weights, arrays["scales"], arrays["biases"])


@cache
def installed() -> Model:
    """Return the model that is installed, read once. Raises ModelRefusedError."""
    folder = resources.files(__package__) / "model"
    try:
        return read_model((folder / _CARD).read_bytes(), (folder / _WEIGHTS).read_bytes())
    except OSError as problem:
        raise ModelRefusedError(f"the model is not installed: {problem}") from problem
