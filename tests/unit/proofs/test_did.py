"""The syntax of DIDs: what is ours, what is not, and why."""

import pytest
from ringfence.proofs.did import (
    AgentDid,
    DidError,
    Host,
    KeyDid,
    RegistrarDid,
    Scid,
    WebAlias,
    is_host,
    is_scid,
    parse_did,
)
from ringfence.proofs.public_keys import public_key_of
from support.identity.keys import seeded_key

SCID = Scid("QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6")
HOST = Host("prod.id.ringfence.internal")
KEY = public_key_of(seeded_key(7))


@pytest.mark.parametrize(
    "did",
    [
        AgentDid(SCID, HOST),
        AgentDid(SCID, Host("id.example.com%3A8443")),
        RegistrarDid(SCID, HOST),
        WebAlias(HOST, SCID),
        WebAlias(HOST, None),
        KeyDid(KEY),
    ],
    ids=str,
)
def test_what_is_issued_is_read_back(did: AgentDid | RegistrarDid | WebAlias | KeyDid) -> None:
    assert parse_did(str(did)) == did


def test_the_alias_names_the_same_host_and_scid() -> None:
    assert AgentDid(SCID, HOST).alias == f"did:web:{HOST}:agents:{SCID}"
    assert parse_did(AgentDid(SCID, HOST).alias) == WebAlias(HOST, SCID)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "does not start with did:"),
        ("did:", "does not start with did:"),
        ("did:webvh", "form issued here"),
        ("did:mesh", "does not start with did:"),
        ("DID:webvh:x:y", "does not start with did:"),
        ("did:mesh:abc", "method 'mesh'"),
        (f"did:webvh:{SCID}", "form issued here"),
        (f"did:webvh:{SCID}:{HOST}:agents", "form issued here"),
        (f"did:webvh:{SCID}:{HOST}:tools:{SCID}", "form issued here"),
        (f"did:webvh:{SCID}:{HOST}:agents:{SCID}:more", "form issued here"),
        (f"did:webvh:{SCID}:{HOST}:agents:QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoGE", "another SCID"),
        (f"did:webvh:{{SCID}}:{HOST}", "SCID"),
        (f"did:webvh:{SCID[:-1]}:{HOST}", "SCID"),
        (f"did:webvh:{SCID}:{HOST}#key", "host"),
        (f"did:webvh:{SCID}:{HOST}?versionId=1", "host"),
        (f"did:webvh:{SCID}:{HOST}/whois", "host"),
        (f"did:webvh:{SCID}:PROD.id.ringfence.internal", "host"),
        (f"did:webvh:{SCID}:localhost", "host"),
        (f"did:webvh:{SCID}:127.0.0.1", "host"),
        (f"did:webvh:{SCID}:0x7f.1", "host"),
        (f"did:webvh:{SCID}:prod.id.ringfence.internal.", "host"),
        (f"did:webvh:{SCID}:prod..internal", "host"),
        (f"did:webvh:{SCID}:id.example.com%3a8443", "host"),
        (f"did:webvh:{SCID}:id.example.com%3A0", "host"),
        (f"did:webvh:{SCID}:id.example.com%3A65536", "host"),
        (f"did:webvh:{SCID}:id.ex\u0430mple.com", "host"),
        ("did:web:127.0.0.1", "host"),
        (f"did:web:{HOST}:{SCID}", "form issued here"),
        ("did:key:z6Mk", "multikey"),
        ("did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv", "multikey"),
        ("did:key:" + "z" * 2000, "longer than"),
        (f"did:webvh:{SCID}:{HOST}\n", "host"),
    ],
)
def test_everything_else_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(DidError) as refused:
        parse_did(text)
    assert problem in refused.value.problem


def test_a_host_has_two_labels_of_letters_and_at_most_253_characters() -> None:
    assert is_host("dev.id.ringfence.internal")
    assert is_host("id.example.com%3A8443")
    assert not is_host(".".join(["abcdefgh"] * 29))
    assert not is_host("a.b")


def test_a_scid_is_a_sha_256_multihash_and_nothing_else() -> None:
    assert is_scid(SCID)
    assert not is_scid("z6MkrLhpHF2uGZvHgChE9gnfnJ7mjmEuuPF3tBVPdnQu1v")
    assert not is_scid("")
