"""Dashboards and pages name metrics that exist: each is held against a scrape of the four services."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from support.mesh.in_process import in_process_mesh
from support.mesh.layout import SERVICES

ROOT = Path(__file__).parents[2]
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "deploy" / "grafana").glob("*.json"))}
PAGES = {name: (ROOT / name).read_text() for name in ("docs/telemetry.md", "services/telemetry/README.md")}
PACKAGES = {path.name for path in (ROOT / "services").glob("*/ringfence_*")}
NAME = re.compile(r"\bringfence_[a-z0-9_]+\b")
TYPE = re.compile(r"^# TYPE (\w+) (\w+)$", re.MULTILINE)

ENDINGS = {"histogram": ("_bucket", "_sum", "_count")}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scraped(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[frozenset[str]]:
    """The names of all samples there can be."""
    async with in_process_mesh(tmp_path_factory.mktemp("mesh")) as mesh, httpx.AsyncClient() as client:
        found = set()
        for service in SERVICES:
            page = (await client.get(f"http://{mesh.layout.http(service)}/metrics")).text
            for name, kind in TYPE.findall(page):
                found |= {name + ending for ending in ENDINGS.get(kind, ("",))}
        yield frozenset(found)


def names_in(board: dict[str, Any]) -> set[str]:
    said = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    said += [variable["query"] for variable in board["templating"]["list"] if variable["type"] == "query"]
    return {name for text in said for name in NAME.findall(text)}


async def test_there_is_a_dashboard_for_each_question() -> None:
    assert [name.removeprefix("ringfence-") for name in BOARDS] == ["cost", "ingest", "mesh", "slo"]


@pytest.mark.parametrize("dashboard", BOARDS)
async def test_every_metric_of_a_dashboard_exists(scraped: frozenset[str], dashboard: str) -> None:
    names = names_in(BOARDS[dashboard])
    assert len(names) >= 5
    assert names - scraped == set()


@pytest.mark.parametrize("page", PAGES)
async def test_every_metric_of_a_page_exists(scraped: frozenset[str], page: str) -> None:
    named = set(re.findall(r"`(ringfence_(?:telemetry|pdp|registry|identity)_\w+)[`{]", PAGES[page]))
    assert named - scraped - PACKAGES == set()


async def test_the_page_of_telemetry_names_all_there_is(scraped: frozenset[str]) -> None:
    own = {name for name in scraped if name.startswith("ringfence_telemetry_")}
    assert {name for name in own if f"`{name}`" not in PAGES["docs/telemetry.md"]} == set()


@pytest.mark.parametrize("dashboard", BOARDS)
async def test_panels_are_told_apart_and_explained(dashboard: str) -> None:
    board = BOARDS[dashboard]
    assert board["uid"] == dashboard
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert all(panel["title"] and panel["description"] and panel["targets"] for panel in board["panels"])
