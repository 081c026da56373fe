"""The registry with 100,000 agents: how long until it answers, how large it is, and how fast it finds.

The store is built directly, as it would stand after as many registrations. Then a process of its own opens it, as
`ringfence serve registry` does, and is measured: until ready, resident memory, reads by name and by filter (common and
rare terms, AND, OR, NOT, ranges, texts), ranked search, likeness, facets and selection. What is timed is our code, from
the request message to the answer's, without a network.

    python bench/registry_scale.py             prints the figures
    python bench/registry_scale.py --check     ends with 1 when one is over its limit
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from google.protobuf.message import Message
from registry_corpus import NAMESPACES, Corpus
from ringfence.registry.v1 import catalog_pb2, registry_pb2
from ringfence_kit import records
from ringfence_kit.callers import Caller, Role, calling_as
from ringfence_kit.clock import SystemClock
from ringfence_kit.ids import random_ids
from ringfence_kit.server_config import ServerConfig
from ringfence_kit.service import Service
from ringfence_kit.sql import Database
from ringfence_registry.agents.display_names import look_alike_key
from ringfence_registry.app import build
from ringfence_registry.config import RegistryConfig
from ringfence_registry.store_sql import MIGRATIONS
from ringfence_registry.tables import agents, cards

AT_ONCE = 2_000
AUDITOR = Caller(principal="bench", roles=frozenset({Role.AUDITOR}))
PARENT = "namespaces/-"

CEILINGS = {
    "ready_s": 20.0,
    "resident_mb": 1_000.0,
    "get_us": 5.0,
    "get_first_us": 50.0,
    "list_p99_ms": 25.0,
    "search_p99_ms": 50.0,
    "similar_p99_ms": 50.0,
    "facets_p99_ms": 50.0,
    "select_p99_ms": 50.0,
}
"""What it may be at 100,000 agents, on two cores with nothing else to do.

