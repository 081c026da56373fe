"""Registrations of signed cards a second of the registry's CPU, durable before they are answered.

One registry process on SQLite and one client with sixty-four registrations in flight, over a plain loopback connection.
Every card is of 3 KB, signed with EdDSA by a key its namespace pins, and verified as it comes in; every answer is
checked. The CPU is the server process's, all its threads.

    python bench/ingest.py             prints the median of the rounds
    python bench/ingest.py --check     ends with 1 under 300 a CPU-second
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc.aio
from registry_corpus import Corpus
from ringfence.agent_key import AgentKey
from ringfence.channel import ChannelOptions, open_aio_channel
from ringfence.credentials import token_file
from ringfence.errors import RingfenceError
from ringfence.proofs.canonical_json import base64url
from ringfence.proofs.card_signing import sign_card
from ringfence.registry.v1 import card_pb2, namespace_pb2, registry_pb2
from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceStub
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub
from ringfence_kit.dev_tokens import open_dev_tokens, token_path

if TYPE_CHECKING:
    from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceAsyncStub

FLOOR = 300.0
IN_FLIGHT = 64
REGISTRATIONS = 512
ROUNDS = 5
NAMESPACE = "namespaces/bench"
KEY_ID = "bench-key"
UNLIMITED = {
    "server.log.calls": "none",
    "server.quotas.read_per_second": "0",
    "server.quotas.write_per_second": "0",
}


def signed_cards(count: int, *, after: int, corpus: Corpus, key: AgentKey) -> Iterator[tuple[str, bytes]]:
    """Yield ids and cards; made and signed before any clock starts."""
    for number in range(after, after + count):
        _, body = corpus.card(number)
        card: dict[str, Any] = json.loads(body)
        # Nothing empty and no default: every canonical form has the same bytes of it.
        card["capabilities"] = {"streaming": True}
        card["securitySchemes"] = {"mesh": {"httpAuthSecurityScheme": {"scheme": "bearer"}}}
        signature = sign_card(card, key, key_id=KEY_ID)
        yield f"agent-{number}", json.dumps({**card, "signatures": [signature]}, indent=1).encode()


@asynccontextmanager
async def registry_process(data: Path) -> AsyncIterator[tuple[int, grpc.aio.Channel]]:
    """Run the registry with its data in `data`; yield its process id and a channel."""
    open_dev_tokens(data)
    listen, http, nobody = (f"127.0.0.1:{_free_port()}" for _ in range(3))
    peers = {"registry.identity.address": nobody, "registry.telemetry.address": nobody}
    settings = {"registry.listen": listen, "registry.http_listen": http, **peers, **UNLIMITED}
    flags = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    command = (sys.executable, "-m", "ringfence_registry", "--dev", "--data", str(data), *flags)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        async with open_aio_channel(listen, ChannelOptions(token=token_file(token_path(data, "operator")))) as channel:
            await _until_ready(channel)
            yield process.pid, channel
    finally:
        process.terminate()
        await process.wait()


async def pin(channel: grpc.aio.Channel, key: AgentKey) -> None:
    """Let the namespace trust the key, and take no card without its signature."""
    x = base64url(key.public_key)
    jwks = {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x, "kid": KEY_ID, "alg": "EdDSA", "use": "sig"}]}
    admission = namespace_pb2.AdmissionPolicy(
        trusted_jwks=json.dumps(jwks), signatures=namespace_pb2.SIGNATURE_REQUIREMENT_FULL_COVERAGE
    )
    namespace = namespace_pb2.Namespace(name=NAMESPACE, admission=admission)
    await NamespaceServiceStub(channel).UpdateNamespace(namespace_pb2.UpdateNamespaceRequest(namespace=namespace))


async def register_all(stub: "RegistryServiceAsyncStub", cards: list[tuple[str, bytes]]) -> None:
    """Register them, several at once."""
    rest = iter(cards)

    async def registrar() -> None:
        for agent_id, card in rest:
            answer = await stub.RegisterAgent(
                registry_pb2.RegisterAgentRequest(
                    parent=NAMESPACE,
                    agent_id=agent_id,
                    agent=registry_pb2.Agent(
                        purpose="Reconciles the ledger every night, and says what does not agree.",
                        owner=registry_pb2.Owner(display_name="Ada Example", contact="ada@example.com"),
                        risk_tier=registry_pb2.RISK_TIER_MEDIUM,
                        environments=["dev"],
                        labels={"team": "finance"},
                    ),
                    card=card,
                )
            )
            (verdict,) = answer.agent.card.signatures
            assert verdict.status == card_pb2.SIGNATURE_STATUS_VERIFIED
            assert verdict.coverage == card_pb2.SIGNATURE_COVERAGE_FULL

    await asyncio.gather(*[registrar() for _ in range(IN_FLIGHT)])


async def measure() -> list[tuple[float, float]]:
    """Return, a round, registrations a CPU-second and a second."""
    rates: list[tuple[float, float]] = []
    key, corpus = AgentKey.generate(), Corpus()
    with tempfile.TemporaryDirectory() as folder:
        async with registry_process(Path(folder)) as (pid, channel):
            await pin(channel, key)
            stub: RegistryServiceAsyncStub = RegistryServiceStub(channel)
            for number in range(ROUNDS + 1):
                cards = list(signed_cards(REGISTRATIONS, after=number * REGISTRATIONS, corpus=corpus, key=key))
                used, began = _cpu(pid), time.perf_counter()
                await register_all(stub, cards)
                rates.append((REGISTRATIONS / (_cpu(pid) - used), REGISTRATIONS / (time.perf_counter() - began)))
    return rates[1:]


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description="Registrations of signed cards.")
    arguments.add_argument("--check", action="store_true", help=f"fail under {FLOOR:.0f} a CPU-second")
    chosen = arguments.parse_args()
    rates = asyncio.run(measure())
    a_cpu_second = statistics.median(rate for rate, _ in rates)
    print(f"{'registrations a CPU-second of the server':<44}{a_cpu_second:>8.0f}")
    print(f"{'registrations a second, client beside it':<44}{statistics.median(rate for _, rate in rates):>8.0f}")
    return 1 if chosen.check and a_cpu_second < FLOOR else 0


async def _until_ready(channel: grpc.aio.Channel) -> None:
    """Ask until it answers: a process that starts has nothing else to say."""
    stub = RegistryServiceStub(channel)
    async with asyncio.timeout(60):
        while True:
            try:
                await stub.ListAgents(registry_pb2.ListAgentsRequest(parent="namespaces/-", page_size=1))
            except RingfenceError:
                await asyncio.sleep(0.1)
                continue
            return


def _cpu(pid: int) -> float:
    """Return the CPU seconds used so far, all threads' included (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
