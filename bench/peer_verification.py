"""The verdict on a peer: what it costs beside the one thing it cannot do without, an Ed25519 verification.

Three lines, each on the same transcript and key:

- `bare`: the signature alone, verified by the library;
- `verdict`: everything the decision takes, from the transcript's bytes to the refusals: parsing, the challenge's HMAC,
  both standings computed from what is stored, the peer's signature, what was required;
- `mutual`: the same with the verifier's signature as well, beside two bare verifications.

No transport, no disk. The lines take turns, round by round, in one process; times are CPU of this thread, a ratio is
the median over the rounds. Microseconds depend on the machine; ratios are what is asserted.

    python bench/peer_verification.py             prints the table
    python bench/peer_verification.py --check     ends with 1 when a verdict costs more than 1.5 times what it must
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from ringfence.proofs.peer_transcript import (
    LIFETIME,
    Party,
    PeerRole,
    Requirements,
    Transcript,
    hash_of_challenge,
    parse_transcript,
    signing_input,
)
from ringfence.proofs.peer_verdict import proves, refusals
from ringfence.proofs.public_keys import public_key_of
from ringfence_identity.birth_certificate import BirthContent
from ringfence_identity.model import AgentIdentity
from ringfence_identity.peers.challenges import PeerChallenge, PeerSubject, open_peer_challenge, seal_peer_challenge
from ringfence_identity.peers.standing import standing_of
from ringfence_identity.trust.ledger import newborn
from ringfence_kit.clock import EPOCH, SECOND, Instant
from ringfence_kit.sealed_keys import Ed25519Signer, MacKey

FLOOR = 1.5
NOW = Instant(1_767_225_600_000)
HOST = "prod.id.ringfence.internal"
SCID = "QmdmPkUdYzbr9txmx8gM2rsHPgr5L6m3gHjJGAf4vUFoG"
MAC = MacKey("bench", b"\1" * 32, EPOCH)
SIGNERS = {name: Ed25519Signer(bytes([number]) * 32, EPOCH) for number, name in enumerate("VP", start=1)}

Line = Callable[[], object]


def identity_of(name: str) -> AgentIdentity:
    """Return an agent as identity keeps it."""
    scid = SCID + name
    content = BirthContent(
        purpose="bench", sponsor="sponsors/ada", permissions=tuple(f"scope-{n}:read" for n in range(16)), ring_ceiling=1
    )
    ledger = newborn(ring_ceiling=1, debt=0, now=NOW)
    return AgentIdentity(
        uid=name,
        agent=f"namespaces/billing/agents/{name.lower()}",
        environment="prod",
        did=f"did:webvh:{scid}:{HOST}:agents:{scid}",
        key=public_key_of(SIGNERS[name]).multibase,
        did_version_id=f"1-{scid}",
        content=content,
        certificate_serial=1,
        certificate_hash="hash",
        trust=replace(ledger, state=replace(ledger.state, earned=350_000_000, stored_ring=2)),
        created_at=NOW,
        updated_at=NOW,
        revision=1,
    )


KNOWN = {identity.did: identity for identity in map(identity_of, SIGNERS)}


def party(name: str) -> Party:
    """Return one side of the meeting."""
    identity = identity_of(name)
    key = public_key_of(SIGNERS[name])
    return Party(did=identity.did, key=key.thumbprint, version=identity.did_version_id, nonce=name.encode() * 32)


def lines() -> dict[str, Line]:
    """Return the lines; each was seen to accept."""
    draft = Transcript(
        environment="prod",
        audience="https://orders.example.com/a2a",
        verifier=party("V"),
        peer=party("P"),
        require=Requirements(score=600, ring=2, scopes=("scope-3:read", "scope-9:read")),
        issued_at=NOW,
        expires_at=Instant(NOW + LIFETIME),
    )
    made = PeerChallenge(nonce=b"n" * 16, expires_at=Instant(NOW + LIFETIME))
    sealed = seal_peer_challenge(made, PeerSubject.of(draft), MAC)
    signed = replace(draft, challenge_hash=hash_of_challenge(sealed)).encode()
    signatures = {
        role: SIGNERS[name].sign(signing_input(role, signed))
        for role, name in ((PeerRole.PEER, "P"), (PeerRole.VERIFIER, "V"))
    }
    now = Instant(NOW + SECOND)

    def bare(*roles: tuple[PeerRole, str]) -> None:
        for role, name in roles:
            key = Ed25519PublicKey.from_public_bytes(SIGNERS[name].public_key)
            key.verify(signatures[role], signing_input(role, signed))

    def verdict(*roles: PeerRole) -> None:
        transcript = parse_transcript(signed)
        challenge = open_peer_challenge(sealed, PeerSubject.of(transcript), [MAC])
        ours = challenge is not None and challenge.is_fresh(now)
        ours = ours and transcript.challenge_hash == hash_of_challenge(sealed)
        standings = {
            PeerRole.VERIFIER: standing_of(KNOWN[transcript.verifier.did], now=now),
            PeerRole.PEER: standing_of(KNOWN[transcript.peer.did], now=now),
        }
        proven = all(proves(role, transcript, standings[role], signatures[role], signed) for role in roles)
        found = refusals(transcript, verifier=standings[PeerRole.VERIFIER], peer=standings[PeerRole.PEER])
        if not ours or not proven or found:
            raise AssertionError(found)

    peer, verifier = (PeerRole.PEER, "P"), (PeerRole.VERIFIER, "V")
    return {
        "bare": lambda: bare(peer),
        "verdict": lambda: verdict(PeerRole.PEER),
        "bare twice": lambda: bare(peer, verifier),
        "mutual": lambda: verdict(PeerRole.PEER, PeerRole.VERIFIER),
    }


PAIRS = {"verdict": "bare", "mutual": "bare twice"}
"""Each line, and what it must cost at least."""


def timed(line: Line, calls: int) -> float:
    """Return microseconds of this thread's CPU per call."""
    begin = time.thread_time_ns()
    for _ in range(calls):
        line()
    return (time.thread_time_ns() - begin) / calls / 1_000


def main() -> int:
    """Print the table; with --check, also judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--check", action="store_true", help="end with 1 when a ratio exceeds the floor")
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in lines()}
    for _ in range(arguments.rounds):
        for name, line in lines().items():
            times[name].append(timed(line, arguments.calls))
    ratios = {
        name: statistics.median(one / must for one, must in zip(times[name], times[least], strict=True))
        for name, least in PAIRS.items()
    }
    print(f"{'':>12}{'µs CPU':>10}{'ratio':>10}")
    for name, taken in times.items():
        ratio = f"{ratios[name]:>9.2f}x" if name in ratios else ""
        print(f"{name:>12}{statistics.median(taken):>10.1f}{ratio}")
    too_much = [name for name, ratio in ratios.items() if ratio > FLOOR]
    if arguments.check and too_much:
        print(f"more than {FLOOR} times what it must: {', '.join(too_much)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
