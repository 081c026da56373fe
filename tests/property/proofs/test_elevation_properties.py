"""Elevation grants: what was granted is read back, and nothing that was touched is."""

from hypothesis import given
from hypothesis import strategies as st
from ringfence.instants import DAY, SECOND, Instant
from ringfence.proofs.elevation import (
    APPROVALS,
    RINGS,
    ElevationGrant,
    ElevationRefused,
    check_elevation,
    names_one_thing,
    sign_elevation,
)
from ringfence.proofs.public_keys import public_key_of
from support.identity.keys import seeded_key

NOW = Instant(1_767_225_600_000)
REGISTRAR = seeded_key(7)
ISSUER = "did:webvh:QmR:prod.id.ringfence.internal"

names = st.text(st.characters(min_codepoint=33, max_codepoint=0x2000), min_size=1, max_size=30).filter(names_one_thing)
grants = st.builds(
    ElevationGrant,
    name=st.from_regex(r"elevations/[0-9a-z-]{1,64}", fullmatch=True),
    issuer=st.just(ISSUER),
    origin=names,
    environment=st.sampled_from(["dev", "prod"]),
    action=names,
    resource=names,
    ring=st.sampled_from(RINGS),
    approvals=st.sampled_from(APPROVALS),
    issued_at=st.just(NOW),
    expires_at=st.integers(1, DAY // SECOND).map(lambda seconds: Instant(NOW + seconds * SECOND)),
)


@given(grants)
def test_what_was_granted_is_what_is_read(grant: ElevationGrant) -> None:
    text = sign_elevation(grant, REGISTRAR)
    assert check_elevation(text, issuer=ISSUER, key=public_key_of(REGISTRAR), now=NOW) == grant


@given(grants, st.data())
def test_one_changed_character_is_refused(grant: ElevationGrant, data: st.DataObject) -> None:
    text = sign_elevation(grant, REGISTRAR)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda char: char != text[place]))
    touched = text[:place] + other + text[place + 1 :]
    try:
        check_elevation(touched, issuer=ISSUER, key=public_key_of(REGISTRAR), now=NOW)
    except ElevationRefused:
        return
    raise AssertionError(f"{touched} was taken for a grant")


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda data: data.decode("latin-1")))
def test_no_text_makes_the_check_fail_otherwise(text: str) -> None:
    try:
        check_elevation(text, issuer=ISSUER, key=public_key_of(REGISTRAR), now=NOW)
    except ElevationRefused:
        return
    raise AssertionError("nobody signed this")
