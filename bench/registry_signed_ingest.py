"""Signed cards registered a second of the registry's CPU: what `registry_ingest.py` measures, with a signature each.

Every card is of 3 KB, signed with EdDSA by a key its namespace pins, and verified as it comes in; the namespace takes
no other. One registry process on SQLite, one client with sixty-four registrations in flight; every answer is checked.

    python bench/registry_signed_ingest.py             prints the median of the rounds
    python bench/registry_signed_ingest.py --check     ends with 1 under 300 a CPU-second
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry_corpus import Corpus
from registry_process import registry_process
from ringfence.agent_key import AgentKey
from ringfence.proofs.canonical_json import base64url
from ringfence.proofs.card_signing import sign_card
from ringfence.registry.v1 import card_pb2, namespace_pb2, registry_pb2
from ringfence.registry.v1.namespace_pb2_grpc import NamespaceServiceStub
from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceStub

if TYPE_CHECKING:
    import grpc.aio
    from ringfence.registry.v1.registry_pb2_grpc import RegistryServiceAsyncStub

FLOOR = 300.0
IN_FLIGHT = 64
REGISTRATIONS = 512
ROUNDS = 5
NAMESPACE = "namespaces/bench"
KEY_ID = "bench-key"


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


async def pin(channel: "grpc.aio.Channel", key: AgentKey) -> None:
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
        async with registry_process(Path(folder)) as registry, registry.channel() as channel:
            await pin(channel, key)
            stub: RegistryServiceAsyncStub = RegistryServiceStub(channel)
            for number in range(ROUNDS + 1):
                cards = list(signed_cards(REGISTRATIONS, after=number * REGISTRATIONS, corpus=corpus, key=key))
                used, began = registry.cpu(), time.perf_counter()
                await register_all(stub, cards)
                rates.append((REGISTRATIONS / (registry.cpu() - used), REGISTRATIONS / (time.perf_counter() - began)))
    return rates[1:]


def main() -> int:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description="Registrations of signed cards.")
    arguments.add_argument("--check", action="store_true", help=f"fail under {FLOOR:.0f} a CPU-second")
    chosen = arguments.parse_args()
    rates = asyncio.run(measure())
    a_cpu_second = statistics.median(rate for rate, _ in rates)
    print(f"{'signed cards a CPU-second of the server':<44}{a_cpu_second:>8.0f}")
    print(f"{'signed cards a second, client beside it':<44}{statistics.median(rate for _, rate in rates):>8.0f}")
    return 1 if chosen.check and a_cpu_second < FLOOR else 0


if __name__ == "__main__":
    sys.exit(main())
