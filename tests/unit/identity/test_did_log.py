"""DID logs: built by the service, believed by two resolvers that are not the service, refused when touched."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from did_webvh.core.state import DocumentState
from did_webvh.verify import WebvhVerifier
from ringfence_identity import base58
from ringfence_identity.canonical_json import digest
from ringfence_identity.did import AgentDid, Host, RegistrarDid, Scid, multihash_of
from ringfence_identity.did_document import SCID_PLACEHOLDER, agent_document, web_document
from ringfence_identity.did_log import (
    LogEntry,
    begin_log,
    deactivate_log,
    next_version_time,
    scid_of,
    update_log,
)
from ringfence_identity.did_log_check import DidLogError, check_log, stored_entry
from ringfence_identity.public_keys import public_key_of
from ringfence_kit.clock import DAY, MINUTE, SECOND, Instant
from ringfence_kit.errors import Unavailable
from support.identity import webvh_resolver
from support.identity.keys import encoding, seeded_key

HOST = Host("prod.id.ringfence.internal")
REGISTRAR = RegistrarDid(Scid("QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"), HOST)
NOW = Instant(1_767_225_600_000)
CARD = "https://cards.example.com/a/agent-card.json"


def first_entry(now: Instant = NOW) -> LogEntry:
    template = agent_document(
        did=AgentDid(SCID_PLACEHOLDER, HOST), key=public_key_of(seeded_key(1)), registrar=REGISTRAR, card_url=CARD
    )
    return begin_log(template, key=seeded_key(101), next_key=public_key_of(seeded_key(102)), now=now)


def history() -> list[LogEntry]:
    first = first_entry()
    did = AgentDid(scid_of(first), HOST)
    state = agent_document(did=did, key=public_key_of(seeded_key(2)), registrar=REGISTRAR, card_url=CARD)
    later = Instant(NOW + DAY)
    second = update_log(first, state=state, key=seeded_key(102), next_key=public_key_of(seeded_key(103)), now=later)
    return [first, second, deactivate_log(second, key=seeded_key(103), now=later)]


def text_of(entries: list[LogEntry]) -> str:
    return "".join(entry.line + "\n" for entry in entries)


def did_of(entries: list[LogEntry]) -> AgentDid:
    return AgentDid(scid_of(entries[0]), HOST)


async def believed_by_the_reference(log: str) -> DocumentState:
    """Load every entry with the did-webvh package, which raises when a rule is broken."""
    state: DocumentState | None = None
    lines = log.splitlines()
    verifier = WebvhVerifier(verify_proofs=True)
    for number, line in enumerate(lines, start=1):
        loaded = DocumentState.load_history_json(line, state)
        verification = verifier.verify_state(loaded, state, number == len(lines))
        if verification is not None:
            await verification
        state = loaded
    assert state is not None
    return state


@pytest.mark.parametrize("length", [1, 2, 3])
async def test_three_resolvers_agree_on_a_log(length: int) -> None:
    entries = history()[:length]
    log = text_of(entries)
    did = did_of(entries)
    ours = check_log(log, did=did, now=Instant(NOW + 2 * DAY))
    assert [entry.line for entry in ours] == log.splitlines()
    reference = await believed_by_the_reference(log)
    assert reference.document == entries[-1].state
    assert reference.deactivated is (length == 3)
    assert webvh_resolver.resolve(log, str(did)) == (None if length == 3 else entries[-1].state)


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


def test_two_entries_in_one_second_are_a_second_apart() -> None:
    first = first_entry(Instant(NOW + 999))
    second = deactivate_log(first, key=seeded_key(102), now=Instant(NOW + 999))
    assert (first.version_time, second.version_time) == (NOW, NOW + SECOND)


def test_a_clock_far_behind_the_log_signs_nothing() -> None:
    assert next_version_time(NOW, Instant(NOW - 4 * MINUTE)) == NOW + SECOND
    with pytest.raises(Unavailable):
        next_version_time(NOW, Instant(NOW - 5 * MINUTE))


def edited(index: int, edit: Callable[[dict[str, Any]], None]) -> str:
    lines = text_of(history()).splitlines()
    entry = json.loads(lines[index])
    edit(entry)
    lines[index] = json.dumps(entry)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        ("", "empty"),
        ("[]", "not a JSON object"),
        (" " * (5 * 1024 * 1024 + 1), "larger than"),
        (edited(0, lambda entry: entry.update(versionTime=1)), "versionTime is not a string"),
        (edited(0, lambda entry: entry.update(state=[])), "state is not an object"),
        (edited(1, lambda entry: entry["parameters"].update(updateKeys="z6Mk")), "missing or not a list"),
        (edited(0, lambda entry: entry["parameters"].update(scid=None)), "SCID is not the DID's"),
        (edited(0, lambda entry: entry["state"].update(extra=2**60)), "no canonical form"),
        ('{"versionId": "1-x", "versionId": "1-y"}', "named twice"),
        (edited(0, lambda entry: entry.pop("proof")), "other members"),
        (edited(0, lambda entry: entry.update(extra=1)), "other members"),
        (edited(0, lambda entry: entry.update(versionTime="2026-01-01T00:00:00+00:00")), "versionTime"),
        (edited(0, lambda entry: entry.update(versionTime="2026-01-01T00:00:00.5Z")), "versionTime"),
        (edited(0, lambda entry: entry.update(versionTime="2027-01-01T00:00:00Z")), "future"),
        (edited(1, lambda entry: entry.update(versionTime="2026-01-01T00:00:00Z")), "does not increase"),
        (edited(1, lambda entry: entry["state"].update(id="did:web:evil.example")), "another DID"),
        (edited(0, lambda entry: entry["parameters"].update(method="did:webvh:0.5")), "method"),
        (edited(0, lambda entry: entry["parameters"].update(portable=True)), "portable"),
        (edited(0, lambda entry: entry["parameters"].update(witness={})), "not allowed"),
        (edited(1, lambda entry: entry["parameters"].update(scid="Qm")), "not allowed"),
        (edited(1, lambda entry: entry["parameters"].update(deactivated=1)), "boolean"),
        (edited(1, lambda entry: entry["parameters"].pop("updateKeys")), "updateKeys"),
        (edited(1, lambda entry: entry["parameters"].update(updateKeys=[])), "not committed"),
        (edited(1, lambda entry: entry["parameters"].update(updateKeys=["z6Mk"])), "not committed"),
        (edited(1, lambda entry: entry["parameters"].update(nextKeyHashes=[1])), "list of strings"),
        (edited(0, lambda entry: entry["parameters"].update(updateKeys=["z6Mk"])), "hash of the first entry"),
        (edited(1, lambda entry: entry["parameters"].update(nextKeyHashes=[])), "hash of the entry"),
        (edited(1, lambda entry: entry.update(versionId="3-" + entry["versionId"][2:])), "next number"),
        (edited(1, lambda entry: entry.update(proof=[])), "exactly one proof"),
        (edited(1, lambda entry: entry["proof"].append(entry["proof"][0])), "exactly one proof"),
        (edited(1, lambda entry: entry["proof"][0].update(cryptosuite="eddsa-rdfc-2022")), "cryptosuite"),
        (edited(1, lambda entry: entry["proof"][0].update(proofPurpose="authentication")), "proofPurpose"),
        (edited(1, lambda entry: entry["proof"][0].update(created="2026-01-02T00:00:01Z")), "does not verify"),
        (edited(1, lambda entry: entry["proof"][0].update(proofValue="z")), "does not verify"),
        (edited(1, lambda entry: entry["proof"][0].update(proofValue="u")), "multibase"),
        (edited(1, lambda entry: entry["proof"][0].update(verificationMethod="did:key:z6Mk#z6Mk")), "in force"),
        ("\n".join([*text_of(history()).splitlines(), history()[2].line]), "follows the one that deactivated"),
        ("\n".join(text_of(history()).splitlines()[1:]), "method"),
        ("\n".join(text_of(history()).splitlines()[::2]), "not committed"),
    ],
)
def test_a_touched_log_is_refused(log: str, problem: str) -> None:
    with pytest.raises(DidLogError, match=problem):
        check_log(log, did=did_of(history()), now=Instant(NOW + 2 * DAY))


def test_a_log_is_no_proof_of_another_did() -> None:
    other = AgentDid(REGISTRAR.scid, HOST)
    with pytest.raises(DidLogError, match="another DID"):
        check_log(text_of(history()), did=other, now=Instant(NOW + 2 * DAY))


def test_a_weak_update_key_is_refused_even_when_it_was_committed_to() -> None:
    weak = "z" + base58.encode(b"\xed\x01" + encoding(1, 0))
    entry = json.loads(first_entry().line)
    entry["parameters"]["updateKeys"] = [weak]
    entry["proof"][0]["verificationMethod"] = f"did:key:{weak}#{weak}"
    scid = entry["parameters"]["scid"]
    unsigned = {name: value for name, value in entry.items() if name != "proof"}
    blank = json.loads(json.dumps({**unsigned, "versionId": "{SCID}"}).replace(scid, "{SCID}"))
    renamed = multihash_of(digest(blank))
    filled = json.loads(json.dumps(blank).replace("{SCID}", renamed))
    filled["versionId"] = "1-" + multihash_of(digest(filled))
    with pytest.raises(DidLogError, match="small order"):
        check_log(json.dumps({**filled, "proof": entry["proof"]}), did=AgentDid(Scid(renamed), HOST), now=NOW)


@pytest.mark.parametrize("line", ["", "{}", '{"versionId":1,"versionTime":"","parameters":{},"state":{},"proof":[]}'])
def test_a_damaged_stored_line_is_noticed(line: str) -> None:
    with pytest.raises(DidLogError):
        stored_entry(line)


def test_a_stored_line_is_read_as_it_was_made() -> None:
    for entry in history():
        assert stored_entry(entry.line) == entry


def test_a_log_from_the_future_is_refused() -> None:
    with pytest.raises(DidLogError, match="future"):
        check_log(first_entry().line, did=did_of(history()), now=Instant(NOW - 6 * MINUTE))
