"""Status lists as a verifier reads them: what they say, and every list that must not be believed."""

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ringfence.proofs.birth_certificate_check import check_birth_certificate
from ringfence.proofs.canonical_json import JsonObject, base64url, canonical
from ringfence.proofs.credential_check import CheckedCredential, CredentialError
from ringfence.proofs.data_integrity import make_proof
from ringfence.proofs.public_keys import public_key_of
from ringfence.proofs.status_list_check import (
    MAX_BYTES,
    MIN_BYTES,
    CredentialRevoked,
    CredentialSuspended,
    check_status_list,
    expand,
    require_good_standing,
    status_entries,
)
from ringfence_identity.status.lists import LIFETIME, TIME_TO_LIVE, encoded_list, sign_status_list
from ringfence_identity.status.places import PLACES
from ringfence_kit.clock import SECOND, Instant
from support.identity.certified import (
    DEV_DOCUMENT,
    DEV_KEY,
    DEV_REGISTRAR,
    DOCUMENT,
    PLACE,
    REGISTRAR,
    REGISTRAR_KEY,
    as_json,
    checked_lists,
    credential,
    signed_list,
)
from support.identity.did_logs import NOW

METHOD = f"{REGISTRAR}#{public_key_of(REGISTRAR_KEY).thumbprint}"


def certificate() -> CheckedCredential:
    return check_birth_certificate(as_json(credential()), registrar=DOCUMENT, now=NOW).credential


def resigned(signed: JsonObject, change: Callable[[JsonObject], Any]) -> bytes:
    """Return a credential that was changed before the registrar signed it: every signature holds."""
    content: JsonObject = {name: value for name, value in json.loads(canonical(signed)).items() if name != "proof"}
    change(content)
    proof = make_proof(content, key=REGISTRAR_KEY, verification_method=METHOD, created="2026-01-01T00:00:00Z")
    return canonical({**content, "proof": proof})


def with_entries(change: Callable[[list[JsonObject]], Any]) -> CheckedCredential:
    def changed(content: JsonObject) -> None:
        entries: Any = content["credentialStatus"]
        change(entries)

    text = resigned(credential(), changed)
    return check_birth_certificate(text, registrar=DOCUMENT, now=NOW).credential


def packed(bits: bytes) -> str:
    return "u" + base64url(gzip.compress(bits, mtime=0))


def test_a_certificate_in_neither_list_is_in_good_standing() -> None:
    require_good_standing(certificate(), checked_lists(), now=NOW)
    neighbours = {PLACE.index - 1, PLACE.index + 1, 0, PLACES - 1}
    require_good_standing(certificate(), checked_lists(revoked=neighbours, suspended=neighbours), now=NOW)


def test_revocation_and_suspension_are_told_apart() -> None:
    with pytest.raises(CredentialRevoked):
        require_good_standing(certificate(), checked_lists(revoked={PLACE.index}), now=NOW)
    with pytest.raises(CredentialSuspended):
        require_good_standing(certificate(), checked_lists(suspended={PLACE.index}), now=NOW)
    both = checked_lists(revoked={PLACE.index}, suspended={PLACE.index})
    with pytest.raises(CredentialRevoked):
        require_good_standing(certificate(), both, now=NOW)


def test_the_first_index_is_the_left_most_bit() -> None:
    assert expand(encoded_list([0]))[0] == 0b1000_0000
    assert expand(encoded_list([7]))[0] == 0b0000_0001
    assert expand(encoded_list([8]))[1] == 0b1000_0000
    assert expand(encoded_list([PLACES - 1]))[-1] == 0b0000_0001
    listed, _ = checked_lists(revoked={0, 9, PLACES - 1})
    assert [index for index in range(PLACES) if listed.says(index)] == [0, 9, PLACES - 1]


@pytest.mark.parametrize("index", [-1, PLACES, PLACES * 10])
def test_an_index_beyond_the_list_is_refused(index: int) -> None:
    with pytest.raises(CredentialError, match="not in the status list"):
        checked_lists()[0].says(index)


