"""Identity's settings, its keys, and what it refuses to start with."""

import dataclasses
from pathlib import Path

import pytest
from ringfence.proofs.did import Host
from ringfence_identity.app import build
from ringfence_identity.config import EnvironmentConfig, IdentityConfig, SignalWeightsConfig
from ringfence_identity.environments import Environment, Environments
from ringfence_identity.errors import EnvironmentUnknown
from ringfence_identity.registrars import KeysDoNotFit
from ringfence_identity.signing_clock import SigningClock
from ringfence_identity.trust.evidence import SignalKind
from ringfence_identity.update_keys import UpdateKeys
from ringfence_kit.clock import EPOCH, SECOND, Instant, ManualClock, Millis
from ringfence_kit.config import ConfigInvalid, Secret, load
from ringfence_kit.errors import Unavailable
from ringfence_kit.ids import counting_ids
from ringfence_kit.key_files import KeyFileRefused, NotSealed
from support.identity.mesh import identity_mesh
from support.serving import server_config

CONFIG_FILE = Path(__file__).parents[3] / "services" / "identity" / "identity.toml"


def problems_of(**identity: str) -> str:
    flags = {f"identity.{key}": value for key, value in identity.items()}
    with pytest.raises(ConfigInvalid) as invalid:
        load({"identity": IdentityConfig}, flags=flags)
    return str(invalid.value)


def test_three_environments_are_hosted_by_default_each_behind_its_own_wall() -> None:
    hosted = IdentityConfig().hosted()
    assert [environment.name for environment in hosted] == ["dev", "staging", "prod"]
    assert [environment.production for environment in hosted] == [False, False, True]
    assert len({environment.host for environment in hosted}) == 3
    prod = hosted.get("prod")
    assert (prod.host, prod.issuer) == ("prod.id.ringfence.internal", "https://prod.id.ringfence.internal")
    assert hosted.of_host(Host("prod.id.ringfence.internal")) is prod
    with pytest.raises(EnvironmentUnknown):
        hosted.get("qa")


def test_the_sample_file_says_what_the_defaults_are() -> None:
    loaded = load({"identity": IdentityConfig}, file=CONFIG_FILE).section("identity", IdentityConfig)
    assert loaded == IdentityConfig()


@pytest.mark.parametrize(
    ("environments", "problem"),
    [
        ("[]", "at least one"),
        ('[{name = "dev", host = "localhost"}]', "lower case DNS name"),
        ('[{name = "Dev", host = "dev.example.com"}]', "lower case letters"),
        ('[{name = "dev", host = "dev.example.com", issuer = "http://dev.example.com"}]', "https://"),
        (
            '[{name = "dev", host = "aa.example.com"}, {name = "dev", host = "bb.example.com"}]',
            "name dev is there twice",
        ),
        ('[{name = "a", host = "aa.example.com"}, {name = "b", host = "aa.example.com"}]', "host aa.example.com"),
        (
            '[{name = "aa", host = "aa.example.com"},'
            ' {name = "bb", host = "bb.example.com", issuer = "https://aa.example.com"}]',
            "issuer",
        ),
        ('[{name = "dev", host = "dev.example.com", token_lifetime = "10m"}]', "token_lifetime"),
        ('[{name = "dev", host = "dev.example.com", card_url = "ftp://x"}]', "card_url"),
    ],
)
def test_environments_that_could_be_confused_are_refused(environments: str, problem: str) -> None:
    assert problem in problems_of(environments=environments)


def test_prod_is_production_whatever_is_configured() -> None:
    config = EnvironmentConfig(name="prod", host="prod.example.com", production=False)
    assert config.environment().production


def test_a_port_is_part_of_the_issuer() -> None:
    config = EnvironmentConfig(name="dev", host="dev.example.com%3A8443")
    assert config.environment().issuer == "https://dev.example.com:8443"


@pytest.mark.parametrize("origin", ["", "two words", "a+b", "ortschaft.example/übersicht"])
def test_a_log_has_a_name_that_every_reader_of_checkpoints_takes(origin: str) -> None:
    assert "identity.log_origin" in problems_of(log_origin=origin)


def test_two_environments_never_share_a_host() -> None:
    one = EnvironmentConfig(name="a", host="dev.example.com").environment()
    with pytest.raises(ValueError, match="share a host"):
        Environments([one, dataclasses.replace(one, name="b")])


def test_a_card_url_names_the_agent() -> None:
    config = EnvironmentConfig(
        name="dev", host="dev.example.com", card_url="https://cards.example.com/{namespace}/{agent}"
    )
    environment: Environment = config.environment()
    assert environment.card_of("billing", "reconciler") == "https://cards.example.com/billing/reconciler"


def test_every_kind_of_signal_has_a_weight() -> None:
    assert set(SignalWeightsConfig().points()) == set(SignalKind)


def test_keys_are_sealed_or_identity_does_not_start(tmp_path: Path) -> None:
    clock, new_id = ManualClock(), counting_ids()
    production = server_config(tmp_path, dev=False)
    with pytest.raises(NotSealed, match="RINGFENCE_IDENTITY_SEAL"):
        build(IdentityConfig(), production, clock=clock, new_id=new_id)
    with pytest.raises(KeyFileRefused, match="seal cannot be used"):
        build(IdentityConfig(seal=Secret("short")), production, clock=clock, new_id=new_id)
    build(IdentityConfig(seal=Secret("00" * 32)), production, clock=clock, new_id=new_id)


async def test_a_key_file_of_another_database_is_refused(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path):
        pass
    (tmp_path / "identity.keys").unlink()
    with pytest.raises(KeysDoNotFit, match="restore the key file"):
        async with identity_mesh(tmp_path):
            pass


async def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    async with identity_mesh(tmp_path):
        pass
    (tmp_path / "identity.keys").chmod(0o644)
    with pytest.raises(KeyFileRefused, match=r"identity\.keys cannot be used"):
        async with identity_mesh(tmp_path):
            pass


def test_every_entry_of_every_did_has_its_own_key() -> None:
    keys = {
        UpdateKeys(environment, secret).key(subject, version).public_key
        for environment in ("dev", "prod")
        for secret in (b"\1" * 32, b"\2" * 32)
        for subject in ("uid-1", "uid-2", "uid-11")
        for version in (1, 2, 11)
    }
    assert len(keys) == 2 * 2 * 3 * 3
    assert UpdateKeys("dev", b"\1" * 32).key("a", 1).public_key == UpdateKeys("dev", b"\1" * 32).key("a", 1).public_key


def test_the_signing_clock_holds_still_for_seconds_and_refuses_beyond() -> None:
    clock = ManualClock()
    newest = EPOCH
    signing = SigningClock(clock, lambda: newest)
    start = signing.now()
    clock.advance(Millis(-5 * SECOND))
    assert signing.now() == start
    clock.advance(Millis(-1))
    with pytest.raises(Unavailable):
        signing.now()
    assert signing.reading() == start
    clock.set(Instant(start + 1))
    assert signing.now() == start + 1


def test_the_signing_clock_knows_what_was_stored_before() -> None:
    clock = ManualClock()
    signing = SigningClock(clock, lambda: Instant(clock.now() + 10 * SECOND))
    with pytest.raises(Unavailable, match="behind"):
        signing.now()
