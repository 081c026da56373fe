"""The encoder is exactly the one its head was fitted for, or it is refused with the reason."""

import hashlib
import io
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest
from ringfence_pdp.filters.encoder import artefact, network
from ringfence_pdp.filters.encoder.doubt import EncoderRefused
from ringfence_pdp.filters.encoder.wordpiece import Pieces

FOLDER = resources.files("ringfence_pdp.filters.encoder") / "model"
HEAD = (FOLDER / artefact.HEAD).read_bytes()
CARD: dict[str, Any] = msgspec.json.decode((FOLDER / artefact.CARD).read_bytes())


def card(**changed: Any) -> bytes:
    return msgspec.json.encode(CARD | changed)


def packed(**changed: Any) -> tuple[bytes, bytes]:
    with np.load(io.BytesIO(HEAD), allow_pickle=False) as arrays:
        kept: Mapping[str, Any] = dict(arrays) | changed
    file = io.BytesIO()
    np.savez(file, **kept)
    head = file.getvalue()
    return card(sha256=hashlib.sha256(head).hexdigest()), head


def test_what_is_installed_is_within_its_bounds() -> None:
    found = artefact.installed()
    assert found.category == "injection"
    assert len(found.pieces.vocabulary) == 30_522
    assert len(HEAD) <= artefact.HEAD_MAX
    assert found.digest.startswith("sha256-")


@pytest.mark.parametrize(
    ("told", "head", "why"),
    [
        (b"{", HEAD, "cannot be read"),
        (card(more=1), HEAD, "cannot be read"),
        (card(format=2), HEAD, "is of format 2"),
        (card(category="gossip"), HEAD, "no such category"),
        (card(), HEAD[:-1], "SHA-256"),
        (card(), b"x" * (artefact.HEAD_MAX + 1), "more than"),
        (card(sha256="0" * 64), HEAD, "model.json says 0000"),
        (card(curve=[0.0] * 3), HEAD, "a curve has"),
        (*packed(weights=np.zeros(3)), "has the shape"),
        (*packed(weights=np.full(384, np.nan)), "not of numbers"),
        (*packed(words=np.frombuffer(b"a\nb", dtype=np.uint8)), "lacks"),
        (*packed(words=np.frombuffer(b"\xff", dtype=np.uint8)), "cannot be used"),
    ],
)
def test_another_artefact_is_refused(told: bytes, head: bytes, why: str) -> None:
    with pytest.raises(EncoderRefused, match=why):
        artefact.read_artefact(told, head)


def test_a_network_of_another_hash_is_refused_before_it_is_loaded() -> None:
    pieces = artefact.installed().pieces
    with pytest.raises(EncoderRefused, match=r"has SHA-256 [0-9a-f]{64}, and its head is made for 0000"):
        network.load(pieces, "0" * 64)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    pieces = Pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    with pytest.raises(EncoderRefused, match="cannot be read: No such file"):
        network.of_file(file, onnxruntime, pieces, "0" * 64)
    file.write_bytes(b"no network")
    with pytest.raises(EncoderRefused, match="onnxruntime cannot load"):
        network.of_file(file, onnxruntime, pieces, network.digest_of(file))
