"""A configuration says everything that is wrong with it at once, where it came from, and never a secret."""

import enum
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ringfence_kit.clock import Millis
from ringfence_kit.config import ConfigInvalid, Configuration, Secret, load, setting
from ringfence_kit.config_render import render


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    cert: Path = setting(doc="The certificate.")
    key: Path = setting(doc="Its key.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    name: str = setting(doc="What we call it.")
    url: str = setting("", doc="Where it is.")
    types: tuple[str, ...] = setting(("JWT",), doc="Kinds of token.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    most: int = setting(10, doc="At most this many.", at_least=1, at_most=100)
    wait: Millis = setting(Millis(1_500), doc="How long.", at_least=100)

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield what the two are to each other."""
        if self.most > 50 and self.wait > 1_000:
            yield "most", "must not be over 50 with a wait over 1s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopConfig:
    listen: str = setting("127.0.0.1:1", doc="Where.")
    on: bool = setting(False, doc="Whether.")
    ratio: float = setting(0.5, doc="How much.")
    level: Level = setting(Level.LOW, doc="Which.")
    data: Path = setting(Path("data"), doc="Where to keep.", also="XDG_DATA_HOME")
    secret: Secret = setting(Secret(""), doc="Not to be seen.")
    names: tuple[str, ...] = setting((), doc="Some names.")
    labels: dict[str, str] = setting(doc="Some labels.", factory=dict)
    tls: Certificate | None = setting(None, doc="Its certificate.")
    limits: Limits = setting(Limits(), doc="Its limits.")
    issuers: tuple[Issuer, ...] = setting((), doc="Who is trusted.")


SECTIONS: dict[str, type] = {"shop": ShopConfig}


def file_of(folder: Path, text: str) -> Path:
    file = folder / "ringfence.toml"
    file.write_text(text, "utf-8")
    return file


def shop(configuration: Configuration) -> ShopConfig:
    return configuration.section("shop", ShopConfig)


def refused(folder: Path, text: str = "", **sources: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        load(SECTIONS, file=file_of(folder, text), **sources)
    return [str(problem).replace(str(folder) + "/", "") for problem in caught.value.problems]


def test_defaults() -> None:
    assert shop(load(SECTIONS)) == ShopConfig()


def test_every_type_from_a_file(tmp_path: Path) -> None:
    text = """
        [shop]
        listen = "0.0.0.0:2"
        on = true
        ratio = 1
        level = "high"
        data = "/srv"
        secret = "s3cret"
        names = ["a", "b"]
        labels = { team = "red" }
        tls = { cert = "c.pem", key = "k.pem" }
        [shop.limits]
        wait = "2m"
        [[shop.issuers]]
        name = "corp"
        [[shop.issuers]]
        name = "other"
        types = []
    """
    assert shop(load(SECTIONS, file=file_of(tmp_path, text))) == ShopConfig(
        listen="0.0.0.0:2",
        on=True,
        ratio=1.0,
        level=Level.HIGH,
        data=Path("/srv"),
        secret=Secret("s3cret"),
        names=("a", "b"),
        labels={"team": "red"},
        tls=Certificate(cert=Path("c.pem"), key=Path("k.pem")),
        limits=Limits(wait=Millis(120_000)),
        issuers=(Issuer(name="corp"), Issuer(name="other", types=())),
    )


def test_every_type_from_the_environment() -> None:
    environment = {
        "RINGFENCE_SHOP_LISTEN": "0.0.0.0:2",
        "RINGFENCE_SHOP_ON": "true",
        "RINGFENCE_SHOP_RATIO": "0.25",
        "RINGFENCE_SHOP_LEVEL": "high",
        "RINGFENCE_SHOP_SECRET": "s3cret",
        "RINGFENCE_SHOP_NAMES": '["a", "b"]',
        "RINGFENCE_SHOP_LABELS": '{ team = "red" }',
        "RINGFENCE_SHOP_TLS__CERT": "c.pem",
        "RINGFENCE_SHOP_TLS__KEY": "k.pem",
        "RINGFENCE_SHOP_LIMITS__MOST": "7",
        "RINGFENCE_SHOP_LIMITS__WAIT": "250ms",
        "RINGFENCE_SHOP_ISSUERS": '[{ name = "corp" }]',
        "HOME": "/root",
    }
    assert shop(load(SECTIONS, environment=environment)) == ShopConfig(
        listen="0.0.0.0:2",
        on=True,
        ratio=0.25,
        level=Level.HIGH,
        secret=Secret("s3cret"),
        names=("a", "b"),
        labels={"team": "red"},
        tls=Certificate(cert=Path("c.pem"), key=Path("k.pem")),
        limits=Limits(most=7, wait=Millis(250)),
        issuers=(Issuer(name="corp"),),
    )


def test_a_variable_of_a_wider_convention_is_read_and_ours_wins() -> None:
    environment = {"XDG_DATA_HOME": "theirs"}
    configuration = load(SECTIONS, environment=environment)
    assert shop(configuration).data == Path("theirs")
    assert configuration.source("shop.data") == "XDG_DATA_HOME"
    assert shop(load(SECTIONS, environment={**environment, "RINGFENCE_SHOP_DATA": "ours"})).data == Path("ours")


def test_later_sources_win_and_are_named(tmp_path: Path) -> None:
    file = file_of(tmp_path, '[shop]\nlisten = "file:1"\nlevel = "high"\ndata = "file"')
    configuration = load(
        SECTIONS,
        file=file,
        environment={"RINGFENCE_SHOP_LISTEN": "env:1", "RINGFENCE_SHOP_DATA": "env"},
        flags={"shop.listen": "flag:1"},
    )
    assert shop(configuration) == ShopConfig(listen="flag:1", level=Level.HIGH, data=Path("env"))
    keys = ("shop.listen", "shop.data", "shop.level", "shop.on")
    assert [configuration.source(key) for key in keys] == ["flag", "RINGFENCE_SHOP_DATA", str(file), "default"]


def test_all_problems_at_once_each_with_its_source(tmp_path: Path) -> None:
    problems = refused(
        tmp_path,
        '[shop]\nlisten = 5\nlistne = "x"\n[shop.tls]\ncert = "c"\n[stop]\n',
        environment={"RINGFENCE_SHOP_ON": "yes", "RINGFENCE_SHOP_LIMITS_MOST": "1"},
        flags={"shop.limits.most": "many", "shop.levle": "low"},
    )
    assert problems == [
        "shop.listne (ringfence.toml): unknown key; did you mean listen?",
        "stop (ringfence.toml): unknown section; did you mean shop?",
        "RINGFENCE_SHOP_LIMITS_MOST: unknown variable; did you mean RINGFENCE_SHOP_LIMITS__MOST?",
        "shop.on (RINGFENCE_SHOP_ON): must be true or false",
        "shop.limits.most (flag): must be a whole number, not 'many'",
        "shop.levle (flag): unknown key; did you mean shop.level?",
        "shop.listen (ringfence.toml): must be a text, not 5",
        "shop.tls.key (default): is required: Its key.",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('on = "true"', "shop.on (ringfence.toml): must be true or false, not 'true'"),
        ("ratio = true", "shop.ratio (ringfence.toml): must be a number, not True"),
        ("data = 5", "shop.data (ringfence.toml): must be a path, not 5"),
        ('data = ""', "shop.data (ringfence.toml): must be a path"),
        ('level = "mid"', "shop.level (ringfence.toml): must be one of low, high, not 'mid'"),
        ('names = "a"', "shop.names (ringfence.toml): must be a list"),
        ("names = [1]", "shop.names (ringfence.toml): must be a text, not 1"),
        ("labels = { a = 1 }", "shop.labels (ringfence.toml): must be a text, not 1"),
        ("labels = 1", "shop.labels (ringfence.toml): must be a table"),
        ("limits = 1", "shop.limits (ringfence.toml): must be a table"),
        ("limits = { most = true }", "shop.limits.most (ringfence.toml): must be a whole number, not True"),
        ("limits = { most = 0 }", "shop.limits.most (ringfence.toml): must be at least 1"),
        ("limits = { most = 101 }", "shop.limits.most (ringfence.toml): must be at most 100"),
        ("limits = { most = 51 }", "shop.limits.most (ringfence.toml): must not be over 50 with a wait over 1s"),
        ('limits = { wait = "99ms" }', "shop.limits.wait (ringfence.toml): must be at least 100ms"),
        ("limits = { wait = 5 }", "shop.limits.wait (ringfence.toml): must be a duration such as 250ms, 30s, 5m, 2h"),
        ('limits = { wait = "05s" }', "shop.limits.wait (ringfence.toml): must be a duration such as 250ms, 30s, 5m"),
        ("issuers = [1]", "shop.issuers (ringfence.toml): must be a table"),
        (
            'issuers = [{ nam = "x" }]',
            "shop.issuers (ringfence.toml): has unknown keys nam; known are name, url, types",
        ),
        ("issuers = [{}]", "shop.issuers[0].name (default): is required: What we call it."),
        ("issuers = [{ name = 1 }]", "shop.issuers[0].name (ringfence.toml): must be a text, not 1"),
        ("secret = 5", 'shop.secret (ringfence.toml): must be a text, or { file = "path" }'),
        ('secret = "<redacted>"', "shop.secret (ringfence.toml): holds a redacted value; put the secret itself there"),
    ],
)
def test_one_wrong_value(tmp_path: Path, line: str, problem: str) -> None:
    (only,) = refused(tmp_path, f"[shop]\n{line}")
    assert only.startswith(problem)


def test_a_wrong_value_is_shown_shortened(tmp_path: Path) -> None:
    (only,) = refused(tmp_path, f'[shop]\nlevel = "{"x" * 10_000}"')
    assert len(only) < 200


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[shop", "is not TOML: "),
        (b"\xff", "is not UTF-8"),
        (b"# " + b"x" * (1 << 20), "is larger than 1048576 bytes"),
        (b"shop = 1", "must be a section: a line [shop] with its keys below"),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "ringfence.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigInvalid, match="1 problem") as caught:
        load(SECTIONS, file=file)
    assert problem in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"none\.toml: cannot be read: No such file or directory"):
        load(SECTIONS, file=tmp_path / "none.toml")


def test_sections_of_sibling_services_are_left_alone(tmp_path: Path) -> None:
    file = file_of(tmp_path, "[registry]\nanything = 1\n[shop]\non = true")
    environment = {"RINGFENCE_PDP_LISTEN": "x", "RINGFENCE_CONFIG": "x", "RINGFENCE_CLI_OUTPUT": "json"}
    assert shop(load(SECTIONS, file=file, environment=environment)).on


def test_variables_that_kubernetes_sets_are_not_taken_for_ours() -> None:
    environment = {
        "RINGFENCE_SHOP_SERVICE_HOST": "10.0.0.1",
        "RINGFENCE_SHOP_SERVICE_PORT": "7401",
        "RINGFENCE_SHOP_SERVICE_PORT_GRPC": "7401",
        "RINGFENCE_SHOP_PORT": "tcp://10.0.0.1:7401",
        "RINGFENCE_SHOP_PORT_7401_TCP": "tcp://10.0.0.1:7401",
        "RINGFENCE_SHOP_PORT_7401_TCP_PROTO": "tcp",
    }
    assert shop(load(SECTIONS, environment=environment)) == ShopConfig()


def test_a_variable_that_is_not_utf8() -> None:
    with pytest.raises(ConfigInvalid, match=r"shop\.listen \(RINGFENCE_SHOP_LISTEN\): is not UTF-8"):
        load(SECTIONS, environment={"RINGFENCE_SHOP_LISTEN": "a\udcff"})


def test_a_secret_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    text = f'[shop]\nsecret = {{ file = "{tmp_path}/key" }}'
    assert shop(load(SECTIONS, file=file_of(tmp_path, text))).secret.reveal() == "s3cret"


@pytest.mark.parametrize("content", [None, b"\xff", b"x" * 70_000])
def test_a_secret_file_that_cannot_be_used(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    (only,) = refused(tmp_path, f'[shop]\nsecret = {{ file = "{tmp_path}/key" }}')
    assert only.startswith("shop.secret (ringfence.toml): file 'key' ")


def test_a_secret_never_shows(tmp_path: Path) -> None:
    secret = Secret("s3cret")
    configuration = load(SECTIONS, environment={"RINGFENCE_SHOP_SECRET": "s3cret"})
    for text in (repr(secret), str(secret), f"{secret}", repr(shop(configuration)), render(configuration)):
        assert "s3cret" not in text
    assert secret == Secret("s3cret")
    assert secret != Secret("other")
    assert hash(secret) == hash(Secret("s3cret"))
    (problem,) = refused(tmp_path, '[shop]\nsecret = { fil = "s3cret" }')
    assert "s3cret" not in problem


def test_render_says_where_each_value_came_from() -> None:
    configuration = load(
        SECTIONS,
        environment={"RINGFENCE_SHOP_ISSUERS": '[{ name = "corp" }]', "RINGFENCE_SHOP_SECRET": "s3cret"},
        flags={"shop.on": "true", "shop.limits.wait": "60s"},
    )
    assert render(configuration) == (
        "[shop]\n"
        'listen = "127.0.0.1:1"  # default\n'
        "on = true  # flag\n"
        "ratio = 0.5  # default\n"
        'level = "low"  # default\n'
        'data = "data"  # default\n'
        'secret = "<redacted>"  # RINGFENCE_SHOP_SECRET\n'
        "names = []  # default\n"
        "labels = {  }  # default\n"
        "\n"
        "[[shop.issuers]]  # RINGFENCE_SHOP_ISSUERS\n"
        'name = "corp"\n'
        'url = ""\n'
        'types = ["JWT"]\n'
        "\n"
        "# [shop.tls] is not set\n"
        "\n"
        "[shop.limits]\n"
        "most = 10  # default\n"
        'wait = "1m"  # flag\n'
    )


def test_render_with_docs_is_a_sample_file() -> None:
    text = render(load(SECTIONS), docs=True)
    assert '# Where.\nlisten = "127.0.0.1:1"  # default\n' in text
    assert "# Its limits.\n[shop.limits]\n# At most this many.\n" in text
    assert tomllib.loads(text)["shop"]["limits"]["most"] == 10


def test_a_setting_without_a_doc_is_refused() -> None:
    @dataclass(frozen=True)
    class Undocumented:
        listen: str = "x"

    with pytest.raises(TypeError, match=r"bad\.listen is not documented"):
        load({"bad": Undocumented})


def test_a_nested_default_keeps_what_its_owner_chose() -> None:
    @dataclass(frozen=True)
    class Patient:
        limits: Limits = setting(Limits(wait=Millis(9_000)), doc="Limits.")

    loaded = load({"patient": Patient}, flags={"patient.limits.most": "3"}).section("patient", Patient)
    assert loaded.limits == Limits(most=3, wait=Millis(9_000))


def test_a_section_is_asked_for_as_what_it_is() -> None:
    with pytest.raises(TypeError, match="was loaded as ShopConfig, not Limits"):
        load(SECTIONS).section("shop", Limits)


def test_tables_within_arrays_of_tables_are_refused() -> None:
    @dataclass(frozen=True)
    class Deep:
        limits: Limits = setting(Limits(), doc="Limits.")

    @dataclass(frozen=True)
    class Outer:
        entries: tuple[Deep, ...] = setting((), doc="Entries.")

    with pytest.raises(TypeError, match="keep them flat"):
        load({"outer": Outer})
