"""Signatures made to break whoever reads them: the registry answers, stores and shows them, and never fails itself."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ringfence.registry.v1 import card_pb2
from ringfence.registry.v1 import registry_pb2 as pb
from support.registry.served import ServedRegistry, registration, served_registry
from support.registry.signed_cards import CARD, b64, signer
from support.wire import refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def registry(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path_factory.mktemp("registry")) as served:
        yield served


def entry(protected: str, signature: str = "AAAA", **beside: Any) -> dict[str, Any]:
    return {"protected": b64(protected.encode()), "signature": signature, **beside}


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else 1


NASTY: dict[str, Any] = {
    "half-a-pair-for-a-kid": [entry('{"alg":"EdDSA","kid":"\\ud800"}')],
    "half-a-pair-for-an-alg": [entry('{"alg":"\\udfff","kid":"k"}')],
    "zeros-in-a-kid": [entry('{"alg":"EdDSA","kid":"a\\u0000b"}')],
    "line-ends-in-a-kid": [entry('{"alg":"EdDSA","kid":"a\\r\\nb\\u2028"}')],
    "a-kid-that-reads-backwards": [entry('{"alg":"EdDSA","kid":"\\u202ekey"}')],
    "a-kid-of-emoji": [entry(json.dumps({"alg": "ES256", "kid": "\U0001f600" * 300}))],
    "a-kid-that-is-nearly-a-did": [entry(json.dumps({"alg": "EdDSA", "kid": "did:webvh:" + "x" * 900 + "#k"}))],
    "a-kid-of-another-method": [entry('{"alg":"EdDSA","kid":"did:\\u0000:x#k"}')],
    "a-number-nobody-holds": [entry('{"alg":"EdDSA","kid":"k","iat":1e999}')],
    "a-large-number": [entry('{"alg":"EdDSA","kid":"k","iat":123456789012345678901234567890}')],
    "a-deep-header": [entry('{"alg":"EdDSA","kid":"k","a":' + "[" * 1_000 + "]" * 1_000 + "}")],
    "a-deep-header-beside": [entry('{"alg":"EdDSA","kid":"k"}', header=nested(55))],
    "a-header-that-is-no-object": [entry('{"alg":"EdDSA","kid":"k"}', header=7)],
    "nothing-in-it": [{}],
    "no-entries-at-all": [None, 1, "x", [], True],
    "a-thousand": [{"protected": "e30", "signature": "AA"}] * 1_000,
    "eight-of-a-stranger": [signer("ES256", f"s{number}").entry(b"x") for number in range(8)],
    "a-text": "signed",
    "an-object": {"protected": "e30", "signature": "AA"},
}


@pytest.mark.parametrize("name", NASTY)
async def test_attack_a_signature_made_to_break_its_reader(registry: ServedRegistry, name: str) -> None:
    body = json.dumps({**CARD, "name": name, "signatures": NASTY[name]}).encode()
    judged = await registry.stub().ValidateCard(pb.ValidateCardRequest(card=body, parent="namespaces/finance"))
    assert all(each.status != card_pb2.SIGNATURE_STATUS_VERIFIED for each in judged.signatures)
    if not judged.admissible:
        refused = await refusal(registry.stub().RegisterAgent(registration(name, card=body)))
        assert refused.reason in {"CARD_INVALID", "CARD_SIGNATURE_REFUSED"}
        return
    agent = (await registry.stub().RegisterAgent(registration(name, card=body))).agent
    assert agent.card.signatures == judged.signatures
    stored = (await registry.stub().GetAgent(pb.GetAgentRequest(name=agent.name))).agent
    assert stored.card.signatures == agent.card.signatures
    assert (await registry.stub().GetCard(pb.GetCardRequest(name=agent.name))).card == body


async def test_what_was_stored_of_them_is_read_after_a_restart(tmp_path: Path) -> None:
    names = []
    async with served_registry(tmp_path) as registry:
        for name, signatures in NASTY.items():
            body = json.dumps({**CARD, "name": name, "signatures": signatures}).encode()
            judged = await registry.stub().ValidateCard(pb.ValidateCardRequest(card=body, parent="namespaces/finance"))
            if judged.admissible:
                names.append((await registry.register(name, card=body)).name)
    async with served_registry(tmp_path) as registry:
        listed = await registry.stub().ListAgents(pb.ListAgentsRequest(parent="namespaces/finance", page_size=100))
        assert {agent.name for agent in listed.agents} == set(names)
        assert len(names) > 10
