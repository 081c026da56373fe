"""Reads the head of the encoder from where it is installed, and refuses anything but exactly that.

Rules. The head is the one whose SHA-256 stands in `model.json`, fitted for one network, which the same file names; what
is read is numbers and a vocabulary, and nothing of it is ever run.
"""

import hashlib
import io
from importlib import resources
from typing import Final, NamedTuple
from zipfile import BadZipFile

import msgspec
import numpy as np
from numpy.typing import NDArray

from ringfence_pdp.filters.encoder.doubt import EncoderRefused
from ringfence_pdp.filters.encoder.network import WIDTH, Vectors
from ringfence_pdp.filters.encoder.wordpiece import Pieces
from ringfence_pdp.filters.intent.p_values import PValues
from ringfence_pdp.filters.intent.readings import CATEGORIES

FORMAT: Final = 1
"""Of the files, and of how text becomes windows; another one when an old head would be read wrongly."""
HEAD_MAX: Final = 2 * 1024 * 1024
HEAD: Final = "head.npz"
CARD: Final = "model.json"


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `model.json` says: which head, for which network, and how its scores are read."""

    format: int
    sha256: str
    """Of `head.npz`."""
    network: str
    """SHA-256 of the network's file."""
    category: str
    """What the head looks for."""
    curve: tuple[float, ...]


class Head(NamedTuple):
    """One linear head over vectors."""

    weights: NDArray[np.float32]
    bias: float

    def score(self, vectors: Vectors) -> float:
        """Return the score of the worst of some vectors; above 0 is more like what is dangerous than not."""
        return float((vectors @ self.weights).max()) + self.bias


class Artefact(NamedTuple):
    """What was learnt, and what it was learnt for."""

    pieces: Pieces
    head: Head
    curve: PValues
    category: str
    network: str
    digest: str
    """`sha256-` and 64 hex digits over the card, which names all the rest by its hash."""


def read_artefact(card: bytes, head: bytes) -> Artefact:
    """Return the artefact of two files. Raises EncoderRefused."""
    try:
        told = msgspec.json.decode(card, type=Card)
    except msgspec.MsgspecError as problem:
        raise EncoderRefused(f"{CARD} of the encoder cannot be read: {problem}") from problem
    if told.format != FORMAT:
        raise EncoderRefused(f"the encoder's head is of format {told.format}, and this reads {FORMAT}")
    if told.category not in CATEGORIES:
        raise EncoderRefused(f"the encoder's head looks for {told.category!r}, and there is no such category")
    if len(head) > HEAD_MAX:
        raise EncoderRefused(f"{HEAD} of the encoder has {len(head)} bytes, more than {HEAD_MAX}")
    digest = hashlib.sha256(head).hexdigest()
    if digest != told.sha256:
        raise EncoderRefused(f"{HEAD} of the encoder has SHA-256 {digest}, and {CARD} says {told.sha256}")
    try:
        pieces, read = _arrays(head)
        curve = PValues(told.curve)
    except (ValueError, LookupError, OSError, EOFError, BadZipFile) as problem:
        raise EncoderRefused(f"the encoder's numbers cannot be used: {problem}") from problem
    return Artefact(pieces, read, curve, told.category, told.network, f"sha256-{hashlib.sha256(card).hexdigest()}")


def installed() -> Artefact:
    """Return the artefact that is installed. Raises EncoderRefused."""
    folder = resources.files(__package__) / "model"
    try:
        return read_artefact((folder / CARD).read_bytes(), (folder / HEAD).read_bytes())
    except OSError as problem:
        raise EncoderRefused(f"the encoder's head is not installed: {problem.strerror}") from problem


def _arrays(file: bytes) -> tuple[Pieces, Head]:
    with np.load(io.BytesIO(file), allow_pickle=False) as arrays:
        weights = arrays["weights"].astype(np.float32)
        bias = float(arrays["bias"])
        words = arrays["words"].astype(np.uint8).tobytes().decode()
    if weights.shape != (WIDTH,) or not np.isfinite(weights).all() or not np.isfinite(bias):
        raise ValueError(f"the head has the shape {weights.shape}, not {(WIDTH,)}, or is not of numbers")
    return Pieces(words.split("\n")), Head(weights, bias)
