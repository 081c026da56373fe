"""Turns windows of text into vectors by the network of an installed package, and refuses any but exactly that network.

Rules. Nothing is downloaded and nothing of the package is run: its one file is found, and is read as data when its
SHA-256 is the one its head was fitted for. One thread, no arena that keeps what the largest call needed. Only
`numpy` and `onnxruntime` are used, and both only here and when it is first asked for.
"""

import hashlib
import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ringfence_pdp.filters.encoder.doubt import NETWORK, RUNTIME, EncoderMissing, EncoderRefused
from ringfence_pdp.filters.encoder.wordpiece import Pieces

FILE: Final = "model.onnx"
WIDTH: Final = 384
"""Numbers of a vector."""

Vectors = NDArray[np.float32]


class Network:
    """One loaded network. Threads may ask it at the same time."""

    def __init__(self, session: Any, pieces: Pieces) -> None:
        self._session = session
        self._pieces = pieces

    def vectors(self, windows: Sequence[Sequence[int]]) -> Vectors:
        """Return one vector of length 1 for each window of pieces.

        Each is read by itself: beside a longer one it would be padded, and its numbers would be slightly others.
        """
        return np.stack([self._vector(window) for window in windows])

    def _vector(self, window: Sequence[int]) -> Vectors:
        numbers = np.array([[self._pieces.begin, *window, self._pieces.end]], dtype=np.int64)
        asked = {
            "input_ids": numbers,
            "attention_mask": np.ones_like(numbers),
            "token_type_ids": np.zeros_like(numbers),
        }
        states: Vectors = self._session.run(None, asked)[0][0]
        mean: Vectors = states.mean(axis=0)
        mean /= max(float(np.linalg.norm(mean)), 1e-9)
        return mean


def load(pieces: Pieces, sha256: str) -> Network:
    """Return the network of the installed package. Raises EncoderMissing and EncoderRefused."""
    return of_file(_file(), _runtime(), pieces, sha256)


def of_file(file: Path, runtime: Any, pieces: Pieces, sha256: str) -> Network:
    """Return the network in a file. Raises EncoderRefused.

    It is read twice: a copy in memory of what is loaded would stay for good, and who can exchange the file in between
    can exchange this program as well.
    """
    digest = digest_of(file)
    if digest != sha256:
        raise EncoderRefused(f"{FILE} of {NETWORK} has SHA-256 {digest}, and its head is made for {sha256}")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    try:
        return Network(runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"]), pieces)
    except Exception as problem:
        # Its own exceptions have no common base that is public.
        raise EncoderRefused(f"{RUNTIME} cannot load {FILE} of {NETWORK} ({type(problem).__name__})") from problem


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file. Raises EncoderRefused when it cannot be read."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as problem:
        raise EncoderRefused(f"{FILE} of {NETWORK} cannot be read: {problem.strerror}") from problem


def _file() -> Path:
    spec = importlib.util.find_spec(NETWORK)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderMissing(f"{NETWORK} is not installed; install ringfence[encoder]")
    return Path(spec.submodule_search_locations[0]) / FILE


def _runtime() -> Any:
    try:
        return importlib.import_module(RUNTIME)
    except ImportError as problem:
        raise EncoderMissing(f"{RUNTIME} is not installed; install ringfence[encoder]") from problem