def test_a_list_withheld_is_a_refusal() -> None:
    """Attack: whoever is revoked keeps one list, or both, from the verifier."""
    revocation, suspension = checked_lists()
    for lists in ((), (revocation,), (suspension,)):
        with pytest.raises(CredentialError, match="not at hand"):
            require_good_standing(certificate(), lists, now=NOW)


def test_a_list_kept_too_long_is_refused() -> None:
    """Attack: the list of before the revocation is shown for ever."""
    lists = checked_lists()
    require_good_standing(certificate(), lists, now=Instant(NOW + LIFETIME - 1))
    with pytest.raises(CredentialError, match="stale"):
        require_good_standing(certificate(), lists, now=Instant(NOW + LIFETIME))
    for number in (1, 2):
        with pytest.raises(CredentialError, match="was valid until"):
            check_status_list(as_json(signed_list(number)), registrar=DOCUMENT, now=Instant(NOW + LIFETIME))


def test_a_list_says_when_to_fetch_the_next() -> None:
    revocation, _ = checked_lists()
    assert revocation.refresh_at == NOW + TIME_TO_LIVE
    assert revocation.valid_until == NOW + LIFETIME
    assert 15 * SECOND <= TIME_TO_LIVE < LIFETIME <= 60 * SECOND


def test_the_list_of_another_purpose_is_not_taken() -> None:
    """Attack: the list of suspensions, where no bit is set, is shown as that of revocations."""
    _, suspension = checked_lists()
    disguised = replace(suspension, url="https://prod.id.ringfence.internal/status/1")
    with pytest.raises(CredentialError, match="not one of revocation"):
        require_good_standing(certificate(), (disguised, suspension), now=NOW)


def test_a_list_signed_by_another_environment_is_refused() -> None:
    forged = sign_status_list(1, (), registrar=DEV_REGISTRAR, key=DEV_KEY, now=NOW)
    with pytest.raises(CredentialError, match="asserts nothing"):
        check_status_list(as_json(forged), registrar=DOCUMENT, now=NOW)
    listed = check_status_list(as_json(forged), registrar=DEV_DOCUMENT, now=NOW)
    with pytest.raises(CredentialError, match="not at hand"):
        require_good_standing(certificate(), (listed, *checked_lists()[1:]), now=NOW)


def test_a_certificate_is_no_status_list_and_the_other_way_round() -> None:
    with pytest.raises(CredentialError, match="type BitstringStatusListCredential"):
        check_status_list(as_json(credential()), registrar=DOCUMENT, now=NOW)
    with pytest.raises(CredentialError, match="type AgentBirthCertificate"):
        check_birth_certificate(as_json(signed_list(1)), registrar=DOCUMENT, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("validUntil"),
        lambda c: c.pop("id"),
        lambda c: c.pop("credentialSubject"),
        lambda c: c["credentialSubject"].update(type="StatusList2021"),
        lambda c: c["credentialSubject"].update(statusPurpose=["revocation", "suspension"]),
        lambda c: c["credentialSubject"].pop("encodedList"),
        lambda c: c["credentialSubject"].update(ttl=0),
        lambda c: c["credentialSubject"].update(ttl="15000"),
        lambda c: c["credentialSubject"].pop("ttl"),
    ],
)
def test_a_list_of_another_form_is_refused(change: Callable[[Any], Any]) -> None:
    with pytest.raises(CredentialError):
        check_status_list(resigned(signed_list(1), change), registrar=DOCUMENT, now=NOW)


