"""Signed cards kept as they were signed, what became of each signature, and what the a2a-sdk says of the same card.

The two differ where they should: the SDK accepts what was put in later, and knows neither the card as it stands nor the
forms of the specification where those keep what it drops.
"""

import copy
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.utils.signing import SignatureVerificationError, create_signature_verifier
from ringfence.proofs.card_keys import read_pinned_keys
from ringfence.proofs.card_verdict import KeyAnswer, KnownKey, SignatureVerdict, SignedCard

CASES = sorted((Path(__file__).parent / "signed_cards").glob("*.json"))


def shown(verdict: SignatureVerdict) -> dict[str, Any]:
    said: dict[str, Any] = {"status": verdict.status.value}
    if verdict.form is not None and verdict.coverage is not None:
        said |= {"form": verdict.form.value, "coverage": verdict.coverage.value}
    if verdict.uncovered:
        said["uncovered"] = list(verdict.uncovered)
    return said


def accepted_by_the_sdk(case: dict[str, Any]) -> bool:
    keys = {key["kid"]: jwt.PyJWK(key) for key in case["keys"]}
    verify = create_signature_verifier(lambda kid, _: keys[str(kid)], ["EdDSA", "ES256"])
    try:
        verify(parse_agent_card(copy.deepcopy(case["card"])))
    except SignatureVerificationError:
        return False
    return True


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_each_signature_has_the_verdict_that_was_written_down(path: Path) -> None:
    case = json.loads(path.read_bytes())
    keys: dict[str, KeyAnswer] = {
        key_id: KnownKey(key=key, signer="pinned") for key_id, key in read_pinned_keys({"keys": case["keys"]}).items()
    }
    assert [shown(verdict) for verdict in SignedCard(case["card"]).judge(keys)] == case["expected"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_sdk_says_what_was_written_down(path: Path) -> None:
    case = json.loads(path.read_bytes())
    assert accepted_by_the_sdk(case) is case["accepted_by_the_sdk"]
