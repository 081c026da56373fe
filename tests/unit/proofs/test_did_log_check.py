"""Checking DID logs: what identity wrote holds, and what was touched is refused for the rule it breaks."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from ringfence.instants import DAY, MINUTE, Instant
from ringfence.proofs import base58
from ringfence.proofs.canonical_json import digest
from ringfence.proofs.did import AgentDid, Scid, multihash_of
from ringfence.proofs.did_log_check import DidLogError, check_log, stored_entry
from support.identity.did_logs import HOST, NOW, REGISTRAR, did_of, first_entry, history, text_of
from support.identity.keys import encoding


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
        (edited(1, lambda entry: entry["parameters"].update(updateKeys="z6Mk")), "updateKeys is not a list"),
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
        (edited(0, lambda entry: entry["parameters"].update(witness={"threshold": 1})), "not allowed"),
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
