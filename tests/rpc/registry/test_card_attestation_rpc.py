"""GetCardAttestation over gRPC: of which card, for whom, and every way it is refused."""

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict
from ringfence.proofs.canonical_json import parse_object
from ringfence.proofs.card_attestation import Attested, check_attestation
from ringfence.proofs.jwk_set import JwkSet, read_jwk_set
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import ManualClock
from ringfence_kit.config import Secret
from ringfence_kit.ids import counting_ids
from ringfence_kit.server_config import ServerConfig
from ringfence_registry.app import build
from ringfence_registry.config import RegistryConfig
from support.registry.served import FINANCE_OWNER, LEDGER, ServedRegistry, served_registry
from support.registry.signed_cards import CARD
from support.wire import refusal

WRITTEN = json.dumps(CARD, indent=2).encode()
OTHER = json.dumps({**CARD, "version": "1.5.0"}).encode()
GUEST = Caller(principal="gus", roles=frozenset({Role.NAMESPACE_OWNER}), namespaces=frozenset({"travel"}))


@pytest_asyncio.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path) as served:
        yield served


async def attestation(registry: ServedRegistry, name: str = LEDGER, **who: Any) -> pb.GetCardAttestationResponse:
    answer: pb.GetCardAttestationResponse = await registry.stub(**who).GetCardAttestation(
        pb.GetCardAttestationRequest(name=name)
    )
    return answer


async def keys(registry: ServedRegistry) -> JwkSet:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://{registry.mesh.address('registry.http_listen')}/.well-known/jwks.json")
    return read_jwk_set(parse_object(answer.content))


async def test_it_is_of_the_card_as_registered_and_says_for_whom(registry: ServedRegistry) -> None:
    await registry.register(card=WRITTEN)
    answer = await attestation(registry, caller=FINANCE_OWNER)
    says = check_attestation(parse_object(WRITTEN), MessageToDict(answer.signature), await keys(registry))
    assert says == Attested(agent=LEDGER, revision=1)
    assert answer.card_sha256 == hashlib.sha256(WRITTEN).digest()


async def test_each_revision_has_its_own(registry: ServedRegistry) -> None:
    await registry.register(card=WRITTEN)
    update = pb.UpdateAgentRequest(agent=pb.Agent(name=LEDGER), card=OTHER)
    update.update_mask.paths.append("card")
    await registry.stub().UpdateAgent(update)
    published = await keys(registry)
    for name, card, number in (
        (LEDGER, OTHER, 2),
        (f"{LEDGER}/revisions/latest", OTHER, 2),
        (f"{LEDGER}/revisions/1", WRITTEN, 1),
    ):
        answer = await attestation(registry, name)
        says = check_attestation(parse_object(card), MessageToDict(answer.signature), published, agent=LEDGER)
        assert (says.revision, answer.card_sha256) == (number, hashlib.sha256(card).digest())


async def test_it_outlives_a_restart(tmp_path: Path) -> None:
    answers: list[pb.GetCardAttestationResponse] = []
    for _ in range(2):
        async with served_registry(tmp_path) as registry:
            if not answers:
                await registry.register(card=WRITTEN)
            answers.append(await attestation(registry))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "name", ["", "ledger", "namespaces/finance", f"{LEDGER}/revisions/", f"{LEDGER}/revisions/0x1"]
)
async def test_a_name_that_is_none_is_invalid(registry: ServedRegistry, name: str) -> None:
    refused = await refusal(attestation(registry, name))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")


async def test_an_agent_or_a_revision_that_is_not_there_is_not_found(registry: ServedRegistry) -> None:
    unknown = await refusal(attestation(registry))
    assert (unknown.code, unknown.reason) == ("NOT_FOUND", "AGENT_NOT_FOUND")
    await registry.register(card=WRITTEN)
    missing = await refusal(attestation(registry, f"{LEDGER}/revisions/7"))
    assert (missing.code, missing.reason) == ("NOT_FOUND", "REVISION_NOT_FOUND")


async def test_a_hidden_agent_and_one_that_is_not_there_are_refused_alike(registry: ServedRegistry) -> None:
    before = await refusal(attestation(registry, caller=GUEST))
    await registry.register(card=WRITTEN)
    after = await refusal(attestation(registry, caller=GUEST))
    assert (before.code, before.reason, before.message) == (after.code, after.reason, after.message)
    assert (after.code, after.reason) == ("PERMISSION_DENIED", "NOT_PERMITTED")


@pytest.mark.parametrize("beside", [{"x-note": 1}, {"iconUrl": ""}])
async def test_a_card_that_verifiers_read_differently_is_not_attested(
    registry: ServedRegistry, beside: dict[str, Any]
) -> None:
    await registry.register(card=json.dumps({**CARD, **beside}).encode())
    refused = await refusal(attestation(registry))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "CARD_NOT_ATTESTABLE")


async def test_attack_nothing_is_attested_that_nobody_let_serve(registry: ServedRegistry) -> None:
    await registry.register("draft", card=WRITTEN, as_draft=True)
    await registry.register("ended", card=OTHER)
    ended = f"{LEDGER.rpartition('/')[0]}/ended"
    await registry.stub().RetireAgent(pb.RetireAgentRequest(name=ended))
    for name in (f"{LEDGER.rpartition('/')[0]}/draft", ended):
        refused = await refusal(attestation(registry, name))
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "CARD_NOT_ATTESTABLE")
        assert "does not serve" in refused.message


async def test_a_registry_without_a_seal_keeps_no_key(tmp_path: Path) -> None:
    config, server = RegistryConfig(), ServerConfig(dev=False, data=tmp_path)
    service = build(config, server, clock=ManualClock(), new_id=counting_ids())
    async with service.run():
        assert not (tmp_path / "registry.keys").exists()


async def test_a_registry_with_a_seal_keeps_its_key_sealed(tmp_path: Path) -> None:
    config, server = RegistryConfig(seal=Secret("a passphrase for a test")), ServerConfig(dev=False, data=tmp_path)
    service = build(config, server, clock=ManualClock(), new_id=counting_ids())
    async with service.run():
        kept = tmp_path / "registry.keys"
        assert kept.stat().st_mode & 0o777 == 0o600
        assert b"card-attestations" not in kept.read_bytes()
