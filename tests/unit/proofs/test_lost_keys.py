"""Lost keys in an agent's document: shown to everyone, good for nothing."""

from typing import Any

from ringfence.instants import Instant
from ringfence.proofs.did import AgentDid, Host, Scid
from ringfence.proofs.did_document import COMPROMISE_CONTEXT, CONTEXTS, LostKey, agent_document, web_document
from ringfence.proofs.public_keys import PublicKey, public_key_of
from support.identity.did_logs import CARD, HOST, NOW, REGISTRAR
from support.identity.keys import seeded_key

DID = AgentDid(Scid("QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"), Host(HOST))
LIVE, LOST = public_key_of(seeded_key(1)), public_key_of(seeded_key(2))
RELATIONSHIPS = ("authentication", "assertionMethod", "capabilityDelegation")


def made(key: PublicKey | None, *lost: PublicKey) -> dict[str, Any]:
    keys = [LostKey(key=one, since=Instant(NOW + 999)) for one in lost]
    return dict(agent_document(did=DID, key=key, registrar=REGISTRAR, card_url=CARD, lost=keys))


def test_a_lost_key_says_since_when_in_both_words_and_is_named_nowhere() -> None:
    document = made(LIVE, LOST)
    (live, lost) = document["verificationMethod"]
    assert live["publicKeyMultibase"] == LIVE.multibase
    assert "revoked" not in live
    assert lost == {
        "id": f"{DID}#{LOST.thumbprint}",
        "type": "Multikey",
        "controller": str(DID),
        "publicKeyMultibase": LOST.multibase,
        "revoked": "2026-01-01T00:00:00Z",
        "compromisedSince": "2026-01-01T00:00:00Z",
    }
    for relationship in RELATIONSHIPS:
        assert document[relationship] == [live["id"]]


def test_the_document_brings_the_meaning_of_the_word_along_and_only_then() -> None:
    assert made(LIVE, LOST)["@context"] == [*CONTEXTS, COMPROMISE_CONTEXT]
    assert made(LIVE)["@context"] == list(CONTEXTS)


def test_without_a_key_in_force_there_is_no_relationship_at_all() -> None:
    document = made(None, LOST)
    assert not set(document) & set(RELATIONSHIPS)
    (only,) = document["verificationMethod"]
    assert only["publicKeyMultibase"] == LOST.multibase


def test_the_did_web_form_says_the_same_of_it() -> None:
    document = agent_document(did=DID, key=LIVE, registrar=REGISTRAR, card_url="", lost=[LostKey(key=LOST, since=NOW)])
    published: dict[str, Any] = web_document(document, DID)
    (_, lost) = published["verificationMethod"]
    assert lost["id"] == f"{DID.alias}#{LOST.thumbprint}"
    assert lost["compromisedSince"] == "2026-01-01T00:00:00Z"


def test_without_lost_keys_a_document_is_what_it_always_was() -> None:
    assert made(LIVE) == dict(agent_document(did=DID, key=LIVE, registrar=REGISTRAR, card_url=CARD))
