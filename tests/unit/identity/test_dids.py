"""DIDs in requests: what is refused becomes a failure that names the field."""

import pytest
from ringfence.proofs.did import AgentDid, Host, Scid
from ringfence_identity.dids import parse_did
from ringfence_identity.errors import DidInvalid

SOUND = AgentDid(Scid("QmRRaLXwc6BjBuBPosSupJwEQ8w9f3znP7yfbpGfwcnLr6"), Host("prod.id.ringfence.internal"))


def test_a_sound_did_is_read() -> None:
    assert parse_did(str(SOUND)) == SOUND


def test_another_text_is_refused_with_the_reason() -> None:
    with pytest.raises(DidInvalid) as refused:
        parse_did("did:mesh:abc")
    assert refused.value.metadata["did"] == "did:mesh:abc"
    assert "method 'mesh'" in refused.value.metadata["problem"]
    assert [violation.field for violation in refused.value.violations] == ["did"]


def test_an_endless_did_is_not_repeated_back() -> None:
    with pytest.raises(DidInvalid) as refused:
        parse_did("did:key:" + "z" * 2000)
    assert len(refused.value.metadata["did"]) < 100
