"""The registry put together: what it is told by its settings, and that building opens nothing."""

from pathlib import Path

import pytest
from ringfence_kit.clock import ManualClock
from ringfence_kit.config import Secret, load
from ringfence_kit.ids import counting_ids
from ringfence_kit.server_config import ServerConfig
from ringfence_registry.app import CATALOG_LOADED, build
from ringfence_registry.config import RegistryConfig
from starlette.routing import Route

SAMPLE = Path(__file__).parents[3] / "services" / "registry" / "registry.sample.toml"


def test_building_opens_nothing_and_is_not_ready(tmp_path: Path) -> None:
    server = ServerConfig(dev=True, data=tmp_path / "data")
    service = build(RegistryConfig(), server, clock=ManualClock(), new_id=counting_ids())
    assert not (tmp_path / "data").exists()
    assert list(service.readiness.unmet) == [CATALOG_LOADED]
    assert [listener.address for listener in service.listeners] == ["127.0.0.1:7401"]
    assert service.http is not None
    assert service.http.address == "127.0.0.1:7411"


async def test_running_makes_it_ready(tmp_path: Path) -> None:
    service = build(RegistryConfig(), ServerConfig(dev=True, data=tmp_path), clock=ManualClock(), new_id=counting_ids())
    async with service.run():
        assert service.readiness.ready
        assert (tmp_path / "registry.db").exists()


def test_data_is_kept_in_the_data_directory_unless_a_database_is_named(tmp_path: Path) -> None:
    assert RegistryConfig().database_url(tmp_path) == f"sqlite:///{tmp_path}/registry.db"
    elsewhere = RegistryConfig(database=Secret("postgresql://registry@db.example.com/registry"))
    assert elsewhere.database_url(tmp_path) == "postgresql://registry@db.example.com/registry"


def test_the_sample_configuration_is_the_default_one() -> None:
    sections = {"server": ServerConfig, "registry": RegistryConfig}
    sample = load(sections, file=SAMPLE).section("registry", RegistryConfig)
    assert sample == RegistryConfig()


@pytest.mark.parametrize("cards", [True, False])
def test_cards_are_published_or_not_and_the_keys_always(tmp_path: Path, cards: bool) -> None:
    config = RegistryConfig(publish_cards=cards)
    service = build(config, ServerConfig(dev=True, data=tmp_path), clock=ManualClock(), new_id=counting_ids())
    assert service.http is not None
    paths = {route.path for route in service.http.routes if isinstance(route, Route)}
    assert ("/search" in paths) is cards
    assert "/.well-known/jwks.json" in paths
