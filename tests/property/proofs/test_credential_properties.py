"""Certificates and lists for any content: two verifiers agree, and nothing can be changed without both noticing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.proofs.birth_certificate_check import check_birth_certificate
from ringfence.proofs.canonical_json import canonical
from ringfence.proofs.credential_check import CredentialError
from ringfence.proofs.status_list_check import (
    CredentialRevoked,
    CredentialSuspended,
    check_status_list,
    require_good_standing,
)
from ringfence_identity.birth_certificate import content_json
from ringfence_identity.status.places import PLACES, StatusPlace
from ringfence_kit.clock import Instant
from support.identity import ed25519_by_hand, vc_verifier
from support.identity.births import COMPLETE
from support.identity.certified import (
    BIRTH,
    DOCUMENT,
    PLACE,
    as_json,
    as_jwt,
    checked_lists,
    credential,
    signed_list,
)
from support.identity.did_logs import NOW
from support.identity.keys import seeded_key

SIGNED = as_json(credential())
TOKEN = as_jwt(credential())
LISTED = as_json(signed_list(1, {PLACE.index}))

texts = st.text(max_size=40)
indices = st.integers(0, PLACES - 1)
contents = st.builds(
    lambda purpose, uri, image, depth: replace(
        COMPLETE,
        purpose=purpose,
        max_delegation_depth=depth,
        artifacts=replace(COMPLETE.artifacts, image=image),
        evaluation_plan=replace(COMPLETE.evaluation_plan, uri=uri),
    ),
    texts,
    texts,
    texts,
    st.integers(0, 5),
)


def holds(text: bytes | str) -> bool:
    """Say whether the stranger's verifier believes `text`."""
    try:
        vc_verifier.verify(text, DOCUMENT, NOW)
    except Exception:  # noqa: BLE001 - however it stumbles, it does not believe it
        return False
    return True


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every member and item."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        yield (*path, name)
        yield from paths(item, (*path, name))


def changed(value: Any) -> Any:
    match value:
        case str():
            return value + "x"
        case int():
            return value + 1
        case list():
            return [*value, "x"]
        case dict():
            return {**value, "x": "x"}
        case _:
            return "x"


def parent_of(document: Any, path: tuple[Any, ...]) -> Any:
    for name in path[:-1]:
        document = document[name]
    return document


@given(contents, st.integers(1, 2**53 - 1), indices)
def test_both_verifiers_read_the_same_from_either_form(content: Any, serial: int, index: int) -> None:
    place = StatusPlace(number=0, pair=1, index=index)
    signed = credential(content, replace(BIRTH, serial=serial, status=place))
    for text in (as_json(signed), as_jwt(signed)):
        ours = check_birth_certificate(text, registrar=DOCUMENT, now=NOW)
        assert ours.credential.content == vc_verifier.verify(text, DOCUMENT, NOW)
        assert ours.content == content_json(content)
        assert ours.serial == serial


@given(st.sets(indices, max_size=20), st.sets(indices, max_size=20))
def test_both_verifiers_read_the_same_status(revoked: set[int], suspended: set[int]) -> None:
    certificate = check_birth_certificate(SIGNED, registrar=DOCUMENT, now=NOW).credential
    lists = checked_lists(revoked=revoked, suspended=suspended)
    theirs = [
        vc_verifier.verify(as_json(signed_list(number, bits)), DOCUMENT, NOW)
        for number, bits in ((1, revoked), (2, suspended))
    ]
    for purpose, bits in (("revocation", revoked), ("suspension", suspended)):
        assert vc_verifier.status_is_set(certificate.content, purpose, theirs) == (PLACE.index in bits)
    if PLACE.index in revoked:
        with pytest.raises(CredentialRevoked):
            require_good_standing(certificate, lists, now=NOW)
    elif PLACE.index in suspended:
        with pytest.raises(CredentialSuspended):
            require_good_standing(certificate, lists, now=NOW)
    else:
        require_good_standing(certificate, lists, now=NOW)


