"""Transcripts and verdicts: one spelling for one meeting, and nothing that was changed passes."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ringfence.instants import SECOND, Instant
from ringfence.proofs.canonical_json import canonical
from ringfence.proofs.peer_transcript import (
    PeerRole,
    Requirements,
    Transcript,
    TranscriptError,
    parse_transcript,
    signing_input,
)
from ringfence.proofs.peer_verdict import PeerRefusal, proves, refusals, unmet
from support.peer_meetings import (
    PEER_KEY,
    STANDING,
    TRANSCRIPT,
    VERIFIER_KEY,
    VERIFIER_STANDING,
    PlainKey,
    audiences,
    digests,
    environments,
    keys,
    parties,
    requirements,
    scopes,
    signed_by,
    standing,
    transcripts,
)

SIGNED = TRANSCRIPT.encode()
PROOF = signed_by(PEER_KEY, PeerRole.PEER, TRANSCRIPT)


@given(transcripts())
def test_a_transcript_is_read_as_it_was_written(transcript: Transcript) -> None:
    assert parse_transcript(transcript.encode()) == transcript


@given(transcripts())
def test_what_is_signed_is_the_rfc_8785_form_of_its_own_json(transcript: Transcript) -> None:
    signed = transcript.encode()
    assert canonical(json.loads(signed)) == signed


@given(transcripts(), transcripts())
def test_no_two_meetings_share_their_bytes(one: Transcript, other: Transcript) -> None:
    assert (one.encode() == other.encode()) == (one == other)


@given(transcripts(), st.integers(min_value=0), st.binary(min_size=0, max_size=3), st.integers(0, 3))
def test_whatever_still_parses_after_a_change_is_another_meeting_in_canonical_form(
    transcript: Transcript, at: int, instead: bytes, gone: int
) -> None:
    signed = transcript.encode()
    at %= len(signed)
    changed = signed[:at] + instead + signed[at + gone :]
    try:
        read = parse_transcript(changed)
    except TranscriptError:
        return
    assert read.encode() == changed
    assert (read == transcript) == (changed == signed)


@given(st.binary(max_size=2_000))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    with pytest.raises(TranscriptError):
        parse_transcript(data)


@given(transcripts())
def test_other_spellings_of_the_same_json_are_refused(transcript: Transcript) -> None:
    value = json.loads(transcript.encode())
    for spelling in (
        json.dumps(value),
        json.dumps(value, indent=1),
        json.dumps(dict(reversed(value.items())), separators=(",", ":")),
        " " + transcript.encode().decode(),
    ):
        with pytest.raises(TranscriptError):
            parse_transcript(spelling.encode())


@given(transcripts(), st.data())
def test_members_cannot_be_added_or_left_out(transcript: Transcript, data: st.DataObject) -> None:
    value: dict[str, Any] = json.loads(transcript.encode())
    place = data.draw(st.sampled_from([value, value["peer"], value["verifier"], value["require"]]))
    if data.draw(st.booleans()):
        del place[data.draw(st.sampled_from(sorted(place)))]
    else:
        place[data.draw(st.text("abcxyz", min_size=1, max_size=3))] = data.draw(st.none() | st.booleans() | st.text())
    with pytest.raises(TranscriptError):
        parse_transcript(canonical(value))


@pytest.mark.parametrize(
    "changes",
    [
        {"peer": TRANSCRIPT.verifier},
        {"expires_at": TRANSCRIPT.issued_at},
        {"expires_at": Instant(TRANSCRIPT.issued_at - SECOND)},
        {"expires_at": Instant(TRANSCRIPT.issued_at + 31 * SECOND)},
        {"audience": ""},
        {"audience": "https://a b"},
        {"audience": 'https://a"b'},
        {"audience": "https://a\\b"},
        {"audience": "https://ä"},
        {"audience": "x" * 257},
        {"environment": "Prod"},
        {"environment": ""},
        {"challenge_hash": "x"},
        {"require": Requirements(score=1_001)},
        {"require": Requirements(score=-1)},
        {"require": Requirements(ring=4)},
        {"require": Requirements(scopes=("*",))},
        {"require": Requirements(scopes=("a:b", "a:b"))},
        {"require": Requirements(scopes=tuple(f"s:{n}" for n in range(65)))},
        {"peer": replace(TRANSCRIPT.peer, nonce=b"short")},
        {"peer": replace(TRANSCRIPT.peer, did="urn:x")},
    ],
)
def test_values_no_meeting_can_have_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(TranscriptError):
        parse_transcript(replace(TRANSCRIPT, **changes).encode())


def test_stray_bits_in_a_nonce_are_refused() -> None:
    with pytest.raises(TranscriptError):
        parse_transcript(SIGNED.replace(b'AAAE","version', b'AAAF","version'))


OTHER_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "environment": environments,
    "audience": audiences,
    "verifier": parties,
    "peer": parties,
    "require": requirements,
    "challenge_hash": digests.map(lambda digest: digest.hex()[:43]) | st.just(""),
    "issued_at": st.integers(0, 10**9).map(lambda seconds: Instant(seconds * SECOND)),
    "expires_at": st.integers(0, 10**9).map(lambda seconds: Instant(seconds * SECOND)),
}


def test_every_field_is_flipped() -> None:
    assert OTHER_VALUES.keys() == {member.name for member in fields(Transcript)}


@given(st.sampled_from(sorted(OTHER_VALUES)), st.data())
def test_a_proof_with_any_field_flipped_fails(name: str, data: st.DataObject) -> None:
    before = getattr(TRANSCRIPT, name)
    other = data.draw(OTHER_VALUES[name].filter(lambda value: value != before))
    changed = replace(TRANSCRIPT, **{name: other})
    assert proves(PeerRole.PEER, TRANSCRIPT, STANDING, PROOF, SIGNED)
    assert not proves(PeerRole.PEER, changed, STANDING, PROOF, changed.encode())


@given(st.integers(0, 511))
def test_a_proof_with_any_bit_flipped_fails(bit: int) -> None:
    bent = bytearray(PROOF)
    bent[bit // 8] ^= 1 << bit % 8
    assert not proves(PeerRole.PEER, TRANSCRIPT, STANDING, bytes(bent), SIGNED)


@given(parties.filter(lambda other: other.did not in (TRANSCRIPT.verifier.did, TRANSCRIPT.peer.did)))
def test_a_message_for_one_verifier_never_verifies_at_another(other: Any) -> None:
    relayed = replace(TRANSCRIPT, verifier=other)
    assert not proves(PeerRole.PEER, relayed, STANDING, PROOF, relayed.encode())


@given(keys)
def test_a_signature_is_good_in_one_role(key: PlainKey) -> None:
    """Reflection: the peer's own message is worth nothing as the verifier's, whoever holds the key."""
    assert signing_input(PeerRole.PEER, SIGNED) != signing_input(PeerRole.VERIFIER, SIGNED)
    theirs = standing(key=key.public)
    met = replace(TRANSCRIPT, peer=replace(TRANSCRIPT.peer, key=key.public.thumbprint))
    as_verifier = signed_by(key, PeerRole.VERIFIER, met)
    assert not proves(PeerRole.PEER, met, theirs, as_verifier, met.encode())


@given(keys.filter(lambda key: key != PEER_KEY))
def test_only_the_key_of_now_proves_anything(rotated: PlainKey) -> None:
    """Rotated away, or replaced after a compromise: the old key's signature and thumbprint are of no use."""
    after = standing(key=rotated.public, did_version_id="2-" + STANDING.did_version_id[2:])
    assert not proves(PeerRole.PEER, TRANSCRIPT, after, PROOF, SIGNED)
    assert PeerRefusal.PROOF_INVALID in refusals(TRANSCRIPT, verifier=VERIFIER_STANDING, peer=after)


