import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.sealing import Seal, SealError

SEALS = st.sampled_from([Seal.from_key(bytes(range(32))), Seal.unsealed()])


@given(seal=SEALS, content=st.binary(max_size=300))
def test_round_trip(seal: Seal, content: bytes) -> None:
    assert seal.open(seal.seal(content)) == content


@given(seal=SEALS, content=st.binary(max_size=100), data=st.data())
def test_any_changed_byte_is_refused(seal: Seal, content: bytes, data: st.DataObject) -> None:
    blob = bytearray(seal.seal(content))
    position = data.draw(st.integers(0, len(blob) - 1))
    blob[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealError):
        seal.open(bytes(blob))


@given(seal=SEALS, content=st.binary(max_size=100), data=st.data())
def test_any_cut_or_lengthened_blob_is_refused(seal: Seal, content: bytes, data: st.DataObject) -> None:
    blob = seal.seal(content)
    changed = data.draw(
        st.integers(0, len(blob) - 1).map(lambda end: blob[:end]) | st.binary(min_size=1, max_size=9).map(blob.__add__)
    )
    with pytest.raises(SealError):
        seal.open(changed)


@given(blob=st.binary(max_size=200))
def test_garbage_is_refused_and_never_crashes(blob: bytes) -> None:
    for seal in (Seal.from_key(bytes(range(32))), Seal.unsealed()):
        with pytest.raises(SealError):
            seal.open(blob)
