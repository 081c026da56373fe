"""Cards over HTTP: the bytes, their ETag, and nothing about agents that are not served."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_registry.config import DefaultVisibility
from support.registry.agents import CARD
from support.registry.served import LEDGER, ServedRegistry, served_registry

PATH = "/agents/finance/ledger/agent-card.json"
ETAG = f'"{hashlib.sha256(CARD).hexdigest()}"'


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[ServedRegistry]:
    async with served_registry(tmp_path, default_visibility=DefaultVisibility.PUBLIC) as served:
        yield served


async def get(registry: ServedRegistry, path: str = PATH, method: str = "GET", **headers: str) -> httpx.Response:
    base = f"http://{registry.mesh.address('registry.http_listen')}"
    async with httpx.AsyncClient(base_url=base) as client:
        return await client.request(
            method, path, headers={key.replace("_", "-"): value for key, value in headers.items()}
        )


async def test_a_card_is_served_as_it_was_registered(registry: ServedRegistry) -> None:
    await registry.register()
    answer = await get(registry)
    assert (answer.status_code, answer.content) == (200, CARD)
    assert answer.headers["content-type"] == "application/a2a-agent-card+json"
    assert answer.headers["etag"] == ETAG
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = await get(registry, method="HEAD")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(CARD)))


@pytest.mark.parametrize("held", [ETAG, f"W/{ETAG}", f'"other", {ETAG}', "*"])
async def test_who_holds_the_card_is_not_sent_it_again(registry: ServedRegistry, held: str) -> None:
    await registry.register()
    answer = await get(registry, if_none_match=held)
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", ETAG)


@pytest.mark.parametrize("held", ['"other"', ETAG[1:-1], '""', ETAG.upper()])
async def test_who_holds_another_is_sent_this_one(registry: ServedRegistry, held: str) -> None:
    await registry.register()
    assert (await get(registry, if_none_match=held)).status_code == 200


async def test_a_changed_card_has_another_etag(registry: ServedRegistry) -> None:
    await registry.register()
    new = CARD.replace(b"1.0.0", b"2.0.0")
    request = pb.UpdateAgentRequest(agent=pb.Agent(name=LEDGER), card=new, update_mask=FieldMask(paths=["card"]))
    await registry.stub().UpdateAgent(request)
    answer = await get(registry, if_none_match=ETAG)
    assert (answer.status_code, answer.content) == (200, new)


@pytest.mark.parametrize(
    "path",
    [
        "/agents/finance/nobody/agent-card.json",
        "/agents/travel/ledger/agent-card.json",
        "/agents/-/ledger/agent-card.json",
        "/agents/FINANCE/ledger/agent-card.json",
        "/agents/finance/ledger%2F/agent-card.json",
        "/agents/finance/..%2f..%2fetc/agent-card.json",
        "/agents/finance/%00/agent-card.json",
        "/agents/finance/" + "a" * 4_000 + "/agent-card.json",
        "/agents/finance/ledger/",
        "/agents/finance",
        "/agents//ledger/agent-card.json",
        "/agents/finance/ledger/.well-known/agent-card.json/",
        "/agents/finance/ledger/.well-known/../agent-card.json/x",
        "/.well-known/agent-card.json",
    ],
)
async def test_what_is_not_served_is_not_found(registry: ServedRegistry, path: str) -> None:
    await registry.register()
    assert (await get(registry, path)).status_code == 404


async def test_a_retired_agent_is_served_no_more_and_looks_like_one_that_never_was(registry: ServedRegistry) -> None:
    await registry.register()
    await registry.stub().RetireAgent(pb.RetireAgentRequest(name=LEDGER))
    retired, nobody = await get(registry), await get(registry, "/agents/finance/nobody/agent-card.json")
    assert (retired.status_code, retired.content) == (404, nobody.content)
    assert {*retired.headers} == {*nobody.headers}
    assert "etag" not in retired.headers
    assert (await get(registry, if_none_match="*")).status_code == 404


async def test_only_reading_is_possible(registry: ServedRegistry) -> None:
    await registry.register()
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await get(registry, method=method)).status_code == 405


async def test_an_operator_may_keep_cards_to_callers_who_are_known(tmp_path: Path) -> None:
    async with served_registry(tmp_path, publish_cards=False, default_visibility=DefaultVisibility.PUBLIC) as registry:
        await registry.register()
        assert (await get(registry)).status_code == 404
        assert (await get(registry, "/readyz")).status_code == 200
