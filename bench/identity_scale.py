"""Identity with 100,000 identities: how long until it answers, how much memory it holds, how fast it lists.

The store is built directly, as it would stand after as many enrolments: three environments, forty sponsors a thousand
agents, each agent with a birth certificate of five permissions, four pinned tools and two gates, and a signal; one
in twenty revoked. Then a process of its own opens it, as `ringfence serve identity` does, and says when it is ready and
how large it is. No network is used.

    python bench/identity_scale.py             prints the figures
    python bench/identity_scale.py --check     ends with 1 over 10 s until ready, or over 400 MB
"""

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import sqlalchemy as sa
from ringfence_identity.app import build
from ringfence_identity.birth_certificate import (
    ApprovedTool,
    ArtifactDigests,
    BirthContent,
    EvaluationGate,
    EvaluationPlan,
)
from ringfence_identity.config import IdentityConfig
from ringfence_identity.environments import Environments
from ringfence_identity.identity_listing import IdentityListing, IdentityQuery
from ringfence_identity.model import AgentIdentity, IdentityStatus, Sponsor
from ringfence_identity.snapshot import IdentitySnapshot
from ringfence_identity.status.places import StatusPlace
from ringfence_identity.store_sql import MIGRATIONS, SqlIdentityStore
from ringfence_identity.tables import identities, sponsors
from ringfence_identity.trust.evidence import Evidence
from ringfence_identity.trust.ledger import apply_evidence, newborn
from ringfence_kit import records
from ringfence_kit.callers import Caller, Role
from ringfence_kit.clock import Instant, SystemClock
from ringfence_kit.ids import random_ids
from ringfence_kit.pages import PageTokens
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.sql import Database

