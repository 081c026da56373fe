"""The last source wins for every key alone, and what is printed loads again to the same configuration."""

import enum
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ringfence_kit.clock import Millis
from ringfence_kit.config import ConfigInvalid, load, setting
from ringfence_kit.config_render import render


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    text: str = setting("", doc="A text.")
    wait: Millis = setting(Millis(0), doc="A duration.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    name: str = setting("", doc="A name.")
    sizes: tuple[int, ...] = setting((), doc="Sizes.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    text: str = setting("", doc="A text.")
    number: int = setting(0, doc="A number.")
    ratio: float = setting(0.0, doc="A ratio.")
    on: bool = setting(False, doc="A switch.")
    level: Level = setting(Level.LOW, doc="A level.")
    names: tuple[str, ...] = setting((), doc="Names.")
    inner: Inner = setting(Inner(), doc="A table.")
    entries: tuple[Entry, ...] = setting((), doc="An array of tables.")


texts = st.text(alphabet=st.characters(codec="utf-8"), max_size=20)
inners = st.builds(Inner, text=texts, wait=st.integers(0, 10**9 - 1).map(Millis))
entries = st.builds(Entry, name=texts, sizes=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3).map(tuple))
settings = st.builds(
    Settings,
    text=texts,
    number=st.integers(-(2**63), 2**63 - 1),
    ratio=st.floats(allow_nan=False),
    on=st.booleans(),
    level=st.sampled_from(Level),
    names=st.lists(texts, max_size=3).map(tuple),
    inner=inners,
    entries=st.lists(entries, max_size=3).map(tuple),
)


def loaded(text: str, **sources: dict[str, str]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "c.toml"
        file.write_text(text, "utf-8", newline="")
        return load({"all": Settings}, file=file, **sources)


@given(settings)
def test_what_is_printed_loads_to_the_same(values: Settings) -> None:
    declared = {field.name: setting(getattr(values, field.name), doc="As given.") for field in fields(Settings)}
    annotations = {field.name: field.type for field in fields(Settings)}
    kind: type = dataclass(frozen=True)(type("Given", (), {"__annotations__": annotations, **declared}))
    text = render(load({"all": kind}), docs=True)
    assert loaded(text).section("all", Settings) == values


@given(st.dictionaries(st.sampled_from(["file", "environment", "flag"]), st.integers(0, 1000)), st.integers(0, 9))
def test_the_last_source_wins(given_by: dict[str, int], other: int) -> None:
    text = f"[all]\nnumber = {given_by['file']}\n" if "file" in given_by else "[all]\n"
    text += f"[all.inner]\ntext = '{other}'"
    environment = {"RINGFENCE_ALL_NUMBER": str(given_by["environment"])} if "environment" in given_by else {}
    flags = {"all.number": str(given_by["flag"])} if "flag" in given_by else {}
    configuration = loaded(text, environment=environment, flags=flags)
    winner = next((source for source in ("flag", "environment", "file") if source in given_by), None)
    expected = Settings(number=given_by[winner] if winner else 0, inner=Inner(text=str(other)))
    assert configuration.section("all", Settings) == expected


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_any_file_either_loads_or_says_what_is_wrong(text: str) -> None:
    try:
        loaded(f"[all]\n{text}")
    except ConfigInvalid as invalid:
        said = str(invalid)
        assert all(str(problem) in said for problem in invalid.problems)  # noqa: PT017 - both ends are right


@given(st.sampled_from(["text", "number", "ratio", "on", "level", "names", "inner.wait", "entries"]), texts)
def test_any_flag_either_loads_or_says_what_is_wrong(key: str, text: str) -> None:
    try:
        load({"all": Settings}, flags={f"all.{key}": text})
    except ConfigInvalid as invalid:
        assert len(invalid.problems) == 1  # noqa: PT017 - both ends are right
