"""The documents of agents: the shape outsiders expect, under both names of their subject."""

from ringfence.proofs.did import AgentDid
from ringfence.proofs.did_document import agent_document, web_document
from ringfence.proofs.did_log import scid_of
from ringfence.proofs.public_keys import public_key_of
from support.identity.did_logs import CARD, HOST, REGISTRAR, did_of, first_entry
from support.identity.keys import seeded_key


def test_the_document_has_the_shape_outsiders_expect() -> None:
    entry = first_entry()
    did = AgentDid(scid_of(entry), HOST)
    thumbprint = public_key_of(seeded_key(1)).thumbprint
    assert entry.state == {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": str(did),
        "controller": str(REGISTRAR),
        "alsoKnownAs": [
            f"did:web:{HOST}:agents:{did.scid}",
            f"spiffe://{HOST}/agent/{did.scid}",
        ],
        "verificationMethod": [
            {
                "id": f"{did}#{thumbprint}",
                "type": "Multikey",
                "controller": str(did),
                "publicKeyMultibase": public_key_of(seeded_key(1)).multibase,
            }
        ],
        "authentication": [f"{did}#{thumbprint}"],
        "assertionMethod": [f"{did}#{thumbprint}"],
        "capabilityDelegation": [f"{did}#{thumbprint}"],
        "service": [
            {"id": f"{did}#a2a-card", "type": "A2AAgentCard", "serviceEndpoint": CARD},
            {
                "id": f"{did}#birth",
                "type": "LinkedVerifiablePresentation",
                "serviceEndpoint": f"https://{HOST}/agents/{did.scid}/whois.vp",
            },
        ],
    }


def test_the_did_web_alias_document_names_itself_and_its_origin() -> None:
    entry = first_entry()
    did = AgentDid(scid_of(entry), HOST)
    document = web_document(entry.state, did)
    assert document["id"] == did.alias
    assert document["alsoKnownAs"] == [f"spiffe://{HOST}/agent/{did.scid}", str(did)]
    kinds = {service["id"].split("#")[1]: service["type"] for service in document["service"]}  # type: ignore[index, union-attr, call-overload]  # JSON of known shape
    assert kinds == {
        "a2a-card": "A2AAgentCard",
        "birth": "LinkedVerifiablePresentation",
        "files": "relativeRef",
        "whois": "LinkedVerifiablePresentation",
    }


def test_an_agents_document_points_to_the_lists_that_tell_its_status() -> None:
    did = did_of([first_entry()])
    urls = ("https://prod.example/status/1", "https://prod.example/status/2")
    with_lists = agent_document(
        did=did, key=public_key_of(seeded_key(1)), registrar=REGISTRAR, card_url="", status_urls=urls
    )
    services = with_lists["service"]
    assert isinstance(services, list)
    assert services[1:] == [
        {"id": f"{did}#status-1", "type": "BitstringStatusList", "serviceEndpoint": urls[0]},
        {"id": f"{did}#status-2", "type": "BitstringStatusList", "serviceEndpoint": urls[1]},
    ]
