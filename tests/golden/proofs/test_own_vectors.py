"""Our own certificates and lists, as published for verifiers in other languages: they do not change by accident."""

import pytest
from ringfence.proofs.birth_certificate_check import check_birth_certificate
from ringfence.proofs.canonical_json import canonical, parse_object
from ringfence.proofs.status_list_check import CredentialRevoked, check_status_list, require_good_standing
from ringfence.proofs.timestamps import parse_timestamp
from support.identity import vc_verifier
from support.identity.certified import DOCUMENT, PLACE, as_json, as_jwt, credential, signed_list
from support.vectors import vectors

OURS = vectors("ringfence_birth_certificate")
AT = parse_timestamp(OURS["at"])


def test_what_is_signed_today_is_what_was_published() -> None:
    assert OURS["registrar"] == DOCUMENT
    assert as_json(credential()).decode() == OURS["certificate"]
    assert as_jwt(credential()) == OURS["jwt"]
    assert canonical(parse_object(OURS["certificate"])).decode() == OURS["certificate"]


def test_lists_are_those_that_were_published_but_for_how_they_are_packed() -> None:
    """Compressors differ between versions of zlib, so a list is compared by what it says."""
    for number, (text, indices) in enumerate(zip(OURS["lists"], ([PLACE.index], []), strict=True), start=1):
        ours = check_status_list(as_json(signed_list(number, indices)), registrar=DOCUMENT, now=AT)
        assert check_status_list(text, registrar=OURS["registrar"], now=AT) == ours


def test_both_verifiers_read_the_published_ones() -> None:
    for text in (OURS["certificate"], OURS["jwt"]):
        certificate = check_birth_certificate(text, registrar=OURS["registrar"], now=AT)
        assert certificate.hash in (OURS["hash"], "")
        lists = [check_status_list(listed, registrar=OURS["registrar"], now=AT) for listed in OURS["lists"]]
        with pytest.raises(CredentialRevoked):
            require_good_standing(certificate.credential, lists, now=AT)
        content = vc_verifier.verify(text, OURS["registrar"], AT)
        theirs = [vc_verifier.verify(listed, OURS["registrar"], AT) for listed in OURS["lists"]]
        assert vc_verifier.status_is_set(content, "revocation", theirs) == OURS["revoked"]
        assert vc_verifier.status_is_set(content, "suspension", theirs) == OURS["suspended"]