@given(indices, st.sets(indices, max_size=50))
def test_a_list_says_exactly_the_bits_that_were_set(index: int, bits: set[int]) -> None:
    listed, _ = checked_lists(revoked=bits)
    assert listed.says(index) == (index in bits)
    assert all(listed.says(bit) for bit in bits)


EVERY_PATH = list(paths(json.loads(SIGNED)))


@given(st.sampled_from(EVERY_PATH), st.sampled_from(["change", "drop", "replace"]))
def test_no_member_can_be_changed(path: tuple[Any, ...], deed: str) -> None:
    document = json.loads(SIGNED)
    parent, name = parent_of(document, path), path[-1]
    if deed == "change":
        parent[name] = changed(parent[name])
    elif deed == "drop":
        del parent[name]
    else:
        parent[name] = None
    refused_by_both(canonical(document))


@given(st.sampled_from([(), *(path for path in EVERY_PATH)]), st.text(min_size=1, max_size=8))
def test_no_member_can_be_added(path: tuple[Any, ...], name: str) -> None:
    document = json.loads(SIGNED)
    inside = parent_of(document, (*path, None))
    if isinstance(inside, dict) and name not in inside:
        inside[name] = "x"
    elif isinstance(inside, list):
        inside.append(name)
    else:
        return
    refused_by_both(canonical(document))


@given(st.integers(0, len(SIGNED) * 8 - 1))
def test_no_bit_of_a_certificate_can_be_flipped(bit: int) -> None:
    refused_by_both(flipped(SIGNED, bit))


@given(st.integers(0, len(TOKEN) * 8 - 1))
def test_no_bit_of_a_jws_can_be_flipped(bit: int) -> None:
    refused_by_both(flipped(TOKEN.encode(), bit))


@given(st.integers(0, len(LISTED) * 8 - 1))
def test_no_bit_of_a_status_list_can_be_flipped(bit: int) -> None:
    text = flipped(LISTED, bit)
    with pytest.raises(CredentialError):
        check_status_list(text, registrar=DOCUMENT, now=NOW)
    assert not holds(text)


@given(st.sampled_from([SIGNED, TOKEN.encode(), LISTED]), st.data())
def test_nothing_can_be_cut_off_or_put_behind(text: bytes, data: st.DataObject) -> None:
    cut = text[: data.draw(st.integers(0, len(text) - 1))]
    refused_by_both(cut)
    refused_by_both(text + data.draw(st.sampled_from([b"x", b".", b"{}", b"="])))


@given(st.binary(max_size=200))
def test_no_bytes_at_all_make_the_check_fail_otherwise(text: bytes) -> None:
    for shown in (text, b"{" + text, SIGNED[:100] + text):
        with pytest.raises(CredentialError):
            check_birth_certificate(shown, registrar=DOCUMENT, now=NOW)


@given(st.integers(-(2**40), 2**40))
def test_a_certificate_holds_from_its_birth_on_and_never_before(offset: int) -> None:
    now = Instant(NOW + offset)
    if offset < -60_000:
        with pytest.raises(CredentialError):
            check_birth_certificate(SIGNED, registrar=DOCUMENT, now=now)
    else:
        assert check_birth_certificate(SIGNED, registrar=DOCUMENT, now=now).serial == 1


@given(st.binary(max_size=64), st.integers(0, 511))
def test_the_verifier_by_hand_agrees_with_the_library(message: bytes, bit: int) -> None:
    key = seeded_key(3)
    signature = key.sign(message)
    assert ed25519_by_hand.verifies(key.public_key, signature, message)
    assert not ed25519_by_hand.verifies(key.public_key, flipped(signature, bit), message)


def refused_by_both(text: bytes) -> None:
    with pytest.raises(CredentialError):
        check_birth_certificate(text, registrar=DOCUMENT, now=NOW)
    assert not holds(text)


def flipped(data: bytes, bit: int) -> bytes:
    spoiled = bytearray(data)
    spoiled[bit // 8] ^= 1 << bit % 8
    return bytes(spoiled)
