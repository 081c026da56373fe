"""Configuration: documented frozen dataclasses, filled from defaults < TOML file < environment < flags.

The rules:

- a section of the file is one dataclass (`[registry]` is `RegistryConfig`); nested tables are nested dataclasses,
  `[[server.auth.issuers]]` is a `tuple[IssuerConfig, ...]`; a table of type `X | None` is absent until a key is set;
- every setting says what it is for where it is declared (`setting(default, doc=…)`), and nowhere else;
- an unknown key is an error that names the nearest known one; all problems are reported at once, each with its source;
- the environment variable of `registry.tls.cert_file` is `RINGFENCE_REGISTRY_TLS__CERT_FILE`: section, `_`, then the
  key with `__` between levels; lists and arrays of tables are written there as TOML (`["a", "b"]`);
- a `Secret` never shows itself: not in `repr`, not in `render`, not in a problem.

Types a setting may have: `str bool int float Path Millis Secret`, an Enum, `tuple[…, ...]` of these, `dict[str, str]`.
A dataclass may have a method `problems()` that yields (key, problem) for what no single setting can tell.
"""

import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import MISSING, field
from pathlib import Path
from typing import Any, TypeVar

from ringfence_kit.config_schema import Leaf, Table, table_of
from ringfence_kit.config_values import BadValue, Problem, Secret, Value, build_table, from_text
from ringfence_kit.refusals import StartRefused, variable_of

__all__ = ["ConfigInvalid", "Configuration", "Problem", "Secret", "load", "setting"]

Section = TypeVar("Section")

SERVICE_SECTIONS = ("registry", "identity", "pdp", "telemetry")
"""One file may hold the sections of all services; a process reads its own and leaves its siblings' alone."""

CLI_PREFIX = "RINGFENCE_CLI_"
"""Variables of the command line's own (defaults of options); not configuration of a server."""

CONFIG_VARIABLE = "RINGFENCE_CONFIG"
"""The configuration file, where `--config` does not name one."""

MAX_FILE_BYTES = 1 << 20

# Kubernetes sets these for every Service object in the namespace, such as one named `ringfence-registry`.
_KUBERNETES = re.compile(
    r"RINGFENCE_\w+?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def setting(
    default: Any = MISSING,
    *,
    doc: str,
    factory: Callable[[], Any] | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    also: str = "",
) -> Any:
    """Declare one setting: its default (none makes it required; a `factory` for a dict), what it is for, its range.

    `also` names a variable of a wider convention that is read too; our own variable wins over it.
    """
    metadata = {"doc": doc, "at_least": at_least, "at_most": at_most, "also": also}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


class ConfigInvalid(StartRefused):
    """The configuration cannot be used; `problems` holds everything that is wrong with it."""

    exit_code = 2

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        super().__init__("\n".join([f"the configuration has {count}:", *(f"  {problem}" for problem in self.problems)]))


class Configuration:
    """The effective configuration, and where each value came from."""

    def __init__(self, tables: Mapping[str, Table], built: Mapping[str, object], given: Mapping[str, Value]) -> None:
        self.tables = tables
        self._built = built
        self._given = given

    def section(self, name: str, kind: type[Section]) -> Section:
        """Return one section as its dataclass."""
        section = self._built[name]
        if not isinstance(section, kind):
            raise TypeError(f"section [{name}] was loaded as {type(section).__name__}, not {kind.__name__}")
        return section

    def source(self, key: str) -> str:
        """Say where a value came from: `default`, the file's path, a variable, or `flag`."""
        given = self._given.get(key)
        return given.source if given else "default"


def load(
    sections: Mapping[str, type],
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    siblings: Collection[str] = SERVICE_SECTIONS,
) -> Configuration:
    """Return the effective configuration of `sections`, or raise `ConfigInvalid` with everything that is wrong.

    `flags` maps dotted keys to texts: `{"registry.listen": "127.0.0.1:0"}`. Sections in `siblings` may stand in the
    file and the environment without being read.
    """
    tables = {name: table_of(kind, name) for name, kind in sections.items()}
    unread = frozenset(siblings) - tables.keys()
    problems: list[Problem] = []
    given: dict[str, Value] = {}
    if file is not None:
        given.update(_from_file(file, tables, unread, problems))
    given.update(_from_environment(environment or {}, tables, unread, problems))
    given.update(_from_flags(flags or {}, tables, problems))
    built = {name: build_table(table, given, problems) for name, table in tables.items()}
    if problems:
        raise ConfigInvalid(problems)
    return Configuration(tables, built, given)


