"""The DID documents a mesh publishes, as values: of an agent, of a registrar, of a did:key, and their did:web form.

Documents are built from keys and hosts only; no text that a caller chose enters one, so none can smuggle in a service,
a key or the placeholder of an SCID.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ringfence.instants import Instant
from ringfence.proofs.canonical_json import Json, JsonObject
from ringfence.proofs.did import AGENTS, AgentDid, Host, KeyDid, RegistrarDid, Scid
from ringfence.proofs.public_keys import PublicKey
from ringfence.proofs.timestamps import timestamp

CONTEXTS: tuple[str, str] = ("https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1")
LINKED_VP_CONTEXT = "https://identity.foundation/linked-vp/contexts/v1"

COMPROMISED_SINCE = "compromisedSince"
"""The member of a verification method that says since when its key is in other hands."""

# Written out in the document itself: who reads JSON-LD needs to fetch nothing to know the term.
COMPROMISE_CONTEXT: JsonObject = {
    COMPROMISED_SINCE: {
        "@id": "https://ringfence.dev/ns/did#compromisedSince",
        "@type": "http://www.w3.org/2001/XMLSchema#dateTime",
    }
}

SCID_PLACEHOLDER = Scid("{SCID}")
"""Stands for the SCID until the first log entry, and so the SCID, is known (did:webvh 1.0, Create)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostKey:
    """A key in other hands, and since when nothing signed by it counts."""

    key: PublicKey
    since: Instant


def agent_document(
    *,
    did: AgentDid,
    key: PublicKey | None,
    registrar: RegistrarDid,
    card_url: str,
    status_urls: Sequence[str] = (),
    lost: Sequence[LostKey] = (),
) -> JsonObject:
    """Return an agent's document; its services are those of `agent_services`.

    `key` is the one in force, None while there is none. Keys in `lost` are shown so that everyone can tell from when on
    their signatures are void, and are good for nothing: no relationship names them, and `revoked` says so to verifiers
    that know Controlled Identifiers 1.0 (section 2.2) and nothing of us.
    """
    name = str(did)
    live = [] if key is None else [_multikey(_method(name, key), name, key)]
    contexts: list[Json] = [*CONTEXTS]
    if lost:
        contexts.append(COMPROMISE_CONTEXT)
    document: JsonObject = {
        "@context": contexts,
        "id": name,
        "controller": str(registrar),
        "alsoKnownAs": [did.alias, spiffe_id(did)],
        "verificationMethod": [*live, *(_lost_multikey(name, one) for one in lost)],
        "service": agent_services(did=did, card_url=card_url, status_urls=status_urls),
    }
    # DID 1.0 section 5.3: a relationship that is there names at least one method.
    return document if key is None else {**document, **_relationships(_method(name, key))}


def agent_services(*, did: AgentDid, card_url: str, status_urls: Sequence[str]) -> list[Json]:
    """Return where more about an agent is published: its A2A card, birth certificate, and the lists telling its status.

    `card_url` is empty when the mesh publishes no card; `status_urls` are those its certificate names, in that order.
    """
    endpoints = [("birth", "LinkedVerifiablePresentation", f"{base_url(did)}whois.vp")]
    if card_url:
        endpoints.insert(0, ("a2a-card", "A2AAgentCard", card_url))
    for number, url in enumerate(status_urls, start=1):
        endpoints.append((f"status-{number}", "BitstringStatusList", url))
    return [{"id": f"{did}#{name}", "type": kind, "serviceEndpoint": url} for name, kind, url in endpoints]


def registrar_document(*, did: RegistrarDid, key: PublicKey) -> JsonObject:
    """Return the document of an environment's registrar: its key asserts birth certificates and nothing else."""
    name = str(did)
    method = f"{name}#{key.thumbprint}"
    return {
        "@context": list(CONTEXTS),
        "id": name,
        "alsoKnownAs": [did.alias],
        "verificationMethod": [_multikey(method, name, key)],
        "assertionMethod": [method],
    }


def key_document(did: KeyDid) -> JsonObject:
    """Return the document a did:key stands for (did:key, document creation)."""
    name = str(did)
    method = f"{name}#{did.key.multibase}"
    return {
        "@context": list(CONTEXTS),
        "id": name,
        "verificationMethod": [_multikey(method, name, did.key)],
        "authentication": [method],
        "assertionMethod": [method],
        "capabilityDelegation": [method],
        "capabilityInvocation": [method],
    }


def web_document(document: JsonObject, did: AgentDid | RegistrarDid) -> JsonObject:
    """Return `document` as its did:web alias publishes it (did:webvh 1.0, Publishing a Parallel did:web DID)."""
    base = base_url(did)
    implicit: list[Json] = [
        {"id": f"{did}#files", "type": "relativeRef", "serviceEndpoint": base},
        {
            "@context": LINKED_VP_CONTEXT,
            "id": f"{did}#whois",
            "type": "LinkedVerifiablePresentation",
            "serviceEndpoint": f"{base}whois.vp",
        },
    ]
    services = document.get("service", [])
    full: JsonObject = {**document, "service": [*(services if isinstance(services, list) else []), *implicit]}
    renamed = replace_text(full, f"did:webvh:{did.scid}:", "did:web:")
    names = renamed.get("alsoKnownAs")
    others = [name for name in names if name != did.alias] if isinstance(names, list) else []
    return {**renamed, "alsoKnownAs": [*others, str(did)]}


def base_url(did: AgentDid | RegistrarDid) -> str:
    """Return the folder under which everything of `did` is published (did:webvh 1.0, DID-to-HTTPS)."""
    origin = "https://" + did.host.replace("%3A", ":")
    return f"{origin}/{AGENTS}/{did.scid}/" if isinstance(did, AgentDid) else f"{origin}/"


def spiffe_id(did: AgentDid) -> str:
    """Return the SPIFFE ID of the same agent; its trust domain is the environment's host."""
    return f"spiffe://{trust_domain(did.host)}/agent/{did.scid}"


def trust_domain(host: Host) -> str:
    """Return the SPIFFE trust domain of an environment: its host without a port, which SPIFFE does not allow."""
    return host.split("%3A", 1)[0]


def replace_text(document: JsonObject, old: str, new: str) -> JsonObject:
    """Return `document` with `old` replaced in every string, names of members included."""
    return {name.replace(old, new): _replace(value, old, new) for name, value in document.items()}


def _replace(value: Json, old: str, new: str) -> Json:
    match value:
        case str():
            return value.replace(old, new)
        case list():
            return [_replace(item, old, new) for item in value]
        case dict():
            return replace_text(value, old, new)
        case _:
            return value


def _method(name: str, key: PublicKey) -> str:
    return f"{name}#{key.thumbprint}"


def _relationships(method: str) -> JsonObject:
    return {"authentication": [method], "assertionMethod": [method], "capabilityDelegation": [method]}


def _lost_multikey(name: str, lost: LostKey) -> JsonObject:
    since = timestamp(lost.since)
    return {**_multikey(_method(name, lost.key), name, lost.key), "revoked": since, COMPROMISED_SINCE: since}


def _multikey(method: str, controller: str, key: PublicKey) -> JsonObject:
    return {"id": method, "type": "Multikey", "controller": controller, "publicKeyMultibase": key.multibase}
