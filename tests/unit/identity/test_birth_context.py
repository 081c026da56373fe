"""The JSON-LD context of birth certificates: a verifier that processes JSON-LD knows every member they may have."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from ringfence.identity.v1.identity_pb2 import BirthCertificateContent
from ringfence.proofs.birth_certificate_check import BIRTH_CERTIFICATE, BIRTH_CONTEXT
from support.identity.births import COMPLETE
from support.identity.certified import credential

CONTEXT = Path(__file__).parents[3] / "services" / "identity" / "contexts" / "agent-birth-v1.jsonld"
TERMS: dict[str, Any] = json.loads(CONTEXT.read_text())["@context"]
OF_VC_2 = {"id", "name"}
"""Terms that the context of Verifiable Credentials 2.0 defines, and protects from being defined again."""


def undefined(message: Descriptor, terms: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the members of `message` that neither `terms` nor the context around it define."""
    for field in message.fields:
        term = terms.get(field.json_name)
        if term is None and field.json_name not in OF_VC_2:
            yield path + field.json_name
        if field.type == FieldDescriptor.TYPE_MESSAGE and field.message_type is not None:
            inside = term["@context"] if isinstance(term, dict) else {}
            yield from undefined(field.message_type, inside, f"{path}{field.json_name}.")


def test_every_member_a_certificate_may_have_is_defined() -> None:
    assert list(undefined(BirthCertificateContent.DESCRIPTOR, TERMS)) == []
    subject = credential(replace(COMPLETE, derived_from="did:example:1"))["credentialSubject"]
    assert isinstance(subject, dict)
    assert not subject.keys() - TERMS.keys() - OF_VC_2


def test_terms_are_those_of_the_context_credentials_name() -> None:
    ours = [term if isinstance(term, str) else term["@id"] for name, term in TERMS.items() if name[0] != "@"]
    assert all(iri.startswith(f"{BIRTH_CONTEXT}#") for iri in ours)
    assert BIRTH_CERTIFICATE in TERMS
    assert TERMS["@protected"]
    assert not OF_VC_2 & TERMS.keys()