@pytest.mark.parametrize(
    ("encoded", "problem"),
    [
        ("", "must start with u"),
        (encoded_list(())[1:], "must start with u"),
        ("z" + encoded_list(())[1:], "must start with u"),
        ("u", "cut short"),
        ("u!!!!", "base64url"),
        (encoded_list(()) + "=", "base64url"),
        ("u" + base64url(bytes(MIN_BYTES)), "gzip"),
        ("u" + base64url(zlib.compress(bytes(MIN_BYTES))), "gzip"),
        (packed(bytes(MIN_BYTES - 1)), "holds 16383 bytes"),
        (packed(bytes(MAX_BYTES + 1)), "holds 131073 bytes"),
        (packed(bytes(100 * 1024 * 1024)), "longer than"),
        ("u" + base64url(gzip.compress(bytes(MIN_BYTES), mtime=0)[:-1]), "cut short"),
        ("u" + base64url(gzip.compress(bytes(MIN_BYTES), mtime=0) + b"x"), "followed by something else"),
        ("u" + base64url(gzip.compress(bytes(MIN_BYTES), mtime=0) * 2), "followed by something else"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_an_encoded_list_of_another_form_is_refused(encoded: str, problem: str) -> None:
    """Attacks: a bomb, a list too small to hide in, a list with a second one behind it."""
    with pytest.raises(CredentialError, match=problem):
        expand(encoded)


def test_a_damaged_checksum_is_noticed() -> None:
    damaged = bytearray(gzip.compress(bytes(MIN_BYTES), mtime=0))
    damaged[-6] ^= 1
    with pytest.raises(CredentialError, match="gzip"):
        expand("u" + base64url(bytes(damaged)))


def test_larger_lists_are_read() -> None:
    assert len(expand(packed(bytes(MAX_BYTES)))) == MAX_BYTES


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda entries: entries.clear(), "revocation would be told"),
        (lambda entries: entries.pop(0), "revocation would be told"),
        (lambda entries: entries.append({}), "not a BitstringStatusListEntry"),
        (lambda entries: entries.append("x"), "not a BitstringStatusListEntry"),
        (lambda entries: entries[0].update(type="StatusList2021Entry"), "not a BitstringStatusListEntry"),
        (lambda entries: entries[0].update(statusListIndex=5), "not a BitstringStatusListEntry"),
        (lambda entries: entries[0].update(statusListIndex="-1"), "not a BitstringStatusListEntry"),
        (lambda entries: entries[0].update(statusListIndex="05"), "not a BitstringStatusListEntry"),
        (lambda entries: entries[0].update(statusListIndex="1e3"), "not a BitstringStatusListEntry"),
        (lambda entries: entries[0].update(statusListIndex="٣"), "not a BitstringStatusListEntry"),
        (lambda entries: entries[0].update(statusListIndex="9" * 5_000), "not a BitstringStatusListEntry"),
        (lambda entries: entries[0].update(statusSize=2), "more than one bit"),
        (lambda entries: entries[0].update(statusListCredential="https://evil.example/status/1"), "another host"),
        (
            lambda entries: entries[0].update(
                statusListCredential="https://prod.id.ringfence.internal.evil.example/status/1"
            ),
            "another host",
        ),
        (
            lambda entries: entries[0].update(statusListCredential="https://dev.id.ringfence.internal/status/1"),
            "another host",
        ),
    ],
)
def test_a_status_of_another_form_is_refused(change: Callable[[list[JsonObject]], Any], problem: str) -> None:
    with pytest.raises(CredentialError, match=problem):
        status_entries(with_entries(change))


def test_a_certificate_without_a_status_is_refused() -> None:
    text = resigned(credential(), lambda content: content.pop("credentialStatus"))
    checked = check_birth_certificate(text, registrar=DOCUMENT, now=NOW).credential
    with pytest.raises(CredentialError):
        require_good_standing(checked, checked_lists(), now=NOW)


def test_one_status_need_not_be_a_list() -> None:
    def alone(content: JsonObject) -> None:
        entries: Any = content["credentialStatus"]
        content["credentialStatus"] = entries[0]

    checked = check_birth_certificate(resigned(credential(), alone), registrar=DOCUMENT, now=NOW).credential
    require_good_standing(checked, checked_lists(), now=NOW)
    with pytest.raises(CredentialRevoked):
        require_good_standing(checked, checked_lists(revoked={PLACE.index}), now=NOW)


def test_a_purpose_nobody_knows_counts_when_it_is_set() -> None:
    checked = with_entries(lambda entries: entries[1].update(statusPurpose="refresh"))
    revocation, suspension = checked_lists(suspended={PLACE.index})
    with pytest.raises(CredentialError, match="status refresh is set"):
        require_good_standing(checked, (revocation, replace(suspension, purpose="refresh")), now=NOW)