def _from_file(
    file: Path, tables: Mapping[str, Table], unread: Collection[str], problems: list[Problem]
) -> dict[str, Value]:
    source = str(file)
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            problems.append(Problem("", source, f"is larger than {MAX_FILE_BYTES} bytes"))
            return {}
        document = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        problems.append(Problem("", source, f"cannot be read: {error.strerror}"))
        return {}
    except UnicodeDecodeError:
        problems.append(Problem("", source, "is not UTF-8"))
        return {}
    except tomllib.TOMLDecodeError as error:
        problems.append(Problem("", source, f"is not TOML: {error}"))
        return {}
    values: dict[str, Value] = {}
    for name, content in document.items():
        table = tables.get(name)
        if table is None:
            if name not in unread:
                problems.append(Problem(name, source, f"unknown section{_nearest(name, [*tables, *unread])}"))
        elif not isinstance(content, dict):
            problems.append(Problem(name, source, "must be a section: a line [" + name + "] with its keys below"))
        else:
            values.update(_leaves(content, table, source, problems))
    return values


def _leaves(
    content: Mapping[str, Any], table: Table, source: str, problems: list[Problem]
) -> Iterator[tuple[str, Value]]:
    """Give the values of a table and the tables in it; report keys nobody declared."""
    for name, raw in content.items():
        key = f"{table.path}.{name}"
        member = table.members.get(name)
        match member:
            case None:
                problems.append(Problem(key, source, f"unknown key{_nearest(name, table.members)}"))
            case Leaf():
                yield key, Value(raw, source)
            case Table() if isinstance(raw, dict):
                yield from _leaves(raw, member, source, problems)
            case Table():
                problems.append(Problem(key, source, "must be a table"))


def _from_environment(
    environment: Mapping[str, str], tables: Mapping[str, Table], unread: Collection[str], problems: list[Problem]
) -> dict[str, Value]:
    leaves = {variable_of(leaf.path): leaf for table in tables.values() for leaf in table.leaves()}
    leaves |= {leaf.also: leaf for leaf in leaves.values() if leaf.also}
    siblings = tuple(f"RINGFENCE_{name}_".upper() for name in unread)
    values: dict[str, Value] = {}
    # In an order in which our own variable comes after one of a wider convention, and so wins.
    for variable, text in sorted(environment.items(), key=lambda item: (item[0].startswith("RINGFENCE_"), item[0])):
        leaf = leaves.get(variable)
        if leaf is not None:
            _take_text(leaf, text, variable, values, problems)
        elif (
            variable.startswith("RINGFENCE_")
            and variable != CONFIG_VARIABLE
            and not variable.startswith((CLI_PREFIX, *siblings))
            and not _KUBERNETES.fullmatch(variable)
        ):
            problems.append(Problem("", variable, f"unknown variable{_nearest(variable, leaves)}"))
    return values


def _from_flags(flags: Mapping[str, str], tables: Mapping[str, Table], problems: list[Problem]) -> dict[str, Value]:
    leaves = {leaf.path: leaf for table in tables.values() for leaf in table.leaves()}
    values: dict[str, Value] = {}
    for key, text in flags.items():
        leaf = leaves.get(key)
        if leaf is None:
            problems.append(Problem(key, "flag", f"unknown key{_nearest(key, leaves)}"))
        else:
            _take_text(leaf, text, "flag", values, problems)
    return values


def _take_text(leaf: Leaf, text: str, source: str, values: dict[str, Value], problems: list[Problem]) -> None:
    try:
        values[leaf.path] = Value(from_text(leaf.kind, text), source)
    except BadValue as error:
        problems.append(Problem(leaf.path, source, str(error)))


def _nearest(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
