"""Turns what a file, a variable or a flag says into typed values and whole dataclasses.

The rules:

- a wrong type is a problem, never a guess: `"8"` in TOML is not a number, and `true` is not 1;
- durations are texts with a unit (`250ms`, `30s`, `5m`, `2h`, `7d`), so nobody has to know what an 8 means;
- a secret may be a text or `{ file = "path" }`, read at start without its trailing newline.
"""

import enum
import hmac
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, is_dataclass
from pathlib import Path
from typing import Any, Protocol, get_args, get_origin, runtime_checkable

from ringfence_kit.clock import Millis
from ringfence_kit.config_schema import Leaf, Table, element_of, table_of

REDACTED = "<redacted>"

_DURATION = re.compile(r"(0|[1-9][0-9]{0,8})(ms|s|m|h|d)")
_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BOOLEANS = {"true": True, "false": False}
_SECRET_FILE_MAX = 64 << 10


class BadValue(ValueError):  # noqa: N818 - named for what it is; it is caught where problems are collected
    """What a value was written as cannot be what it is for; the message says what it must be."""


class Secret:
    """A text that must not be shown. Whoever uses it says so: `secret.reveal()`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"Secret({REDACTED!r})" if self._text else "Secret('')"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the configuration."""

    key: str
    """The dotted key; empty when a whole source is at fault."""
    source: str
    problem: str

    def __str__(self) -> str:
        return f"{self.key} ({self.source}): {self.problem}" if self.key else f"{self.source}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Value:
    """A raw value and where it was found."""

    raw: Any
    source: str


@runtime_checkable
class SelfChecking(Protocol):
    """A configuration dataclass that knows what its settings must be to each other."""

    def problems(self) -> Iterable[tuple[str, str]]:
        """Yield (key, problem); the key is relative to this table, empty for the table as a whole."""
        ...


def build_table(table: Table, given: Mapping[str, Value], problems: list[Problem]) -> Any:
    """Return the dataclass of `table` filled from `given` and its defaults; None when it is absent or has problems."""
    prefix = f"{table.path}."
    if table.optional and not any(key.startswith(prefix) for key in given):
        return None
    before = len(problems)
    arguments: dict[str, Any] = {}
    for name, member in table.members.items():
        if isinstance(member, Table):
            arguments[name] = build_table(member, given, problems)
        else:
            arguments[name] = _leaf_value(member, given.get(member.path), problems)
    if len(problems) > before:
        return None
    built = table.kind(**arguments)
    if isinstance(built, SelfChecking):
        for key, problem in built.problems():
            path = f"{table.path}.{key}" if key else table.path
            problems.append(Problem(path, given[path].source if path in given else "default", problem))
    return built


def _leaf_value(leaf: Leaf, given: Value | None, problems: list[Problem]) -> Any:
    if given is None:
        if leaf.default is MISSING:
            problems.append(Problem(leaf.path, "default", f"is required: {leaf.doc}"))
        return leaf.default
    try:
        value = convert(leaf.kind, given.raw, path=leaf.path, source=given.source, problems=problems)
        _check_range(leaf, value)
    except BadValue as error:
        problems.append(Problem(leaf.path, given.source, str(error)))
        return None
    return value


def _check_range(leaf: Leaf, value: Any) -> None:
    if not isinstance(value, int | float):
        return
    shown = render_duration if leaf.kind is Millis else str
    if leaf.at_least is not None and value < leaf.at_least:
        raise BadValue(f"must be at least {shown(leaf.at_least)}")
    if leaf.at_most is not None and value > leaf.at_most:
        raise BadValue(f"must be at most {shown(leaf.at_most)}")


def from_text(kind: Any, text: str) -> Any:
    """Return what TOML would have held for a value written as a bare text in a variable or a flag."""
    # Bytes of a variable that are not UTF-8 arrive as lone surrogates (PEP 383).
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise BadValue("is not UTF-8")
    if kind is bool:
        if text not in _BOOLEANS:
            raise BadValue("must be true or false")
        return _BOOLEANS[text]
    if kind is int or kind is float:
        try:
            return kind(text)
        except ValueError:
            raise BadValue(f"must be a {'whole ' if kind is int else ''}number, not {_shown(text)}") from None
    if element_of(kind) is not None or get_origin(kind) is dict:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            raise BadValue(f'must be written as in TOML, such as ["a", "b"], not {_shown(text)}') from None
    return text


