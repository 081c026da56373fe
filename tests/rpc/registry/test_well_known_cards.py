"""Cards where A2A clients look for them, with the registry's word on them; checked by the official SDK."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import jwt
import pytest
from a2a.client import A2ACardResolver
from a2a.client.errors import AgentCardResolutionError
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.proofs.card_attestation import check_attestation
from ringfence.proofs.jwk_set import read_jwk_set
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.clock import HOUR
from support.registry.over_http import HIDDEN, HttpRegistry, a_card, http_registry
from support.registry.served import LEDGER

ATTESTED = "/agents/finance/ledger/.well-known/agent-card.json"
VERBATIM = "/agents/finance/ledger/agent-card.json"


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[HttpRegistry]:
    async with http_registry(tmp_path) as running:
        yield running


async def put_card(registry: HttpRegistry, card: bytes) -> None:
    mask = FieldMask(paths=["card"])
    request = pb.UpdateAgentRequest(agent=pb.Agent(name=LEDGER), card=card, update_mask=mask)
    await registry.served.stub().UpdateAgent(request)


async def test_the_official_sdk_finds_the_card_and_accepts_our_signature(registry: HttpRegistry) -> None:
    await registry.register("ledger")
    keys = {key["kid"]: key for key in (await registry.get("/.well-known/jwks.json")).json()["keys"]}
    verify = create_signature_verifier(lambda kid, _jku: jwt.PyJWK(keys[str(kid)]), ["EdDSA"])
    async with httpx.AsyncClient() as client:
        resolver = A2ACardResolver(client, base_url=f"{registry.url}/agents/finance/ledger")
        card = await resolver.get_agent_card(signature_verifier=verify)
    assert card.name == "Ledger"
    assert len(card.signatures) == 1
    card.description = "Takes books."
    with pytest.raises(InvalidSignaturesError):
        verify(card)


async def test_the_sdk_is_told_that_there_is_no_card(registry: HttpRegistry) -> None:
    async with httpx.AsyncClient() as client:
        resolver = A2ACardResolver(client, base_url=f"{registry.url}/agents/finance/nobody")
        with pytest.raises(AgentCardResolutionError):
            await resolver.get_agent_card()


async def test_our_own_client_is_told_of_which_agent_and_revision_it_is(registry: HttpRegistry) -> None:
    await registry.register("ledger")
    await put_card(registry, a_card("Ledger", version="2.0.0"))
    card = (await registry.get(ATTESTED)).json()
    keys = read_jwk_set((await registry.get("/.well-known/jwks.json")).json())
    says = check_attestation(card, card["signatures"][-1], keys, agent=LEDGER)
    assert says.revision == 2


@pytest.mark.parametrize("path", [ATTESTED, "/agents/finance/ledger/.well-known/agent.json"])
async def test_nothing_but_the_signature_is_added(registry: HttpRegistry, path: str) -> None:
    await registry.register("ledger")
    card = a_card("Ledger")
    answer = await registry.get(path)
    assert answer.content.startswith(card.rstrip(b"}\n"))
    assert {name: value for name, value in answer.json().items() if name != "signatures"} == json.loads(card)
    assert (await registry.get(VERBATIM)).content == card


async def test_a_card_no_two_readers_sign_alike_is_served_as_it_is(registry: HttpRegistry) -> None:
    card = a_card("Ledger", xUnknown=[1])
    await registry.register("ledger", card=card)
    assert (await registry.get(ATTESTED)).content == card


async def test_the_etag_is_the_digest_of_what_is_sent_and_saves_sending_it_again(registry: HttpRegistry) -> None:
    await registry.register("ledger")
    first = await registry.get(ATTESTED)
    etag = f'"{hashlib.sha256(first.content).hexdigest()}"'
    assert first.headers["etag"] == etag != (await registry.get(VERBATIM)).headers["etag"]
    again = await registry.get(ATTESTED, if_none_match=etag)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    head = await registry.client.head(ATTESTED)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(first.content)))
    await put_card(registry, a_card("Ledger", version="2.0.0"))
    assert (await registry.get(ATTESTED, if_none_match=etag)).status_code == 200


class TestDates:
    async def test_a_card_that_did_not_change_since_is_not_sent_again(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        registry.served.clock.advance(HOUR)
        changed = (await registry.get(VERBATIM)).headers["last-modified"]
        assert (await registry.get(VERBATIM, if_modified_since=changed)).status_code == 304
        before = format_datetime(datetime.now(UTC) - timedelta(days=9_000), usegmt=True)
        assert (await registry.get(VERBATIM, if_modified_since=before)).status_code == 200

    async def test_within_the_second_of_a_change_a_card_has_no_date(self, registry: HttpRegistry) -> None:
        """Another change could follow in it, and who goes by the date would never hear of it."""
        await registry.register("ledger")
        answer = await registry.get(VERBATIM)
        assert "last-modified" not in answer.headers
        registry.served.clock.advance(HOUR)
        assert "last-modified" in (await registry.get(VERBATIM)).headers

    @pytest.mark.parametrize("date", ["yesterday", "", "0", "Thu, 99 Xxx 2026 00:00:00 GMT", "x" * 4_000])
    async def test_what_is_no_date_is_as_if_it_were_not_there(self, registry: HttpRegistry, date: str) -> None:
        await registry.register("ledger")
        registry.served.clock.advance(HOUR)
        assert (await registry.get(VERBATIM, if_modified_since=date)).status_code == 200

    async def test_a_tag_goes_before_a_date(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        registry.served.clock.advance(HOUR)
        changed = (await registry.get(VERBATIM)).headers["last-modified"]
        answer = await registry.get(VERBATIM, if_none_match='"other"', if_modified_since=changed)
        assert answer.status_code == 200


class TestCanaries:
    """A canary is for those who were chosen for it: never what the well-known address serves."""

    @pytest.fixture
    async def two_revisions(self, registry: HttpRegistry) -> HttpRegistry:
        await registry.register("ledger", card=a_card("Ledger", version="1.0.0"))
        await self.tag(registry, 1, "stable")
        await put_card(registry, a_card("Ledger", version="2.0.0"))
        return registry

    async def tag(self, registry: HttpRegistry, number: int, alias: str) -> None:
        await registry.served.stub().TagRevision(
            pb.TagRevisionRequest(name=f"{LEDGER}/revisions/{number}", alias=alias)
        )

    async def versions(self, registry: HttpRegistry) -> set[str]:
        return {(await registry.get(path)).json()["version"] for path in (ATTESTED, VERBATIM)}

    async def test_without_one_the_present_card_is_served(self, two_revisions: HttpRegistry) -> None:
        assert await self.versions(two_revisions) == {"2.0.0"}

    async def test_while_one_is_tried_the_stable_card_is_served(self, two_revisions: HttpRegistry) -> None:
        await self.tag(two_revisions, 2, "canary")
        assert await self.versions(two_revisions) == {"1.0.0"}
        rollout = pb.SetRolloutRequest(name=LEDGER, canary_percent=99)
        await two_revisions.served.stub().SetRollout(rollout)
        assert await self.versions(two_revisions) == {"1.0.0"}

    async def test_when_it_is_found_good_it_is_served(self, two_revisions: HttpRegistry) -> None:
        await self.tag(two_revisions, 2, "canary")
        await self.tag(two_revisions, 2, "stable")
        await self.tag(two_revisions, 1, "canary")
        assert await self.versions(two_revisions) == {"2.0.0"}

    async def test_a_canary_beside_nothing_is_not_published(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        await self.tag(registry, 1, "canary")
        assert (await registry.get(ATTESTED)).status_code == 404


class TestHosts:
    async def test_an_agents_own_host_has_its_card(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        by_path = await registry.get(ATTESTED)
        for path in ("/.well-known/agent-card.json", "/.well-known/agent.json"):
            by_host = await registry.get(path, host="ledger.finance.agents.example.com")
            assert (by_host.status_code, by_host.content) == (200, by_path.content)

    @pytest.mark.parametrize(
        "host",
        [
            "nobody.finance.agents.example.com",
            f"vault.{HIDDEN}.agents.example.com",
            "agents.example.com",
            "ledger.finance.agents.example.com.evil.example",
            "evil.example",
            "127.0.0.1",
            "ledger.finance",
        ],
    )
    async def test_other_hosts_have_none(self, registry: HttpRegistry, host: str) -> None:
        await registry.register("ledger")
        await registry.register("vault", namespace=HIDDEN)
        assert (await registry.get("/.well-known/agent-card.json", host=host)).status_code == 404

    async def test_who_forwards_is_not_believed(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        forged = {"x_forwarded_host": "ledger.finance.agents.example.com", "forwarded": "host=ledger.finance"}
        assert (await registry.get("/.well-known/agent-card.json", **forged)).status_code == 404


async def test_many_at_once_are_all_answered_alike(registry: HttpRegistry) -> None:
    await registry.register("ledger")
    answers = await asyncio.gather(*(registry.get(ATTESTED) for _ in range(50)))
    assert {answer.content for answer in answers} == {answers[0].content}


async def test_keys_are_public_and_only_public(registry: HttpRegistry) -> None:
    answer = await registry.get("/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    for key in answer.json()["keys"]:
        assert {"kty", "crv", "x", "kid"} <= key.keys()
        assert "d" not in key
    assert (await registry.get("/.well-known/jwks.json", if_none_match=answer.headers["etag"])).status_code == 304
