"""The HTTP face while the agents are being loaded: nobody is denied who is only not there yet."""

from pathlib import Path

import httpx
from ringfence_kit.clock import ManualClock
from ringfence_kit.ids import counting_ids
from ringfence_kit.server_config import ServerConfig
from ringfence_registry.app import build
from ringfence_registry.config import RegistryConfig
from starlette.applications import Starlette

PATHS = ("/agents/finance/ledger/agent-card.json", "/.well-known/ai-catalog.json", "/agents")


async def test_of_agents_nothing_is_said_before_they_are_loaded(tmp_path: Path) -> None:
    service = build(RegistryConfig(), ServerConfig(dev=True, data=tmp_path), clock=ManualClock(), new_id=counting_ids())
    assert service.http is not None
    transport = httpx.ASGITransport(Starlette(routes=service.http.routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as client:
        for path in PATHS:
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["errorCode"]) == (503, "UNAVAILABLE")
            assert answer.headers["retry-after"] == "1"
        async with service.run():
            assert [(await client.get(path)).status_code for path in PATHS] == [404, 200, 200]
