"""How long a card's signature takes from bytes to verdict, part by part, with its keys at hand.

Lines are medians of microseconds of CPU; `judge` is what a registration costs more for it. Two cards: the
one every canonical form agrees on, and the one each form reads differently, so that forms are tried until one fits.

    python bench/card_verification.py             prints the table
    python bench/card_verification.py --check     ends with 1 when judging a plain card takes longer than 600 µs
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import get_default_algorithms
from ringfence.proofs.canonical_json import base64url, canonical
from ringfence.proofs.card_attestation import Attested
from ringfence.proofs.card_forms import CardForm, CardForms
from ringfence.proofs.card_verdict import SignatureStatus
from ringfence_kit.clock import EPOCH
from ringfence_kit.sealed_keys import FileKeyStore
from ringfence_kit.sealing import Seal
from ringfence_registry.cards.reading import read_card
from ringfence_registry.cards.signatures.attestation import CardAttestor, HeldCard
from ringfence_registry.cards.signatures.index import SignatureIndex
from ringfence_registry.cards.signatures.judging import SignatureJudge, pinned_keys
from ringfence_registry.cards.signatures.keys import AgentKeys
from ringfence_registry.cards.signatures.remembered_keys import RememberedKeys
from ringfence_registry.cards.signatures.report import SignatureReport
from ringfence_registry.cards.signatures.splicing import with_signature
from ringfence_registry.cards.signatures.trust_root import TrustRoot

ROUNDS = 300
MOST_MICROS = 600.0

PRIVATE: Mapping[str, Any] = {
    "EdDSA": Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(65_537, 2_048),
}
SKILLS = [
    {
        "id": f"skill-{number}",
        "name": "Reconcile invoices",
        "description": "Compares what was billed with what was paid, and lists the differences.",
        "tags": ["invoice", "ledger", "finance"],
        "examples": ["Which invoices of May are open?"],
    }
    for number in range(8)
]
PLAIN: dict[str, Any] = {
    "name": "Invoice Reader",
    "description": "Reads invoices and proposes ledger entries.",
    "version": "1.4.0",
    "supportedInterfaces": [
        {"url": "https://agents.example.com/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    ],
    "provider": {"organization": "Example", "url": "https://example.com"},
    "capabilities": {"streaming": True},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["application/json"],
    "skills": SKILLS,
}
FULL_OF_HOLES: dict[str, Any] = {**PLAIN, "description": "", "skills": [{**each, "inputModes": []} for each in SKILLS]}


class Nobody:
    """An identity that is never asked: every key here is pinned."""

    async def keys_of(self, did: str) -> AgentKeys | None:
        raise AssertionError(did)


def jwk(algorithm: str) -> dict[str, Any]:
    made = json.loads(get_default_algorithms()[algorithm].to_jwk(PRIVATE[algorithm].public_key()))
    return {**{name: made[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in made}, "kid": algorithm}


def signed(card: dict[str, Any], algorithm: str, form: CardForm) -> bytes:
    protected = base64url(canonical({"alg": algorithm, "kid": algorithm}))
    signing_input = f"{protected}.{base64url(CardForms(card).form(form).payload)}".encode()
    signature = get_default_algorithms()[algorithm].sign(signing_input, PRIVATE[algorithm])
    return json.dumps({**card, "signatures": [{"protected": protected, "signature": base64url(signature)}]}).encode()


def micros(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = time.thread_time_ns()
        work()
        times.append((time.thread_time_ns() - begin) / 1_000)
    return statistics.median(times)


def judging(judge: SignatureJudge, body: bytes, trusted: str) -> float:
    async def once() -> SignatureReport:
        return await judge.judge(body, agent="", trusted_jwks=trusted, now=EPOCH)

    with asyncio.Runner() as runner:
        (verdict,) = runner.run(once()).verdicts
        assert verdict.status is SignatureStatus.VERIFIED
        return micros(lambda: runner.run(once()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    judge = SignatureJudge(TrustRoot(RememberedKeys(Nobody())), SignatureIndex())
    trusted = json.dumps({"keys": [jwk(algorithm) for algorithm in PRIVATE]})
    pinned_keys(trusted)
    slowest_plain = 0.0
    print(f"{len(json.dumps(PLAIN))} bytes of card")
    print(f"{'read the card':32}{micros(lambda: read_card(json.dumps(PLAIN).encode())):8.0f} µs")
    for name, card, form in (("plain", PLAIN, CardForm.SPEC), ("full of holes", FULL_OF_HOLES, CardForm.SPEC)):
        for algorithm in PRIVATE:
            body = signed(card, algorithm, form)
            took = judging(judge, body, trusted)
            slowest_plain = max(slowest_plain, took) if name == "plain" else slowest_plain
            print(f"{f'judge, {name}, {algorithm}':32}{took:8.0f} µs")
    attestor = CardAttestor()
    with tempfile.TemporaryDirectory() as folder:
        attestor.open(FileKeyStore(Path(folder) / "registry.keys", Seal.unsealed()), at=EPOCH)
    held = HeldCard(body=json.dumps(PLAIN).encode(), says=Attested(agent="namespaces/a/agents/b", revision=1))
    entry = attestor.attest(held)
    print(f"{'attest':32}{micros(lambda: attestor.attest(held)):8.0f} µs")
    print(f"{'splice':32}{micros(lambda: with_signature(held.body, entry)):8.0f} µs")
    return int(check and slowest_plain > MOST_MICROS)


if __name__ == "__main__":
    sys.exit(main())
