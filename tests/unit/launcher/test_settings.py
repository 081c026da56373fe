import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
import typer
from ringfence_kit.config import Configuration
from ringfence_kit.refusals import PortTaken
from ringfence_launcher.exit_codes import ExitCode
from ringfence_launcher.in_one_process import port_taken
from ringfence_launcher.problems import Problem
from ringfence_launcher.service_table import ENTRIES
from ringfence_launcher.settings import (
    assignments,
    free_ports,
    listening_addresses,
    load_one_process,
    load_settings,
    without_client_variables,
)
from ringfence_pdp.config import PdpConfig
from ringfence_registry.config import DefaultLeastVerdict, DefaultVisibility, RegistryConfig
from ringfence_telemetry.config import TelemetryConfig


def one_process(environment: Mapping[str, str] | None = None, **flags: str) -> Configuration:
    dotted = {key.replace("__", "."): value for key, value in flags.items()}
    return load_one_process(file=None, flags=dotted, environment=environment or {}, fast_ports=True)


def test_every_service_listens_twice_and_telemetry_once_more_for_otlp() -> None:
    addresses = listening_addresses(one_process())
    assert addresses == {
        "registry.listen": "127.0.0.1:7401",
        "registry.fast_listen": "127.0.0.1:7421",
        "registry.http_listen": "127.0.0.1:7411",
        "identity.listen": "127.0.0.1:7402",
        "identity.fast_listen": "127.0.0.1:7422",
        "identity.http_listen": "127.0.0.1:7412",
        "telemetry.listen": "127.0.0.1:7404",
        "telemetry.otlp_listen": "127.0.0.1:4317",
        "telemetry.fast_listen": "127.0.0.1:7424",
        "telemetry.http_listen": "127.0.0.1:7414",
        "pdp.listen": "127.0.0.1:7403",
        "pdp.fast_listen": "127.0.0.1:7423",
        "pdp.http_listen": "127.0.0.1:7413",
    }


class TestFastPorts:
    def test_where_somebody_says_so(self) -> None:
        addresses = listening_addresses(one_process(pdp__fast_listen="127.0.0.1:1001"))
        assert addresses["pdp.fast_listen"] == "127.0.0.1:1001"
        assert addresses["registry.fast_listen"] == "127.0.0.1:7421"

    def test_nowhere_where_somebody_says_so(self) -> None:
        environment = {"RINGFENCE_TELEMETRY_FAST_LISTEN": ""}
        assert "telemetry.fast_listen" not in listening_addresses(one_process(environment))

    def test_any_port_is_chosen_beforehand(self) -> None:
        chosen = listening_addresses(one_process(pdp__fast_listen="127.0.0.1:0"))["pdp.fast_listen"]
        assert not chosen.endswith(":0")

    def test_none_without_what_serves_them(self) -> None:
        plain = load_one_process(file=None, flags={}, environment={}, fast_ports=False)
        assert not [setting for setting in listening_addresses(plain) if setting.endswith(".fast_listen")]

    def test_a_service_of_its_own_has_none_unless_told(self) -> None:
        alone = load_settings(ENTRIES, file=None, flags={}, environment={})
        assert not [setting for setting in listening_addresses(alone) if setting.endswith(".fast_listen")]


class TestOnOneMachine:
    def test_everything_is_shown_and_every_readable_card_admitted(self) -> None:
        registry = one_process().section("registry", RegistryConfig)
        assert registry.default_visibility is DefaultVisibility.PUBLIC
        assert registry.default_least_verdict is DefaultLeastVerdict.NONCONFORMANT

    def test_unless_somebody_said_otherwise(self) -> None:
        asked = one_process({"RINGFENCE_REGISTRY_DEFAULT_LEAST_VERDICT": "valid"})
        assert asked.section("registry", RegistryConfig).default_least_verdict is DefaultLeastVerdict.VALID

    def test_a_service_of_its_own_is_as_strict_as_designed(self) -> None:
        alone = load_settings(["registry"], file=None, flags={}, environment={}).section("registry", RegistryConfig)
        assert alone.default_visibility is DefaultVisibility.PRIVATE
        assert alone.default_least_verdict is DefaultLeastVerdict.UPCONVERTED


