"""Reads `SOURCES.toml`: which texts the model is made of, which it is judged by, and where they are to be had.

A source that is not named there does not exist. A source that cannot be had by a package's ordinary client is never
trained on, so that the model can be made again by anybody.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

HERE = Path(__file__).parent
BUILT = HERE.parent / ".build" / "training"
"""What was downloaded and unpacked; never committed."""


class Role(StrEnum):
    """What a source may be used for."""

    TRAIN = "train"
    KEPT_APART = "kept-apart"


class Registry(StrEnum):
    """Where a source is to be had."""

    PYPI = "pypi"
    NPM = "npm"
    GIT = "git"


class SourcesError(Exception):
    """`SOURCES.toml` says something that may not be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One collection of texts by somebody else."""

    name: str
    registry: Registry
    package: str
    version: str
    role: Role
    licence: str
    strata: tuple[str, ...]
    label: str
    """Which of its texts are attacks, and why."""
    defects: str
    file: str = ""
    """The file the registry serves; empty for a repository."""
    sha256: str = ""
    paths: tuple[str, ...] = ()
    """Of a repository, which files are taken."""

    @property
    def folder(self) -> Path:
        """Where it is unpacked. Two sources in one package share it."""
        return BUILT / "sources" / f"{self.package.replace('/', '+')}-{self.version}"


def read_sources(path: Path = HERE / "SOURCES.toml") -> tuple[Source, ...]:
    """Return what the file names, in its order."""
    rows = tomllib.loads(path.read_text())["source"]
    sources = tuple(_source(row) for row in rows)
    names = [source.name for source in sources]
    if len(set(names)) != len(names):
        raise SourcesError("two sources have one name")
    return sources


def of_role(sources: Sequence[Source], role: Role) -> tuple[Source, ...]:
    """Return those that may be used so."""
    return tuple(source for source in sources if source.role is role)


def _source(row: dict[str, object]) -> Source:
    strata, paths = row["strata"], row.get("paths", [])
    if not isinstance(strata, list) or not isinstance(paths, list):
        raise SourcesError(f"{row['name']}: strata and paths are lists")
    texts = {key: str(value) for key, value in row.items() if key not in ("strata", "paths", "registry", "role")}
    source = Source(
        registry=Registry(str(row["registry"])),
        role=Role(str(row["role"])),
        strata=tuple(str(stratum) for stratum in strata),
        paths=tuple(str(path) for path in paths),
        **texts,
    )
    if source.registry is Registry.GIT and source.role is Role.TRAIN:
        raise SourcesError(f"{source.name}: what only a repository has cannot be trained on")
    if source.registry is not Registry.GIT and not (source.file and len(source.sha256) == 64):
        raise SourcesError(f"{source.name}: a package needs its file and the file's SHA-256")
    return source