READY_SECONDS = 10.0
RESIDENT_MB = 400.0
ENVIRONMENTS = ("dev", "staging", "prod")
VERBS = ("read", "list", "export", "write", "move")
AT_ONCE = 5_000
NOW = Instant(1_767_225_600_000)
AUDITOR = Caller(principal="bench", roles=frozenset({Role.AUDITOR}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one opening took."""

    ready_seconds: float
    resident_mb: float
    page_ms: float
    """The first 50 of all."""
    deep_page_ms: float
    """50 from the middle, of one sponsor."""
    empty_page_ms: float
    """A filter that nothing fits: the most that is looked at in one go."""


def digest(dice: random.Random) -> str:
    return "sha256-" + dice.randbytes(32).hex()


def content(dice: random.Random, tools: list[ApprovedTool], sponsor: int, count: int) -> BirthContent:
    """Return what a birth certificate says; tools are pinned to the same schemas, everything else differs."""
    area = f"area{dice.randrange(50)}"
    return BirthContent(
        purpose=f"Reconciles invoices of region {dice.randrange(10_000)} with the ledger and reports differences.",
        sponsor=f"sponsors/s{sponsor}",
        backup_sponsor=f"sponsors/s{(sponsor + 1) % count}",
        permissions=tuple(
            f"{area}:{verb}:{dice.randrange(20)}" for verb in ("read", "list", "export", "write", "move")
        ),
        approved_tools=tuple(dice.sample(tools, 4)),
        ring_ceiling=1,
        max_delegation_depth=2,
        artifacts=ArtifactDigests(image=digest(dice), prompt=digest(dice)),
        evaluation_plan=EvaluationPlan(
            uri=f"https://evals.example.com/plans/{dice.randrange(1_000)}",
            hash=digest(dice),
            gates=tuple(
                EvaluationGate(suite=suite, minimum_micros=980_000, result_micros=991_000, evidence_hash=digest(dice))
                for suite in ("safety", "injection")
            ),
        ),
    )


def every_identity(count: int) -> Iterator[AgentIdentity]:
    """Make identities as they stand after some weeks."""
    dice = random.Random(7)
    tools = [ApprovedTool(name=f"tool.{n}", version="1.4.2", schema_hash=digest(dice)) for n in range(300)]
    people = max(2, count // 25)
    for number in range(count):
        environment = ENVIRONMENTS[number % 3]
        scid = f"Qm{number:044d}"
        born = newborn(ring_ceiling=1, debt=0, now=NOW)
        ledger = apply_evidence(born, Evidence(points=2), now=Instant(NOW + number)).ledger
        identity = AgentIdentity(
            uid=f"{number:08d}-0000-4000-8000-000000000000",
            agent=f"namespaces/team{number % 500}/agents/agent{number // 3}",
            environment=environment,
            did=f"did:webvh:{scid}:{environment}.id.ringfence.internal:agents:{scid}",
            key=f"z6Mk{number:044d}",
            did_version_id=f"1-Qm{number:044d}",
            content=content(dice, tools, number % people, people),
            certificate_serial=1,
            certificate_hash=digest(dice)[7:50],
            status_place=StatusPlace(number=number // 3, pair=1, index=number // 3),
            trust=ledger,
            created_at=NOW,
            updated_at=Instant(NOW + number),
            revision=number + 1,
        )
        if number % 20 == 0:
            gone = IdentityStatus.REVOKED
            identity = replace(identity, status=gone, revoked_at=NOW, revocation_epoch=2, revocation_reason="left")
        yield identity


def row(identity: AgentIdentity) -> dict[str, object]:
    """Return the identity as its table has it."""
    return {
        "did": identity.did,
        "agent": identity.agent,
        "environment": identity.environment,
        "public_key": identity.key,
        "sponsor": identity.content.sponsor,
        "backup_sponsor": identity.content.backup_sponsor,
        "enrolled_at": identity.created_at,
        "debt": identity.trust.state.debt,
        "revoked_at": identity.revoked_at,
        "record": records.encode(identity),
    }


async def fill(folder: Path, count: int) -> int:
    """Build the store and return the size of an average record."""
    stored = 0
    database = Database(f"sqlite:///{folder / 'identity.db'}", service="identity", migrations=MIGRATIONS)
    async with database:
        rows: list[dict[str, object]] = []
        with database.engines.writer.begin() as connection:
            for identity in every_identity(count):
                rows.append(row(identity))
                stored += len(records.encode(identity))
                if len(rows) == AT_ONCE:
                    connection.execute(sa.insert(identities), rows)
                    rows.clear()
            if rows:
                connection.execute(sa.insert(identities), rows)
            connection.execute(sa.insert(sponsors), [_sponsor(n) for n in range(max(2, count // 25))])
    return stored // count


def _sponsor(number: int) -> dict[str, object]:
    sponsor = Sponsor(
        name=f"sponsors/s{number}",
        display_name=f"Sponsor {number}",
        contact=f"s{number}@example.com",
        verified_by="bench",
        created_at=NOW,
        revision=number,
    )
    return {"name": sponsor.name, "account": None, "record": records.encode(sponsor)}


async def open_and_measure(folder: Path) -> Figures:
    """Open the service on the store, in this process, and measure."""
    began = time.perf_counter()
    server = ServerConfig(dev=True, data=folder)
    service = build(IdentityConfig(), server, clock=SystemClock(), new_id=random_ids)
    async with service.run():
        ready = time.perf_counter() - began
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    snapshot, listing = await _listing(folder)
    first = IdentityQuery(page_size=50, arguments=b"")
    some = next(snapshot.identities("prod")).content.sponsor
    return Figures(
        ready_seconds=ready,
        resident_mb=resident,
        page_ms=_milliseconds(listing, first),
        deep_page_ms=_milliseconds(listing, replace(first, sponsor=some, namespace="team250")),
        empty_page_ms=_milliseconds(listing, replace(first, sponsor="sponsors/nobody")),
    )


async def _listing(folder: Path) -> tuple[IdentitySnapshot, IdentityListing]:
    database = Database(f"sqlite:///{folder / 'identity.db'}", service="identity", migrations=MIGRATIONS)
    snapshot = IdentitySnapshot()
    async with database:
        _, loaded = await SqlIdentityStore(database).load()
    snapshot.fill(loaded)
    hosted: Environments = IdentityConfig().hosted()
    return snapshot, IdentityListing(environments=hosted, snapshot=snapshot, tokens=PageTokens(lambda: b"k" * 32))


def _milliseconds(listing: IdentityListing, query: IdentityQuery) -> float:
    taken = []
    for _ in range(7):
        began = time.perf_counter()
        listing.list_identities(query, caller=AUDITOR, now=NOW)
        taken.append((time.perf_counter() - began) * 1_000)
    return min(taken)


def measured_apart(folder: Path) -> Figures:
    """Measure in a process of its own: this one has built the store and is large."""
    command = [sys.executable, __file__, "--open", str(folder)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ))
    return Figures(**json.loads(told.stdout.splitlines()[-1]))


def main() -> int:
    arguments = argparse.ArgumentParser(description="Identity with many identities.")
    arguments.add_argument("--identities", type=int, default=100_000)
    arguments.add_argument("--check", action="store_true", help=f"fail over {READY_SECONDS} s or {RESIDENT_MB} MB")
    arguments.add_argument("--open", type=Path, help="measure this folder; used by the script itself")
    chosen = arguments.parse_args()
    if chosen.open is not None:
        print(json.dumps(asdict(asyncio.run(open_and_measure(chosen.open)))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        average = asyncio.run(fill(Path(folder), chosen.identities))
        figures = measured_apart(Path(folder))
    print(f"{chosen.identities} identities, records of {average} bytes")
    for name, value in asdict(figures).items():
        print(f"{name.replace('_', ' '):<20}{value:>10.2f}")
    over = figures.ready_seconds > READY_SECONDS or figures.resident_mb > RESIDENT_MB
    return 1 if chosen.check and over else 0


if __name__ == "__main__":
    sys.exit(main())