def test_a_sound_meeting_is_accepted() -> None:
    assert not refusals(TRANSCRIPT, verifier=VERIFIER_STANDING, peer=STANDING)
    as_verifier = signed_by(VERIFIER_KEY, PeerRole.VERIFIER, TRANSCRIPT)
    assert proves(PeerRole.VERIFIER, TRANSCRIPT, VERIFIER_STANDING, as_verifier, SIGNED)


@given(requirements, st.integers(0, 1_000), st.integers(0, 3), st.lists(scopes, max_size=4), st.data())
def test_whoever_meets_a_requirement_meets_every_lower_one(
    require: Requirements, score: int, ring: int, held: list[str], data: st.DataObject
) -> None:
    lower = Requirements(
        score=data.draw(st.integers(0, require.score)),
        ring=data.draw(st.integers(require.ring, 3)),
        scopes=tuple(scope for scope in require.scopes if data.draw(st.booleans())),
    )
    lacking = unmet(require, score=score, ring=ring, scopes=tuple(held))
    assert unmet(lower, score=score, ring=ring, scopes=tuple(held)) <= lacking


@given(environments.filter(lambda name: name != "prod"), st.integers(0, 1_000))
def test_another_environment_fails_whatever_the_score(elsewhere: str, score: int) -> None:
    there = standing(environment=elsewhere, score=score, ring=0)
    assert PeerRefusal.NOT_ACTIVE in refusals(TRANSCRIPT, verifier=VERIFIER_STANDING, peer=there)
    assert PeerRefusal.NOT_ACTIVE in refusals(TRANSCRIPT, verifier=there, peer=STANDING)


@given(st.booleans(), st.booleans())
def test_who_is_not_active_or_not_known_is_refused(active: bool, known: bool) -> None:
    peer = standing(active=active) if known else None
    found = refusals(TRANSCRIPT, verifier=VERIFIER_STANDING, peer=peer)
    assert (PeerRefusal.NOT_ACTIVE in found) == (not (active and known))
    if not known:
        assert not proves(PeerRole.PEER, TRANSCRIPT, None, PROOF, SIGNED)


@given(st.text(max_size=40).filter(lambda version: version != STANDING.did_version_id))
def test_a_document_that_has_changed_since_refuses(version: str) -> None:
    found = refusals(TRANSCRIPT, verifier=VERIFIER_STANDING, peer=standing(did_version_id=version))
    assert found == {PeerRefusal.PROOF_INVALID}


@given(transcripts())
def test_the_readmes_way_without_a_library_gives_the_same_bytes(transcript: Transcript) -> None:
    """services/identity/README.md, "Verifying a peer"."""
    signed = transcript.encode()
    assert json.dumps(json.loads(signed), sort_keys=True, separators=(",", ":")).encode() == signed
    prefix = b"ringfence.dev/identity/v1/peer-transcript/peer\0"
    assert signing_input(PeerRole.PEER, signed) == prefix + signed
