"""Base58, curve arithmetic and key texts, for any input."""

import base58 as reference_base58
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs import base58
from ringfence.proofs.edwards25519 import P, PointError, decode_point, has_small_order, spells_no_bad_point
from ringfence.proofs.public_keys import (
    PublicKey,
    PublicKeyError,
    from_multibase,
    import_key,
    import_signer,
    public_key_of,
)
from ringfence_kit.sealed_keys import Ed25519Signer
from support.identity import ed25519_by_hand as by_hand
from support.identity.keys import encoding, seeded_key, torsion_encodings

seeds = st.integers(min_value=1, max_value=2**64).map(seeded_key)


@given(st.binary(max_size=80))
def test_base58_agrees_with_the_reference_both_ways(data: bytes) -> None:
    text = base58.encode(data)
    assert text == reference_base58.b58encode(data).decode()
    assert base58.decode(text) == data


@given(st.text(max_size=40))
def test_base58_accepts_exactly_what_it_would_write(text: str) -> None:
    try:
        data = base58.decode(text)
    except base58.Base58Error:
        assert set(text) - set(base58.ALPHABET)
    else:
        assert base58.encode(data) == text


@given(seeds.map(public_key_of))
def test_a_generated_key_is_accepted_and_its_text_leads_back(public: PublicKey) -> None:
    assert import_key(public.raw) == public
    assert from_multibase(public.multibase) == public


@given(st.binary(min_size=32, max_size=32) | st.sampled_from(torsion_encodings()))
def test_a_point_is_decoded_as_the_specification_reads(raw: bytes) -> None:
    """One power instead of two: held to the plain reading, an inverse and then a root."""
    try:
        decoded: tuple[int, int] | None = decode_point(raw)
    except PointError:
        decoded = None
    assert decoded == by_hand.decoded(raw)


ANY_KEY = (
    st.binary(max_size=40)
    | st.binary(min_size=32, max_size=32)
    | st.sampled_from(torsion_encodings())
    | st.integers(P - 40, P + 18).flatmap(lambda y: st.sampled_from([encoding(y, 0), encoding(y, 1)]))
    | seeds.map(lambda key: key.public_key)
)
FORGERIES = (
    st.binary(min_size=64, max_size=64)
    | st.sampled_from(torsion_encodings()).map(lambda point: point + bytes(32))
    | st.just(encoding(1, 0) + bytes(32))
)


def problem_of(raw: bytes) -> str:
    """Return what a key is refused for; nothing when it is taken."""
    try:
        import_key(raw)
    except PublicKeyError as refused:
        return refused.problem
    return ""


def problem_with(raw: bytes, forged: bytes, message: bytes) -> str:
    """The same of a key that comes with a signature that is not its own."""
    try:
        known = import_signer(raw, forged, message)
    except PublicKeyError as refused:
        return refused.problem
    assert known is None
    return ""


@given(ANY_KEY, FORGERIES, st.binary(max_size=20))
def test_a_key_with_a_signature_is_refused_exactly_as_a_key_is(raw: bytes, forged: bytes, message: bytes) -> None:
    """The quick way to import a key, held to the plain one: forgeries that a lax verifier takes included."""
    assert problem_with(raw, forged, message) == problem_of(raw)


@given(seeds, st.binary(max_size=20), st.integers(0, 511))
def test_a_key_is_imported_with_its_own_signature_alone(key: Ed25519Signer, message: bytes, bit: int) -> None:
    signature = key.sign(message)
    assert import_signer(key.public_key, signature, message) == public_key_of(key)
    bent = (int.from_bytes(signature) ^ 1 << bit).to_bytes(64)
    assert import_signer(key.public_key, bent, message) is None
    assert import_signer(key.public_key, signature, message + b".") is None


@given(ANY_KEY)
def test_what_spells_no_bad_point_is_a_good_key_or_no_point(raw: bytes) -> None:
    problem = problem_of(raw)
    assert spells_no_bad_point(raw) == (problem == "" or "no point" in problem)


@given(st.binary(min_size=32, max_size=32))
def test_any_32_bytes_decode_to_a_point_on_the_curve_or_are_refused(raw: bytes) -> None:
    try:
        x, y = decode_point(raw)
    except PointError:
        return
    d = -121665 * pow(121666, P - 2, P)
    assert (y * y - x * x - 1 - d * x * x * y * y) % P == 0
    assert encoding(y, x & 1) == raw


@given(st.sampled_from(torsion_encodings()), st.integers(min_value=0, max_value=255))
def test_only_canonical_torsion_decodes_and_then_it_is_small(raw: bytes, bit: int) -> None:
    try:
        small = has_small_order(raw)
    except PointError:
        small = True
    assert small
    flipped = bytearray(raw)
    flipped[bit // 8] ^= 1 << bit % 8
    if bytes(flipped) not in torsion_encodings():
        try:
            assert not has_small_order(bytes(flipped))
        except PointError:
            return


@given(st.text(max_size=60))
def test_no_text_makes_the_key_parser_fail_otherwise(text: str) -> None:
    with pytest.raises(PublicKeyError):
        from_multibase("z6Mk" + text[:30])