class TestIntroductions:
    def test_services_in_one_process_are_told_where_the_others_are(self) -> None:
        configuration = one_process(registry__listen="127.0.0.1:1001", identity__listen="127.0.0.1:1002")
        pdp = configuration.section("pdp", PdpConfig)
        assert pdp.registry.address == "127.0.0.1:1001"
        assert pdp.identity.address == "127.0.0.1:1002"

    def test_unless_somebody_said_otherwise(self) -> None:
        configuration = one_process(
            {"RINGFENCE_PDP_IDENTITY__ADDRESS": "elsewhere:9"}, identity__listen="127.0.0.1:1002"
        )
        pdp = configuration.section("pdp", PdpConfig)
        assert pdp.identity.address == "elsewhere:9"
        telemetry = configuration.section("telemetry", TelemetryConfig)
        assert telemetry.identity.address == "127.0.0.1:1002"

    def test_a_port_that_may_be_any_is_chosen_before_the_others_are_told(self) -> None:
        configuration = one_process(identity__listen="127.0.0.1:0")
        chosen = listening_addresses(configuration)["identity.listen"]
        assert not chosen.endswith(":0")
        pdp = configuration.section("pdp", PdpConfig)
        assert pdp.identity.address == chosen


def test_free_ports_are_free_and_differ() -> None:
    wanted = {f"s{number}.listen": "127.0.0.1:0" for number in range(20)} | {"kept.listen": "127.0.0.1:77"}
    chosen = dict(free_ports(wanted))
    assert "kept.listen" not in chosen
    assert len(set(chosen.values())) == 20
    for address in chosen.values():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", int(address.rpartition(":")[2])))


def test_free_ports_on_ipv6() -> None:
    assert dict(free_ports({"a.listen": "[::1]:0"}))["a.listen"].startswith("[::1]:")


def test_the_clients_variables_are_not_the_services_business() -> None:
    environment = {
        "RINGFENCE_TOKEN": "t",
        "RINGFENCE_TOKEN_FILE": "f",
        "RINGFENCE_DATA": "d",
        "RINGFENCE_ADDR_PDP": "a",
        "RINGFENCE_TLS_CA": "c",
        "RINGFENCE_REGISTRY_LISTEN": "127.0.0.1:1",
        "HOME": "/",
    }
    kept = without_client_variables(environment)
    assert set(kept) == {"RINGFENCE_REGISTRY_LISTEN", "HOME"}
    load_settings(["registry"], file=None, flags={}, environment=environment)


def test_everything_wrong_is_one_problem_with_its_sources(tmp_path: Path) -> None:
    file = tmp_path / "ringfence.toml"
    file.write_text('[registry]\nlistn = "x"\n')
    with pytest.raises(Problem) as raised:
        load_settings(ENTRIES, file=file, flags={"server.drain": "soon"}, environment={"RINGFENCE_NONSENSE": "1"})
    problem = raised.value
    assert problem.code is ExitCode.CONFIGURATION
    assert {detail.where for detail in problem.details} == {"registry.listn", "server.drain", "RINGFENCE_NONSENSE"}
    assert any(str(file) in detail.what for detail in problem.details)


@pytest.mark.parametrize("text", ["registry.listen", "listen=1", "=1", ""])
def test_a_setting_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        assignments([text])


def test_settings_may_hold_equals_signs() -> None:
    assert assignments(["a.b=c=d", "a.e="]) == {"a.b": "c=d", "a.e": ""}
    assert assignments(None) == {}


class TestPortTaken:
    def test_the_otlp_port_is_spoken_of_by_its_number(self) -> None:
        problem = port_taken(PortTaken(address="127.0.0.1:4317", setting="telemetry.otlp_listen"))
        assert problem.code is ExitCode.IN_USE
        assert "127.0.0.1:4317" in problem.what
        assert "OpenTelemetry collector" in problem.mend
        assert "--otlp-port" in problem.mend

    def test_any_other_port_by_its_setting(self) -> None:
        problem = port_taken(PortTaken(address="127.0.0.1:7401", setting="registry.listen"))
        assert "--set registry.listen=" in problem.mend