A Get is of an agent asked for lately, and a first Get of one that never was; both include making the answer's bytes.
"""


async def fill(folder: Path, count: int) -> tuple[int, int]:
    """Build the store and return the sizes of an average record and of an average card."""
    stored = bodies = 0
    database = Database(f"sqlite:///{folder / 'registry.db'}", service="registry", migrations=MIGRATIONS)
    async with database:
        with database.engines.writer.begin() as connection:
            rows: list[dict[str, object]] = []
            texts: list[dict[str, object]] = []
            for agent, body in Corpus().agents(count):
                record = records.encode(agent)
                stored, bodies = stored + len(record), bodies + len(body)
                rows.append(
                    {
                        "name": str(agent.name),
                        "card_sha256": agent.card.sha256,
                        "record": record,
                        "look_alike": look_alike_key(agent),
                    }
                )
                texts.append({"sha256": agent.card.sha256, "body": body})
                if len(rows) == AT_ONCE:
                    connection.execute(sa.insert(agents), rows)
                    connection.execute(sa.insert(cards), texts)
                    rows.clear()
                    texts.clear()
            if rows:
                connection.execute(sa.insert(agents), rows)
                connection.execute(sa.insert(cards), texts)
    return stored // count, bodies // count


class Bench:
    """Asks an open registry, method by method."""

    def __init__(self, service: Service, count: int) -> None:
        self._faces = [face.servicer for listener in service.listeners for face in listener.faces]
        self._count = count
        self._corpus = Corpus()
        self._dice = random.Random(11)

    def method(self, name: str) -> Callable[[Message, Any], Awaitable[Message]]:
        """Return the method of that name."""
        found: Any = next(getattr(face, name) for face in self._faces if hasattr(face, name))
        return found  # type: ignore[no-any-return] # servicers are not typed by their methods' names

    def name(self) -> str:
        """Return the name of an agent."""
        number = self._dice.randrange(self._count)
        return f"namespaces/team-{number % NAMESPACES}/agents/agent-{number:06}"

    def filters(self) -> list[str]:
        """Return filters of every kind, with common and rare terms."""
        common, middling, rare = (self._corpus.words[rank] for rank in (2, 300, 15_000))
        return [
            "",
            "risk_tier = HIGH",
            'environments:"prod" AND risk_tier = CRITICAL AND data_classes:"pii"',
            f'skills.tags:"{common}"',
            f'skills.tags:"{rare}"',
            f'skills.tags:"{common}" AND skills.tags:"{rare}"',
            f'skills.tags:"{middling}" OR skills.tags:"{rare}" OR team = "team-7"',
            f'NOT skills.tags:"{common}" AND -environments:"prod"',
            'labels.team = "team-42" state != DRAFT',
            'create_time > "2025-06-01T00:00:00Z" AND create_time < "2025-06-02T00:00:00Z"',
            'create_time > "2025-03-01T00:00:00Z" AND NOT update_time > "2025-12-31T12:00:00Z"',
            'owner.contact = "person77@example.com"',
            'did:"000077:prod" capabilities.streaming = true',
            f'purpose:"{middling}"',
            f"{common}",
            f"{middling} AND {rare}",
            f'description = "*{rare}*"',
            'interfaces.protocol_binding:"GRPC" AND security_schemes.type:oauth2 AND verdict = VALID',
            f'({common} OR {middling}) AND (risk_tier = LOW OR risk_tier = HIGH) AND NOT labels.cost = "3"',
            "trust.score >= 700 OR liveness = LEASED",
            'skills.tags:"no-such-tag-at-all"',
            f'skills.tags:"{common[:3]}*"',
        ]

    def queries(self) -> list[str]:
        """Return words to search: the commonest, the rarest, and some of each together."""
        words = self._corpus.words
        ranks = (0, 1, 2, 10, 100, 1_000, 10_000, 19_999)
        return [
            *(words[rank] for rank in ranks),
            " ".join(words[rank] for rank in ranks),
            " ".join(words[:3]),
            " ".join(words[50:82]),
            " ".join(words[900:908]),
            f'"{words[5]}" {words[500]}',
        ]

    async def times(self, name: str, requests: Sequence[Message], rounds: int) -> list[float]:
        """Return how long each call took, in milliseconds, sorted."""
        method, taken = self.method(name), []
        with calling_as(AUDITOR):
            for _ in range(rounds):
                for request in requests:
                    began = time.perf_counter()
                    await method(request, None)
                    taken.append((time.perf_counter() - began) * 1_000)
        return sorted(taken)

    async def figures(self) -> dict[str, float]:
        """Measure everything that is asked by message."""
        get = [registry_pb2.GetAgentRequest(name=self.name()) for _ in range(5_000)]
        first = await self.times("GetAgent", get, 1)
        got = await self.times("GetAgent", get, 1)
        lists = [registry_pb2.ListAgentsRequest(parent=PARENT, page_size=50, filter=text) for text in self.filters()]
        searches = [catalog_pb2.SearchAgentsRequest(parent=PARENT, query=text) for text in self.queries()]
        similar = [catalog_pb2.FindSimilarAgentsRequest(parent=PARENT, agent=self.name()) for _ in range(20)]
        fields = ["risk_tier", "skills.tags", "labels.team", "provider", "environments"]
        facets = [
            catalog_pb2.GetFacetsRequest(parent=PARENT, filter=text, fields=fields) for text in self.filters()[:12]
        ]
        tags = [self._corpus.words[rank] for rank in (0, 1, 10, 100, 5_000)]
        select = [catalog_pb2.SelectAgentRequest(parent=PARENT, tags=[tag], environment="prod") for tag in tags]
        listed = await self.times("ListAgents", lists, 5)
        searched = await self.times("SearchAgents", searches, 5)
        return {
            "get_us": _quantile(got, 0.5) * 1_000,
            "get_first_us": _quantile(first, 0.5) * 1_000,
            "get_p99_us": _quantile(got, 0.99) * 1_000,
            "list_p50_ms": _quantile(listed, 0.5),
            "list_p99_ms": _quantile(listed, 0.99),
            "search_p50_ms": _quantile(searched, 0.5),
            "search_p99_ms": _quantile(searched, 0.99),
            "similar_p99_ms": _quantile(await self.times("FindSimilarAgents", similar, 3), 0.99),
            "facets_p99_ms": _quantile(await self.times("GetFacets", facets, 3), 0.99),
            "select_p99_ms": _quantile(await self.times("SelectAgent", select, 5), 0.99),
        }


def _quantile(taken: Sequence[float], share: float) -> float:
    return taken[min(len(taken) - 1, int(len(taken) * share))]


async def open_and_measure(folder: Path, count: int) -> dict[str, float]:
    """Open the service on the store, in this process, and measure."""
    began = time.perf_counter()
    server = ServerConfig(dev=True, data=folder)
    service = build(RegistryConfig(), server, clock=SystemClock(), new_id=random_ids)
    async with service.run():
        ready = time.perf_counter() - began
        figures = {"ready_s": ready, "ready_cpu_s": time.process_time(), **await Bench(service, count).figures()}
        return {**figures, "resident_mb": _resident_mb()}


def _resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def measured_apart(folder: Path, count: int) -> dict[str, float]:
    """Measure in a process of its own: this one has built the store and is large."""
    command = [sys.executable, __file__, "--open", str(folder), "--agents", str(count)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ))
    figures: dict[str, float] = json.loads(told.stdout.splitlines()[-1])
    return figures


def main() -> int:
    arguments = argparse.ArgumentParser(description="The registry with many agents.")
    arguments.add_argument("--agents", type=int, default=100_000)
    arguments.add_argument("--check", action="store_true", help="fail when a figure is over its limit")
    arguments.add_argument("--open", type=Path, help="measure this folder; used by the script itself")
    chosen = arguments.parse_args()
    if chosen.open is not None:
        print(json.dumps(asyncio.run(open_and_measure(chosen.open, chosen.agents))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        record, card = asyncio.run(fill(Path(folder), chosen.agents))
        anew = measured_apart(Path(folder), chosen.agents)
        # The first one to be opened left a checkpoint, as every registry does.
        again = measured_apart(Path(folder), chosen.agents)
        figures = {"ready_anew_s": anew["ready_s"], "ready_anew_cpu_s": anew["ready_cpu_s"], **again}
    print(f"{chosen.agents} agents, records of {record} bytes, cards of {card} bytes")
    for name, value in figures.items():
        limit = CEILINGS.get(name)
        print(f"{name:<20}{value:>10.2f}" + (f"   at most {limit:g}" if limit else ""))
    over = [name for name, limit in CEILINGS.items() if figures[name] > limit]
    return 1 if chosen.check and over else 0


if __name__ == "__main__":
    sys.exit(main())
