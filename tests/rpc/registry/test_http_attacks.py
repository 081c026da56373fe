"""What an attacker tries on a port that asks nobody who they are; a test for each, named after it."""

import asyncio
import json
import socket
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from ringfence.registry.v1 import registry_pb2 as pb
from ringfence_kit.clock import Millis
from support.registry.ard_schemas import ERROR, conforms
from support.registry.over_http import HIDDEN, HttpRegistry, a_card, http_registry
from support.registry.served import LEDGER

CARD_PATHS = ("agent-card.json", ".well-known/agent-card.json", ".well-known/agent.json")

FORGED = {"host": "evil.example", "x_forwarded_host": "evil.example", "x_forwarded_proto": "gopher"}


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[HttpRegistry]:
    async with http_registry(tmp_path) as running:
        yield running


def told(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """Everything an answer tells but the time of day."""
    return answer.status_code, answer.content, sorted(pair for pair in answer.headers.items() if pair[0] != "date")


class TestExistenceLeaks:
    """Hidden, retired, drafted, deleted and unknown agents are one thing to who asks."""

    @pytest.fixture
    async def unseen(self, registry: HttpRegistry) -> list[str]:
        stub = registry.served.stub()
        await registry.register("vault", namespace=HIDDEN)
        for name in ("retired", "suspended", "deleted"):
            await registry.register(name)
        full = "namespaces/finance/agents/{}".format
        await stub.RetireAgent(pb.RetireAgentRequest(name=full("retired")))
        await stub.SuspendAgent(pb.SuspendAgentRequest(name=full("suspended"), reason="why"))
        await stub.RetireAgent(pb.RetireAgentRequest(name=full("deleted")))
        await stub.DeleteAgent(pb.DeleteAgentRequest(name=full("deleted")))
        return [f"{HIDDEN}/vault", f"{HIDDEN}/nobody", "finance/retired", "finance/suspended", "finance/deleted"]

    @pytest.mark.parametrize("page", CARD_PATHS)
    async def test_status_body_and_headers_are_those_of_nobody(
        self, registry: HttpRegistry, unseen: list[str], page: str
    ) -> None:
        nobody = told(await registry.get(f"/agents/nowhere/nobody/{page}"))
        assert nobody[0] == 404
        for agent in unseen:
            assert told(await registry.get(f"/agents/{agent}/{page}")) == nobody, agent

    async def test_the_etag_of_a_hidden_card_opens_nothing(self, registry: HttpRegistry, unseen: list[str]) -> None:
        """Who guesses a card knows its digest; 304 would say that it is there."""
        await registry.register("twin", card=a_card("Vault"))
        etag = (await registry.get("/agents/finance/twin/agent-card.json")).headers["etag"]
        for held in (etag, "*"):
            nobody = told(await registry.get("/agents/nowhere/nobody/agent-card.json", if_none_match=held))
            hidden = told(await registry.get(f"/agents/{HIDDEN}/vault/agent-card.json", if_none_match=held))
            assert hidden == nobody
            assert hidden[0] == 404

    async def test_methods_and_heads_tell_no_more(self, registry: HttpRegistry, unseen: list[str]) -> None:
        for method in ("HEAD", "POST", "OPTIONS", "DELETE", "TRACE"):
            paths = (f"/agents/{HIDDEN}/vault/agent-card.json", "/agents/nowhere/nobody/agent-card.json")
            hidden, nobody = [told(await registry.client.request(method, path)) for path in paths]
            assert hidden == nobody, method

    async def test_naming_a_hidden_agent_in_a_filter_finds_as_little_as_naming_nobody(
        self, registry: HttpRegistry, unseen: list[str]
    ) -> None:
        for urn in (f"urn:air:example.com:{HIDDEN}:vault", "urn:air:example.com:nowhere:nobody"):
            assert (await registry.search("vault", filter={"identifier": urn}))["results"] == []
            facets = {"resultType": {"facets": [{"field": "type"}]}, "query": {"filter": {"identifier": urn}}}
            assert (await registry.post("/explore", facets)).json()["facets"]["type"]["buckets"] == []

    async def test_words_only_a_hidden_agent_says_move_no_score(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        await registry.register("books")
        before = await registry.search("ledger zebra")
        zebra = a_card("Zebra", description="Zebra zebra ledger.")
        await registry.register("zebra", namespace=HIDDEN, card=zebra)
        assert await registry.search("ledger zebra") == before

    async def test_hidden_and_unknown_are_of_one_timing_class(self, registry: HttpRegistry) -> None:
        """The hidden card is never read: looking for it takes no longer than looking for nobody."""
        await registry.register("vault", namespace=HIDDEN, card=a_card("Vault", x="y" * 60_000))
        took: dict[str, list[float]] = {f"/agents/{HIDDEN}/vault": [], "/agents/nowhere/nobody": []}
        for _ in range(60):
            for path, times in took.items():
                begun = time.perf_counter()
                await registry.get(f"{path}/.well-known/agent-card.json")
                times.append(time.perf_counter() - begun)
        hidden, nobody = (statistics.median(times) for times in took.values())
        assert abs(hidden - nobody) < max(hidden, nobody) / 2


class TestHostHeaders:
    """An answer may be kept by a cache: what the client says of its host must not be in it."""

    @pytest.mark.parametrize("path", ["/agents", "/.well-known/ai-catalog.json", "/.well-known/jwks.json"])
    async def test_a_forged_host_is_in_no_answer(self, registry: HttpRegistry, path: str) -> None:
        await registry.register("ledger")
        answer = await registry.get(path, **FORGED)
        assert answer.status_code == 200
        assert "evil" not in answer.text
        assert "gopher" not in answer.text
        assert told(answer) == told(await registry.get(path))

    async def test_a_forged_host_is_in_no_search_result(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        headers = {name.replace("_", "-"): value for name, value in FORGED.items()}
        answer = await registry.client.post("/search", json={"query": {"text": "ledger"}}, headers=headers)
        assert answer.json()["results"]
        assert "evil" not in answer.text

    @pytest.mark.parametrize("path", ["/agents/", "/agents/finance/ledger/agent-card.json/", "/metrics/", "/healthz/"])
    async def test_no_redirect_leads_to_the_host_somebody_named(self, registry: HttpRegistry, path: str) -> None:
        await registry.register("ledger")
        answer = await registry.get(path, **FORGED)
        assert answer.status_code == 404
        assert "location" not in answer.headers

    async def test_two_hosts_are_no_host(self, registry: HttpRegistry) -> None:
        await registry.register("ledger")
        request = (
            "GET /.well-known/agent-card.json HTTP/1.1\r\nHost: ledger.finance.agents.example.com\r\n"
            "Host: evil.example\r\nConnection: close\r\n\r\n"
        )
        assert (await raw(registry, request.encode())).startswith(b"HTTP/1.1 400")


class TestPathTraversal:
    @pytest.mark.parametrize(
        "path",
        [
            "/agents/finance/../../etc/passwd",
            "/agents/finance/..%2f..%2fregistry.db/agent-card.json",
            "/agents/finance/%2e%2e/agent-card.json",
            "/agents/..;/ledger/agent-card.json",
            "/agents/finance\\ledger/agent-card.json",
            "/agents/finance%00/ledger/agent-card.json",
            "/agents/finance/ledger/../agent-card.json",
            "/agents/finance/led%67er%2f/agent-card.json",
            "//agents/finance/ledger/agent-card.json",
            "/agents/finance/ledger/.well-known/agent-card.json%00",
            "/.well-known/../agents/finance/ledger",
            "/agents/finance/%ff%fe/agent-card.json",
        ],
    )
    async def test_it_leads_nowhere(self, registry: HttpRegistry, path: str) -> None:
        await registry.register("ledger")
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert (await raw(registry, request.encode())).split()[1] in {b"404", b"400"}


class TestBodies:
    @pytest.mark.parametrize("path", ["/search", "/explore"])
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b'"text"',
            b"{",
            b'{"query":{"text":"a"},"query":{"text":"b"}}',
            b'{"query":{"text":"\\ud800"}}',
            b'\xef\xbb\xbf{"query":{"text":"a"}}',
            b'{"query":{"text":"\xff"}}',
            b'{"query":{"text":"a"},"pageSize":1e999}',
            b'{"query":{"text":"a"},"pageSize":NaN}',
            b'{"query":{"text":"a"},"pageSize":' + b"9" * 5_000 + b"}",
            b"[" * 10_000,
            b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
            json.dumps({"query": {"text": "a", "filter": {str(n): "x" for n in range(900)}}}).encode(),
        ],
        ids=lambda body: repr(body[:24]) if isinstance(body, bytes) else "",
    )
    async def test_nonsense_is_a_clear_error(self, registry: HttpRegistry, path: str, body: bytes) -> None:
        answer = await registry.post(path, body)
        assert answer.status_code == 400
        assert conforms(answer.json(), ERROR)["errorCode"] == "INVALID_ARGUMENT"

    async def test_a_large_body_is_not_read_to_its_end(self, registry: HttpRegistry) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while sent < 50_000_000:
                sent += 65_536
                yield b" " * 65_536

        try:
            answer = await registry.client.post("/search", content=endless())
            assert answer.status_code == 413
            conforms(answer.json(), ERROR)
        except httpx.TransportError:
            pass  # the connection was closed on us, which says the same
        assert sent < 50_000_000
        assert (await registry.get("/healthz")).status_code == 200

    async def test_a_body_that_says_it_is_large_is_refused(self, registry: HttpRegistry) -> None:
        assert (await registry.post("/explore", b" " * 20_000)).status_code == 413

    async def test_who_leaves_in_the_middle_of_a_body_breaks_nothing(self, registry: HttpRegistry) -> None:
        host, port = registry.url.removeprefix("http://").split(":")
        for _ in range(5):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(b"POST /search HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        await registry.register("ledger")
        assert (await registry.search("ledger"))["results"]


class TestPageTokens:
    """A token is good for one interface, one set of arguments, and who it was made for."""

    async def test_a_token_of_a_known_caller_is_none_of_nobodys(self, registry: HttpRegistry) -> None:
        for number in range(3):
            await registry.register(f"ledger-{number}")
        stub = registry.served.stub()
        theirs = (await stub.ListAgents(pb.ListAgentsRequest(parent="namespaces/-", page_size=1))).next_page_token
        assert theirs
        assert (await registry.get(f"/agents?pageToken={theirs}")).status_code == 400
        assert (await registry.post("/search", {"query": {"text": "ledger"}, "pageToken": theirs})).status_code == 400

    async def test_tokens_of_searches_and_lists_are_not_each_others(self, registry: HttpRegistry) -> None:
        for number in range(3):
            await registry.register(f"ledger-{number}", card=a_card(f"Ledger {number}"))
        listed = (await registry.get("/agents?pageSize=1")).json()["pageToken"]
        found = (await registry.search("ledger", pageSize=1))["pageToken"]
        assert (await registry.get(f"/agents?pageToken={found}")).status_code == 400
        assert (await registry.post("/search", {"query": {"text": "ledger"}, "pageToken": listed})).status_code == 400
        assert (await registry.get(f"/agents?pageToken={listed}&orderBy=displayName")).status_code == 400
        assert (await registry.get(f"/agents?pageToken={listed}")).status_code == 200

    async def test_a_token_carries_no_sight(self, registry: HttpRegistry) -> None:
        """A namespace that was hidden meanwhile is not on the next page."""
        for name in ("aa", "bb", "cc"):
            await registry.register(name)
        token = (await registry.get("/agents?pageSize=1")).json()["pageToken"]
        await registry.hide("finance")
        assert (await registry.get(f"/agents?pageToken={token}")).json()["items"] == []

    @pytest.mark.parametrize("token", ["x", "AAAA", "%00", "é", "=" * 100, "../..", "' OR 1=1"])
    async def test_made_up_tokens_are_refused(self, registry: HttpRegistry, token: str) -> None:
        answer = await registry.client.get("/agents", params={"pageToken": token})
        assert answer.status_code == 400
        conforms(answer.json(), ERROR)


async def test_no_address_in_a_card_is_ever_fetched(registry: HttpRegistry) -> None:
    """SSRF: every URL of the card leads to a port of ours that would notice."""
    called: list[object] = []
    server = await asyncio.start_server(lambda *connection: called.append(connection), "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    card = a_card(
        "Ledger",
        supportedInterfaces=[{"url": f"{address}/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
        provider={"organization": "x", "url": f"{address}/provider"},
        documentationUrl=f"{address}/docs",
        iconUrl=f"{address}/icon",
        securitySchemes={
            "o": {"openIdConnectSecurityScheme": {"openIdConnectUrl": f"{address}/.well-known/openid-configuration"}}
        },
    )
    async with server:
        await registry.register("ledger", card=card)
        for path in (*(f"/agents/finance/ledger/{page}" for page in CARD_PATHS), "/agents"):
            assert (await registry.get(path)).status_code == 200
        await registry.search("ledger")
        await registry.served.stub().ValidateCard(pb.ValidateCardRequest(card=card))
        await registry.served.stub().GetCardAttestation(pb.GetCardAttestationRequest(name=LEDGER))
    assert not called


async def test_a_flood_from_one_address_is_told_to_wait(tmp_path: Path) -> None:
    async with http_registry(tmp_path, http_per_second=1) as registry:
        await registry.register("ledger")
        codes = [(await registry.get("/agents")).status_code for _ in range(8)]
        assert codes == [200] * 5 + [429] * 3
        refused = await registry.post("/search", {"query": {"text": "x"}})
        assert conforms(refused.json(), ERROR)["errorCode"] == "RATE_LIMIT_EXCEEDED"
        assert int(refused.headers["retry-after"]) >= 1
        assert (await registry.get("/agents/finance/ledger/agent-card.json")).status_code == 200
        registry.served.clock.advance(Millis(2_000))
        assert (await registry.get("/agents", x_forwarded_for="10.1.2.3")).status_code == 200


async def test_credentials_change_nothing(registry: HttpRegistry) -> None:
    """The port takes none: who shows one sees what everybody sees."""
    await registry.register("vault", namespace=HIDDEN)
    token = (registry.served.mesh.data / "dev" / "operator.token").read_text().strip()
    answer = await registry.get("/agents", authorization=f"Bearer {token}")
    assert answer.json() == {"items": []}
    path = f"/agents/{HIDDEN}/vault/agent-card.json"
    assert (await registry.get(path, authorization=f"Bearer {token}")).status_code == 404


async def raw(registry: HttpRegistry, request: bytes) -> bytes:
    """Send bytes as they are, which a client of good manners would not."""
    host, port = registry.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(4_096), 10)
    writer.close()
    return answer
