"""Prints a configuration as TOML that can be loaded again, each value with where it came from.

The rules:

- what is printed is valid TOML and, but for secrets, gives the same configuration when it is loaded;
- a secret is printed as `<redacted>`, which loading refuses;
- what is not set and has no default is printed as a comment, since TOML has no null.
"""

import enum
import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from ringfence_kit.clock import Millis
from ringfence_kit.config import Configuration
from ringfence_kit.config_schema import Leaf, Table, element_of, table_of
from ringfence_kit.config_values import REDACTED, Secret, render_duration


def render(configuration: Configuration, *, docs: bool = False) -> str:
    """Return the effective configuration as TOML; with `docs`, each setting is preceded by what it is for."""
    lines: list[str] = []
    for name, table in configuration.tables.items():
        lines += _table(table, configuration.section(name, object), configuration, docs=docs)
    return "\n".join(lines).strip() + "\n"


def _table(table: Table, value: Any, configuration: Configuration, *, docs: bool) -> Iterator[str]:
    arrays: list[tuple[Leaf, Any]] = []
    yield ""
    if docs and table.doc:
        yield f"# {table.doc}"
    yield f"[{table.path}]"
    for name, member in table.members.items():
        if isinstance(member, Table):
            continue
        held = getattr(value, name)
        if is_dataclass(element_of(member.kind)) and held:
            arrays.append((member, held))
            continue
        if docs:
            yield f"# {member.doc}"
        source = configuration.source(member.path)
        yield f"# {name} is not set" if held is None else f"{name} = {_value(member.kind, held)}  # {source}"
    for leaf, held in arrays:
        yield from _array(leaf, held, configuration.source(leaf.path))
    for name, member in table.members.items():
        if isinstance(member, Table):
            inner = getattr(value, name)
            if inner is None:
                yield from ("", f"# [{member.path}] is not set")
            else:
                yield from _table(member, inner, configuration, docs=docs)


def _array(leaf: Leaf, entries: Any, source: str) -> Iterator[str]:
    for entry in entries:
        yield ""
        yield f"[[{leaf.path}]]  # {source}"
        kinds = table_of(cast(Hashable, type(entry)), leaf.path).members
        for declared in fields(entry):
            held, member = getattr(entry, declared.name), kinds[declared.name]
            if held is not None and isinstance(member, Leaf):
                yield f"{declared.name} = {_value(member.kind, held)}"


def _value(kind: Any, value: Any) -> str:  # noqa: PLR0911 - one return a type is the whole function
    match value:
        case bool():
            return "true" if value else "false"
        case _ if kind is Millis:
            return f'"{render_duration(value)}"'
        case Secret():
            return f'"{REDACTED}"' if value else '""'
        case enum.Enum():
            return _value(None, value.value)
        case Path():
            return _text(str(value))
        case str():
            return _text(value)
        case Mapping():
            return "{ " + ", ".join(f"{_text(k)} = {_value(None, v)}" for k, v in value.items()) + " }"
        case tuple():
            return "[" + ", ".join(_value(element_of(kind), item) for item in value) + "]"
        case _:
            return repr(value)


def _text(text: str) -> str:
    # A JSON string is a TOML basic string but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
