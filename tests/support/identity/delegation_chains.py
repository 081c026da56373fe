"""Chains of delegation grants for tests: made soundly, with every claim open to spoiling, and the agents in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ringfence.proofs.canonical_json import JsonObject
from ringfence.proofs.delegation_chain import CertificateRights, Party, Rights, check_chain, read_chain
from ringfence.proofs.delegation_grant import Grant, claims_of, grant_hash, read_grant, sign_grant
from ringfence.proofs.did import AgentDid, Host, Scid, multihash_of
from ringfence.proofs.did_keys import KeyPeriod
from ringfence.proofs.public_keys import SigningKey, public_key_of
from ringfence_kit.clock import DAY, HOUR, MINUTE, SECOND, Instant
from support.identity.assertions import compact
from support.identity.keys import seeded_key

NOW = Instant(1_767_225_600_000)
ORDERS = "https://orders.example.com"
LEDGER = "https://ledger.example.com"
SCHEMA = "sha256-" + "ab" * 32
OTHER_SCHEMA = "sha256-" + "cd" * 32
HOST = Host("prod.id.ringfence.internal")


def did_of(number: int, host: str = HOST) -> str:
    """Return the DID of agent `number`, well-formed and nobody's."""
    return str(AgentDid(Scid(multihash_of(bytes([number]) * 32)), Host(host)))


def party(number: int, **changes: Any) -> Party:
    """Return agent `number` as its issuer knows it: ring 3, every permission under `orders`, one tool."""
    sound = Party(
        did=did_of(number),
        environment="prod",
        keys=(KeyPeriod(key=public_key_of(seeded_key(number + 1)), since=Instant(NOW - DAY)),),
        certificate=certificate(number),
        ring=3,
    )
    return replace(sound, **changes)


def certificate(number: int, **changes: Any) -> CertificateRights:
    """Return what agent `number`'s birth certificate permits."""
    sound = CertificateRights(
        hash=chr(ord("A") + number) * 43,
        permissions=("orders:*", "ledger:propose"),
        tools={"ledger.propose": SCHEMA},
        max_delegation_depth=5,
    )
    return replace(sound, **changes)


def first_grant(*, to: int = 1, by: int = 0, **changes: Any) -> Grant:
    """Return a sound first grant by agent `by`."""
    sound = Grant(
        delegator=did_of(by),
        delegatee=did_of(to),
        audiences=(ORDERS, LEDGER),
        environment="prod",
        scopes=("orders:*", "ledger:propose"),
        tools={"ledger.propose": SCHEMA},
        not_before=Instant(NOW - HOUR),
        expires_at=Instant(NOW + HOUR),
        issued_at=Instant(NOW - MINUTE),
        grant_id="grant-1",
        chain="grant-1",
        depth=1,
        max_depth=5,
        parent=certificate(by).hash,
    )
    return replace(sound, **changes)


def next_grant(above: str, *, to: int, **changes: Any) -> Grant:
    """Return a sound grant that hands on all that the grant `above` gives."""
    parent = read_grant(above).grant
    sound = replace(
        parent,
        delegator=parent.delegatee,
        delegatee=did_of(to),
        grant_id=f"grant-{parent.depth + 1}",
        depth=parent.depth + 1,
        parent=grant_hash(above),
        holder=None,
    )
    return replace(sound, **changes)


def sound_chain(length: int, **changes: Any) -> tuple[str, ...]:
    """Return a chain from agent 0 to agent `length`, each grant handing on everything; `changes` are the first's."""
    grants = [sign_grant(first_grant(**changes), seeded_key(1))]
    for number in range(1, length):
        grants.append(sign_grant(next_grant(grants[-1], to=number + 1), seeded_key(number + 1)))
    return tuple(grants)


def spoiled(grant: Grant, key: SigningKey, *, header: JsonObject | None = None, **claims: Any) -> str:
    """Return `grant` signed with some claims, or members of the header, replaced; None takes one away."""
    sound: JsonObject = {"alg": "EdDSA", "kid": public_key_of(key).thumbprint, "typ": "dlg+jwt"}
    said = {**claims_of(grant), **claims}
    return compact(_without_none({**sound, **(header or {})}), _without_none(said), key)


def _without_none(members: JsonObject) -> JsonObject:
    return {name: value for name, value in members.items() if value is not None}


@dataclass(slots=True, kw_only=True)
class World:
    """The agents a chain is checked against."""

    parties: dict[str, Party] = field(default_factory=lambda: {did_of(number): party(number) for number in range(8)})
    now: Instant = NOW

    def change(self, number: int, **changes: Any) -> None:
        """Replace something about agent `number`."""
        self.parties[did_of(number)] = replace(self.parties[did_of(number)], **changes)

    def change_certificate(self, number: int, **changes: Any) -> None:
        """Replace something in the birth certificate of agent `number`."""
        self.change(number, certificate=replace(self.parties[did_of(number)].certificate, **changes))

    def rights(self, grants: Sequence[str]) -> Rights:
        """Return what a chain is worth, or raise DelegationError."""
        return check_chain(read_chain(grants), self.parties, now=self.now)


def in_seconds(instant: Instant) -> int:
    """Return what a claim says of `instant`."""
    return instant // SECOND
