"""The shared settings: their defaults make sense together, and what contradicts itself is said."""

import tomllib
from pathlib import Path

import pytest
from ringfence_kit.callers import Role
from ringfence_kit.clock import ManualClock
from ringfence_kit.config import ConfigInvalid, load
from ringfence_kit.config_render import render
from ringfence_kit.grants import MethodClass
from ringfence_kit.issuers import CLAIMABLE_ROLES, configured_issuer
from ringfence_kit.jwks import FileKeys, UrlKeys
from ringfence_kit.quotas import Rate, configured_rates
from ringfence_kit.server_config import IssuerConfig, QuotasConfig, ServerConfig


def loaded(tmp_path: Path, text: str) -> ServerConfig:
    file = tmp_path / "ringfence.toml"
    file.write_text(text)
    return load({"server": ServerConfig}, file=file).section("server", ServerConfig)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        loaded(tmp_path, text)
    return [f"{problem.key}: {problem.problem}" for problem in caught.value.problems]


def test_the_defaults_print_as_a_sample_file() -> None:
    text = render(load({"server": ServerConfig}), docs=True)
    assert tomllib.loads(text)["server"]["limits"]["max_request_bytes"] == 4 << 20
    assert "# [server.tls] is not set" in text


ISSUER = """
[[server.auth.issuers]]
name = "corp"
issuer = "https://corp.example"
audience = "mesh"
"""


def test_an_issuer_in_full(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        ISSUER
        + """
jwks_url = "https://corp.example/jwks"
jwks_refresh = "10m"
algorithms = ["RS256"]
roles_claim = "groups"
roles = { mesh-ops = "platform-admin" }
[[server.auth.certificates]]
identity = "spiffe://mesh.example/gateway"
roles = ["gateway"]
agents = ["did:web:a"]
""",
    )
    (issuer,) = config.auth.issuers
    assert issuer.roles == {"mesh-ops": Role.PLATFORM_ADMIN}
    assert config.auth.certificates[0].roles == (Role.GATEWAY,)
    trusted = configured_issuer(issuer, ManualClock())
    assert (trusted.algorithms, trusted.roles_claim) == (("RS256",), "groups")
    assert isinstance(trusted.keys, UrlKeys)


def test_a_group_is_bound_by_its_bare_name(tmp_path: Path) -> None:
    bound = '[[server.auth.certificates]]\nidentity = "dns:ada"\nroles = ["approver"]\n'
    assert loaded(tmp_path, bound + 'groups = ["data-oncall"]').auth.certificates[0].groups == ("data-oncall",)
    (found,) = problems(tmp_path, bound + 'groups = ["group:data-oncall"]')
    assert found.startswith("server.auth.certificates[0].groups: must be names such as data-oncall")


def test_what_an_issuer_gets_by_itself(tmp_path: Path) -> None:
    usual = IssuerConfig(name="corp", issuer="https://corp", audience="mesh", jwks_file=tmp_path / "jwks.json")
    trusted = configured_issuer(usual, ManualClock())
    assert isinstance(trusted.keys, FileKeys)
    assert trusted.roles == CLAIMABLE_ROLES
    assert "JWT" in trusted.token_types
    agents = IssuerConfig(name="a", issuer="https://a", audience="mesh", jwks_file=tmp_path / "j", agents_of="prod")
    assert configured_issuer(agents, ManualClock()).token_types == ("at+jwt",)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("", "jwks_url: exactly one of jwks_url and jwks_file must be set"),
        ('jwks_url = "https://a"\njwks_file = "b"', "jwks_url: exactly one of jwks_url and jwks_file must be set"),
        ('jwks_url = "http://corp.example/jwks"', "jwks_url: must be an https:// URL"),
        ('jwks_url = "file:///etc/passwd"', "jwks_url: must be an https:// URL"),
        ('jwks_url = "https://[::1"', "jwks_url: must be an https:// URL"),
        ('jwks_file = "a"\nalgorithms = ["HS256"]', "algorithms: HS256 is not accepted"),
        ('jwks_file = "a"\nalgorithms = ["none"]', "algorithms: none is not accepted"),
        ('jwks_file = "a"\nroles = { x = "agent" }', "roles: cannot give agent"),
        ('jwks_file = "a"\nagents_of = "prod"\nroles = { x = "auditor" }', "roles: an issuer of agent tokens gives"),
        ('jwks_file = "a"\nroles = { x = "king" }', "roles: must be one of platform-admin"),
        ('jwks_file = "a"\nmax_lifetime = "2d"', "max_lifetime: must be at most 1d"),
    ],
)
def test_an_issuer_that_contradicts_itself(tmp_path: Path, more: str, problem: str) -> None:
    (found,) = problems(tmp_path, ISSUER + more)
    assert found.startswith(f"server.auth.issuers[0].{problem}")


@pytest.mark.parametrize("name", ["dev", "spiffe", "did", "", "Corp", "a:b", "-a"])
def test_names_that_would_be_mistaken_for_others(tmp_path: Path, name: str) -> None:
    (found,) = problems(tmp_path, ISSUER.replace('"corp"', f'"{name}"') + 'jwks_file = "a"')
    assert found.startswith("server.auth.issuers[0].name: must be lower case")


def test_loopback_may_be_fetched_from_in_clear(tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:7412/jwks", "http://localhost:7412/jwks", "http://[::1]:7412/jwks"):
        assert loaded(tmp_path, ISSUER + f'jwks_url = "{url}"').auth.issuers[0].jwks_url == url


def test_the_same_thing_twice(tmp_path: Path) -> None:
    twice = (ISSUER + 'jwks_file = "a"\n') * 2
    assert problems(tmp_path, twice) == [
        "server.auth.issuers: corp is there twice",
        "server.auth.issuers: https://corp.example is there twice",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('identity = "gateway"\nroles = []', "identity: must start with spiffe:// or dns:"),
        ('identity = "dns:a"\nroles = ["agent"]', "roles: cannot hold agent"),
        ('identity = "dns:a"', "roles: is required"),
    ],
)
def test_a_certificate_binding_that_is_wrong(tmp_path: Path, line: str, problem: str) -> None:
    (found,) = problems(tmp_path, f"[[server.auth.certificates]]\n{line}")
    assert found.startswith(f"server.auth.certificates[0].{problem}")


def test_the_endpoint_of_the_wider_convention() -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}
    config = load({"server": ServerConfig}, environment=environment).section("server", ServerConfig)
    assert config.tracing.endpoint == "http://collector:4317"
    with pytest.raises(ConfigInvalid, match="must start with http://"):
        load({"server": ServerConfig}, environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"})


def test_a_rate_of_zero_is_no_limit() -> None:
    rates = configured_rates(QuotasConfig(read_per_second=3, read_burst=4, stream_per_second=0))
    assert rates[MethodClass.READ] == Rate(per_second=3, burst=4)
    assert MethodClass.STREAM not in rates
    assert MethodClass.DECIDE not in rates
