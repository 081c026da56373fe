"""Reads a configuration dataclass as a tree of tables and leaves, so that loading and rendering follow one shape.

The rules:

- a field whose type is a dataclass, or such a type or None, is a table; everything else is a leaf;
- every field is declared with `setting(…, doc=…)`; one without a doc is refused, so no setting is undocumented.
"""

import types
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One setting."""

    path: str
    kind: Any
    """Its type, without `| None`."""
    doc: str
    default: Any
    at_least: float | None
    at_most: float | None
    also: str
    """A variable of a wider convention that is read too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A dataclass of settings."""

    path: str
    kind: type
    members: "dict[str, Leaf | Table]"
    doc: str = ""
    optional: bool = False
    """Declared `X | None`: absent until one of its keys is set."""

    def leaves(self) -> Iterator[Leaf]:
        """Give every leaf at any depth, in the order of declaration."""
        for member in self.members.values():
            if isinstance(member, Table):
                yield from member.leaves()
            else:
                yield member


@cache
def table_of(kind: type, path: str) -> Table:
    """Return the tree of a configuration dataclass that stands at `path`: always the same one, for all to read."""
    return Table(path=path, kind=kind, members=_members(kind, path))


def _members(kind: type, path: str, defaults: object = None) -> "dict[str, Leaf | Table]":
    """Read the fields of `kind`; an instance in `defaults` gives the leaves' defaults instead of the class."""
    if not is_dataclass(kind):
        raise TypeError(f"{kind.__name__} at [{path}] is not a dataclass")
    hints = get_type_hints(kind)
    members: dict[str, Leaf | Table] = {}
    for declared in fields(kind):
        where = f"{path}.{declared.name}"
        doc = declared.metadata.get("doc", "")
        if not doc:
            raise TypeError(f"{where} is not documented; declare it with setting(…, doc=…)")
        inner, optional = _without_none(hints[declared.name])
        default = _default_of(declared) if defaults is None else getattr(defaults, declared.name)
        if is_dataclass(inner) and isinstance(inner, type):
            inherited = None if default is MISSING else default
            members[declared.name] = Table(
                path=where,
                kind=inner,
                members=_members(inner, where, inherited),
                doc=doc,
                optional=optional and inherited is None,
            )
        else:
            _require_flat(element_of(inner), where)
            members[declared.name] = Leaf(
                path=where,
                kind=inner,
                doc=doc,
                default=default,
                at_least=declared.metadata.get("at_least"),
                at_most=declared.metadata.get("at_most"),
                also=declared.metadata.get("also", ""),
            )
    return members


def _default_of(declared: Field[Any]) -> Any:
    return declared.default_factory() if declared.default_factory is not MISSING else declared.default


def _require_flat(element: Any, where: str) -> None:
    """Refuse arrays of tables that hold tables: nobody could say in a message or a variable which one is meant."""
    if isinstance(element, type) and is_dataclass(element):
        nested = [name for name, member in _members(element, where).items() if isinstance(member, Table)]
        if nested:
            raise TypeError(f"entries of {where} hold the tables {', '.join(nested)}; keep them flat")


def element_of(kind: Any) -> Any:
    """Return the element type of `tuple[X, ...]`, or None when `kind` is something else."""
    arguments = get_args(kind)
    return arguments[0] if get_origin(kind) is tuple and arguments[1:] == (Ellipsis,) else None


def _without_none(kind: Any) -> tuple[Any, bool]:
    if get_origin(kind) in (Union, types.UnionType):
        rest = [argument for argument in get_args(kind) if argument is not types.NoneType]
        if len(rest) == 1:
            return rest[0], True
    return kind, False