def convert(kind: Any, raw: Any, *, path: str, source: str, problems: list[Problem]) -> Any:
    """Return `raw`, as TOML holds it, as a value of type `kind`; BadValue says what it should have been."""
    element = element_of(kind)
    if element is not None:
        if not isinstance(raw, list):
            raise BadValue("must be a list")
        return tuple(
            convert(element, item, path=f"{path}[{index}]", source=source, problems=problems)
            for index, item in enumerate(raw)
        )
    if is_dataclass(kind) and isinstance(kind, type):
        return _convert_element(kind, raw, path=path, source=source, problems=problems)
    if get_origin(kind) is dict:
        key_kind, value_kind = get_args(kind)
        if not isinstance(raw, dict):
            raise BadValue("must be a table")
        return {
            convert(key_kind, key, path=path, source=source, problems=problems): convert(
                value_kind, value, path=f"{path}.{key}", source=source, problems=problems
            )
            for key, value in raw.items()
        }
    return _convert_scalar(kind, raw)


def _convert_element(kind: type, raw: Any, *, path: str, source: str, problems: list[Problem]) -> Any:
    """Build one entry of an array of tables; its own problems are added with the index in their path."""
    if not isinstance(raw, dict):
        raise BadValue("must be a table")
    table = table_of(kind, path)
    unknown = sorted(raw.keys() - table.members.keys())
    if unknown:
        raise BadValue(f"has unknown keys {', '.join(unknown)}; known are {', '.join(table.members)}")
    return build_table(table, {f"{path}.{key}": Value(value, source) for key, value in raw.items()}, problems)


def _convert_scalar(kind: Any, raw: Any) -> Any:
    if kind is Millis:
        return _duration(raw)
    if kind is Secret:
        return _secret(raw)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(raw)
        except ValueError:
            raise BadValue(f"must be one of {', '.join(str(m.value) for m in kind)}, not {_shown(raw)}") from None
    if kind is Path and isinstance(raw, str):
        if not raw or "\0" in raw:
            raise BadValue("must be a path")
        return Path(raw)
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    # bool is a subclass of int, and `true` is not a number.
    if type(raw) is not kind:
        words = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}
        raise BadValue(f"must be {words[kind]}, not {_shown(raw)}")
    return raw


def _duration(raw: Any) -> Millis:
    match = _DURATION.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        raise BadValue(f"must be a duration such as 250ms, 30s, 5m, 2h or 7d, not {_shown(raw)}")
    return Millis(int(match[1]) * _UNITS[match[2]])


def render_duration(millis: float) -> str:
    """Return a duration as a file would write it, in the largest unit that loses nothing."""
    whole = int(millis)
    for unit in ("d", "h", "m", "s"):
        if whole and whole % _UNITS[unit] == 0:
            return f"{whole // _UNITS[unit]}{unit}"
    return f"{whole}ms"


def _secret(raw: Any) -> Secret:
    match raw:
        case str() if raw == REDACTED:
            raise BadValue("holds a redacted value; put the secret itself there")
        case str():
            return Secret(raw)
        case {"file": str(name), **rest} if not rest:
            return Secret(_secret_file(name))
        case _:
            # The value is not shown: it may be the secret, written in a wrong way.
            raise BadValue('must be a text, or { file = "path" }')


def _secret_file(name: str) -> str:
    try:
        with Path(name).open(encoding="utf-8") as file:
            text = file.read(_SECRET_FILE_MAX + 1)
    except (OSError, ValueError) as error:
        raise BadValue(f"file {name!r} cannot be read: {error}") from None
    if len(text) > _SECRET_FILE_MAX:
        raise BadValue(f"file {name!r} is larger than {_SECRET_FILE_MAX} bytes")
    return text.removesuffix("\n").removesuffix("\r")


def _shown(raw: Any) -> str:
    text = repr(raw)
    return text if len(text) <= 60 else text[:57] + "..."
