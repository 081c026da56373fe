"""The pdp put together: what it is told by its settings, and that building opens nothing."""

from pathlib import Path

import pytest
from ringfence_kit.clock import ManualClock
from ringfence_kit.config import ConfigInvalid, Secret, load
from ringfence_kit.ids import counting_ids
from ringfence_kit.refusals import StartRefused
from ringfence_kit.server_config import ServerConfig
from ringfence_pdp.app import POLICY_LOADED, build
from ringfence_pdp.classifiers.config import ClassifierConfig
from ringfence_pdp.config import PdpConfig
from ringfence_pdp.fact_feeds import BOUNDARY_FEED, IDENTITY_FEED, REGISTRY_FEED, REVOCATION_FEED, TOOL_FEED

SAMPLE = Path(__file__).parents[3] / "services" / "pdp" / "pdp.sample.toml"


def test_building_opens_nothing_and_is_not_ready(tmp_path: Path) -> None:
    server = ServerConfig(dev=True, data=tmp_path / "data")
    service = build(PdpConfig(), server, clock=ManualClock(), new_id=counting_ids())
    assert not (tmp_path / "data").exists()
    feeds = {IDENTITY_FEED, REVOCATION_FEED, REGISTRY_FEED, TOOL_FEED, BOUNDARY_FEED}
    assert set(service.readiness.unmet) == {POLICY_LOADED, *feeds}
    assert [listener.address for listener in service.listeners] == ["127.0.0.1:7403"]
    assert service.http is not None
    assert service.http.address == "127.0.0.1:7413"


def test_data_is_kept_in_the_data_directory_unless_a_database_is_named(tmp_path: Path) -> None:
    assert PdpConfig().database_url(tmp_path) == f"sqlite:///{tmp_path}/pdp.db"
    elsewhere = PdpConfig(database=Secret("postgresql://pdp@db.example.com/pdp"))
    assert elsewhere.database_url(tmp_path) == "postgresql://pdp@db.example.com/pdp"


def test_the_sample_configuration_is_the_default_one() -> None:
    sections = {"server": ServerConfig, "pdp": PdpConfig}
    assert load(sections, file=SAMPLE).section("pdp", PdpConfig) == PdpConfig()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("pdp.decision_log.when_full", "forget"),
        ("pdp.decision_log.max_bytes", "1"),
        ("pdp.events_kept", "0"),
        ("pdp.default_effect", "ALLOW"),
    ],
)
def test_a_setting_that_is_none_is_refused_by_name(setting: str, value: str) -> None:
    with pytest.raises(ConfigInvalid, match=setting.rpartition(".")[2]):
        load({"pdp": PdpConfig}, flags={setting: value})


def test_classifiers_are_called_by_their_names(tmp_path: Path) -> None:
    file = tmp_path / "pdp.toml"
    table = '[[pdp.classifiers]]\nname = "{}"\naddress = "127.0.0.1:7500"\n'
    file.write_text(table.format("guard") + table.format("second"))
    asked = load({"pdp": PdpConfig}, file=file).section("pdp", PdpConfig).classifiers
    assert [one.name for one in asked] == ["guard", "second"]
    for wrong in (table.format("guard") * 2, table.format("Guard!")):
        file.write_text(wrong)
        with pytest.raises(ConfigInvalid, match=r"(?i)guard"):
            load({"pdp": PdpConfig}, file=file)


def test_a_classifier_on_another_machine_needs_tls(tmp_path: Path) -> None:
    config = PdpConfig(classifiers=(ClassifierConfig(name="guard", address="guard.example.com:7500"),))
    server = ServerConfig(dev=True, data=tmp_path / "data")
    with pytest.raises(StartRefused, match="no TLS to it"):
        build(config, server, clock=ManualClock(), new_id=counting_ids())
